import type { TaskId } from '../../model/ids.ts';
import type { MesosReason, MesosTaskState } from '../../schema/mesos/event.ts';
import type { OfferOperation } from '../../schema/mesos/operation.ts';
import type { TaskInfo } from '../../schema/mesos/task.ts';
import type { LaunchFailure, LaunchVerdict } from '../scheduling/types.ts';

/** A task that will not run, and what its framework is told. */
export interface RefusedTask {
  readonly task: string;
  /** In the words for partition-aware frameworks. */
  readonly state: MesosTaskState;
  readonly reason: MesosReason;
  readonly message: string;
}

/** What the operations of one ACCEPT ask for. */
export interface AcceptPlan {
  readonly launch: readonly TaskInfo[];
  readonly refused: readonly RefusedTask[];
  /** Operations with an id, whose failure is told by OPERATION_ERROR. */
  readonly failedOperations: readonly { readonly id: string; readonly message: string }[];
}

/** Sorts the operations of an ACCEPT into tasks to launch and what is refused at once. */
export function decideOperations(
  operations: readonly OfferOperation[],
  taken: ReadonlySet<string>,
): AcceptPlan {
  const launch: TaskInfo[] = [];
  const refused: RefusedTask[] = [];
  const failedOperations: { id: string; message: string }[] = [];
  const named = new Set(taken);
  for (const operation of operations) {
    switch (operation.type) {
      case 'LAUNCH':
        for (const info of operation.launch?.task_infos ?? []) {
          const task = info.task_id.value;
          if (operation.id !== undefined)
            refused.push(invalid(task, "'id' must not be set on a LAUNCH operation"));
          else if (named.has(task))
            refused.push(
              invalid(task, `Task has duplicate ID '${task}': it is in use by a live task`),
            );
          else launch.push(info);
          named.add(task);
        }
        break;
      case 'LAUNCH_GROUP':
        for (const info of operation.launch_group?.task_group?.tasks ?? [])
          refused.push({
            ...invalid(
              info.task_id.value,
              'LAUNCH_GROUP is not served by this version; use LAUNCH',
            ),
            reason: 'REASON_TASK_GROUP_INVALID',
          });
        break;
      default:
        if (operation.id !== undefined)
          failedOperations.push({
            id: operation.id.value,
            message: `Operation ${operation.type ?? 'of unknown type'} is not served by this version`,
          });
    }
  }
  return { launch, refused, failedOperations };
}

const invalid = (task: string, message: string): RefusedTask => ({
  task,
  state: 'TASK_ERROR',
  reason: 'REASON_TASK_INVALID',
  message,
});

export const invalidTask = invalid;

/** What a framework is told of a task whose offers were void. Source: Mesos `Master::accept`. */
export const droppedForOffers = (task: string, message: string): RefusedTask => ({
  task,
  state: 'TASK_DROPPED',
  reason: 'REASON_INVALID_OFFERS',
  message: `Task launched with invalid offers: ${message}`,
});

export function refusedByCycle(
  verdict: Extract<LaunchVerdict, { readonly kind: 'refused' }>,
): RefusedTask {
  return verdict.reason === 'NotEnoughOffered'
    ? invalid(verdict.task, verdict.message)
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

export function failedLaunch(task: TaskId, failure: LaunchFailure): RefusedTask {
  return { task, ...FAILURES[failure.reason], message: failure.message };
}
