import type { TaskId } from '../../model/ids.ts';
import type { MesosReason, MesosTaskState } from '../../schema/mesos/event.ts';
import type { LaunchFailure, LaunchVerdict } from '../scheduling/types.ts';

/** A task that will not run, and what its framework is told. */
export interface RefusedTask {
  readonly task: string;
  /** In the words for partition-aware frameworks. */
  readonly state: MesosTaskState;
  readonly reason: MesosReason;
  readonly message: string;
}

/** A task that can never run as it was described. */
export const invalidTask = (task: string, message: string): RefusedTask => ({
  task,
  state: 'TASK_ERROR',
  reason: 'REASON_TASK_INVALID',
  message,
});

/** What a framework is told of a task whose offers were void. Source: Mesos `Master::accept`. */
export const droppedForOffers = (task: string, message: string): RefusedTask => ({
  task,
  state: 'TASK_DROPPED',
  reason: 'REASON_INVALID_OFFERS',
  message: `Task launched with invalid offers: ${message}`,
});

export function refusedByCycle(
  verdict: Extract<LaunchVerdict, { readonly kind: 'refused' }>,
  isGroup: boolean,
): RefusedTask {
  return verdict.reason === 'NotEnoughOffered'
    ? asTold(invalidTask(verdict.task, verdict.message), isGroup)
    : {
        task: verdict.task,
        state: 'TASK_DROPPED',
        reason: 'REASON_INVALID_OFFERS',
        message: verdict.message,
      };
}

/** What the API server's refusal of a Pod means to the framework; total over the reasons. */
const FAILURES = {
  Forbidden: { state: 'TASK_ERROR', reason: 'REASON_TASK_UNAUTHORIZED' },
  Invalid: { state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID' },
  AlreadyExists: { state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID' },
  QuotaExceeded: { state: 'TASK_DROPPED', reason: 'REASON_RESOURCES_UNKNOWN' },
  AgentLost: { state: 'TASK_DROPPED', reason: 'REASON_AGENT_REMOVED' },
  Unavailable: { state: 'TASK_DROPPED', reason: 'REASON_MASTER_DISCONNECTED' },
} as const satisfies Record<
  LaunchFailure['reason'],
  { readonly state: MesosTaskState; readonly reason: MesosReason }
>;

/** Reasons of a task alone, and of one in a group. */
const GROUP_REASONS: { readonly [reason: string]: MesosReason } = {
  REASON_TASK_UNAUTHORIZED: 'REASON_TASK_GROUP_UNAUTHORIZED',
  REASON_TASK_INVALID: 'REASON_TASK_GROUP_INVALID',
};

export function failedLaunch(task: TaskId, failure: LaunchFailure, isGroup: boolean): RefusedTask {
  return asTold({ task, ...FAILURES[failure.reason], message: failure.message }, isGroup);
}

const asTold = (refused: RefusedTask, isGroup: boolean): RefusedTask =>
  isGroup ? { ...refused, reason: GROUP_REASONS[refused.reason] ?? refused.reason } : refused;
