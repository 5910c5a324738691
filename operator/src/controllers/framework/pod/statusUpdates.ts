import {
  type AgentId,
  agentId,
  type FrameworkId,
  frameworkId,
  type TaskId,
  taskId,
} from '../../../model/ids.ts';
import { ANNOTATION, LABEL } from '../../../model/labels.ts';
import type { CancelTimer, Clock } from '../../../ports/clock.ts';
import type { CacheEvent } from '../../../runtime/cache.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { uuidToBase64 } from '../../../schema/mesos/call.ts';
import type { MesosTaskState, WireTaskStatus } from '../../../schema/mesos/event.ts';
import type { MesosCapability } from '../../../schema/mesos/framework.ts';
import { frameworkObjectName, updateUuid } from '../names.ts';
import {
  LAUNCH_FAILED_PREFIX,
  launchFailureOf,
  stateFor,
  stepRank,
  type TaskUpdate,
  updatesOf,
} from './podUpdates.ts';
import { type PodWriter, stepIn } from './podWriter.ts';

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

interface Pending {
  readonly update: TaskUpdate;
  readonly uuid: string;
  attempts: number;
  cancel: CancelTimer | undefined;
}

interface TaskRecord {
  readonly framework: FrameworkId;
  readonly task: TaskId;
  readonly agent: AgentId;
  pod: Pod;
  gone: boolean;
  /** The end as it was first seen; what happens to the Pod afterwards does not change it. */
  ended: TaskUpdate | undefined;
  ackedRank: number;
  pending: Pending | undefined;
}

/** Source: Mesos `src/slave/constants.hpp`, `STATUS_UPDATE_RETRY_INTERVAL_MIN` and `_MAX`. */
const FIRST_RESEND_MS = 10_000;
const LONGEST_RESEND_MS = 600_000;
const ENDED_RANK = stepRank('ended');

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

  constructor(options: StatusUpdatesOptions) {
    this.#options = options;
  }

  /** Takes in a change of a Pod; returns the framework it is of, if any. */
  observe(change: Pick<CacheEvent<Pod>, 'kind' | 'object'>): FrameworkId | undefined {
    const pod = change.object;
    const owner = ownerOf(pod);
    if (owner === undefined) return undefined;
    const tasks = this.#frameworks.get(owner.framework) ?? new Map<TaskId, TaskRecord>();
    this.#frameworks.set(owner.framework, tasks);
    let record = tasks.get(owner.task);
    if (record === undefined || record.pod.metadata.uid !== pod.metadata.uid) {
      if (change.kind === 'deleted') return undefined;
      record?.pending?.cancel?.();
      record = newRecord(owner, pod);
      tasks.set(owner.task, record);
      this.#options.onTaskSeen(owner.framework, owner.task, pod);
    }
    record.pod = pod;
    record.ackedRank = Math.max(record.ackedRank, ackedRankOf(pod));
    if (change.kind === 'deleted') record.gone = true;
    this.#step(record);
    return owner.framework;
  }

  /** True when the acknowledgement fits the update that is owed one; anything else is ignored, as Mesos does. */
  acknowledge(framework: FrameworkId, task: TaskId, agent: AgentId, uuid: string): boolean {
    const record = this.#frameworks.get(framework)?.get(task);
    const pending = record?.pending;
    if (record === undefined || pending?.uuid !== uuid || record.agent !== agent) return false;
    pending.cancel?.();
    record.pending = undefined;
    record.ackedRank = stepRank(pending.update.step);
    this.#options.writer.wish(record.pod, { acknowledged: pending.update.step });
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
        state: this.#toldOf(record)?.state ?? 'TASK_STAGING',
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

  #toldOf(record: TaskRecord): TaskUpdate | undefined {
    if (record.pending !== undefined) return record.pending.update;
    return this.#updates(record).findLast((one) => stepRank(one.step) <= record.ackedRank);
  }

  #updates(record: TaskRecord): TaskUpdate[] {
    const updates = updatesOf(record.pod, record.gone);
    record.ended ??= updates.find((one) => one.step === 'ended');
    const { ended } = record;
    if (ended === undefined) return updates;
    return [...updates.filter((one) => one.step !== 'ended'), ended];
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
      this.#release(record);
      return;
    }
    this.#endHopeless(record);
    if (audience.kind === 'unknown') {
      // Its Framework object is gone, and so was this Pod's owner: whoever deleted it waits for our finalizer only.
      if (record.pod.metadata.deletionTimestamp !== undefined) this.#release(record);
      return;
    }
    const next = this.#updates(record).find(
      (one) =>
        stepRank(one.step) > record.ackedRank &&
        (one.step !== 'killing' || audience.capabilities.has('TASK_KILLING_STATE')),
    );
    if (next === undefined || record.pending?.update.step === next.step) return;
    record.pending?.cancel?.();
    const uuid = updateUuid(record.pod.metadata.uid ?? '', next.step);
    record.pending = { update: next, uuid, attempts: 0, cancel: undefined };
    this.#send(record, record.pending);
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

/** Framework and task of a Pod made for an external framework. */
export function ownerOf(
  pod: Pod,
): { readonly framework: FrameworkId; readonly task: TaskId } | undefined {
  const annotations = pod.metadata.annotations ?? {};
  const framework = annotations[ANNOTATION.frameworkId];
  const task = annotations[ANNOTATION.taskId];
  if (framework === undefined || task === undefined) return undefined;
  const label = pod.metadata.labels?.[LABEL.framework];
  if (label !== frameworkObjectName(frameworkId(framework))) return undefined;
  return { framework: frameworkId(framework), task: taskId(task) };
}

function newRecord(
  owner: { readonly framework: FrameworkId; readonly task: TaskId },
  pod: Pod,
): TaskRecord {
  return {
    ...owner,
    agent: agentId(pod.spec.nodeName ?? ''),
    pod,
    gone: false,
    ended: undefined,
    ackedRank: -1,
    pending: undefined,
  };
}

const ackedRankOf = (pod: Pod): number => stepRank(stepIn(pod.metadata.annotations ?? {}));

function wireStatus(
  record: TaskRecord,
  pending: Pending,
  partitionAware: boolean,
  nowMs: number,
): WireTaskStatus {
  const { update } = pending;
  const ip = record.pod.status?.podIP;
  return {
    task_id: { value: record.task },
    state: stateFor(update.state, partitionAware),
    source: update.source,
    ...(update.reason === undefined ? {} : { reason: update.reason }),
    ...(update.message === '' ? {} : { message: update.message }),
    agent_id: { value: record.agent },
    executor_id: { value: record.task },
    timestamp: (update.atMs ?? nowMs) / 1000,
    uuid: uuidToBase64(pending.uuid),
    ...(ip === undefined
      ? {}
      : {
          container_status: {
            network_infos: [
              { ip_addresses: [{ protocol: ip.includes(':') ? 'IPv6' : 'IPv4', ip_address: ip }] },
            ],
          },
        }),
  };
}
