import { type TaskId, taskId } from '../../../model/ids.ts';
import { ok, refuse } from '../../../model/result.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { idFault } from '../../../schema/mesos/framework.ts';
import type { TaskAmounts } from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { RESTRICTED_POD } from '../../task/buildTaskPod.ts';
import { taskPodName } from '../names.ts';
import { graceSecondsOf } from './killPolicy.ts';
import type { PodContext, Translated } from './podContext.ts';
import { metadataOf, TASK_CONTAINER } from './podMetadata.ts';
import { partsOf, type TaskParts } from './taskParts.ts';

export interface TranslatedTask extends TaskAmounts {
  readonly task: TaskId;
  readonly pod: Pod;
  /** Names of the persistent volumes it holds; those that are not shared are in the amounts too. */
  readonly volumes?: readonly string[];
}

const NAMES = {
  container: TASK_CONTAINER,
  fetcher: 'fetch',
  sandbox: 'sandbox',
  shared: undefined,
};

/**
 * The Pod of one task, complete but for its node.
 *
 * Guarantees: built from a constant restricted base; only the fields read here can reach it, each through its own
 * check, so no wish of a framework for privileges, host access, accounts or foreign labels passes unless its
 * principal holds the permission.
 * Errors: a text that names the field, for TASK_ERROR with REASON_TASK_INVALID.
 */
export function taskToPod(info: TaskInfo, context: PodContext): Translated<TranslatedTask> {
  const fault = taskFault(info) ?? commandFault(info);
  if (fault !== undefined) return refuse(fault);
  const parts = partsOf(info, context, NAMES);
  if (!parts.ok) return parts;
  const task = taskId(info.task_id.value);
  const { amounts } = parts.value;
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(taskPodName(context.place.id, task), [info], context, amounts),
    spec: {
      ...podBase(context, parts.value.pod),
      terminationGracePeriodSeconds: graceSecondsOf(info.kill_policy) ?? 0,
      ...deadlineOf(info),
      ...(parts.value.fetcher === undefined ? {} : { initContainers: [parts.value.fetcher] }),
      volumes: parts.value.volumes,
      containers: [parts.value.container],
    },
  };
  const { persistent } = parts.value;
  return ok({ task, pod, ...amounts, ...(persistent.length === 0 ? {} : { volumes: persistent }) });
}

/** What every Pod of a framework has, whatever its tasks ask for. */
export function podBase(
  { runAsUser, podTemplate }: PodContext,
  wished: TaskParts['pod'],
): Omit<Pod['spec'], 'containers'> {
  return {
    ...RESTRICTED_POD,
    securityContext: { ...RESTRICTED_POD.securityContext, runAsUser },
    ...wished,
    ...(podTemplate?.serviceAccountName === undefined
      ? {}
      : { serviceAccountName: podTemplate.serviceAccountName }),
    ...(podTemplate?.tolerations === undefined ? {} : { tolerations: podTemplate.tolerations }),
  };
}

/** Source of the checks and their order: Mesos `src/master/validation.cpp`, `validateTask`. */
export function taskFault(info: TaskInfo): string | undefined {
  const fault = idFault(info.task_id.value);
  if (fault !== undefined) return `task_id: ${fault}`;
  if (graceSecondsOf(info.kill_policy) === undefined)
    return 'kill_policy.grace_period: must not be negative';
  if ((info.max_completion_time?.nanoseconds ?? 0) < 0)
    return 'max_completion_time: must not be negative';
  return undefined;
}

function commandFault(info: TaskInfo): string | undefined {
  if ((info.executor === undefined) === (info.command === undefined))
    return 'exactly one of command and executor must be set';
  if (info.executor?.type === 'DEFAULT')
    return 'executor.type: must be CUSTOM for LAUNCH; the DEFAULT executor is for LAUNCH_GROUP';
  if (info.executor !== undefined)
    return 'executor: a task of a custom executor has no Pod of its own';
  if (info.container?.linux_info?.share_cgroups === false)
    return 'container.linux_info.share_cgroups: may be false only for tasks of a group';
  return undefined;
}

/** Kubernetes wants at least one second. */
function deadlineOf(info: TaskInfo): { activeDeadlineSeconds?: number } {
  const nanoseconds = info.max_completion_time?.nanoseconds;
  return nanoseconds === undefined
    ? {}
    : { activeDeadlineSeconds: Math.max(1, Math.ceil(nanoseconds / 1e9)) };
}
