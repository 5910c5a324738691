import type { TaskView } from '../task/taskView.ts';
import type { ServiceJobFacts } from './decideServiceJob.ts';

type UpdateStatus = NonNullable<ServiceJobFacts['status']['update']>;

export interface RollingPlan {
  readonly restart: readonly TaskView[];
  readonly status: UpdateStatus | undefined;
  readonly nextWakeMs: number | undefined;
}

/** Rolls a changed template over the running instances, `spec.update.batchSize` at a time. */
export function decideRolling(facts: ServiceJobFacts, live: readonly TaskView[]): RollingPlan {
  const outdated = live
    .filter((task) => task.templateHash !== facts.templateHash && !task.deleting)
    .toSorted((left, right) => left.instance - right.instance);
  const updated = live.filter((task) => task.templateHash === facts.templateHash).length;
  if (facts.stopping || facts.fault !== undefined)
    return { restart: [], status: facts.status.update, nextWakeMs: undefined };
  if (outdated.length === 0)
    return { restart: [], status: finished(facts, updated), nextWakeMs: undefined };
  const started = begun(facts, outdated, updated);
  if (facts.spec.update?.paused === true) {
    return {
      restart: [],
      status: { ...started, state: 'ROLL_FORWARD_PAUSED', message: 'spec.update.paused is true' },
      nextWakeMs: undefined,
    };
  }
  // An instance that does not run is replaced at no cost; a running one only while all others are up.
  const broken = outdated.filter((task) => task.state.state !== 'RUNNING');
  if (broken.length > 0) return { restart: broken, status: started, nextWakeMs: undefined };
  const settledAtMs = settleTime(facts, live);
  const missing =
    (facts.spec.instances ?? 1) - live.filter((task) => task.state.state === 'RUNNING').length;
  const budget = (facts.spec.update?.batchSize ?? 1) - Math.max(missing, 0);
  if (budget <= 0) return { restart: [], status: started, nextWakeMs: undefined };
  if (settledAtMs > facts.nowMs) return { restart: [], status: started, nextWakeMs: settledAtMs };
  return { restart: outdated.slice(0, budget), status: started, nextWakeMs: undefined };
}

/** When the youngest updated instance will have run for `watchSeconds`: until then its update has not succeeded. */
function settleTime(facts: ServiceJobFacts, live: readonly TaskView[]): number {
  const watchMs = (facts.spec.update?.watchSeconds ?? 10) * 1000;
  const youngest = live
    .filter((task) => task.templateHash === facts.templateHash)
    .reduce(
      (latest, task) => Math.max(latest, task.startedAtMs ?? facts.nowMs),
      Number.NEGATIVE_INFINITY,
    );
  return youngest + watchMs;
}

function begun(
  facts: ServiceJobFacts,
  outdated: readonly TaskView[],
  updated: number,
): UpdateStatus {
  const former = facts.status.update;
  const isSame = former?.targetHash === facts.templateHash;
  const previousHash = isSame ? former.previousHash : outdated[0]?.templateHash;
  return {
    state: 'ROLLING_FORWARD',
    targetHash: facts.templateHash,
    ...(previousHash === undefined ? {} : { previousHash }),
    updatedInstances: updated,
    startedAt: isSame ? former.startedAt : facts.isoOf(facts.nowMs),
  };
}

function finished(facts: ServiceJobFacts, updated: number): UpdateStatus | undefined {
  const update = facts.status.update;
  if (
    update === undefined ||
    update.targetHash !== facts.templateHash ||
    update.finishedAt !== undefined
  )
    return update;
  if (updated < (facts.spec.instances ?? 1)) return { ...update, updatedInstances: updated };
  const { message: _message, ...rest } = update;
  return {
    ...rest,
    state: 'ROLLED_FORWARD',
    updatedInstances: updated,
    finishedAt: facts.isoOf(facts.nowMs),
  };
}
