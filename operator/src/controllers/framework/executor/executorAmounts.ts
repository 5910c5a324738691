import type { TaskId } from '../../../model/ids.ts';
import { ANNOTATION } from '../../../model/labels.ts';
import {
  add,
  amountOf,
  isEmpty,
  min,
  NO_RESOURCES,
  type Resources,
} from '../../../model/resources.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { amountsFromMesos } from '../../../schema/mesos/resource.ts';
import type { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import {
  formatQuantity,
  formatResources,
  parseResources,
  resourcesFromKube,
} from '../../../schema/quantity.ts';
import { specOf, statusOf } from '../pod/containerFacts.ts';
import { TASK_CONTAINER } from '../pod/podMetadata.ts';
import { type ExecutorView, hasTaskEnded, type StoredTask } from './executorRecord.ts';

/** What an executor's Pod takes while its tasks come and go. */

/** Kinds of a container that can change while it runs. Source: Kubernetes, "Resize CPU and Memory Resources". */
const RESIZED = { cpus: 'cpu', mem: 'memory' } as const;
/** What a kind shrinks to at the least: a request may not vanish, since that changes the Pod's QoS class. */
const LEAST: Resources = { cpus: 10, mem: 32 * 1_048_576 };
/** Kinds that are Mezzo's alone to count: the kubelet knows none that can grow. */
const COUNTED = 'disk';

/** Ports and other ranges are the Pod's, not amounts. */
const scalarsOf = (info: Pick<ExecutorInfo | TaskInfo, 'resources'>): Resources => {
  const amounts = amountsFromMesos(info.resources.filter((one) => one.name !== 'ports'));
  return amounts.ok ? amounts.value.resources : NO_RESOURCES;
};

/** The executor's own amounts and those of its tasks that have not ended. */
export function wantedAmounts({ info, tasks }: Pick<ExecutorView, 'info' | 'tasks'>): Resources {
  let wanted = scalarsOf(info);
  for (const task of tasks.values())
    if (!hasTaskEnded(task)) wanted = add(wanted, scalarsOf(task.info));
  return wanted;
}

/** The JSON patch that brings the Pod's requests and limits to what its tasks need; undefined when they are. */
export function resizePatch(pod: Pod, view: ExecutorView): readonly object[] | undefined {
  const index = pod.spec.containers.findIndex((one) => one.name === TASK_CONTAINER);
  const requests = pod.spec.containers[index]?.resources?.requests;
  if (requests === undefined) return undefined;
  const now = resourcesFromKube(requests);
  const wanted = wantedAmounts(view);
  const operations: object[] = [];
  for (const [name, kubeName] of Object.entries(RESIZED)) {
    const current = amountOf(now, name);
    if (current === 0) continue;
    const target = Math.max(amountOf(wanted, name), Math.min(current, amountOf(LEAST, name)));
    if (target === current) continue;
    const value = formatQuantity(name, target);
    for (const kind of ['requests', 'limits'])
      operations.push({
        op: 'add',
        path: `/spec/containers/${index}/resources/${kind}/${kubeName}`,
        value,
      });
  }
  if (operations.length === 0) return undefined;
  return [{ op: 'test', path: '/metadata/uid', value: pod.metadata.uid }, ...operations];
}

/** Annotations for the ledger: what the Pod's requests cannot count, and what reservations pay for. */
export function ledgerAnnotations(
  pod: Pod,
  view: Pick<ExecutorView, 'info' | 'tasks'>,
): { readonly [key: string]: string | null } {
  return { ...countedAnnotation(pod, view), ...reservedAnnotations(pod, view) };
}

/** What reservations pay for of a Pod, as quantities. */
export const reservedOf = (
  annotations: { readonly [key: string]: string } | undefined,
): { readonly [name: string]: string } =>
  formatResources(parsedAmounts(annotations?.[ANNOTATION.reserved]));

/** A Pod is made with what pays for its first task; what joins brings its own part and takes it away again. */
function reservedAnnotations(
  pod: Pod,
  { info, tasks }: Pick<ExecutorView, 'info' | 'tasks'>,
): { readonly [key: string]: string | null } {
  const stored = pod.metadata.annotations ?? {};
  const firstText = stored[ANNOTATION.executorReserved] ?? stored[ANNOTATION.reserved];
  const all = [...tasks.values()].filter((task) => !hasTaskEnded(task));
  const joined = all.filter((task) => task.reserved !== undefined);
  if (
    firstText === undefined &&
    joined.every((task) => Object.keys(task.reserved ?? {}).length === 0)
  )
    return {};
  const first = new Map([...tasks].filter(([, task]) => task.reserved === undefined));
  const total = joined.reduce(
    (sum, task) => add(sum, parseResources(task.reserved ?? {})),
    min(parsedAmounts(firstText), wantedAmounts({ info, tasks: first })),
  );
  const text = JSON.stringify(formatResources(total));
  if (text === (stored[ANNOTATION.reserved] ?? '{}')) return {};
  return {
    [ANNOTATION.reserved]: isEmpty(total) ? null : text,
    [ANNOTATION.executorReserved]: firstText ?? '{}',
  };
}

/** What somebody edited into nonsense counts as nothing, as for every task. */
function parsedAmounts(text: string | undefined): Resources {
  if (text === undefined) return NO_RESOURCES;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? parseResources(value as { [name: string]: string })
      : NO_RESOURCES;
  } catch {
    return NO_RESOURCES;
  }
}

/** The annotation that counts what the Pod's requests cannot; undefined when it says so already. */
function countedAnnotation(
  pod: Pod,
  view: Pick<ExecutorView, 'info' | 'tasks'>,
): { readonly [key: string]: string | null } | undefined {
  const requested = amountOf(
    resourcesFromKube(specOf(pod, TASK_CONTAINER)?.resources?.requests),
    COUNTED,
  );
  const beyond = Math.max(0, amountOf(wantedAmounts(view), COUNTED) - requested);
  const text = beyond === 0 ? null : JSON.stringify(formatResources({ [COUNTED]: beyond }));
  const stored = pod.metadata.annotations?.[ANNOTATION.resources] ?? null;
  return text === stored ? undefined : { [ANNOTATION.resources]: text };
}

export type ResizeState =
  | { readonly kind: 'done' }
  | { readonly kind: 'waiting' }
  /** The kubelet never will. */
  | { readonly kind: 'refused'; readonly message: string };

/** Whether the Pod has what its spec asks for. Source: Kubernetes KEP-1287, conditions of a Pod's resize. */
export function resizeStateOf(pod: Pod): ResizeState {
  const pending = pod.status?.conditions?.find(
    (one) => one.type === 'PodResizePending' && one.status === 'True',
  );
  if (pending?.reason === 'Infeasible')
    return { kind: 'refused', message: pending.message ?? 'the node cannot give it more' };
  const { generation } = pod.metadata;
  const observed = pod.status?.observedGeneration;
  const isSeen = generation === undefined || observed === undefined || observed >= generation;
  return pending === undefined && isSeen ? { kind: 'done' } : { kind: 'waiting' };
}

/** Of the tasks an executor has not been sent, those there is no room for; all of them when that cannot be told. */
export function tasksBeyond(
  pod: Pod,
  view: ExecutorView,
  unsent: readonly (readonly [TaskId, StoredTask])[],
): readonly TaskId[] {
  const allocated = statusOf(pod, TASK_CONTAINER)?.allocatedResources;
  const room = resourcesFromKube(allocated ?? specOf(pod, TASK_CONTAINER)?.resources?.requests);
  const tasks = new Map(view.tasks);
  for (const [task] of unsent) tasks.delete(task);
  const beyond: TaskId[] = [];
  for (const [task, stored] of unsent) {
    tasks.set(task, stored);
    const wanted = wantedAmounts({ info: view.info, tasks });
    const hasRoom = Object.keys(RESIZED).every(
      (name) => amountOf(wanted, name) <= amountOf(room, name),
    );
    if (hasRoom) continue;
    tasks.delete(task);
    beyond.push(task);
  }
  return beyond.length === 0 ? unsent.map(([task]) => task) : beyond;
}

/** Why a task cannot join an executor that runs; its Pod can grow in CPU and memory only. */
export function growthFault(info: TaskInfo, pod: Pod): string | undefined {
  const amounts = amountsFromMesos(info.resources.filter((one) => one.name !== 'ports'));
  if (!amounts.ok) return amounts.refusal;
  const has = resourcesFromKube(specOf(pod, TASK_CONTAINER)?.resources?.requests);
  for (const [name, amount] of Object.entries(amounts.value.resources)) {
    if (amount === 0 || name === COUNTED) continue;
    if (!Object.hasOwn(RESIZED, name))
      return `resources: '${name}' cannot be added to an executor that runs; name it among executor.resources`;
    if (amountOf(has, name) === 0)
      return `resources: the executor was started without '${name}', so that it cannot be added; name it among executor.resources`;
  }
  return portsFault(info);
}

/** Ports are the Pod's from its start. */
function portsFault(info: TaskInfo): string | undefined {
  const asked = info.resources.some(
    (one) => one.name === 'ports' && (one.ranges?.range.length ?? 0) > 0,
  );
  return asked
    ? "resources: 'ports' cannot be added to an executor that runs; name them among executor.resources"
    : undefined;
}

/** Why amounts are nothing for a custom executor. */
export function amountsFault(info: TaskInfo, executor: ExecutorInfo): string | undefined {
  for (const [field, list] of [
    ['resources', info.resources],
    ['executor.resources', executor.resources],
  ] as const) {
    const amounts = amountsFromMesos(list.filter((one) => one.name !== 'ports'));
    if (!amounts.ok) return `${field === 'resources' ? '' : 'executor.'}${amounts.refusal}`;
    if (list.some((one) => one.disk?.persistence !== undefined || one.shared !== undefined))
      return `${field}: persistent volumes are not for a custom executor and its tasks`;
    if (!isEmpty(amounts.value.revocable))
      return `${field}: revocable resources are not for a custom executor and its tasks`;
  }
  return info.resources.length === 0
    ? 'resources: the task uses no resources; name at least one'
    : undefined;
}
