import { ANNOTATION } from '../../../model/labels.ts';
import type { ContainerState, Pod } from '../../../schema/kubeObjects.ts';
import type {
  MesosReason,
  MesosStatusSource,
  MesosTaskState,
} from '../../../schema/mesos/event.ts';
import { taskViewOf, timeOf } from '../../task/taskView.ts';
import { TASK_CONTAINER } from './podMetadata.ts';

/**
 * The life of a task as its Pod tells it. `updatesOf` lists every update the framework must have seen by now, in
 * order; what has been acknowledged is a position in that list, so nothing else needs to be remembered.
 */

/** Steps of a task, in the order their updates are delivered. */
export const UPDATE_STEPS = ['starting', 'running', 'killing', 'ended'] as const;
export type UpdateStep = (typeof UPDATE_STEPS)[number];

export interface TaskUpdate {
  readonly step: UpdateStep;
  /** In the words for partition-aware frameworks; others are told TASK_LOST for the finer states. */
  readonly state: MesosTaskState;
  readonly source: MesosStatusSource;
  readonly reason?: MesosReason;
  readonly message: string;
  readonly atMs: number | undefined;
}

type Ending = Pick<TaskUpdate, 'state' | 'source' | 'message'> & { readonly reason?: MesosReason };

export const stepRank = (step: UpdateStep | undefined): number =>
  step === undefined ? -1 : UPDATE_STEPS.indexOf(step);

/** Starts the kill reason of a task that Mezzo ends because its container cannot be started. */
export const LAUNCH_FAILED_PREFIX = 'launch failed: ';

/** `gone`: the Pod has been removed from the cluster and will say no more. */
export function updatesOf(pod: Pod, gone: boolean): TaskUpdate[] {
  const state = taskContainerState(pod);
  const updates: TaskUpdate[] = [
    {
      step: 'starting',
      state: 'TASK_STARTING',
      source: 'SOURCE_EXECUTOR',
      message: '',
      atMs: timeOf(pod.metadata.creationTimestamp),
    },
  ];
  const startedAt = state?.running?.startedAt ?? ranFrom(state);
  if (startedAt !== undefined) {
    updates.push({
      step: 'running',
      state: 'TASK_RUNNING',
      source: 'SOURCE_EXECUTOR',
      message: '',
      atMs: timeOf(startedAt),
    });
    if (pod.metadata.deletionTimestamp !== undefined) {
      updates.push({
        step: 'killing',
        state: 'TASK_KILLING',
        source: 'SOURCE_EXECUTOR',
        message: pod.metadata.annotations?.[ANNOTATION.killReason] ?? 'kill requested',
        atMs: killRequestedMs(pod),
      });
    }
  }
  const ending = endingOf(pod, state, gone);
  if (ending !== undefined)
    updates.push({ ...ending, step: 'ended', atMs: timeOf(state?.terminated?.finishedAt) });
  return updates;
}

export function taskContainerState(pod: Pod): ContainerState | undefined {
  return pod.status?.containerStatuses?.find((one) => one.name === TASK_CONTAINER)?.state;
}

/** Why the container of a Pod that still waits will never start, as far as can be told; undefined otherwise. */
export function launchFailureOf(pod: Pod): string | undefined {
  const waiting = taskContainerState(pod)?.waiting;
  if (waiting?.reason === undefined || !HOPELESS.has(waiting.reason)) return undefined;
  return waiting.message === undefined ? waiting.reason : `${waiting.reason}: ${waiting.message}`;
}

/** Waiting reasons after which a Mesos task would have failed; the kubelet would try for ever. */
const HOPELESS: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
]);

/** A container that could not be started has a termination without a real start. */
function ranFrom(state: ContainerState | undefined): string | undefined {
  const ended = state?.terminated;
  if (ended === undefined || NEVER_RAN.has(ended.reason ?? '')) return undefined;
  const startedMs = timeOf(ended.startedAt);
  return startedMs !== undefined && startedMs > 0 ? ended.startedAt : undefined;
}

const NEVER_RAN: ReadonlySet<string> = new Set([
  'StartError',
  'ContainerCannotRun',
  'CreateContainerError',
  'ContainerStatusUnknown',
]);

function endingOf(pod: Pod, state: ContainerState | undefined, gone: boolean): Ending | undefined {
  const view = taskViewOf(pod);
  const annotations = pod.metadata.annotations ?? {};
  switch (view.state.state) {
    case 'FINISHED':
      return {
        state: 'TASK_FINISHED',
        source: 'SOURCE_EXECUTOR',
        message: 'Command exited with status 0',
      };
    case 'KILLED':
      return disruption(pod) ?? killedEnding(annotations);
    case 'FAILED':
    case 'LOST':
      if (annotations[ANNOTATION.lost] !== undefined && pod.status?.phase !== 'Failed')
        return lost('TASK_UNREACHABLE', 'REASON_AGENT_REMOVED', view.state.message);
      return (
        podFailure(pod.status?.reason, pod.status?.message ?? '') ??
        containerFailure(state, pod.status?.message ?? '')
      );
    default:
      if (!gone) return undefined;
      if (view.deleting) return disruption(pod) ?? killedEnding(annotations);
      return lost('TASK_GONE', 'REASON_AGENT_REMOVED', 'the Pod was removed before it ended');
  }
}

/** When the end was asked for; the deletion timestamp lies one grace period later. */
function killRequestedMs(pod: Pod): number | undefined {
  const deadlineMs = timeOf(pod.metadata.deletionTimestamp);
  if (deadlineMs === undefined) return undefined;
  return deadlineMs - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
}

/** Who else but its framework ends a Pod. Source: Kubernetes `DisruptionTarget` condition, KEP-3329. */
const DISRUPTIONS: { readonly [reason: string]: { state: MesosTaskState; reason: MesosReason } } = {
  DeletionByPodGC: { state: 'TASK_GONE', reason: 'REASON_AGENT_REMOVED' },
  DeletionByTaintManager: { state: 'TASK_GONE', reason: 'REASON_AGENT_REMOVED' },
  PreemptionByScheduler: { state: 'TASK_GONE', reason: 'REASON_CONTAINER_PREEMPTED' },
  EvictionByEvictionAPI: { state: 'TASK_KILLED', reason: 'REASON_AGENT_DRAINING' },
};

function disruption(pod: Pod): Ending | undefined {
  const condition = pod.status?.conditions?.find(
    (one) => one.type === 'DisruptionTarget' && one.status === 'True',
  );
  const reason = condition?.reason ?? '';
  const known = Object.hasOwn(DISRUPTIONS, reason) ? DISRUPTIONS[reason] : undefined;
  if (known === undefined) return undefined;
  return { ...known, source: 'SOURCE_MASTER', message: condition?.message ?? reason };
}

function killedEnding(annotations: { readonly [key: string]: string }): Ending {
  const why = annotations[ANNOTATION.killReason];
  if (why?.startsWith(LAUNCH_FAILED_PREFIX)) {
    return {
      state: 'TASK_FAILED',
      source: 'SOURCE_AGENT',
      reason: 'REASON_CONTAINER_LAUNCH_FAILED',
      message: why,
    };
  }
  const by = annotations[ANNOTATION.preemptedBy];
  if (by !== undefined || annotations[ANNOTATION.intent] === 'preempt') {
    return {
      state: 'TASK_GONE',
      source: 'SOURCE_MASTER',
      reason: 'REASON_CONTAINER_PREEMPTED',
      message: by === undefined ? 'preempted' : `preempted by ${by}`,
    };
  }
  if (annotations[ANNOTATION.intent] === 'drain') {
    return {
      state: 'TASK_KILLED',
      source: 'SOURCE_MASTER',
      reason: 'REASON_AGENT_DRAINING',
      message: why ?? 'the agent is being drained',
    };
  }
  return { state: 'TASK_KILLED', source: 'SOURCE_EXECUTOR', message: why ?? 'Command terminated' };
}

/** Failures the kubelet reports of the Pod as a whole, before or instead of an exit code. */
function podFailure(reason: string | undefined, text: string): Ending | undefined {
  if (reason === undefined) return undefined;
  const message = text === '' ? reason : `${reason}: ${text}`;
  if (reason === 'DeadlineExceeded')
    return failed('REASON_MAX_COMPLETION_TIME_REACHED', message, 'SOURCE_EXECUTOR');
  if (reason === 'Evicted') {
    if (/ephemeral|disk|storage/i.test(text))
      return failed('REASON_CONTAINER_LIMITATION_DISK', message);
    if (/memory/i.test(text)) return failed('REASON_CONTAINER_LIMITATION_MEMORY', message);
    return lost('TASK_GONE', 'REASON_CONTAINER_PREEMPTED', message);
  }
  if (reason === 'Preempting') return lost('TASK_GONE', 'REASON_CONTAINER_PREEMPTED', message);
  if (reason === 'NodeLost' || reason === 'Terminated' || reason === 'NodeShutdown')
    return lost('TASK_GONE', 'REASON_AGENT_REMOVED', message);
  // The kubelet refused the Pod: somebody took the capacity between offer and admission.
  if (/^OutOf|^NodeAffinity$|^UnexpectedAdmissionError$|^Admission/.test(reason))
    return lost('TASK_DROPPED', 'REASON_RESOURCES_UNKNOWN', message);
  return undefined;
}

function containerFailure(state: ContainerState | undefined, podMessage: string): Ending {
  const ended = state?.terminated;
  if (ended === undefined)
    return failed(
      'REASON_CONTAINER_LAUNCH_FAILED',
      podMessage === '' ? 'the container never started' : podMessage,
    );
  const detail = ended.message === undefined || ended.message === '' ? '' : `: ${ended.message}`;
  if (ended.reason === 'OOMKilled')
    return failed('REASON_CONTAINER_LIMITATION_MEMORY', `Memory limit exceeded${detail}`);
  if (NEVER_RAN.has(ended.reason ?? ''))
    return failed('REASON_CONTAINER_LAUNCH_FAILED', `${ended.reason ?? ''}${detail}`);
  const how =
    ended.exitCode > 128 && ended.exitCode < 160
      ? `Command terminated with signal ${ended.exitCode - 128}`
      : `Command exited with status ${ended.exitCode}`;
  return { state: 'TASK_FAILED', source: 'SOURCE_EXECUTOR', message: `${how}${detail}` };
}

const failed = (
  reason: MesosReason,
  message: string,
  source: MesosStatusSource = 'SOURCE_AGENT',
): Ending => ({ state: 'TASK_FAILED', source, reason, message });

const lost = (state: MesosTaskState, reason: MesosReason, message: string): Ending => ({
  state,
  source: 'SOURCE_AGENT',
  reason,
  message,
});

/** The state as this framework knows it: without PARTITION_AWARE every finer loss is TASK_LOST. */
export function stateFor(state: MesosTaskState, partitionAware: boolean): MesosTaskState {
  return partitionAware || !FINER_LOSSES.has(state) ? state : 'TASK_LOST';
}

const FINER_LOSSES: ReadonlySet<MesosTaskState> = new Set([
  'TASK_DROPPED',
  'TASK_UNREACHABLE',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
]);
