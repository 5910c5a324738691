import { stableJson } from '../../model/hash.ts';
import { amountOf } from '../../model/resources.ts';
import { amountsFromMesos } from '../../schema/mesos/resource.ts';
import type { ExecutorInfo, TaskInfo } from '../../schema/mesos/task.ts';

/** Smallest executor. Source: Mesos `src/slave/constants.hpp`, `MIN_CPUS` and `MIN_MEM`. */
const MIN_EXECUTOR = { cpus: 10, mem: 32 * 1_048_576 } as const;

/**
 * Why a task group cannot run, naming the field; undefined when its executor and its form are fine. The tasks
 * themselves are judged when their Pod is built.
 * Source: Mesos `src/master/validation.cpp`, `task::group::validate` and `executor::validate`.
 */
export function groupFault(
  executor: ExecutorInfo,
  tasks: readonly TaskInfo[],
  frameworkId: string,
): string | undefined {
  return (
    executorFault(executor, frameworkId) ??
    executorResourcesFault(executor) ??
    (tasks.length === 0 ? 'task_group.tasks: must not be empty' : undefined) ??
    tasks.map((info) => memberFault(info, executor)).find((one) => one !== undefined) ??
    cgroupsFault(tasks)
  );
}

function executorFault(executor: ExecutorInfo, frameworkId: string): string | undefined {
  const named = executor.framework_id?.value;
  if (named !== undefined && named !== frameworkId)
    return `executor.framework_id: '${named}' is another framework than '${frameworkId}'`;
  if (executor.container?.type === 'DOCKER' || executor.container?.docker !== undefined)
    return 'executor.container: Docker containers are not for the executor of a group';
  switch (executor.type) {
    case 'DEFAULT':
      return executor.command === undefined
        ? undefined
        : 'executor.command: must not be set for an executor of type DEFAULT';
    case 'CUSTOM':
      return executor.command === undefined
        ? 'executor.command: must be set for an executor of type CUSTOM'
        : 'executor.type: groups are run by the DEFAULT executor only';
    case undefined:
      return 'executor.type: must be set';
  }
}

function executorResourcesFault({ resources }: ExecutorInfo): string | undefined {
  const amounts = amountsFromMesos(resources);
  if (!amounts.ok) return `executor.${amounts.refusal}`;
  for (const [name, least] of Object.entries(MIN_EXECUTOR)) {
    const asked = amountOf(amounts.value.resources, name) + amountOf(amounts.value.revocable, name);
    if (asked < least)
      return `executor.resources: at least 0.01 cpus and 32 MB of mem are needed, and '${name}' is less`;
  }
  return resources.some((one) => one.name === 'disk')
    ? undefined
    : "executor.resources: 'disk' is needed";
}

function memberFault(info: TaskInfo, executor: ExecutorInfo): string | undefined {
  if (info.executor === undefined) return undefined;
  const { framework_id: _own, ...own } = info.executor;
  const { framework_id: _groups, ...groups } = executor;
  return stableJson(own) === stableJson(groups)
    ? undefined
    : `task '${info.task_id.value}': executor differs from that of the group`;
}

/** Tasks of one group share their cgroups all or not at all. */
function cgroupsFault(tasks: readonly TaskInfo[]): string | undefined {
  const shares = new Set(tasks.map((info) => info.container?.linux_info?.share_cgroups ?? true));
  return shares.size > 1
    ? 'task_group.tasks: container.linux_info.share_cgroups must be the same for all tasks'
    : undefined;
}
