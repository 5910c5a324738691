import { JOBS_FRAMEWORK } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { MesosTaskState } from '../../schema/mesos/event.ts';
import type { FrameworkSummary } from '../framework/types.ts';
import { isTaskPod, type TaskView, taskViewOf } from '../task/taskView.ts';
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

/** One task per Pod of Mezzo; a task whose Pod has ended is told until the Pod is gone. */
export function viewedTasks(
  pods: readonly Pod[],
  told: ToldStates,
  usage: UsageBoard,
): readonly ViewedTask[] {
  return pods.filter(isTaskPod).map((pod) => viewedTask(pod, told, usage));
}

export function viewedTask(pod: Pod, told: ToldStates, usage: UsageBoard): ViewedTask {
  const task = taskViewOf(pod);
  const podUid = pod.metadata.uid ?? '';
  // A framework's tasks are in the state it was told of; what the Pod alone says may be a step ahead.
  const state =
    (task.terminal ? undefined : told.get(keyOf(task.framework, task.task))) ??
    MESOS_STATES[task.state.state];
  return {
    podUid,
    podName: pod.metadata.name,
    namespace: pod.metadata.namespace ?? '',
    id: task.task,
    name: nameOf(pod, task),
    framework: task.framework,
    agent: task.agent,
    role: task.role,
    resources: task.resources,
    revocable: task.revocable,
    reserved: task.reserved,
    state,
    message: task.state.message,
    statuses: statusesOf(task, state),
    image: pod.spec.containers[0]?.image,
    podIp: pod.status?.podIP,
    used: usage.usedBy(podUid),
  };
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
