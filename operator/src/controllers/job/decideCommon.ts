import { ANNOTATION } from '../../model/labels.ts';
import { DEFAULT_BACKOFF } from '../../state/flapping.ts';
import {
  decideSlots,
  type KillWhy,
  type RestartPolicy,
  type SlotsDecision,
} from '../../state/jobSlots.ts';
import { INTENT_STATES, type Intent } from '../../state/podState.ts';
import type { ConditionValue } from '../shared/conditions.ts';
import type { TaskView } from '../task/taskView.ts';
import { demandOf, slotPodOf } from './decideSlotPlan.ts';
import type { DemandSlot, JobFacts, KillOrder } from './types.ts';

/** What both kinds of jobs decide alike. */
export interface CommonPlan {
  readonly slots: SlotsDecision;
  readonly kills: readonly KillOrder[];
  readonly releases: readonly TaskView[];
  readonly demand: readonly DemandSlot[];
  readonly live: readonly TaskView[];
  /** When to look again though nothing else happens. */
  readonly wakeAtMs: number | undefined;
}

const KILL_SENTENCES = {
  OtherJob: 'it belongs to an earlier job of the same name',
  Duplicate: 'another task runs the same instance',
  Surplus: 'the job was scaled down',
  JobStopping: 'the job has ended or is being deleted',
  Lost: 'its agent was lost and a replacement runs',
  InstanceDone: 'the instance has already finished',
} as const satisfies Record<KillWhy, string>;

/** Slots of a job: what to start, kill and let go. A job that is wrong starts nothing and keeps what runs. */
export function decideCommon<Spec, Status>(
  facts: JobFacts<Spec, Status>,
  options: {
    readonly replicas: number;
    readonly restart: RestartPolicy;
    /** Nothing of the job is wanted any more: what lives is killed for this reason. */
    readonly over?: string | undefined;
  },
): CommonPlan {
  const byUid = new Map(facts.tasks.map((task) => [task.pod.metadata.uid ?? '', task]));
  const slots = decideSlots({
    replicas: options.replicas,
    jobUidHash: facts.uidHash,
    pods: facts.tasks.map((task) => slotPodOf(task, facts.uidHash)),
    nowMs: facts.nowMs,
    retentionMs: facts.retentionMs,
    restart: options.restart,
    backoff: DEFAULT_BACKOFF,
    stopping: options.over !== undefined,
    jobDeleted: facts.stopping,
  });
  const viewOf = (pod: { readonly uid: string }): readonly TaskView[] => {
    const task = byUid.get(pod.uid);
    return task === undefined ? [] : [task];
  };
  const job = {
    name: facts.name,
    uidHash: facts.uidHash,
    group: facts.group,
    sinceMs: facts.pendingSinceMs,
  };
  const kills = slots.kill.flatMap(({ pod, why }) =>
    viewOf(pod).map((task) => ({
      task,
      intent: 'kill' as const,
      why: (why === 'JobStopping' ? options.over : undefined) ?? KILL_SENTENCES[why],
    })),
  );
  const begun = begunKills(facts).filter((one) => !kills.some(({ task }) => task === one.task));
  const wakes = [slots.nextWakeMs, ...begun.map((one) => one.dueMs)].filter(
    (ms) => ms !== undefined && ms > facts.nowMs,
  );
  return {
    slots,
    kills: [...kills, ...begun.filter((one) => one.dueMs <= facts.nowMs)],
    releases: slots.release.flatMap(viewOf),
    demand: facts.fault === undefined ? slots.pending.map((slot) => demandOf(slot, job)) : [],
    live: facts.tasks.filter((task) => !task.terminal),
    wakeAtMs: wakes.length === 0 ? undefined : Math.min(...wakes.map(Number)),
  };
}

/** Whoever wrote why a task must stop deletes it next; after this long nobody is about to. */
const BEGUN_KILL_MS = 5_000;

/** Tasks that were told why they stop and not deleted: the process that began it died in between. */
function begunKills<Spec, Status>(
  facts: JobFacts<Spec, Status>,
): readonly (KillOrder & { readonly dueMs: number })[] {
  return facts.tasks.flatMap((task) => {
    const annotations = task.pod.metadata.annotations ?? {};
    const intent = annotations[ANNOTATION.intent];
    const isBegun = intent !== undefined && !task.terminal && !task.deleting;
    if (!isBegun || !Object.hasOwn(INTENT_STATES, intent)) return [];
    const sinceMs = facts.parseTime(annotations[ANNOTATION.killedAt] ?? '') || 0;
    const why = annotations[ANNOTATION.killReason] ?? 'it was told to stop before';
    return [{ task, intent: intent as Intent, why, dueMs: sinceMs + BEGUN_KILL_MS }];
  });
}

/** `status.pending` of a job with waiting instances. */
export function pendingStatus<Spec, Status>(
  facts: JobFacts<Spec, Status>,
  waiting: number,
): { instances: number; since: string; summary: string; heldBack?: PendingStatusRow[] } {
  const report = facts.pendingReport;
  return {
    instances: waiting,
    since: facts.isoOf(facts.pendingSinceMs),
    summary: report?.summary ?? 'waiting for an offer',
    ...(report === undefined ? {} : { heldBack: report.heldBack.map((row) => ({ ...row })) }),
  };
}

interface PendingStatusRow {
  check: string;
  agents: number;
  nearestAgent?: string;
  shortfall?: { readonly [name: string]: string };
}

/** Live instances by state, for `status.counts`. */
export function countStates(live: readonly TaskView[]): {
  readonly assigned: number;
  readonly starting: number;
  readonly running: number;
  readonly killing: number;
} {
  const count = (...states: readonly string[]): number =>
    live.filter((task) => states.includes(task.state.state)).length;
  return {
    assigned: count('ASSIGNED'),
    starting: count('STARTING'),
    running: count('RUNNING'),
    killing: count('KILLING', 'RESTARTING', 'PREEMPTING', 'DRAINING'),
  };
}

/** A task a person must act on: one that is stuck, or the last failure of an instance that has no newer task. */
export function trouble(tasks: readonly TaskView[]): TaskView | undefined {
  const stuck = tasks.find((task) => !task.terminal && STUCK_REASONS.has(task.state.reason));
  if (stuck !== undefined) return stuck;
  const newest = new Map<number, TaskView>();
  for (const task of tasks) {
    const known = newest.get(task.instance);
    if (known === undefined || task.generation > known.generation) newest.set(task.instance, task);
  }
  return [...newest.values()]
    .filter((task) => task.state.state === 'FAILED')
    .toSorted(byEnd)
    .at(-1);
}

/** Waiting reasons of a container that do not end by themselves. */
const STUCK_REASONS: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

const byEnd = (left: TaskView, right: TaskView): number =>
  (left.terminalAtMs ?? 0) - (right.terminalAtMs ?? 0);

export function describeTrouble(task: TaskView): string {
  const remedy = STUCK_REASONS.has(task.state.reason)
    ? '; check spec.template.image and whether the agents can pull it'
    : '';
  return `instance ${task.instance} on ${task.agent}: ${task.state.reason}: ${task.state.message}${remedy}`;
}

/** The condition of a job that is not as wanted, most useful cause first; undefined when there is no fault to tell. */
export function faultCondition<Spec, Status>(
  type: 'Ready' | 'Succeeded',
  facts: JobFacts<Spec, Status>,
): ConditionValue | undefined {
  const status = type === 'Ready' ? ('False' as const) : ('Unknown' as const);
  if (facts.fault !== undefined) return { type, status, ...facts.fault };
  if (facts.rejection !== undefined) return { type, status, ...facts.rejection };
  return undefined;
}
