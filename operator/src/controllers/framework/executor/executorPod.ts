import { createHash } from 'node:crypto';
import { type TaskId, taskId } from '../../../model/ids.ts';
import { ANNOTATION, LABEL } from '../../../model/labels.ts';
import { ok } from '../../../model/result.ts';
import type { EnvVar, Pod } from '../../../schema/kubeObjects.ts';
import type { TaskAmounts } from '../../../schema/mesos/resource.ts';
import type { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import { taskPodName } from '../names.ts';
import { literal } from '../pod/command.ts';
import { type PodContext, SANDBOX, type Translated } from '../pod/podContext.ts';
import { metadataOf, TASK_CONTAINER } from '../pod/podMetadata.ts';
import { partsOf } from '../pod/taskParts.ts';
import { podBase, type TranslatedTask } from '../pod/taskToPod.ts';
import { newTask, taskKey } from './executorRecord.ts';

/** Source: Mesos `src/slave/constants.hpp`, `DEFAULT_EXECUTOR_SHUTDOWN_GRACE_PERIOD` and its neighbours. */
const SHUTDOWN_GRACE_SECONDS = 5;
const RECOVERY_TIMEOUT = '15mins';
const SUBSCRIPTION_BACKOFF_MAX = '2secs';
const TOKEN_VARIABLE = 'MESOS_EXECUTOR_AUTHENTICATION_TOKEN';

/** What an executor's Pod needs beyond what every Pod of a framework has. */
export interface ExecutorFacts {
  /** `host:port` of the agent on its node. */
  readonly endpoint: string;
  /** Proves that a caller is this executor. */
  readonly token: string;
  /** How many Pods this executor has had on this node before. */
  readonly generation: number;
}

/**
 * The Pod of a custom executor with its first task, complete but for its node. The executor's command and container are
 * translated as a task's are, with the same checks.
 * Errors: a text that names the field, for TASK_ERROR with REASON_TASK_INVALID.
 */
export function executorToPod(
  info: TaskInfo,
  executor: ExecutorInfo,
  facts: ExecutorFacts,
  context: PodContext,
): Translated<TranslatedTask> {
  const parts = partsOf(asTask(info, executor), context, NAMES);
  if (!parts.ok) return { ok: false, refusal: `executor: ${parts.refusal}` };
  const { amounts, container, fetcher, volumes, pod: wished } = parts.value;
  const task = taskId(info.task_id.value);
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: executorMetadata(info, executor, facts, { context, amounts }),
    spec: {
      ...podBase(context, wished),
      terminationGracePeriodSeconds: shutdownGraceSeconds(executor),
      ...(fetcher === undefined ? {} : { initContainers: [fetcher] }),
      volumes,
      containers: [{ ...container, env: environment(container.env ?? [], info, executor, facts) }],
    },
  };
  return ok({ task, pod, ...amounts });
}

const NAMES = {
  container: TASK_CONTAINER,
  fetcher: 'fetch',
  sandbox: 'sandbox',
  shared: undefined,
};

/** The executor with what its first task asks for, in the form of a task. */
function asTask(info: TaskInfo, executor: ExecutorInfo): TaskInfo {
  const { command, container, labels } = executor;
  return {
    name: executor.name ?? executor.executor_id.value,
    task_id: executor.executor_id,
    agent_id: info.agent_id,
    resources: [...executor.resources, ...info.resources],
    ...(command === undefined ? {} : { command }),
    ...(container === undefined ? {} : { container }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function executorMetadata(
  info: TaskInfo,
  executor: ExecutorInfo,
  { generation }: ExecutorFacts,
  { context, amounts }: { readonly context: PodContext; readonly amounts: TaskAmounts },
): Pod['metadata'] {
  const { place } = context;
  const task = taskId(info.task_id.value);
  const name = executorPodName(context, executor, info.agent_id.value, generation);
  const { annotations, labels, ...metadata } = metadataOf(
    name,
    [asTask(info, executor)],
    context,
    amounts,
  );
  const {
    [ANNOTATION.taskId]: _id,
    [ANNOTATION.taskName]: _name,
    [ANNOTATION.taskInfo]: _told,
    ...kept
  } = annotations ?? {};
  return {
    ...metadata,
    // Another first task makes it another decision: its Pod is no answer to this one.
    labels: { ...labels, [LABEL.generation]: taskPodName(place.id, task) },
    annotations: {
      ...kept,
      [ANNOTATION.executorId]: executor.executor_id.value,
      [ANNOTATION.executorInfo]: JSON.stringify(executor),
      [taskKey(place.id, task)]: JSON.stringify(newTask(info)),
    },
  };
}

/** Follows from framework, executor, node and the count of its Pods there: two of one cannot exist. */
function executorPodName(
  { place }: PodContext,
  { executor_id: id }: ExecutorInfo,
  agent: string,
  generation: number,
): string {
  const text = ['executor', id.value, agent, String(generation)].join('\u0000');
  const name = taskPodName(place.id, text as TaskId);
  return `${slug(id.value)}-${name.slice(name.lastIndexOf('-') + 1)}`;
}

const slug = (id: string): string => {
  const name = taskPodName('' as PodContext['place']['id'], id as TaskId);
  return name.slice(0, name.lastIndexOf('-'));
};

/** Source: Mesos `src/slave/slave.cpp`, `executorEnvironment`. */
function environment(
  own: readonly EnvVar[],
  info: TaskInfo,
  executor: ExecutorInfo,
  { endpoint, token }: ExecutorFacts,
): readonly EnvVar[] {
  const told = {
    MESOS_EXECUTOR_ID: executor.executor_id.value,
    MESOS_SANDBOX: SANDBOX,
    MESOS_DIRECTORY: SANDBOX,
    MESOS_SLAVE_ID: info.agent_id.value,
    MESOS_SLAVE_PID: `slave(1)@${endpoint}`,
    MESOS_AGENT_ENDPOINT: endpoint,
    MESOS_HTTP_COMMAND_EXECUTOR: '0',
    // The operator's record outlives the agent, whether the framework asked for checkpoints or not.
    MESOS_CHECKPOINT: '1',
    MESOS_RECOVERY_TIMEOUT: RECOVERY_TIMEOUT,
    MESOS_SUBSCRIPTION_BACKOFF_MAX: SUBSCRIPTION_BACKOFF_MAX,
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: `${shutdownGraceSeconds(executor)}secs`,
    [TOKEN_VARIABLE]: token,
  };
  const kept = own.filter(({ name }) => name !== 'MESOS_TASK_ID' && !Object.hasOwn(told, name));
  return [
    ...kept,
    ...Object.entries(told).map(([name, value]) => ({ name, value: literal(value) })),
  ];
}

/** Whole seconds, and at least one. */
export function shutdownGraceSeconds({ shutdown_grace_period: grace }: ExecutorInfo): number {
  return grace === undefined
    ? SHUTDOWN_GRACE_SECONDS
    : Math.max(1, Math.ceil(grace.nanoseconds / 1e9));
}

/** True when the token is that of this Pod; says nothing about how much of it was right. */
export function isTokenOf(pod: Pod, token: string): boolean {
  const own = pod.spec.containers
    .find((one) => one.name === TASK_CONTAINER)
    ?.env?.find((one) => one.name === TOKEN_VARIABLE)?.value;
  if (own === undefined || own === '') return false;
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
  return digest(own) === digest(token);
}
