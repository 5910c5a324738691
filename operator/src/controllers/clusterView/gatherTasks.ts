import { JOBS_FRAMEWORK } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { isEmpty, NO_RESOURCES } from '../../model/resources.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { MesosTaskState } from '../../schema/mesos/event.ts';
import { amountsFromMesos } from '../../schema/mesos/resource.ts';
import { resourcesFromKube } from '../../schema/quantity.ts';
import {
  type ExecutorView,
  executorViewOf,
  newestState,
} from '../framework/executor/executorRecord.ts';
import { type PodTask, podTasks, TASK_CONTAINER } from '../framework/pod/podMetadata.ts';
import type { FrameworkSummary } from '../framework/types.ts';
import { isTaskPod, splitRevocable, type TaskView, taskViewOf } from '../task/taskView.ts';
import type { UsageBoard } from '../usage.ts';
import { MESOS_STATES } from './mesosTaskState.ts';
import { BUCKETS, type ViewedStatus, type ViewedTask } from './types.ts';

/** The states frameworks have been told of, by framework and task id. */
export type ToldStates = ReadonlyMap<string, MesosTaskState>;

const keyOf = (framework: string, task: string): string => `${framework}\u0000${task}`;

export function toldStates(summaries: readonly FrameworkSummary[]): ToldStates {
  return new Map(
    summaries.flatMap(({ id, tasks }) =>
      tasks.flatMap((task) =>
        Object.hasOwn(BUCKETS, task.state)
          ? [[keyOf(id, task.id), task.state as MesosTaskState] as const]
          : [],
      ),
    ),
  );
}

/** The tasks of all Pods of Mezzo; a task whose Pod has ended is told until the Pod is gone. */
export function viewedTasks(
  pods: readonly Pod[],
  told: ToldStates,
  usage: UsageBoard,
): readonly ViewedTask[] {
  return pods.filter(isTaskPod).flatMap((pod) => {
    const executor = executorViewOf(pod);
    if (executor !== undefined) return executorTasks(pod, executor, told, usage);
    const members = podTasks(pod);
    if (members.length < 2) return [singleTask(pod, told, usage)];
    return members.map((member, index) => groupTask(pod, member, { index, told, usage }));
  });
}

function singleTask(pod: Pod, told: ToldStates, usage: UsageBoard): ViewedTask {
  const task = taskViewOf(pod);
  // A framework's tasks are in the state it was told of; what the Pod alone says may be a step ahead.
  const state =
    (task.terminal ? undefined : told.get(keyOf(task.framework, task.task))) ??
    MESOS_STATES[task.state.state];
  return {
    ...sharedOf(pod, task),
    id: task.task,
    name: nameOf(pod, task),
    container: TASK_CONTAINER,
    resources: task.resources,
    revocable: task.revocable,
    reserved: task.reserved,
    volumes: task.volumes,
    state,
    statuses: statusesOf(task, state),
    image: pod.spec.containers[0]?.image,
    used: usage.usedBy(pod.metadata.uid ?? ''),
    ...readTold(pod.metadata.annotations?.[ANNOTATION.taskInfo]),
  };
}

/** A task that shares its Pod with others: it has a container, and so amounts and an end, of its own. */
function groupTask(
  pod: Pod,
  member: PodTask,
  context: {
    readonly index: number;
    readonly told: ToldStates;
    readonly usage: UsageBoard;
  },
): ViewedTask {
  const task = taskViewOf(pod);
  const container = pod.spec.containers.find((one) => one.name === member.container);
  const state = memberState(pod, task, member, context.told);
  const requests = resourcesFromKube(container?.resources?.requests);
  const isFirst = context.index === 0;
  return {
    ...sharedOf(pod, task),
    id: member.task,
    name: member.name,
    container: member.container,
    // Revocable containers request nothing: the first task then stands for what the whole Pod holds.
    ...splitRevocable(requests),
    ...(isFirst && isEmpty(requests)
      ? { resources: task.resources, revocable: task.revocable }
      : {}),
    reserved: isFirst ? task.reserved : NO_RESOURCES,
    volumes: isFirst ? task.volumes : [],
    state,
    statuses: statusesOf(task, state),
    image: container?.image,
    used: isFirst ? context.usage.usedBy(pod.metadata.uid ?? '') : undefined,
    ...readTold(pod.metadata.annotations?.[ANNOTATION.taskGroup], context.index),
  };
}

/** The tasks of a custom executor share its container; what they hold is what they were launched with. */
function executorTasks(
  pod: Pod,
  { tasks }: ExecutorView,
  told: ToldStates,
  usage: UsageBoard,
): readonly ViewedTask[] {
  const view = taskViewOf(pod);
  return [...tasks].map(([id, stored], index) => {
    const state = told.get(keyOf(view.framework, id)) ?? newestState(stored);
    const amounts = amountsFromMesos(stored.info.resources.filter((one) => one.name !== 'ports'));
    return {
      ...sharedOf(pod, view),
      id,
      name: stored.info.name,
      container: TASK_CONTAINER,
      ...(amounts.ok ? amounts.value : { resources: NO_RESOURCES, revocable: NO_RESOURCES }),
      reserved: NO_RESOURCES,
      volumes: [],
      state,
      statuses: statusesOf(view, state),
      image: pod.spec.containers[0]?.image,
      // Nobody can tell whose part of it is whose.
      used: index === 0 ? usage.usedBy(pod.metadata.uid ?? '') : undefined,
      labels: stored.info.labels?.labels,
      discovery: stored.info.discovery,
    };
  });
}

function memberState(pod: Pod, task: TaskView, member: PodTask, told: ToldStates): MesosTaskState {
  const known = told.get(keyOf(task.framework, member.task));
  if (known !== undefined && !task.terminal) return known;
  const status = pod.status?.containerStatuses?.find((one) => one.name === member.container);
  const ended = status?.state?.terminated;
  if (ended === undefined) return MESOS_STATES[task.state.state];
  if (ended.exitCode === 0) return 'TASK_FINISHED';
  return task.terminal && task.state.state !== 'FINISHED'
    ? MESOS_STATES[task.state.state]
    : 'TASK_FAILED';
}

function sharedOf(pod: Pod, task: TaskView) {
  return {
    podUid: pod.metadata.uid ?? '',
    podName: pod.metadata.name,
    namespace: pod.metadata.namespace ?? '',
    framework: task.framework,
    executor: pod.metadata.annotations?.[ANNOTATION.executorId],
    agent: task.agent,
    role: task.role,
    message: task.state.message,
    podIp: pod.status?.podIP,
  };
}

/** Labels and discovery information as the framework gave them; what somebody has edited into nonsense is left out. */
function readTold(
  text: string | undefined,
  index?: number,
): Pick<ViewedTask, 'labels' | 'discovery'> {
  const none = { labels: undefined, discovery: undefined };
  if (text === undefined) return none;
  try {
    const value: unknown = JSON.parse(text);
    const told: unknown = index === undefined ? value : (value as readonly unknown[])[index];
    if (typeof told !== 'object' || told === null) return none;
    const { labels, discovery } = told as {
      readonly labels?: unknown;
      readonly discovery?: unknown;
    };
    return {
      labels: Array.isArray(labels) ? (labels as readonly object[]) : undefined,
      discovery: typeof discovery === 'object' && discovery !== null ? discovery : undefined,
    };
  } catch {
    return none;
  }
}

function nameOf(pod: Pod, task: TaskView): string {
  const named = pod.metadata.annotations?.[ANNOTATION.taskName];
  if (named !== undefined) return named;
  return task.framework === JOBS_FRAMEWORK ? (task.jobKey?.split('/')[2] ?? task.task) : task.task;
}

/** Only steps whose time the Pod tells. */
function statusesOf(task: TaskView, state: MesosTaskState): readonly ViewedStatus[] {
  const { startedAtMs, terminalAtMs } = task;
  return [
    ...(startedAtMs === undefined ? [] : [{ state: 'TASK_RUNNING' as const, atMs: startedAtMs }]),
    ...(terminalAtMs === undefined ? [] : [{ state, atMs: terminalAtMs }]),
  ];
}
