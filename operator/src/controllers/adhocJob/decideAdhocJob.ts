import type { AdhocJobObject } from '../../schema/mezzoKinds.ts';
import { decodeIndexRanges } from '../../state/indexRanges.ts';
import {
  countStates,
  decideCommon,
  describeTrouble,
  faultCondition,
  pendingStatus,
  trouble,
} from '../job/decideCommon.ts';
import type { JobFacts, JobPlan } from '../job/types.ts';
import { type ConditionValue, withCondition } from '../shared/conditions.ts';

type Spec = AdhocJobObject['spec'];
type Status = NonNullable<AdhocJobObject['status']>;
export interface AdhocJobFacts extends JobFacts<Spec, Status> {
  readonly startedAtMs: number | undefined;
}

/** What one AdhocJob needs now: every instance runs to completion once, failed ones are tried again. */
export function decideAdhocJob(facts: AdhocJobFacts): JobPlan<Status> {
  const desired = facts.spec.instances ?? 1;
  const timedOut = hasTimedOut(facts);
  const done = facts.status.result !== undefined || timedOut;
  const common = decideCommon(facts, {
    replicas: desired,
    // Asked anew each time: the kills that follow the recorded end may fail or be cut short by a crash.
    over: overReason(facts, timedOut),
    restart: {
      kind: 'completion',
      maxRetries: facts.spec.maxRetries ?? 0,
      finished: facts.status.finished ?? '',
      failed: facts.status.failed ?? '',
      ...(facts.spec.parallelism === undefined ? {} : { parallelism: facts.spec.parallelism }),
    },
  });
  const finished = [...decodeIndexRanges(common.slots.finished)].length;
  const failed = [...decodeIndexRanges(common.slots.failed)].length;
  const waiting = done ? 0 : desired - finished - failed - common.live.length;
  const counts = {
    desired,
    ...countStates(common.live),
    pending: Math.max(waiting, 0),
    finished,
    failed,
  };
  const result = facts.status.result ?? resultOf({ desired, finished, failed, timedOut });
  const condition = succeededCondition(facts, counts, result, timedOut);
  const status = statusOf(facts, { ...common.slots, counts, result, condition });
  return {
    status,
    kills: common.kills,
    releases: common.releases,
    demand: common.demand,
    condition,
    wakeAtMs: earliest(common.wakeAtMs, deadlineOf(facts), expiryOf(facts)),
  };
}

/** When the finished job may be deleted (`ttlSecondsAfterFinished`); undefined when it stays. */
export function expiryOf(facts: JobFacts<Spec, Status>): number | undefined {
  const ttl = facts.spec.ttlSecondsAfterFinished;
  const finishedAt = facts.status.finishedAt;
  return ttl === undefined || finishedAt === undefined
    ? undefined
    : facts.parseTime(finishedAt) + ttl * 1000;
}

interface Counts {
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  readonly finished: number;
  readonly failed: number;
}

function statusOf(
  facts: AdhocJobFacts,
  made: {
    readonly finished: string;
    readonly failed: string;
    readonly counts: Counts;
    readonly result: 'Succeeded' | 'Failed' | undefined;
    readonly condition: ConditionValue;
  },
): Status {
  const { pending: _pending, ...kept } = facts.status;
  const nowIso = facts.isoOf(facts.nowMs);
  const hasStarted = facts.tasks.some((task) => task.startedAtMs !== undefined);
  return {
    ...kept,
    observedGeneration: facts.generation,
    counts: made.counts,
    finished: made.finished,
    failed: made.failed,
    ...failuresOf(facts, made),
    ...(hasStarted && kept.startedAt === undefined ? { startedAt: nowIso } : {}),
    ...(made.result === undefined
      ? {}
      : { result: made.result, finishedAt: kept.finishedAt ?? nowIso }),
    ...(made.counts.pending === 0 || facts.stopping
      ? {}
      : { pending: pendingStatus(facts, made.counts.pending) }),
    conditions: withCondition(facts.status.conditions, made.condition, facts.generation, nowIso),
  };
}

/**
 * Failed runs over all instances. Each Pod carries the count of its predecessors; those of an instance that has ended are
 * added up in the write that records its end, for after that its Pods may vanish.
 */
function failuresOf(
  { tasks, status }: AdhocJobFacts,
  ended: { readonly finished: string; readonly failed: string },
): Pick<Status, 'failures' | 'settledFailures'> {
  const before = endedInstances({ finished: status.finished ?? '', failed: status.failed ?? '' });
  const after = endedInstances(ended);
  const most = new Map<number, number>();
  for (const task of tasks) {
    if (before.has(task.instance)) continue;
    const failures = task.failures + (task.state.state === 'FAILED' ? 1 : 0);
    most.set(task.instance, Math.max(most.get(task.instance) ?? 0, failures));
  }
  let settled = status.settledFailures ?? 0;
  let open = 0;
  for (const [instance, failures] of most) {
    if (after.has(instance)) settled += failures;
    else open += failures;
  }
  return { failures: Math.max(status.failures ?? 0, settled + open), settledFailures: settled };
}

function endedInstances(ranges: {
  readonly finished: string;
  readonly failed: string;
}): ReadonlySet<number> {
  return new Set([...decodeIndexRanges(ranges.finished), ...decodeIndexRanges(ranges.failed)]);
}

function resultOf(counts: {
  desired: number;
  finished: number;
  failed: number;
  timedOut: boolean;
}): 'Succeeded' | 'Failed' | undefined {
  if (counts.finished >= counts.desired) return 'Succeeded';
  if (counts.timedOut) return 'Failed';
  return counts.finished + counts.failed >= counts.desired ? 'Failed' : undefined;
}

function deadlineOf(facts: AdhocJobFacts): number | undefined {
  const { maxRunSeconds } = facts.spec;
  if (
    maxRunSeconds === undefined ||
    facts.startedAtMs === undefined ||
    facts.status.result !== undefined
  )
    return undefined;
  return facts.startedAtMs + maxRunSeconds * 1000;
}

/** The condition as it was written when the job ended; undefined before. */
function recordedEnd(facts: AdhocJobFacts): ConditionValue | undefined {
  if (facts.status.result === undefined) return undefined;
  const end = facts.status.conditions?.find((one) => one.type === 'Succeeded');
  if (end === undefined || end.status === 'Unknown') return undefined;
  return { type: end.type, status: end.status, reason: end.reason, message: end.message };
}

/** True from the deadline on, and for good once the job has failed by it. */
function hasTimedOut(facts: AdhocJobFacts): boolean {
  if (facts.status.result !== undefined) return recordedEnd(facts)?.reason === RAN_TOO_LONG;
  const deadlineMs = deadlineOf(facts);
  return deadlineMs !== undefined && facts.nowMs >= deadlineMs;
}

const RAN_TOO_LONG = 'RanTooLong';

function overReason(facts: AdhocJobFacts, timedOut: boolean): string | undefined {
  if (timedOut) return `the job ran longer than spec.maxRunSeconds (${facts.spec.maxRunSeconds})`;
  return facts.status.result === undefined ? undefined : 'the job has ended';
}

function succeededCondition(
  facts: AdhocJobFacts,
  counts: Counts,
  result: 'Succeeded' | 'Failed' | undefined,
  timedOut: boolean,
): ConditionValue {
  // What was told at the end stays: the Pods it was told from vanish.
  const recorded = recordedEnd(facts);
  if (recorded !== undefined) return recorded;
  const type = 'Succeeded';
  const figures = `${counts.finished} of ${counts.desired} instances finished`;
  if (result === 'Succeeded')
    return { type, status: 'True', reason: 'AllInstancesFinished', message: figures };
  const last = trouble(facts.tasks);
  const detail = last === undefined ? '' : `; ${describeTrouble(last)}`;
  if (result === 'Failed') {
    const message = timedOut
      ? `${figures} within spec.maxRunSeconds (${facts.spec.maxRunSeconds})${detail}`
      : `${figures}, ${counts.failed} failed for good${detail}`;
    return { type, status: 'False', reason: timedOut ? RAN_TOO_LONG : 'InstancesFailed', message };
  }
  const fault = faultCondition(type, facts);
  if (fault !== undefined) return fault;
  const unknown = (reason: string, message: string): ConditionValue => ({
    type,
    status: 'Unknown',
    reason,
    message,
  });
  if (last !== undefined && !last.terminal)
    return unknown(last.state.reason, `${figures}${detail}`);
  if (last !== undefined && counts.running === 0) {
    const retries = `failed ones are tried again, each up to ${facts.spec.maxRetries ?? 0} time(s) (spec.maxRetries)`;
    return unknown('InstancesRetrying', `${figures}, ${retries}${detail}`);
  }
  if (counts.pending > 0 && counts.running === 0) {
    return unknown(
      'InstancesPending',
      `${figures}, ${counts.pending} wait: ${facts.pendingReport?.summary ?? 'waiting for an offer'}`,
    );
  }
  return unknown('Running', `${figures}, ${counts.running} run`);
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
