import {
  type AgentId,
  agentId,
  type FrameworkId,
  frameworkId,
  type RolePath,
  rolePath,
  type TaskId,
  taskId,
} from '../../model/ids.ts';
import { ANNOTATION, LABEL, TASK_FINALIZER } from '../../model/labels.ts';
import { add, max, type Resources, resources, sumOf } from '../../model/resources.ts';
import type { Container, ContainerStatus, Pod } from '../../schema/kubeObjects.ts';
import { parseResources, resourcesFromKube } from '../../schema/quantity.ts';
import { type PodTaskState, type PodView, taskStateOf } from '../../state/podState.ts';
import { isTerminal } from '../../state/taskState.ts';

export type TaskTier = 'production' | 'preemptible' | 'revocable';

/** Extended resources under which a node publishes revocable capacity, in milli-CPU and bytes. */
export const REVOCABLE_CPU = 'mezzo.dev/revocable-cpu';
export const REVOCABLE_MEMORY = 'mezzo.dev/revocable-memory';

/** A Pod of Mezzo read once: everything the controllers and the ledger ask of a task. */
export interface TaskView {
  readonly pod: Pod;
  /** `namespace/name` of the Pod. */
  readonly key: string;
  readonly task: TaskId;
  readonly agent: AgentId;
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly tier: TaskTier;
  readonly priority: number;
  readonly resources: Resources;
  readonly revocable: Resources;
  /** The part of `resources` that is charged to reservations. */
  readonly reserved: Resources;
  /** Names of the persistent volumes it holds. */
  readonly volumes: readonly string[];
  readonly flaps: number;
  readonly failures: number;
  readonly jobUid: string | undefined;
  /** `kind/namespace/name`; undefined for tasks of external frameworks. */
  readonly jobKey: string | undefined;
  readonly instance: number;
  readonly generation: number;
  readonly templateHash: string;
  readonly state: PodTaskState;
  /** Nothing of it runs any more: its resources are free. */
  readonly terminal: boolean;
  readonly deleting: boolean;
  readonly held: boolean;
  readonly createdAtMs: number;
  readonly startedAtMs: number | undefined;
  /** Since when the Pod is Ready; undefined while it is not. */
  readonly readySinceMs: number | undefined;
  readonly terminalAtMs: number | undefined;
}

const views = new WeakMap<Pod, TaskView>();

/** True for Pods Mezzo made: they carry its framework label. Others are foreign: counted, never touched. */
export function isTaskPod(pod: Pod): boolean {
  return pod.metadata.labels?.[LABEL.framework] !== undefined;
}

/** The task a Pod of Mezzo stands for. Objects are immutable, so each is read once. */
export function taskViewOf(pod: Pod): TaskView {
  const known = views.get(pod);
  if (known) return known;
  const view = readTask(pod);
  views.set(pod, view);
  return view;
}

function readTask(pod: Pod): TaskView {
  const labels = pod.metadata.labels ?? {};
  const annotations = pod.metadata.annotations ?? {};
  const amounts = taskAmounts(pod);
  const view = podViewOf(pod);
  const state = taskStateOf(view);
  const terminal = isTerminal(state.state);
  const jobName = labels[LABEL.job];
  return {
    pod,
    key: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`,
    task: taskId(annotations[ANNOTATION.taskId] ?? pod.metadata.name),
    agent: agentId(pod.spec.nodeName ?? ''),
    framework: frameworkId(annotations[ANNOTATION.frameworkId] ?? labels[LABEL.framework] ?? ''),
    role: rolePath(annotations[ANNOTATION.rolePath] ?? labels[LABEL.role] ?? '*'),
    tier: tierOf(labels[LABEL.tier]),
    priority: Number(annotations[ANNOTATION.priority] ?? 0) || 0,
    resources: amounts.resources,
    revocable: amounts.revocable,
    reserved: parseAnnotation(annotations[ANNOTATION.reserved]),
    volumes: volumesOf(pod),
    flaps: Number(annotations[ANNOTATION.flaps] ?? 0) || 0,
    failures: Number(annotations[ANNOTATION.failures] ?? 0) || 0,
    jobUid: labels[LABEL.jobUid],
    jobKey:
      jobName === undefined
        ? undefined
        : `${labels[LABEL.jobKind] ?? ''}/${pod.metadata.namespace ?? ''}/${jobName}`,
    instance: Number(labels[LABEL.instance] ?? 0) || 0,
    generation: Number(labels[LABEL.generation] ?? 0) || 0,
    templateHash: labels[LABEL.templateHash] ?? '',
    state,
    terminal,
    deleting: pod.metadata.deletionTimestamp !== undefined,
    held: pod.metadata.finalizers?.includes(TASK_FINALIZER) ?? false,
    createdAtMs: timeOf(pod.metadata.creationTimestamp) ?? 0,
    startedAtMs: startOf(pod),
    readySinceMs: readySince(pod),
    terminalAtMs: terminal ? terminalTime(pod, view) : undefined,
  };
}

/**
 * What the Pod takes on its node: the larger of what runs in the end and of each init container with the sidecars
 * started before it, plus overhead.
 * Source: Kubernetes "Sidecar containers", resource sharing within containers.
 */
export function podRequests({ spec }: Pod): Resources {
  const known = requests.get(spec) ?? readRequests(spec);
  requests.set(spec, known);
  return known;
}

/** The spec of a Pod outlives the many versions of its status. */
const requests = new WeakMap<Pod['spec'], Resources>();

function readRequests(spec: Pod['spec']): Resources {
  let sidecars: Resources = {};
  let most: Resources = {};
  for (const init of spec.initContainers ?? []) {
    const request = requestOf(init);
    if (init.restartPolicy === 'Always') sidecars = add(sidecars, request);
    most = max(most, init.restartPolicy === 'Always' ? sidecars : add(sidecars, request));
  }
  const running = add(sumOf(spec.containers.map(requestOf)), sidecars);
  return add(max(running, most), resourcesFromKube(spec.overhead));
}

const requestOf = (container: Container): Resources =>
  resourcesFromKube({ ...container.resources?.limits, ...container.resources?.requests });

/** Amounts a task holds: its requests, or for a revocable task (BestEffort, without requests) its annotation. */
function taskAmounts(pod: Pod): { resources: Resources; revocable: Resources } {
  const requested = splitRevocable(podRequests(pod));
  const annotated = pod.metadata.annotations?.[ANNOTATION.resources];
  if (annotated === undefined) return requested;
  return { ...requested, resources: add(requested.resources, parseAnnotation(annotated)) };
}

/** An annotation somebody edited into nonsense counts as nothing; the Pod's own requests still count. */
function parseAnnotation(text: string | undefined): Resources {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? parseResources(value as { [name: string]: string })
      : {};
  } catch {
    return {};
  }
}

/** Names of the persistent volumes a Pod holds; none when its annotation was edited into nonsense. */
export function volumesOf({ metadata }: Pod): readonly string[] {
  const text = metadata.annotations?.[ANNOTATION.volumes];
  if (text === undefined) return NO_VOLUMES;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : NO_VOLUMES;
  } catch {
    return NO_VOLUMES;
  }
}

const NO_VOLUMES: readonly string[] = Object.freeze([]);

/** Takes the revocable extended resources out of the plain amounts and gives them their Mesos names. */
export function splitRevocable(amounts: Resources): { resources: Resources; revocable: Resources } {
  const { [REVOCABLE_CPU]: cpu, [REVOCABLE_MEMORY]: memory, ...plain } = amounts;
  // Extended resources are whole numbers; one unit of revocable CPU is one milli-CPU, of memory one byte.
  return {
    resources: resources(plain),
    revocable: resources({ cpus: (cpu ?? 0) / 1000, mem: (memory ?? 0) / 1000 }),
  };
}

function tierOf(label: string | undefined): TaskTier {
  return label === 'production' || label === 'revocable' ? label : 'preemptible';
}

export function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = times.get(text) ?? readTime(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Kubernetes writes whole seconds, so the same few texts come again and again. */
const times = new Map<string, number>();
const MAX_TIMES = 1_000;

function readTime(text: string): number {
  const ms = Date.parse(text);
  if (times.size >= MAX_TIMES) times.clear();
  times.set(text, ms);
  return ms;
}

/**
 * When the first container started. Not `status.startTime`: a kubelet sets that for a Pod it refuses to admit too, and a
 * refusal must not count as a run.
 */
function startOf(pod: Pod): number | undefined {
  let firstMs: number | undefined;
  for (const { state, lastState } of pod.status?.containerStatuses ?? [])
    for (const ms of [startedMs(state), startedMs(lastState)])
      if (ms !== undefined) firstMs = Math.min(firstMs ?? ms, ms);
  return firstMs;
}

const startedMs = (state: ContainerStatus['state']): number | undefined =>
  timeOf(state?.running?.startedAt ?? state?.terminated?.startedAt);

function readySince(pod: Pod): number | undefined {
  const ready = pod.status?.conditions?.find(
    (one) => one.type === 'Ready' && one.status === 'True',
  );
  return ready === undefined ? undefined : (timeOf(ready.lastTransitionTime) ?? 0);
}

/** By the node's clock where it says, yet never before the Pod was made: a dead Pod's name must stay taken long enough. */
function terminalTime(pod: Pod, view: PodView): number {
  const lostAtMs = timeOf(pod.metadata.annotations?.[ANNOTATION.lost]);
  const endedMs =
    view.finishedAtMs ?? lostAtMs ?? view.deletionTimestampMs ?? timeOf(pod.status?.startTime) ?? 0;
  return Math.max(endedMs, timeOf(pod.metadata.creationTimestamp) ?? 0);
}

function lastEnded(statuses: readonly ContainerStatus[]): ContainerStatus['state'] {
  let last: ContainerStatus['state'];
  let lastMs = -1;
  for (const { state } of statuses) {
    const endedMs = timeOf(state?.terminated?.finishedAt) ?? 0;
    if (state?.terminated && endedMs > lastMs) {
      last = state;
      lastMs = endedMs;
    }
  }
  return last;
}

/** Reduces a Pod to the facts that decide its task's state. */
export function podViewOf(pod: Pod): PodView {
  const { initContainerStatuses: inits = [], containerStatuses: own = [] } = pod.status ?? {};
  const statuses = inits.length === 0 ? own : [...inits, ...own];
  const waiting = statuses.find((one) => one.state?.waiting)?.state?.waiting;
  const ended = lastEnded(statuses)?.terminated;
  const finishedAtMs = timeOf(ended?.finishedAt);
  const deletion = deletionOf(pod, finishedAtMs);
  const { reason: podReason, message: podMessage } = pod.status ?? {};
  const view: { -readonly [Field in keyof PodView]: PodView[Field] } = {
    phase: pod.status?.phase ?? 'Pending',
    ready:
      pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false,
    containersStarted: statuses.some((one) => one.state?.running || one.state?.terminated),
    annotations: pod.metadata.annotations ?? {},
    ...deletion,
  };
  // Every version of every Pod is read like this: no objects are made only to be spread.
  if (waiting?.reason !== undefined) view.waitingReason = waiting.reason;
  if (waiting?.message !== undefined) view.waitingMessage = waiting.message;
  if (ended?.exitCode !== undefined) view.exitCode = ended.exitCode;
  if (ended?.reason !== undefined) view.terminatedReason = ended.reason;
  if (finishedAtMs !== undefined) view.finishedAtMs = finishedAtMs;
  if (podReason !== undefined) view.podReason = podReason;
  if (podMessage !== undefined) view.podMessage = podMessage;
  return view;
}

/**
 * When the deletion was asked for. A task we deleted, or saw being deleted, had not ended then, so its end came after,
 * whatever the node's clock says. Only where the kubelet's last step was the first that was seen of a deletion by somebody
 * else are there but clocks: it sets the grace to zero and the timestamp to now, so the Pod's own grace is as near as one
 * gets.
 */
function deletionOf(
  pod: Pod,
  finishedAtMs: number | undefined,
): Pick<PodView, 'deletionTimestampMs' | 'deletionGracePeriodMs'> {
  const deletionMs = timeOf(pod.metadata.deletionTimestamp);
  if (deletionMs === undefined) return {};
  const killedAtMs = timeOf(pod.metadata.annotations?.[ANNOTATION.killedAt]);
  if (killedAtMs !== undefined)
    return { deletionTimestampMs: Math.min(killedAtMs, finishedAtMs ?? killedAtMs) };
  if (wasAliveWhenDeleted(pod))
    return { deletionTimestampMs: Math.min(deletionMs, finishedAtMs ?? deletionMs) };
  const graceSeconds = Math.max(
    pod.metadata.deletionGracePeriodSeconds ?? 0,
    pod.spec.terminationGracePeriodSeconds ?? 0,
  );
  return {
    deletionTimestampMs: deletionMs,
    deletionGracePeriodMs: (graceSeconds + FINAL_DELETE_SECONDS) * 1000,
  };
}

/** The API server gives an ended Pod no grace. Source: Kubernetes `pkg/registry/core/pod/strategy.go`, CheckGracefulDelete. */
function wasAliveWhenDeleted({ metadata, status }: Pod): boolean {
  const hasEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  return !hasEnded || (metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

/** True for a Pod somebody else deleted while it lived: that can be seen only until the kubelet's last step. */
export function isUnexplainedDeletion(pod: Pod): boolean {
  const { deletionTimestamp, annotations } = pod.metadata;
  return (
    deletionTimestamp !== undefined &&
    annotations?.[ANNOTATION.killedAt] === undefined &&
    wasAliveWhenDeleted(pod)
  );
}

/** True where only clocks can tell whether a task ended before its Pod was deleted: its state may be judged either way. */
export function isAmbiguousEnd(pod: Pod): boolean {
  const { deletionTimestamp, annotations } = pod.metadata;
  return (
    deletionTimestamp !== undefined &&
    annotations?.[ANNOTATION.killedAt] === undefined &&
    !wasAliveWhenDeleted(pod)
  );
}

/** From the end of the last container to the kubelet's last step. */
const FINAL_DELETE_SECONDS = 3;
