import { type AgentId, agentId, type FrameworkId, type TaskId } from '../../../model/ids.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CacheEvent } from '../../../runtime/cache.ts';
import type { Node, Pod } from '../../../schema/kubeObjects.ts';
import type { MesosTaskState, WireTaskStatus } from '../../../schema/mesos/event.ts';
import type { MesosCapability } from '../../../schema/mesos/framework.ts';
import { updateUuid } from '../names.ts';
import { hasEnded, isSingle, launchFailureOf } from './containerFacts.ts';
import { LAUNCH_FAILED_PREFIX } from './endCause.ts';
import { podTasks } from './podMetadata.ts';
import { stepRank, type TaskUpdate } from './podUpdates.ts';
import type { PodWriter } from './podWriter.ts';
import {
  ENDED_RANK,
  frameworkOf,
  isOwed,
  newRecord,
  type Pending,
  refresh,
  type TaskRecord,
  toldOf,
  updatesFor,
} from './taskRecord.ts';
import { reachabilityStatus, UnreachableAgents } from './unreachableAgents.ts';
import { wireStatus } from './wireStatus.ts';

/** Who is told of the tasks of a framework. */
export type Audience =
  | { readonly kind: 'known'; readonly capabilities: ReadonlySet<MesosCapability> }
  /** Removed for good: its tasks are ended and nobody is told. */
  | { readonly kind: 'completed' }
  | { readonly kind: 'unknown' };

export interface StatusUpdatesOptions {
  readonly clock: Clock;
  readonly writer: Pick<PodWriter, 'wish'>;
  readonly audience: (framework: FrameworkId, namespace: string) => Audience;
  /** Sends one update; false when the framework is not connected. */
  readonly deliver: (framework: FrameworkId, status: WireTaskStatus) => boolean;
  /** A Pod of the task has been seen for the first time. */
  readonly onTaskSeen: (framework: FrameworkId, task: TaskId, pod: Pod) => void;
}

/** Source: Mesos `src/slave/constants.hpp`, `STATUS_UPDATE_RETRY_INTERVAL_MIN` and `_MAX`. */
const FIRST_RESEND_MS = 10_000;
const LONGEST_RESEND_MS = 600_000;

export interface TaskStatusView {
  readonly task: TaskId;
  readonly agent: AgentId;
  readonly state: MesosTaskState;
}

/**
 * Delivers what Pods tell of tasks: in order per task, at least once, the next only after the acknowledgement of the
 * one before. What has been acknowledged is on the Pod, so a restart repeats exactly what is still owed.
 */
export class StatusUpdates {
  readonly #options: StatusUpdatesOptions;
  readonly #frameworks = new Map<FrameworkId, Map<TaskId, TaskRecord>>();
  readonly #unreachable = new UnreachableAgents();

  constructor(options: StatusUpdatesOptions) {
    this.#options = options;
  }

  /** Takes in a change of a Pod; returns the framework it is of, if any. */
  observe(change: Pick<CacheEvent<Pod>, 'kind' | 'object'>): FrameworkId | undefined {
    const pod = change.object;
    const framework = frameworkOf(pod);
    const all = framework === undefined ? [] : podTasks(pod);
    if (framework === undefined || all.length === 0) return undefined;
    const isGone = change.kind === 'deleted';
    const tasks = this.#frameworks.get(framework) ?? new Map<TaskId, TaskRecord>();
    this.#frameworks.set(framework, tasks);
    const records: TaskRecord[] = [];
    for (const one of all) {
      let record = tasks.get(one.task);
      if (record === undefined || record.pod.metadata.uid !== pod.metadata.uid) {
        if (isGone) continue;
        record?.pending?.cancel?.();
        record = newRecord(framework, one, pod);
        tasks.set(one.task, record);
        this.#options.onTaskSeen(framework, one.task, pod);
      }
      refresh(record, pod, isGone);
      records.push(record);
    }
    if (tasks.size === 0) this.#frameworks.delete(framework);
    // All of a group are known before any of them is acted upon.
    for (const record of records) this.#step(record);
    return records.length === 0 ? undefined : framework;
  }

  /** Takes in a change of a node: tasks on one that is not heard of are told so, and again when it is back. */
  observeNode(change: Pick<CacheEvent<Node>, 'kind' | 'object'>): void {
    const agent = agentId(change.object.metadata.name);
    if (!this.#unreachable.observe(agent, change) || change.kind === 'deleted') return;
    for (const framework of this.#frameworks.keys())
      for (const record of this.#recordsOf(framework))
        if (record.agent === agent) this.#tellReachability(record);
  }

  /** True when the acknowledgement fits the update that is owed one; anything else is ignored, as Mesos does. */
  acknowledge(framework: FrameworkId, task: TaskId, agent: AgentId, uuid: string): boolean {
    const record = this.#frameworks.get(framework)?.get(task);
    const pending = record?.pending;
    if (record === undefined || pending?.uuid !== uuid || record.agent !== agent) return false;
    pending.cancel?.();
    record.pending = undefined;
    const { step, key } = pending.update;
    if (step === 'health') record.ackedHealth = key;
    else record.ackedRank = stepRank(step);
    this.#options.writer.wish(
      record.pod,
      step === 'health'
        ? { acknowledgedHealth: { [record.container]: key } }
        : { acknowledged: { [record.container]: step } },
    );
    this.#step(record);
    return true;
  }

  /** The framework is connected (again): everything owed is sent at once. */
  resume(framework: FrameworkId): void {
    for (const record of this.#recordsOf(framework)) {
      if (record.pending === undefined) this.#step(record);
      else {
        record.pending.attempts = 0;
        this.#send(record, record.pending);
      }
    }
  }

  /** The framework is gone for now: nothing is sent until `resume`. */
  pause(framework: FrameworkId): void {
    for (const record of this.#recordsOf(framework)) {
      record.pending?.cancel?.();
      if (record.pending) record.pending.cancel = undefined;
    }
  }

  /** The framework is gone for good: all its Pods are ended and let go. */
  abandon(framework: FrameworkId): void {
    for (const record of this.#recordsOf(framework)) this.#step(record);
  }

  /** Asks the task's Pod to end; undefined when no Pod of such a task is known. */
  kill(
    framework: FrameworkId,
    task: TaskId,
    graceSeconds: number | undefined,
    reason?: string,
  ): AgentId | undefined {
    const record = this.#find(framework, task);
    if (record === undefined) return undefined;
    this.#options.writer.wish(record.pod, {
      kill: { graceSeconds, ...(reason === undefined ? {} : { reason }) },
    });
    return record.agent;
  }

  agentOf(framework: FrameworkId, task: TaskId): AgentId | undefined {
    return this.#find(framework, task)?.agent;
  }

  /** The newest state each live task has been told of or is about to be; terminal ones until acknowledged. */
  tasks(framework: FrameworkId): TaskStatusView[] {
    return this.#recordsOf(framework)
      .filter((record) => record.ackedRank < ENDED_RANK)
      .map((record) => ({
        task: record.task,
        agent: record.agent,
        state: this.#stateOf(record),
      }));
  }

  /** Updates that wait for an acknowledgement. */
  pendingCount(framework: FrameworkId): number {
    return this.#recordsOf(framework).filter((record) => record.pending !== undefined).length;
  }

  stop(): void {
    for (const framework of this.#frameworks.keys()) this.pause(framework);
  }

  #find(framework: FrameworkId, task: TaskId): TaskRecord | undefined {
    const record = this.#frameworks.get(framework)?.get(task);
    return record === undefined || record.ackedRank >= ENDED_RANK ? undefined : record;
  }

  #recordsOf(framework: FrameworkId): TaskRecord[] {
    return [...(this.#frameworks.get(framework)?.values() ?? [])];
  }

  #stateOf(record: TaskRecord): MesosTaskState {
    const told = toldOf(record);
    if (told?.step !== 'ended' && this.#unreachable.sinceMs(record.agent) !== undefined)
      return 'TASK_UNREACHABLE';
    return told?.state ?? 'TASK_STAGING';
  }

  #step(record: TaskRecord): void {
    const audience = this.#options.audience(record.framework, record.pod.metadata.namespace ?? '');
    const finished = record.ackedRank >= ENDED_RANK;
    if (record.gone && (finished || audience.kind !== 'known')) {
      this.#drop(record);
      return;
    }
    if (audience.kind === 'completed' || finished) {
      record.pending?.cancel?.();
      record.pending = undefined;
      if (audience.kind === 'completed' || this.#areAllFinished(record)) this.#release(record);
      return;
    }
    const updates = updatesFor(record);
    this.#endHopeless(record);
    this.#endGroup(record);
    if (audience.kind === 'unknown') {
      // Its Framework object is gone, and so was this Pod's owner: whoever deleted it waits for our finalizer only.
      if (record.pod.metadata.deletionTimestamp !== undefined) this.#release(record);
      return;
    }
    // In order: an update that waits for its acknowledgement is not overtaken by what came after it.
    if (record.pending !== undefined) return;
    const next = updates.find(
      (one) =>
        isOwed(one, record) &&
        (one.step !== 'killing' || audience.capabilities.has('TASK_KILLING_STATE')),
    );
    if (next === undefined) return;
    record.pending = {
      update: next,
      uuid: uuidOf(record, next),
      attempts: 0,
      cancel: undefined,
    };
    this.#send(record, record.pending);
  }

  /** The other tasks of its Pod have ended and been acknowledged too. */
  #areAllFinished({ framework, pod }: TaskRecord): boolean {
    const tasks = this.#frameworks.get(framework);
    return podTasks(pod).every(({ task }) => {
      const sibling = tasks?.get(task);
      return sibling === undefined || sibling.ackedRank >= ENDED_RANK;
    });
  }

  /** Lets go of a Pod nobody waits for; one that still runs is ended within its own grace. */
  #release(record: TaskRecord): void {
    const { finalizers, deletionTimestamp } = record.pod.metadata;
    if (deletionTimestamp === undefined || (finalizers?.length ?? 0) > 0)
      this.#options.writer.wish(record.pod, { release: true });
  }

  /** A container that will never start ends the task, as it would have in Mesos; the kubelet would try for ever. */
  #endHopeless(record: TaskRecord): void {
    const why = launchFailureOf(record.pod);
    if (why === undefined || record.gone || record.pod.metadata.deletionTimestamp !== undefined)
      return;
    const reason = `${LAUNCH_FAILED_PREFIX}${why}`.slice(0, 1024);
    this.#options.writer.wish(record.pod, { kill: { graceSeconds: 0, reason } });
  }

  /**
   * When one task of a group ends otherwise than well, the rest of the group is killed.
   * Source: Mesos `src/launcher/default_executor.cpp`, `waited`.
   */
  #endGroup({ pod, gone, container, task, ended }: TaskRecord): void {
    if (isSingle(container) || ended === undefined || ended.state === 'TASK_FINISHED') return;
    if (gone || pod.metadata.deletionTimestamp !== undefined) return;
    if (podTasks(pod).every((one) => hasEnded(pod, one.container))) return;
    const reason = `task '${task}' of its group ended: ${ended.message}`.slice(0, 1024);
    this.#options.writer.wish(pod, { kill: { graceSeconds: undefined, reason } });
  }

  /** Without uuid: nothing to acknowledge, the agent may be back any moment. */
  #tellReachability(record: TaskRecord): void {
    const audience = this.#options.audience(record.framework, record.pod.metadata.namespace ?? '');
    if (audience.kind !== 'known' || toldOf(record)?.step === 'ended') return;
    const partitionAware = audience.capabilities.has('PARTITION_AWARE');
    const sinceMs = this.#unreachable.sinceMs(record.agent);
    // For such a framework TASK_LOST is the end, so it must become true.
    if (!partitionAware && sinceMs !== undefined)
      this.#options.writer.wish(record.pod, {
        kill: { graceSeconds: undefined, reason: 'its agent was unreachable' },
      });
    if (!partitionAware && sinceMs === undefined) return;
    const state = this.#stateOf(record);
    const nowMs = this.#options.clock.nowMs();
    const status = reachabilityStatus(record, { state, partitionAware, sinceMs, nowMs });
    this.#options.deliver(record.framework, status);
  }

  #send(record: TaskRecord, pending: Pending): void {
    pending.cancel?.();
    pending.cancel = undefined;
    const audience = this.#options.audience(record.framework, record.pod.metadata.namespace ?? '');
    if (audience.kind !== 'known') return;
    const partitionAware = audience.capabilities.has('PARTITION_AWARE');
    const status = wireStatus(record, pending, partitionAware, this.#options.clock.nowMs());
    if (!this.#options.deliver(record.framework, status)) return;
    const delayMs = Math.min(FIRST_RESEND_MS * 2 ** pending.attempts, LONGEST_RESEND_MS);
    pending.attempts += 1;
    pending.cancel = this.#options.clock.setTimer(delayMs, () => this.#send(record, pending));
  }

  #drop(record: TaskRecord): void {
    record.pending?.cancel?.();
    const tasks = this.#frameworks.get(record.framework);
    if (tasks?.get(record.task) === record) tasks.delete(record.task);
    if (tasks?.size === 0) this.#frameworks.delete(record.framework);
  }
}

/** Follows from the Pod and the update alone, so that an acknowledgement fits after a restart too. */
function uuidOf({ pod, container }: TaskRecord, { key }: TaskUpdate): string {
  const name = isSingle(container) ? key : `${container}/${key}`;
  return updateUuid(pod.metadata.uid ?? '', name);
}
