import { taskId } from '../../../model/ids.ts';
import { add, isEmpty, NO_RESOURCES } from '../../../model/resources.ts';
import { ok, refuse } from '../../../model/result.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import { taskPodName } from '../names.ts';
import { graceSecondsOf } from './killPolicy.ts';
import type { PodContext, Translated } from './podContext.ts';
import { groupContainer, metadataOf } from './podMetadata.ts';
import { partsOf, type TaskParts } from './taskParts.ts';
import { podBase, type TranslatedTask, taskFault } from './taskToPod.ts';

const SHARED = 'shared';
const MAX_TASKS = 64;

/**
 * One Pod with a container per task, for LAUNCH_GROUP. Its tasks start together and share network and, where they ask
 * for it, a folder; when one of them fails or is killed the others are killed too, as by Mesos's default executor.
 * The executor itself has no process here and so takes no resources.
 *
 * Output: `task` is the first task's id. Errors: as `taskToPod`, the task named.
 */
export function taskGroupToPod(
  infos: readonly TaskInfo[],
  executor: ExecutorInfo,
  context: PodContext,
): Translated<TranslatedTask> {
  const [first] = infos;
  if (first === undefined) return refuse('task_group.tasks: must not be empty');
  if (infos.length > MAX_TASKS) return refuse(`task_group.tasks: more than ${MAX_TASKS}`);
  const all: TaskParts[] = [];
  for (const [index, given] of infos.entries()) {
    // The group says which executor its tasks have; a task need not repeat it.
    const info = { ...given, executor };
    const fault = taskFault(info) ?? memberFault(info);
    const parts = fault === undefined ? partsOf(info, context, namesAt(index)) : refuse(fault);
    if (!parts.ok) return refuse(`task '${info.task_id.value}': ${parts.refusal}`);
    all.push(parts.value);
  }
  const amounts = {
    resources: all.reduce((sum, one) => add(sum, one.amounts.resources), NO_RESOURCES),
    revocable: all.reduce((sum, one) => add(sum, one.amounts.revocable), NO_RESOURCES),
  };
  const mixed = all.some((one) => !isEmpty(one.amounts.resources)) && !isEmpty(amounts.revocable);
  if (mixed && all.some((one) => isEmpty(one.amounts.revocable)))
    return refuse('task_group: revocable and other tasks cannot be in one group');
  const task = taskId(first.task_id.value);
  const members = infos.map((info) => ({ ...info, executor }));
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(taskPodName(context.place.id, task), members, context, amounts),
    spec: specOf(infos, all, context),
  };
  const volumes = [...new Set(all.flatMap((one) => one.persistent))];
  return ok({ task, pod, ...amounts, ...(volumes.length === 0 ? {} : { volumes }) });
}

const namesAt = (index: number) => ({
  container: groupContainer(index),
  fetcher: `fetch-${index}`,
  sandbox: `sandbox-${index}`,
  shared: SHARED,
});

/** Source: Mesos `src/master/validation.cpp`, `group::internal::validateTask`. */
function memberFault(info: TaskInfo): string | undefined {
  if (info.command === undefined) return 'command: must be set for a task of a group';
  if (info.container?.docker !== undefined || info.container?.type === 'DOCKER')
    return 'container: Docker containers are not for tasks of a group; use type MESOS';
  if (info.max_completion_time !== undefined)
    return 'max_completion_time: cannot be set for one task of a Pod; launch it alone';
  const limited = Object.keys(info.limits ?? {}).length > 0;
  if (limited && info.container?.linux_info?.share_cgroups !== false)
    return 'limits: may be set in a group only with container.linux_info.share_cgroups false';
  return undefined;
}

function specOf(
  infos: readonly TaskInfo[],
  all: readonly TaskParts[],
  context: PodContext,
): Pod['spec'] {
  const fetchers = all.flatMap((one) => (one.fetcher === undefined ? [] : [one.fetcher]));
  const graces = infos.map((info) => graceSecondsOf(info.kill_policy) ?? 0);
  return {
    ...podBase(context, Object.assign({}, ...all.map((one) => one.pod))),
    terminationGracePeriodSeconds: Math.max(...graces),
    ...(fetchers.length === 0 ? {} : { initContainers: fetchers }),
    volumes: [...volumesOnce(all), { name: SHARED, emptyDir: {} }],
    containers: all.map((one) => one.container),
  };
}

/** Tasks of a group may hold the same shared volume: their Pod has it once. */
function volumesOnce(all: readonly TaskParts[]): TaskParts['volumes'] {
  return [...new Map(all.flatMap((one) => one.volumes.map((each) => [each.name, each]))).values()];
}
