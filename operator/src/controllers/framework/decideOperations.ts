import type { OfferOperation } from '../../schema/mesos/operation.ts';
import type { ExecutorInfo, TaskInfo } from '../../schema/mesos/task.ts';
import { groupFault } from './decideGroup.ts';
import { invalidTask, type RefusedTask } from './decideLaunch.ts';
import { type AcceptContext, type AskedReservation, reservationOf } from './operationResources.ts';
import { type AskedVolumes, volumesAsked } from './volumeOperations.ts';

/** What one operation of an ACCEPT comes to, before its resources are looked at. */
export type OperationStep =
  | { readonly kind: 'task'; readonly info: TaskInfo }
  | { readonly kind: 'group'; readonly executor: ExecutorInfo; readonly tasks: readonly TaskInfo[] }
  | {
      readonly kind: 'reservation';
      readonly id: string | undefined;
      readonly asked: AskedReservation;
    }
  | { readonly kind: 'volumes'; readonly id: string | undefined; readonly asked: AskedVolumes }
  | { readonly kind: 'refusedTasks'; readonly refused: readonly RefusedTask[] }
  /** Told by OPERATION_ERROR when the operation has an id, else dropped in silence. */
  | {
      readonly kind: 'refusedOperation';
      readonly id: string | undefined;
      readonly message: string;
    };

/**
 * Sorts the operations of one ACCEPT, in their order.
 * Source: Mesos `src/master/master.cpp`, `Master::_accept`, and `src/master/validation.cpp`.
 */
export function decideOperations(
  operations: readonly OfferOperation[],
  context: AcceptContext,
): readonly OperationStep[] {
  const named = new Set<string>();
  return operations.flatMap((operation) => stepsOf(operation, context, named));
}

function stepsOf(
  operation: OfferOperation,
  context: AcceptContext,
  named: Set<string>,
): readonly OperationStep[] {
  const id = operation.id?.value;
  const isLaunch = operation.type === 'LAUNCH' || operation.type === 'LAUNCH_GROUP';
  if (isLaunch && id !== undefined) {
    const refused = tasksOf([operation]).map((info) =>
      invalidTask(info.task_id.value, `'id' must not be set on a ${operation.type} operation`),
    );
    return [{ kind: 'refusedTasks', refused }];
  }
  switch (operation.type) {
    case 'LAUNCH':
      return (operation.launch?.task_infos ?? []).map((info) => taskStep(info, context, named));
    case 'LAUNCH_GROUP':
      return [groupStep(operation.launch_group, context, named)];
    case 'RESERVE':
    case 'UNRESERVE': {
      const kind = operation.type === 'RESERVE' ? 'reserve' : 'unreserve';
      const asked = reservationOf(kind, operation, context);
      return asked.ok
        ? [{ kind: 'reservation', id, asked: asked.value }]
        : [{ kind: 'refusedOperation', id, message: asked.refusal }];
    }
    case 'CREATE':
    case 'DESTROY':
    case 'GROW_VOLUME':
    case 'SHRINK_VOLUME': {
      const asked = volumesAsked(operation.type, operation, context);
      return asked.ok
        ? [{ kind: 'volumes', id, asked: asked.value }]
        : [{ kind: 'refusedOperation', id, message: asked.refusal }];
    }
    case 'CREATE_DISK':
    case 'DESTROY_DISK':
    case undefined: {
      const message = UNSERVED[operation.type ?? 'UNKNOWN'];
      return [{ kind: 'refusedOperation', id, message }];
    }
  }
}

const NO_DISKS = 'no resource provider offers disks here';

/** Operations nothing here can carry out, and why. */
const UNSERVED = {
  CREATE_DISK: `CREATE_DISK: ${NO_DISKS}`,
  DESTROY_DISK: `DESTROY_DISK: ${NO_DISKS}`,
  UNKNOWN: 'the type of the operation is missing or not known',
} as const satisfies Record<string, string>;

function taskStep(info: TaskInfo, context: AcceptContext, named: Set<string>): OperationStep {
  const task = info.task_id.value;
  const fault = duplicateFault(task, named, context) ?? placeFault(info, context);
  named.add(task);
  return fault === undefined
    ? { kind: 'task', info }
    : { kind: 'refusedTasks', refused: [invalidTask(task, fault)] };
}

function groupStep(
  group: OfferOperation['launch_group'],
  context: AcceptContext,
  named: Set<string>,
): OperationStep {
  if (group === undefined)
    return { kind: 'refusedOperation', id: undefined, message: 'launch_group must be set' };
  const { executor, task_group } = group;
  const { tasks } = task_group;
  let fault = groupFault(executor, tasks, context.frameworkId);
  for (const info of tasks) {
    const task = info.task_id.value;
    fault ??= duplicateFault(task, named, context) ?? placeFault(info, context);
    named.add(task);
  }
  return fault === undefined
    ? { kind: 'group', executor, tasks }
    : { kind: 'refusedTasks', refused: invalidGroup(tasks, fault) };
}

/** All or nothing: one fault is told of every task. */
export function invalidGroup(tasks: readonly TaskInfo[], fault: string): readonly RefusedTask[] {
  return tasks.map((info) => ({
    ...invalidTask(info.task_id.value, fault),
    reason: 'REASON_TASK_GROUP_INVALID',
  }));
}

function duplicateFault(
  task: string,
  named: ReadonlySet<string>,
  { isTaken }: AcceptContext,
): string | undefined {
  return named.has(task) || isTaken(task)
    ? `Task has duplicate ID '${task}': it is in use by a live task`
    : undefined;
}

/** Whether the task is meant for what was accepted. Without valid offers nothing can be said. */
function placeFault(info: TaskInfo, { offer }: AcceptContext): string | undefined {
  if (offer === undefined) return undefined;
  if (info.agent_id.value !== offer.agent)
    return `Task uses invalid agent '${info.agent_id.value}' while agent '${offer.agent}' is expected`;
  for (const { name, allocation_info } of info.resources) {
    const role = allocation_info?.role;
    if (role !== undefined && role !== offer.role)
      return `resources: '${name}' is allocated to role '${role}', but the offers are for role '${offer.role}'`;
  }
  return undefined;
}

export function tasksOf(operations: readonly OfferOperation[]): readonly TaskInfo[] {
  return operations.flatMap((one) => [
    ...(one.launch?.task_infos ?? []),
    ...(one.launch_group?.task_group.tasks ?? []),
  ]);
}
