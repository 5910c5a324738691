import type { TaskState } from './taskState.ts';

/** The live Pod of one instance. Instances without one are being created from the target template. */
export interface UpdateInstance {
  readonly instance: number;
  readonly state: TaskState;
  readonly templateHash: string;
  readonly ready: boolean;
  /** Since when it has been RUNNING and ready; ignored otherwise. */
  readonly sinceMs: number;
}

export interface UpdateInput {
  readonly replicas: number;
  readonly instances: readonly UpdateInstance[];
  readonly targetHash: string;
  readonly maxUnavailable: number;
  /** How long an updated instance must have been ready before the next one is touched. */
  readonly watchMs: number;
  readonly nowMs: number;
}

export type UpdateDecision =
  /** Every instance runs the target and has passed its watch. */
  | { readonly kind: 'RolledForward'; readonly updated: number }
  | {
      readonly kind: 'Rolling';
      /** Instances already on the target template. */
      readonly updated: number;
      /** Instances to stop now; their replacements come from the target template. */
      readonly restart: readonly number[];
      /** Instances that hold up the update: not ready, absent, or still watched. */
      readonly waitingFor: readonly number[];
      /** When a watch ends; absent while nothing but an event can change the outcome. */
      readonly nextWakeMs?: number;
    };

/**
 * Which instances a rolling update stops next.
 *
 * An instance is restarted only while fewer than `maxUnavailable` *others* are unavailable, so an outdated instance that
 * is itself broken goes first and never blocks its own repair. Otherwise by instance number, the lowest first.
 * An updated instance counts as unavailable until it has been ready for `watchMs`.
 * Does not: create or replace anything (`decideSlots` does), nor judge failures of the new template.
 */
export function decideJobUpdate(input: UpdateInput): UpdateDecision {
  const byInstance = new Map(input.instances.map((one) => [one.instance, one]));
  const unavailable = new Set<number>();
  const outdated: UpdateInstance[] = [];
  let updated = 0;
  for (let instance = 0; instance < input.replicas; instance++) {
    const one = byInstance.get(instance);
    if (one === undefined || !isAvailable(input, one)) unavailable.add(instance);
    if (one === undefined) continue;
    if (one.templateHash === input.targetHash) updated++;
    else outdated.push(one);
  }
  if (unavailable.size === 0 && outdated.length === 0) return { kind: 'RolledForward', updated };
  const restart = chooseRestarts(input, outdated, unavailable);
  const nextWakeMs = firstWatchEnd(input);
  return {
    kind: 'Rolling',
    updated,
    restart,
    waitingFor: [...unavailable].filter((instance) => !restart.includes(instance)),
    ...(nextWakeMs === undefined ? {} : { nextWakeMs }),
  };
}

function chooseRestarts(
  input: UpdateInput,
  outdated: readonly UpdateInstance[],
  unavailable: ReadonlySet<number>,
): readonly number[] {
  const gone = new Set(unavailable);
  const brokenFirst = outdated
    .filter((one) => !isLeaving(one.state))
    .toSorted(
      (left, right) =>
        Number(unavailable.has(right.instance)) - Number(unavailable.has(left.instance)) ||
        left.instance - right.instance,
    );
  const restart: number[] = [];
  for (const { instance } of brokenFirst) {
    const others = gone.has(instance) ? gone.size - 1 : gone.size;
    if (others >= input.maxUnavailable) continue;
    gone.add(instance);
    restart.push(instance);
  }
  return restart;
}

function isAvailable(input: UpdateInput, one: UpdateInstance): boolean {
  if (one.state !== 'RUNNING' || !one.ready) return false;
  return one.templateHash !== input.targetHash || input.nowMs - one.sinceMs >= input.watchMs;
}

function isLeaving(state: TaskState): boolean {
  return (
    state === 'KILLING' || state === 'RESTARTING' || state === 'DRAINING' || state === 'PREEMPTING'
  );
}

function firstWatchEnd(input: UpdateInput): number | undefined {
  const ends = input.instances
    .filter((one) => one.state === 'RUNNING' && one.ready && one.templateHash === input.targetHash)
    .map((one) => one.sinceMs + input.watchMs)
    .filter((endMs) => endMs > input.nowMs);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
