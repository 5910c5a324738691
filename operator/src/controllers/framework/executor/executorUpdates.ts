import { type AgentId, agentId, type FrameworkId, type TaskId } from '../../../model/ids.ts';
import { ANNOTATION } from '../../../model/labels.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CacheEvent } from '../../../runtime/cache.ts';
import type { Node, Pod } from '../../../schema/kubeObjects.ts';
import { uuidFromBase64 } from '../../../schema/mesos/call.ts';
import type {
  MesosTaskState,
  SchedulerEvent,
  WireTaskStatus,
} from '../../../schema/mesos/event.ts';
import { launchFailureOf } from '../pod/containerFacts.ts';
import { LAUNCH_FAILED_PREFIX } from '../pod/endCause.ts';
import { stateFor } from '../pod/endings.ts';
import { TASK_CONTAINER } from '../pod/podMetadata.ts';
import type { PodWriter } from '../pod/podWriter.ts';
import type { Audience, TaskStatusView } from '../pod/statusUpdates.ts';
import { reachabilityStatus, UnreachableAgents } from '../pod/unreachableAgents.ts';
import { containerStatus } from '../pod/wireStatus.ts';
import {
  type ExecutorEntry,
  endStatus,
  exitStatusOf,
  hasExecutorEnded,
  isExecutorAlive,
  isTerminalStatus,
  type PendingStatus,
  recordedStatus,
  type TaskEntry,
} from './executorEntry.ts';
import { executorViewOf, newestState, type StoredStatus, withoutUpdate } from './executorRecord.ts';
import type { ExecutorWriter } from './executorWriter.ts';

export interface ExecutorUpdatesOptions {
  readonly clock: Clock;
  readonly records: Pick<ExecutorWriter, 'change'>;
  readonly pods: Pick<PodWriter, 'wish'>;
  readonly audience: (framework: FrameworkId, namespace: string) => Audience;
  /** Sends an event; false when the framework is not connected. */
  readonly send: (framework: FrameworkId, event: SchedulerEvent) => boolean;
  /** A task is on its executor's Pod for the first time. */
  readonly onTaskSeen: (framework: FrameworkId, task: TaskId) => void;
  readonly onChanged: (entry: ExecutorEntry) => void;
}

/** As for every other task. Source: Mesos `src/slave/constants.hpp`, `STATUS_UPDATE_RETRY_INTERVAL_MIN` and `_MAX`. */
const FIRST_RESEND_MS = 10_000;
const LONGEST_RESEND_MS = 600_000;
/** Longer than an agent takes to come back to an operator that was restarted. */
const LAST_WORDS_MS = 6_000;

/** Follows the Pods of custom executors and delivers what their tasks' framework is owed: in order, until acknowledged. */
export class ExecutorUpdates {
  readonly #options: ExecutorUpdatesOptions;
  /** By uid of the Pod. */
  readonly #entries = new Map<string, ExecutorEntry>();
  readonly #byTask = new Map<FrameworkId, Map<TaskId, ExecutorEntry>>();
  readonly #unreachable = new UnreachableAgents();

  constructor(options: ExecutorUpdatesOptions) {
    this.#options = options;
  }

  /** Takes in a change of a Pod; returns the framework it is an executor of, if any. */
  observe({
    kind,
    object: pod,
  }: Pick<CacheEvent<Pod>, 'kind' | 'object'>): FrameworkId | undefined {
    const view = executorViewOf(pod);
    const uid = pod.metadata.uid ?? '';
    const known = this.#entries.get(uid);
    if (view === undefined) return undefined;
    if (known === undefined && kind === 'deleted') return undefined;
    const entry = known ?? newEntry(pod, view.framework, view.agent, view.info.executor_id.value);
    this.#entries.set(uid, entry);
    entry.pod = pod;
    entry.gone ||= kind === 'deleted';
    // A Pod that is gone is remembered with what it held last: its annotations may go with it.
    if (!entry.gone || view.tasks.size > 0) entry.view = view;
    for (const [task, followed] of entry.tasks)
      if (followed.isOver && isForgotten(entry, task, followed)) this.#forgetTask(entry, task);
    for (const task of view.tasks.keys()) if (!entry.tasks.has(task)) this.#addTask(entry, task);
    this.#step(entry);
    this.#options.onChanged(entry);
    return entry.framework;
  }

  observeNode(change: Pick<CacheEvent<Node>, 'kind' | 'object'>): void {
    const agent = agentId(change.object.metadata.name);
    if (!this.#unreachable.observe(agent, change) || change.kind === 'deleted') return;
    for (const entry of this.#entries.values())
      if (entry.agent === agent)
        for (const task of entry.tasks.keys()) this.#tellReach(entry, task);
  }

  entries(): IterableIterator<ExecutorEntry> {
    return this.#entries.values();
  }

  entryOf(framework: FrameworkId, task: TaskId): ExecutorEntry | undefined {
    const entry = this.#byTask.get(framework)?.get(task);
    return entry?.tasks.get(task)?.isOver === false ? entry : undefined;
  }

  /** Ids of a framework's executors that run on an agent. */
  executorsOn(framework: FrameworkId, agent: AgentId): readonly string[] {
    const ids: string[] = [];
    for (const entry of this.#entries.values())
      if (entry.framework === framework && entry.agent === agent && isExecutorAlive(entry))
        ids.push(entry.executor);
    return ids;
  }

  byPod(uid: string): ExecutorEntry | undefined {
    return this.#entries.get(uid);
  }

  /** The newest state each live task has been told of or is about to be. */
  tasks(framework: FrameworkId): TaskStatusView[] {
    const views: TaskStatusView[] = [];
    for (const [task, entry] of this.#byTask.get(framework) ?? []) {
      const followed = entry.tasks.get(task);
      if (followed === undefined || followed.isOver) continue;
      views.push({ task, agent: entry.agent, state: this.#stateOf(entry, task) });
    }
    return views;
  }

  /** True when the acknowledgement fits the update that is owed one. */
  acknowledge(framework: FrameworkId, task: TaskId, agent: AgentId, uuid: string): boolean {
    const entry = this.#byTask.get(framework)?.get(task);
    const followed = entry?.tasks.get(task);
    const pending = followed?.pending;
    if (entry === undefined || followed === undefined || pending === undefined) return false;
    if (entry.agent !== agent || uuidFromBase64(pending.status.uuid) !== uuid) return false;
    pending.cancel?.();
    followed.pending = undefined;
    followed.acknowledged.add(pending.status.uuid);
    followed.isOver = isTerminalStatus(pending.status);
    this.#writeAcknowledged(entry, task, pending.status);
    this.#step(entry);
    return true;
  }

  resume(framework: FrameworkId): void {
    for (const entry of this.#of(framework))
      for (const followed of entry.tasks.values()) {
        if (followed.pending === undefined) continue;
        followed.pending.attempts = 0;
        this.#send(entry, followed.pending);
      }
    for (const entry of this.#of(framework)) this.#step(entry);
  }

  pause(framework: FrameworkId): void {
    for (const entry of this.#of(framework))
      for (const { pending } of entry.tasks.values()) {
        pending?.cancel?.();
        if (pending !== undefined) pending.cancel = undefined;
      }
  }

  /** The framework is gone for good. */
  abandon(framework: FrameworkId): void {
    for (const entry of this.#of(framework)) this.#step(entry);
  }

  stop(): void {
    for (const framework of this.#byTask.keys()) this.pause(framework);
    for (const entry of this.#entries.values()) entry.cancelLastWords?.();
  }

  #of(framework: FrameworkId): ExecutorEntry[] {
    return [...this.#entries.values()].filter((one) => one.framework === framework);
  }

  #addTask(entry: ExecutorEntry, task: TaskId): void {
    entry.tasks.set(task, { acknowledged: new Set(), pending: undefined, isOver: false });
    const tasks = this.#byTask.get(entry.framework) ?? new Map<TaskId, ExecutorEntry>();
    this.#byTask.set(entry.framework, tasks);
    tasks.set(task, entry);
    this.#options.onTaskSeen(entry.framework, task);
  }

  #forgetTask(entry: ExecutorEntry, task: TaskId): void {
    entry.tasks.get(task)?.pending?.cancel?.();
    entry.tasks.delete(task);
    const tasks = this.#byTask.get(entry.framework);
    if (tasks?.get(task) === entry) tasks.delete(task);
    if (tasks?.size === 0) this.#byTask.delete(entry.framework);
  }

  #forget(entry: ExecutorEntry): void {
    entry.cancelLastWords?.();
    for (const task of entry.tasks.keys()) this.#forgetTask(entry, task);
    this.#entries.delete(entry.pod.metadata.uid ?? '');
  }

  #stateOf(entry: ExecutorEntry, task: TaskId): MesosTaskState {
    const stored = entry.view.tasks.get(task);
    const pending = entry.tasks.get(task)?.pending;
    const state =
      pending?.status.state ?? (stored === undefined ? 'TASK_STAGING' : newestState(stored));
    const isOver = pending !== undefined && isTerminalStatus(pending.status);
    return !isOver && this.#unreachable.sinceMs(entry.agent) !== undefined
      ? 'TASK_UNREACHABLE'
      : state;
  }

  #audience({ framework, pod }: ExecutorEntry): Audience {
    return this.#options.audience(framework, pod.metadata.namespace ?? '');
  }

  #step(entry: ExecutorEntry): void {
    const audience = this.#audience(entry);
    if (audience.kind !== 'known') {
      if (entry.gone) this.#forget(entry);
      else if (audience.kind === 'completed') this.#release(entry);
      else if (entry.pod.metadata.deletionTimestamp !== undefined) this.#release(entry);
      return;
    }
    this.#endHopeless(entry);
    for (const [task, followed] of entry.tasks) this.#offer(entry, task, followed);
    if (!hasExecutorEnded(entry)) return;
    this.#tellFailure(entry);
    if ([...entry.tasks.values()].some((one) => !one.isOver)) return;
    if (entry.gone) this.#forget(entry);
    else this.#release(entry);
  }

  /** In order: an update that waits for its acknowledgement is not overtaken by what came after it. */
  #offer(entry: ExecutorEntry, task: TaskId, followed: TaskEntry): void {
    if (followed.pending !== undefined) return;
    const status =
      recordedStatus(entry, task) ??
      (this.#hasHadLastWords(entry) ? endStatus(entry, task) : undefined);
    if (status === undefined) return;
    followed.pending = { status, attempts: 0, cancel: undefined };
    this.#send(entry, followed.pending);
  }

  /** What an executor said last may still be on its way when its container has ended. */
  #hasHadLastWords(entry: ExecutorEntry): boolean {
    if (!hasExecutorEnded(entry)) return false;
    const { clock } = this.#options;
    entry.endedAtMs ??= clock.monotonicMs();
    const leftMs = entry.endedAtMs + LAST_WORDS_MS - clock.monotonicMs();
    if (leftMs <= 0) return true;
    entry.cancelLastWords ??= clock.setTimer(leftMs, () => this.#step(entry));
    return false;
  }

  #send(entry: ExecutorEntry, pending: PendingStatus): void {
    pending.cancel?.();
    pending.cancel = undefined;
    const audience = this.#audience(entry);
    if (audience.kind !== 'known') return;
    const partitionAware = audience.capabilities.has('PARTITION_AWARE');
    const status = wireOf(entry, pending.status, partitionAware);
    if (!this.#options.send(entry.framework, { type: 'UPDATE', update: { status } })) return;
    const delayMs = Math.min(FIRST_RESEND_MS * 2 ** pending.attempts, LONGEST_RESEND_MS);
    pending.attempts += 1;
    pending.cancel = this.#options.clock.setTimer(delayMs, () => this.#send(entry, pending));
  }

  #writeAcknowledged(entry: ExecutorEntry, task: TaskId, status: StoredStatus): void {
    if (entry.gone) return;
    const isOver = isTerminalStatus(status);
    void this.#options.records.change(entry.pod, (tasks) => {
      const stored = tasks.get(task);
      if (stored === undefined) return true;
      const left = isOver ? undefined : withoutUpdate(stored, status.uuid);
      if (left === undefined) tasks.delete(task);
      else tasks.set(task, left);
      return true;
    });
  }

  #release({ pod }: ExecutorEntry): void {
    const { finalizers, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp === undefined || (finalizers?.length ?? 0) > 0)
      this.#options.pods.wish(pod, { release: true });
  }

  #endHopeless({ pod, gone }: ExecutorEntry): void {
    const why = launchFailureOf(pod);
    if (why === undefined || gone || pod.metadata.deletionTimestamp !== undefined) return;
    const reason = `${LAUNCH_FAILED_PREFIX}${why}`.slice(0, 1024);
    this.#options.pods.wish(pod, { kill: { graceSeconds: 0, reason } });
  }

  #tellFailure(entry: ExecutorEntry): void {
    if (entry.isFailureTold) return;
    const status = exitStatusOf(entry.pod);
    entry.isFailureTold = this.#options.send(entry.framework, {
      type: 'FAILURE',
      failure: {
        agent_id: { value: entry.agent },
        executor_id: { value: entry.executor },
        ...(status === undefined ? {} : { status }),
      },
    });
  }

  /** Without uuid: nothing to acknowledge, the agent may be back any moment. */
  #tellReach(entry: ExecutorEntry, task: TaskId): void {
    const audience = this.#audience(entry);
    const followed = entry.tasks.get(task);
    if (audience.kind !== 'known' || followed === undefined || followed.isOver) return;
    const partitionAware = audience.capabilities.has('PARTITION_AWARE');
    const sinceMs = this.#unreachable.sinceMs(entry.agent);
    // For such a framework TASK_LOST is the end, so it must become true.
    if (!partitionAware && sinceMs !== undefined)
      this.#options.pods.wish(entry.pod, {
        kill: { graceSeconds: undefined, reason: 'its agent was unreachable' },
      });
    if (!partitionAware && sinceMs === undefined) return;
    const state = this.#stateOf(entry, task);
    const nowMs = this.#options.clock.nowMs();
    const record = { task, agent: entry.agent };
    const status = reachabilityStatus(record, { state, partitionAware, sinceMs, nowMs });
    this.#options.send(entry.framework, { type: 'UPDATE', update: { status } });
  }
}

const newEntry = (
  pod: Pod,
  framework: FrameworkId,
  agent: AgentId,
  executor: string,
): ExecutorEntry => ({
  framework,
  agent,
  executor: pod.metadata.annotations?.[ANNOTATION.executorId] ?? executor,
  pod,
  view: {
    framework,
    agent,
    info: { executor_id: { value: executor }, resources: [] },
    tasks: new Map(),
  },
  gone: false,
  tasks: new Map(),
  endedAtMs: undefined,
  cancelLastWords: undefined,
  isFailureTold: false,
});

/** True when the record of a task that is over is gone, or is that of another task by the same id. */
function isForgotten(entry: ExecutorEntry, task: TaskId, { acknowledged }: TaskEntry): boolean {
  const stored = entry.view.tasks.get(task);
  if (stored === undefined) return true;
  return !hasExecutorEnded(entry) && !stored.known.some((uuid) => acknowledged.has(uuid));
}

/** An executor's own words, with what the agent adds to them. */
function wireOf(
  { agent, executor, pod }: ExecutorEntry,
  stored: StoredStatus,
  partitionAware: boolean,
): WireTaskStatus {
  const container = containerStatus(pod, TASK_CONTAINER);
  return {
    ...(container === undefined ? {} : { container_status: container }),
    ...stored,
    state: stateFor(stored.state, partitionAware),
    agent_id: { value: agent },
    executor_id: { value: executor },
  };
}
