import { z } from 'zod';
import {
  type AgentId,
  agentId,
  type FrameworkId,
  type TaskId,
  taskId,
} from '../../../model/ids.ts';
import { ANNOTATION, EXECUTOR_TASK_PREFIX } from '../../../model/labels.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { MESOS_TASK_STATES, type MesosTaskState } from '../../../schema/mesos/event.ts';
import { TERMINAL_STATES } from '../../../schema/mesos/executorCall.ts';
import { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import { taskPodName } from '../names.ts';
import { frameworkOf } from '../pod/taskRecord.ts';

/**
 * What is remembered of a custom executor and its tasks: all of it is on the executor's Pod, each task in an annotation
 * of its own, so that neither the operator nor the agent has anything to lose.
 */

/** A status its framework has not acknowledged yet; whatever else its executor said is kept as it was. */
const StoredStatus = z.looseObject({
  task_id: z.object({ value: z.string() }),
  state: z.enum(MESOS_TASK_STATES),
  /** Base64 of 16 bytes. */
  uuid: z.string(),
  source: z.enum(['SOURCE_EXECUTOR', 'SOURCE_AGENT', 'SOURCE_MASTER']),
  timestamp: z.number(),
});
export type StoredStatus = z.infer<typeof StoredStatus>;

const StoredTask = z.object({
  /** Without its executor, which is on the Pod once. */
  info: TaskInfo,
  /** The newest state its framework has acknowledged. */
  state: z.enum(MESOS_TASK_STATES),
  updates: z.array(StoredStatus),
  /** Uuids of the last updates taken in, so that one sent again is known. */
  known: z.array(z.string()),
  /** What of its amounts reservations pay for, as quantities; of the first task the Pod itself says it. */
  reserved: z.record(z.string(), z.string()).optional(),
  /** Its framework wants it killed. */
  kill: z.object({ graceNanoseconds: z.number().optional() }).optional(),
});
export type StoredTask = Readonly<z.infer<typeof StoredTask>>;

/** A custom executor as its Pod tells it. */
export interface ExecutorView {
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  readonly info: ExecutorInfo;
  readonly tasks: ReadonlyMap<TaskId, StoredTask>;
}

/** Updates of one task that may wait for its framework; an executor that sends more is told to wait. */
export const MAX_WAITING_UPDATES = 16;
/** Longest annotations of one Pod, tasks and all. The API server takes 256 KiB. */
export const MAX_RECORD_BYTES = 200_000;
const MAX_KNOWN = 16;

const views = new WeakMap<Pod, { readonly view: ExecutorView | undefined }>();

/** Undefined for every Pod that is not a custom executor's. Objects are immutable, so each is read once. */
export function executorViewOf(pod: Pod): ExecutorView | undefined {
  const known = views.get(pod);
  if (known !== undefined) return known.view;
  const view = readView(pod);
  views.set(pod, { view });
  return view;
}

function readView(pod: Pod): ExecutorView | undefined {
  const annotations = pod.metadata.annotations ?? {};
  const text = annotations[ANNOTATION.executorInfo];
  const framework = text === undefined ? undefined : frameworkOf(pod);
  const info = parsed(ExecutorInfo, text);
  if (framework === undefined || info === undefined) return undefined;
  const tasks = new Map<TaskId, StoredTask>();
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(EXECUTOR_TASK_PREFIX)) continue;
    const task = parsed(StoredTask, value);
    if (task !== undefined) tasks.set(taskId(task.info.task_id.value), task);
  }
  return { framework, agent: agentId(pod.spec.nodeName ?? ''), info, tasks };
}

/** Somebody who edits an annotation into nonsense takes the task away from its framework, as with every Pod. */
function parsed<Schema extends z.ZodType>(
  schema: Schema,
  text: string | undefined,
): z.infer<Schema> | undefined {
  if (text === undefined) return undefined;
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** Annotation of one task. */
export const taskKey = (framework: FrameworkId, task: TaskId): string =>
  `${EXECUTOR_TASK_PREFIX}${taskPodName(framework, task)}`;

/** A task as it is recorded before its executor hears of it. */
export function newTask(
  { executor: _executor, ...info }: TaskInfo,
  reserved?: { readonly [name: string]: string },
): StoredTask {
  const charged = reserved === undefined ? {} : { reserved: { ...reserved } };
  return { info, state: 'TASK_STAGING', updates: [], known: [], ...charged };
}

/** The newest state anybody has told of it. */
export const newestState = (task: StoredTask): MesosTaskState =>
  task.updates.at(-1)?.state ?? task.state;

export const hasTaskEnded = (task: StoredTask): boolean => TERMINAL_STATES.has(newestState(task));

/** Its executor has not said a word about it. */
export const isUnheard = (task: StoredTask): boolean =>
  task.updates.length === 0 && task.state === 'TASK_STAGING';

/** The task with one more update; itself when the update is known or comes after its end; undefined when it has to wait. */
export function withUpdate(task: StoredTask, status: StoredStatus): StoredTask | undefined {
  if (task.known.includes(status.uuid) || hasTaskEnded(task)) return task;
  if (task.updates.length >= MAX_WAITING_UPDATES) return undefined;
  return {
    ...task,
    updates: [...task.updates, status],
    known: [...task.known, status.uuid].slice(-MAX_KNOWN),
  };
}

/** The task without the update its framework has acknowledged; undefined when that was its last. */
export function withoutUpdate(task: StoredTask, uuid: string): StoredTask | undefined {
  const acknowledged = task.updates.find((one) => one.uuid === uuid);
  if (acknowledged === undefined) return task;
  if (TERMINAL_STATES.has(acknowledged.state)) return undefined;
  return {
    ...task,
    state: acknowledged.state,
    updates: task.updates.filter((one) => one !== acknowledged),
  };
}

/** Annotations that bring the record from one state to the other; null takes one away. */
export function annotationsFor(
  framework: FrameworkId,
  before: ReadonlyMap<TaskId, StoredTask>,
  after: ReadonlyMap<TaskId, StoredTask>,
): { readonly [key: string]: string | null } {
  const annotations: { [key: string]: string | null } = {};
  for (const task of before.keys())
    if (!after.has(task)) annotations[taskKey(framework, task)] = null;
  for (const [task, stored] of after)
    if (before.get(task) !== stored) annotations[taskKey(framework, task)] = JSON.stringify(stored);
  return annotations;
}

/** Bytes the record takes on its Pod. */
export function recordBytes(info: ExecutorInfo, tasks: Iterable<StoredTask>): number {
  let bytes = JSON.stringify(info).length;
  for (const task of tasks) bytes += JSON.stringify(task).length + 160;
  return bytes;
}
