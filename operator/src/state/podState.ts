import { ANNOTATION } from '../model/labels.ts';
import type { TaskState } from './taskState.ts';

/** Values of the intent annotation, written before the deletion, and the task state each one means. */
export const INTENT_STATES = {
  kill: 'KILLING',
  preempt: 'PREEMPTING',
  restart: 'RESTARTING',
  drain: 'DRAINING',
} as const satisfies Record<string, TaskState>;
export type Intent = keyof typeof INTENT_STATES;

/** The little of a Pod that decides the state of its task. Absent fields are absent in the Pod. */
export interface PodView {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deletionTimestampMs?: number;
  readonly deletionGracePeriodMs?: number;
  /** The Pod's Ready condition. */
  readonly ready: boolean;
  /** True when it was seen ready before: a task that has run does not go back to STARTING. */
  readonly wasReady?: boolean;
  /** True once any container, init containers included, has been started. */
  readonly containersStarted: boolean;
  /** Reason of the first waiting container: `ImagePullBackOff`, `CrashLoopBackOff` … */
  readonly waitingReason?: string;
  readonly waitingMessage?: string;
  /** Exit code of the container that ended last. */
  readonly exitCode?: number;
  readonly terminatedReason?: string;
  readonly finishedAtMs?: number;
  /** `status.reason` of the Pod: `Evicted`, `NodeLost`, `OutOfcpu` … */
  readonly podReason?: string;
  readonly podMessage?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PodTaskState {
  readonly state: TaskState;
  /** Upper-camel-case word for machines. */
  readonly reason: string;
  /** Sentence for people. */
  readonly message: string;
}

/** Reasons in `status.reason` of a failed Pod that blame the node, not the task. Source: kubelet and pod garbage collector. */
const NODE_FAULTS: ReadonlySet<string> = new Set([
  'Evicted',
  'NodeLost',
  'NodeShutdown',
  'Shutdown',
  'Terminated',
  'Preempting',
  'NodeAffinity',
  'TaintToleration',
  'UnexpectedAdmissionError',
  'TopologyAffinityError',
  'AppArmor',
  'DeletionByPodGC',
]);

/** The state of the task a Pod stands for, with why. */
export function taskStateOf(pod: PodView): PodTaskState {
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return endedStateOf(pod);
  if (pod.annotations[ANNOTATION.lost] !== undefined)
    return {
      state: 'LOST',
      reason: 'NodeUnreachable',
      message: 'declared lost: its node did not come back in time',
    };
  if (pod.phase === 'Unknown' || pod.podReason === 'NodeLost')
    return {
      state: 'PARTITIONED',
      reason: pod.podReason ?? 'NodeUnreachable',
      message: pod.podMessage ?? 'its node does not answer',
    };
  const leaving = intendedStateOf(pod);
  if (leaving !== undefined)
    return { state: leaving, reason: leavingReason(pod), message: 'being stopped' };
  if (pod.ready) return { state: 'RUNNING', reason: 'Ready', message: 'running' };
  if (pod.wasReady === true)
    return {
      state: 'RUNNING',
      reason: 'NotReady',
      message: 'running, but its readiness probe fails',
    };
  if (pod.containersStarted)
    return {
      state: 'STARTING',
      reason: pod.waitingReason ?? 'Starting',
      message: pod.waitingMessage ?? 'started, not ready yet',
    };
  return {
    state: 'ASSIGNED',
    reason: pod.waitingReason ?? 'Assigned',
    message: pod.waitingMessage ?? 'placed on its agent, nothing started yet',
  };
}

/**
 * A Pod that was deleted counts as KILLED however it ended, unless it had ended before that: a program that exits 0 on
 * SIGTERM half-way through its work has not finished it.
 */
function endedStateOf(pod: PodView): PodTaskState {
  const message = pod.podMessage ?? exitMessage(pod);
  const blamesNode = pod.podReason !== undefined && isNodeFault(pod.podReason);
  if (wasStopped(pod, blamesNode)) return { state: 'KILLED', reason: leavingReason(pod), message };
  if (pod.phase === 'Succeeded') return { state: 'FINISHED', reason: 'Completed', message };
  if (blamesNode) return { state: 'LOST', reason: pod.podReason ?? 'NodeLost', message };
  return {
    state: 'FAILED',
    reason: pod.podReason ?? pod.terminatedReason ?? 'Error',
    message,
  };
}

/** The intent annotation alone is no proof: the deletion follows it, and the task may have ended in between. */
function wasStopped(pod: PodView, blamesNode: boolean): boolean {
  if (pod.deletionTimestampMs === undefined) return false;
  // A Pod its node refused has no containers that could say when they ended.
  if (pod.finishedAtMs === undefined) return !blamesNode;
  // The deletion timestamp lies one grace period after the request.
  return pod.finishedAtMs >= pod.deletionTimestampMs - (pod.deletionGracePeriodMs ?? 0);
}

function isNodeFault(reason: string): boolean {
  return NODE_FAULTS.has(reason) || /^OutOf/i.test(reason);
}

function intendedStateOf(pod: PodView): TaskState | undefined {
  const intent = pod.annotations[ANNOTATION.intent];
  if (intent !== undefined && Object.hasOwn(INTENT_STATES, intent))
    return INTENT_STATES[intent as Intent];
  if (pod.annotations[ANNOTATION.preemptedBy] !== undefined) return 'PREEMPTING';
  if (pod.annotations[ANNOTATION.killReason] !== undefined) return 'KILLING';
  return pod.deletionTimestampMs === undefined ? undefined : 'KILLING';
}

/** Machine word for why a Pod leaves, in the words of whoever stopped it. */
const LEAVING_REASONS: Readonly<Partial<Record<TaskState, string>>> = {
  PREEMPTING: 'Preempted',
  RESTARTING: 'Restarted',
  DRAINING: 'Drained',
  KILLING: 'Killed',
};

function leavingReason(pod: PodView): string {
  const intended = intendedStateOf(pod) ?? 'KILLING';
  return pod.annotations[ANNOTATION.killReason] ?? LEAVING_REASONS[intended] ?? 'Killed';
}

function exitMessage(pod: PodView): string {
  if (pod.exitCode === undefined) return 'ended without an exit code';
  return pod.exitCode === 0 ? 'exited with 0' : `exited with ${pod.exitCode}`;
}
