import type { AgentId, FrameworkId, TaskId } from '../../../model/ids.ts';
import type { CancelTimer } from '../../../ports/clock.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { uuidToBase64 } from '../../../schema/mesos/call.ts';
import type {
  MesosReason,
  MesosStatusSource,
  MesosTaskState,
} from '../../../schema/mesos/event.ts';
import { TERMINAL_STATES } from '../../../schema/mesos/executorCall.ts';
import { updateUuid } from '../names.ts';
import { hasPodEnded, stateOf } from '../pod/containerFacts.ts';
import { endOf } from '../pod/endCause.ts';
import { ENDINGS, type EndCause, type EndingRule } from '../pod/endings.ts';
import { TASK_CONTAINER } from '../pod/podMetadata.ts';
import { type ExecutorView, hasTaskEnded, type StoredStatus } from './executorRecord.ts';

/** An update that waits for its acknowledgement. */
export interface PendingStatus {
  readonly status: StoredStatus;
  attempts: number;
  cancel: CancelTimer | undefined;
}

/** A task in an executor, as it is followed. */
export interface TaskEntry {
  /** Uuids that were acknowledged and may still be on the Pod as it is cached. */
  readonly acknowledged: Set<string>;
  pending: PendingStatus | undefined;
  /** Its end has been acknowledged. */
  isOver: boolean;
}

/** A custom executor as it is followed. */
export interface ExecutorEntry {
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  readonly executor: string;
  pod: Pod;
  view: ExecutorView;
  /** Removed from the cluster: nothing can be written to it any more. */
  gone: boolean;
  readonly tasks: Map<TaskId, TaskEntry>;
  /** When it was first seen to have ended, by the monotonic clock. */
  endedAtMs: number | undefined;
  cancelLastWords: CancelTimer | undefined;
  /** Its framework was told that it ended. */
  isFailureTold: boolean;
}

/** Ends of its container by which an executor leaves its tasks behind; any other end is told as it is. */
const TERMINATED: ReadonlySet<EndCause> = new Set([
  'finished',
  'failed',
  'killed',
  'killedDuringLaunch',
  'completionTimeReached',
  'unhealthy',
]);

/** Source: Mesos `src/slave/slave.cpp`, `sendExecutorTerminatedStatusUpdate`. */
const EXECUTOR_TERMINATED = {
  state: 'TASK_FAILED',
  source: 'SOURCE_AGENT',
  reason: 'REASON_EXECUTOR_TERMINATED',
} as const satisfies EndingRule;

/** True when the executor will never say anything again. */
export const hasExecutorEnded = ({ pod, gone }: Pick<ExecutorEntry, 'pod' | 'gone'>): boolean =>
  gone || hasPodEnded(pod) || endOf(pod, TASK_CONTAINER, gone) !== undefined;

/** True while tasks can be given to it. */
export const isExecutorAlive = (entry: ExecutorEntry): boolean =>
  !hasExecutorEnded(entry) && entry.pod.metadata.deletionTimestamp === undefined;

/** What the framework has to be told next of what an executor said; undefined when nothing is owed. */
export function recordedStatus(entry: ExecutorEntry, task: TaskId): StoredStatus | undefined {
  const stored = entry.view.tasks.get(task);
  const followed = entry.tasks.get(task);
  if (stored === undefined || followed === undefined || followed.isOver) return undefined;
  return stored.updates.find((one) => !followed.acknowledged.has(one.uuid));
}

/** What is said of a task in the stead of its executor, which ended without a word; undefined while it runs. */
export function endStatus(entry: ExecutorEntry, task: TaskId): StoredStatus | undefined {
  const { pod, gone, view } = entry;
  const stored = view.tasks.get(task);
  if (stored === undefined || hasTaskEnded(stored)) return undefined;
  const { info } = stored;
  const end = endOf(pod, TASK_CONTAINER, gone);
  if (end === undefined) return undefined;
  const isPlain = TERMINATED.has(end.cause);
  const rule: EndingRule = isPlain ? EXECUTOR_TERMINATED : ENDINGS[end.cause];
  const uuid = updateUuid(pod.metadata.uid ?? '', `executor-ended/${info.task_id.value}`);
  const finishedMs = Date.parse(stateOf(pod, TASK_CONTAINER)?.terminated?.finishedAt ?? '');
  return statusFor(entry, info.task_id.value, {
    state: rule.state,
    source: rule.source,
    ...(rule.reason === undefined ? {} : { reason: rule.reason }),
    message: isPlain ? `Executor terminated: ${end.message}` : end.message,
    uuid,
    atMs: Number.isNaN(finishedMs) ? 0 : finishedMs,
  });
}

/** A status that somebody other than the executor makes. */
export function statusFor(
  entry: Pick<ExecutorEntry, 'agent' | 'executor'>,
  task: string,
  said: {
    readonly state: MesosTaskState;
    readonly source: MesosStatusSource;
    readonly reason?: MesosReason;
    readonly message: string;
    readonly uuid: string;
    readonly atMs: number;
  },
): StoredStatus {
  const { uuid, atMs, source, ...told } = said;
  return {
    ...told,
    source,
    task_id: { value: task },
    agent_id: { value: entry.agent },
    executor_id: { value: entry.executor },
    timestamp: atMs / 1000,
    uuid: uuidToBase64(uuid),
  };
}

/** As `wait` gives it: the exit code in the second byte, the signal in the first. */
export function exitStatusOf(pod: Pod): number | undefined {
  const ended = stateOf(pod, TASK_CONTAINER)?.terminated;
  if (ended === undefined) return undefined;
  return ended.exitCode > 128 && ended.exitCode < 160 ? ended.exitCode - 128 : ended.exitCode * 256;
}

export const isTerminalStatus = ({ state }: StoredStatus): boolean => TERMINAL_STATES.has(state);
