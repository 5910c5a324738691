import { equalJson } from '../../../model/hash.ts';
import type { FrameworkId } from '../../../model/ids.ts';
import { idFault } from '../../../schema/mesos/framework.ts';
import type { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import { taskFault } from '../pod/taskToPod.ts';
import { amountsFault } from './executorAmounts.ts';
import { newTask } from './executorRecord.ts';

/** Longest description of one task: it is kept on the Pod of its executor. */
const MAX_TASK_BYTES = 65_536;

/**
 * Why a task of a custom executor can never run, naming the field; undefined when nothing is wrong with it.
 * Source of the checks: Mesos `src/master/validation.cpp`, `task::internal::validateTask` and `executor::validate`.
 */
export function executorTaskFault(
  info: TaskInfo,
  executor: ExecutorInfo,
  framework: FrameworkId,
): string | undefined {
  return (
    taskFault(info) ??
    formFault(info, executor) ??
    executorFault(executor, framework) ??
    amountsFault(info, executor)
  );
}

function formFault(info: TaskInfo, executor: ExecutorInfo): string | undefined {
  if (info.command !== undefined) return 'exactly one of command and executor must be set';
  if (executor.type === 'DEFAULT')
    return 'executor.type: must be CUSTOM for LAUNCH; the DEFAULT executor is for LAUNCH_GROUP';
  const bytes = JSON.stringify(newTask(info)).length + JSON.stringify(executor).length;
  return bytes > MAX_TASK_BYTES
    ? `the task and its executor take ${bytes} bytes of JSON; at most ${MAX_TASK_BYTES} can be kept`
    : undefined;
}

function executorFault(executor: ExecutorInfo, framework: FrameworkId): string | undefined {
  const fault = idFault(executor.executor_id.value);
  if (fault !== undefined) return `executor.executor_id: ${fault}`;
  const named = executor.framework_id?.value;
  if (named !== undefined && named !== framework)
    return `ExecutorInfo has an invalid FrameworkID (Actual: ${named} vs Expected: ${framework})`;
  if (executor.command === undefined)
    return "'ExecutorInfo.command' must be set for 'CUSTOM' executor";
  if ((executor.shutdown_grace_period?.nanoseconds ?? 0) < 0)
    return "ExecutorInfo's 'shutdown_grace_period' must be non-negative";
  return undefined;
}

/** What a running executor and the one a task names must have in common: everything. */
export function mismatchFault(running: ExecutorInfo, named: ExecutorInfo): string | undefined {
  const left = comparable(running);
  const right = comparable(named);
  const field = [...new Set([...Object.keys(left), ...Object.keys(right)])].find(
    (key) => !equalJson(left[key], right[key]),
  );
  return field === undefined
    ? undefined
    : `ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID: '${field}' of executor '${named.executor_id.value}' differs from that of the one that runs on this agent`;
}

/** Filled in by masters, so that frameworks leave it out or not as they like. */
function comparable(info: ExecutorInfo): { readonly [field: string]: unknown } {
  const { framework_id: _framework, type = 'CUSTOM', ...rest } = info;
  const resources = info.resources.map(({ allocation_info: _allocation, ...one }) => one);
  return { ...rest, type, resources };
}
