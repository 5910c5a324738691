import { type BackoffPolicy, isFlap, throttleMs } from './flapping.ts';
import { decodeIndexRanges, encodeIndexRanges } from './indexRanges.ts';
import { isTerminal, type TaskState } from './taskState.ts';

export type { BackoffPolicy } from './flapping.ts';

/** One Pod of a job, seen as the occupant of a slot. */
export interface SlotPod {
  readonly name: string;
  readonly uid: string;
  /** Hash of the uid of the job object that made it: a job deleted and made again is another job. */
  readonly jobUidHash: string;
  readonly instance: number;
  readonly generation: number;
  readonly templateHash: string;
  readonly state: TaskState;
  /** True once a deletion was requested (deletionTimestamp is set). */
  readonly deleting: boolean;
  /** LOST only: the Pod's phase is not terminal, so it may still run behind a partition. */
  readonly mayStillRun?: boolean;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  /** When the task reached a terminal state; present exactly when the state is terminal. */
  readonly terminalAtMs?: number;
  /** Consecutive short runs before this one (from the Pod's annotation; 0 when absent). */
  readonly flaps: number;
  /** Failed runs of this instance before this one (from the Pod's annotation; 0 when absent). */
  readonly failures: number;
}

/** `service`: every ended instance is replaced. `completion`: FINISHED stays finished, FAILED is retried. */
export type RestartPolicy =
  | { readonly kind: 'service' }
  | {
      readonly kind: 'completion';
      readonly maxRetries: number;
      /** Instances already recorded as finished in the job's status, as index ranges ('0-3,5'). */
      readonly finished: string;
      /** Instances already recorded as failed for good. */
      readonly failed: string;
      /** At most this many instances at once; absent: all. */
      readonly parallelism?: number;
    };

export interface SlotsInput {
  readonly replicas: number;
  readonly jobUidHash: string;
  readonly pods: readonly SlotPod[];
  readonly nowMs: number;
  /** How long a dead Pod's name stays taken; longer than any API request can stay in flight. */
  readonly retentionMs: number;
  readonly restart: RestartPolicy;
  readonly backoff: BackoffPolicy;
  /** True when the job is being deleted or suspended: no instance is wanted. */
  readonly stopping?: boolean;
  /** True when the job object is going away: as `stopping`, and dead Pods need not keep their names taken. */
  readonly jobDeleted?: boolean;
}

export interface PendingSlot {
  readonly instance: number;
  readonly generation: number;
  /** The task is THROTTLED until then; absent: PENDING now. */
  readonly notBeforeMs?: number;
  /** To be written to the new Pod's annotations. */
  readonly flaps: number;
  readonly failures: number;
}

export type KillWhy =
  | 'OtherJob'
  | 'Duplicate'
  | 'Surplus'
  | 'JobStopping'
  | 'Lost'
  | 'InstanceDone';

export interface SlotsDecision {
  /** By instance, ascending. */
  readonly pending: readonly PendingSlot[];
  readonly kill: readonly { readonly pod: SlotPod; readonly why: KillWhy }[];
  /** Dead Pods whose finalizer may go now; they are then deleted. */
  readonly release: readonly SlotPod[];
  /** `completion` only: every instance finished, recorded or newly seen, as index ranges. Record before releasing. */
  readonly finished: string;
  /** `completion` only: every instance failed for good, as index ranges. */
  readonly failed: string;
  /** When to look again though nothing else happens; absent: never. */
  readonly nextWakeMs?: number;
}

interface Slot {
  readonly instance: number;
  /** Ascending by generation. */
  readonly pods: readonly SlotPod[];
}

interface Ended {
  readonly finished: ReadonlySet<number>;
  readonly failed: ReadonlySet<number>;
  /** Instances already in the job's status as finished or failed. */
  readonly recorded: ReadonlySet<number>;
}

/**
 * Decides which Pods a job's slots need, which to kill, and which dead ones may vanish.
 *
 * Names are made of job, instance and generation, so a second create of the same Pod is answered AlreadyExists, whoever
 * sends it and however late. The rules keep that true:
 * 1. At most one live Pod per instance: nothing is created while any Pod of the instance may still run.
 * 2. A replacement has the highest generation seen for the instance plus one; so two deciders with the same view choose
 *    the same name, and one with an older view chooses a name that is taken.
 * 3. A dead Pod keeps its name taken (by its finalizer) until a higher generation exists or the slot is not wanted any
 *    more, and for `retentionMs` after its end: a create sent by a former leader is either answered AlreadyExists or
 *    has timed out by then.
 * 4. Instances at or above `replicas` are killed, the highest first, as users of ordinals expect.
 * 5. Two live Pods of one instance should never be. If they are, the lowest generation that is not being deleted stays:
 *    it is the one that was there first, and every decider agrees on it.
 * 6. `completion`: an instance that finished, or failed more than `maxRetries` times, is done for good; its Pod may
 *    vanish only after that was recorded, else a restart of the operator would run it again.
 */
export function decideSlots(input: SlotsInput): SlotsDecision {
  const own = input.pods.filter((pod) => pod.jobUidHash === input.jobUidHash);
  const ended = endedInstances(input, own);
  const isWanted = (instance: number): boolean =>
    !isStopping(input) &&
    instance < input.replicas &&
    !ended.finished.has(instance) &&
    !ended.failed.has(instance);
  const slots = slotsOf(own);
  const release = input.pods.filter((pod) => isReleasable(input, pod, slots, ended));
  const pending = pendingSlots(input, slots, isWanted);
  const wakes = [
    ...pending.flatMap((slot) => slot.notBeforeMs ?? []),
    ...input.pods.flatMap((pod) => retentionEndMs(input, pod, slots, ended) ?? []),
  ].filter((atMs) => atMs > input.nowMs);
  return {
    pending,
    kill: killsOf(input, slots, isWanted),
    release,
    finished: encodeIndexRanges(ended.finished),
    failed: encodeIndexRanges(ended.failed),
    ...(wakes.length === 0 ? {} : { nextWakeMs: Math.min(...wakes) }),
  };
}

function isStopping(input: SlotsInput): boolean {
  return input.stopping === true || input.jobDeleted === true;
}

function slotsOf(own: readonly SlotPod[]): ReadonlyMap<number, Slot> {
  const slots = new Map<number, Slot>();
  for (const [instance, pods] of Map.groupBy(own, (pod) => pod.instance))
    slots.set(instance, {
      instance,
      pods: pods.toSorted((left, right) => left.generation - right.generation),
    });
  return slots;
}

function endedInstances(input: SlotsInput, own: readonly SlotPod[]): Ended {
  if (input.restart.kind === 'service')
    return { finished: new Set(), failed: new Set(), recorded: new Set() };
  const recordedFinished = decodeIndexRanges(input.restart.finished);
  const recordedFailed = decodeIndexRanges(input.restart.failed);
  const finished = new Set(recordedFinished);
  const failed = new Set(recordedFailed);
  for (const pod of own) {
    if (pod.state === 'FINISHED') finished.add(pod.instance);
    if (pod.state === 'FAILED' && pod.failures + 1 > input.restart.maxRetries)
      failed.add(pod.instance);
  }
  // One attempt that finished outweighs another that failed.
  for (const instance of finished) failed.delete(instance);
  return { finished, failed, recorded: new Set([...recordedFinished, ...recordedFailed]) };
}

function pendingSlots(
  input: SlotsInput,
  slots: ReadonlyMap<number, Slot>,
  isWanted: (instance: number) => boolean,
): readonly PendingSlot[] {
  let occupied = 0;
  const open: PendingSlot[] = [];
  for (let instance = 0; instance < input.replicas; instance++) {
    const pods = slots.get(instance)?.pods ?? [];
    if (pods.some((pod) => !isTerminal(pod.state))) occupied++;
    else if (isWanted(instance)) open.push(replacementFor(input, instance, pods.at(-1)));
  }
  if (input.restart.kind === 'service' || input.restart.parallelism === undefined) return open;
  let free = input.restart.parallelism - occupied;
  // Throttled slots take no place: when they are due, they are judged again.
  return open.filter((slot) => slot.notBeforeMs !== undefined || free-- > 0);
}

function replacementFor(
  input: SlotsInput,
  instance: number,
  last: SlotPod | undefined,
): PendingSlot {
  if (last === undefined) return { instance, generation: 0, flaps: 0, failures: 0 };
  // A node whose clock is fast must not keep the instance waiting.
  const endedAtMs = Math.min(last.terminalAtMs ?? input.nowMs, input.nowMs);
  const flapped =
    isTerminal(last.state) &&
    isFlap(
      {
        state: last.state,
        endedAtMs,
        ...(last.startedAtMs === undefined ? {} : { startedAtMs: last.startedAtMs }),
      },
      input.backoff,
    );
  const flaps = flapped ? last.flaps + 1 : 0;
  const failures = last.failures + (last.state === 'FAILED' ? 1 : 0);
  // A failed attempt of a bounded job is retried with back-off however long it ran.
  const isRetry = input.restart.kind === 'completion' && last.state === 'FAILED';
  const chain = isRetry ? Math.max(flaps, failures) : flaps;
  const notBeforeMs = endedAtMs + throttleMs(chain, input.backoff);
  return {
    instance,
    generation: last.generation + 1,
    ...(notBeforeMs > input.nowMs ? { notBeforeMs } : {}),
    flaps,
    failures,
  };
}

function killsOf(
  input: SlotsInput,
  slots: ReadonlyMap<number, Slot>,
  isWanted: (instance: number) => boolean,
): SlotsDecision['kill'] {
  const kill: { readonly pod: SlotPod; readonly why: KillWhy }[] = [];
  for (const pod of input.pods)
    if (pod.jobUidHash !== input.jobUidHash && !isTerminal(pod.state) && !pod.deleting)
      kill.push({ pod, why: 'OtherJob' });
  const highestFirst = [...slots.values()].toSorted(
    (left, right) => right.instance - left.instance,
  );
  for (const { instance, pods } of highestFirst) {
    const why = isWanted(instance) ? undefined : unwantedWhy(input, instance);
    const staying = pods.filter((pod) => !isTerminal(pod.state) && !pod.deleting);
    for (const pod of why === undefined ? staying.slice(1) : staying)
      kill.push({ pod, why: why ?? 'Duplicate' });
    for (const pod of pods)
      if (pod.state === 'LOST' && pod.mayStillRun === true && !pod.deleting)
        kill.push({ pod, why: 'Lost' });
  }
  return kill;
}

function unwantedWhy(input: SlotsInput, instance: number): KillWhy {
  if (isStopping(input)) return 'JobStopping';
  return instance >= input.replicas ? 'Surplus' : 'InstanceDone';
}

function isReleasable(
  input: SlotsInput,
  pod: SlotPod,
  slots: ReadonlyMap<number, Slot>,
  ended: Ended,
): boolean {
  const endMs = retentionEndMs(input, pod, slots, ended);
  return endMs !== undefined && endMs <= input.nowMs;
}

/** When a dead Pod that nothing else holds back may vanish; undefined while something does. */
function retentionEndMs(
  input: SlotsInput,
  pod: SlotPod,
  slots: ReadonlyMap<number, Slot>,
  ended: Ended,
): number | undefined {
  if (!isTerminal(pod.state)) return undefined;
  if (input.jobDeleted === true) return input.nowMs;
  const isOwn = pod.jobUidHash === input.jobUidHash;
  const superseded = (slots.get(pod.instance)?.pods.at(-1)?.generation ?? -1) > pod.generation;
  const unwanted = isStopping(input) || pod.instance >= input.replicas;
  const isRecorded = input.restart.kind === 'service' || ended.recorded.has(pod.instance);
  // A finished run is history to keep until it is written down, even when the slot is not wanted any more.
  const isUnrecordedEnd =
    isOwn && !isRecorded && (ended.finished.has(pod.instance) || ended.failed.has(pod.instance));
  if (isUnrecordedEnd) return undefined;
  const isDone = input.restart.kind === 'completion' && ended.recorded.has(pod.instance);
  if (isOwn && !superseded && !unwanted && !isDone) return undefined;
  return (pod.terminalAtMs ?? input.nowMs) + input.retentionMs;
}
