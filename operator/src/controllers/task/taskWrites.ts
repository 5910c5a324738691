import { ANNOTATION, TASK_FINALIZER } from '../../model/labels.ts';
import {
  type DeleteOptions,
  isKubeError,
  type KubeApi,
  type ObjectKey,
} from '../../ports/kubeApi.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { Intent } from '../../state/podState.ts';
import { isoTime } from '../shared/conditions.ts';
import type { TaskView } from './taskView.ts';

const keyOf = (pod: Pod): ObjectKey => ({
  name: pod.metadata.name,
  ...(pod.metadata.namespace === undefined ? {} : { namespace: pod.metadata.namespace }),
});

/**
 * Stops a task: first says why on its Pod, then deletes it. Only the Pod the decision was about is touched, in the very
 * state it was decided from; one that is already gone is success.
 * Guarantees: a Pod that says why it is stopped and is being deleted had not ended before, so no end of it counts as its
 * own. Clocks cannot tell: ours and the node's differ.
 * A task that must go for others (preemption, drain) goes through its PodDisruptionBudget, and is asked for again at the
 * next look while that forbids it; its owner's own orders need nobody's leave.
 * Errors: `conflict` when the Pod has changed; the next look decides anew.
 */
export async function killTask(
  kube: Pick<KubeApi, 'patch' | 'delete' | 'evict'>,
  task: TaskView,
  order: KillTaskOrder,
): Promise<KillOutcome> {
  try {
    return IS_EVICTION[order.intent]
      ? await evictTask(kube, task, order)
      : await deleteTask(kube, task, order);
  } catch (error) {
    if (!isGoneOrOther(error)) throw error;
    return { kind: 'stopped' };
  }
}

export interface KillTaskOrder {
  readonly intent: Intent;
  readonly why: string;
  readonly nowMs: number;
  readonly annotations?: { readonly [key: string]: string };
  readonly graceSeconds?: number;
  /** Called when the task may be stopped, before anything is changed: who else must know first is told here. */
  readonly onAllowed?: () => Promise<void>;
}

export type KillOutcome =
  | { readonly kind: 'stopped' }
  /** A PodDisruptionBudget forbids it for now; nothing was changed. */
  | { readonly kind: 'blocked'; readonly message: string };

/** Whether a task is stopped for the sake of others. */
const IS_EVICTION = {
  kill: false,
  restart: false,
  preempt: true,
  drain: true,
} as const satisfies Record<Intent, boolean>;

async function deleteTask(
  kube: Pick<KubeApi, 'patch' | 'delete'>,
  task: TaskView,
  order: KillTaskOrder,
): Promise<KillOutcome> {
  await order.onAllowed?.();
  const told = await tellWhy(kube, task, order);
  await kube.delete(PODS, keyOf(task.pod), deletionOf(told, order));
  return { kind: 'stopped' };
}

async function evictTask(
  kube: Pick<KubeApi, 'patch' | 'evict'>,
  task: TaskView,
  order: KillTaskOrder,
): Promise<KillOutcome> {
  // Said before, by a process that died before it could take it back.
  let told =
    task.pod.metadata.annotations?.[ANNOTATION.intent] === undefined ? undefined : task.pod;
  try {
    // Asked first: a Pod that says it is being stopped, and is not, would be believed.
    await kube.evict(keyOf(task.pod), { ...deletionOf(task.pod, order), dryRun: true });
    await order.onAllowed?.();
    told = await tellWhy(kube, task, order);
    await kube.evict(keyOf(task.pod), deletionOf(told, order));
    return { kind: 'stopped' };
  } catch (error) {
    if (!isKubeError(error, 'tooManyRequests')) throw error;
    if (told !== undefined) await unsayWhy(kube, told);
    return { kind: 'blocked', message: error.message };
  }
}

function deletionOf({ metadata }: Pod, { graceSeconds }: KillTaskOrder): DeleteOptions {
  const { uid, resourceVersion } = metadata;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
  };
}

async function tellWhy(
  kube: Pick<KubeApi, 'patch'>,
  task: TaskView,
  order: KillTaskOrder,
): Promise<Pod> {
  const { uid, resourceVersion } = task.pod.metadata;
  const annotations = {
    [ANNOTATION.intent]: order.intent,
    [ANNOTATION.killReason]: order.why,
    [ANNOTATION.killedAt]: isoTime(order.nowMs),
    ...order.annotations,
  };
  return await kube.patch<Pod>(PODS, keyOf(task.pod), 'merge', {
    metadata: { uid, resourceVersion, annotations },
  });
}

/** Takes back that a task would be stopped. Should this be cut short, it is said again or taken back at the next look. */
async function unsayWhy(kube: Pick<KubeApi, 'patch'>, pod: Pod): Promise<void> {
  const { uid, resourceVersion } = pod.metadata;
  const said = [
    ANNOTATION.intent,
    ANNOTATION.killReason,
    ANNOTATION.killedAt,
    ANNOTATION.preemptedBy,
  ];
  const annotations = Object.fromEntries(said.map((name) => [name, null]));
  await kube.patch(PODS, keyOf(pod), 'merge', { metadata: { uid, resourceVersion, annotations } });
}

/**
 * Writes down that a task was alive when somebody else deleted its Pod: once the kubelet has taken its last step nothing
 * else tells. A Pod that has changed since is left to the next look.
 */
export async function explainDeletion(
  kube: Pick<KubeApi, 'patch'>,
  pod: Pod,
  nowMs: number,
): Promise<void> {
  const { uid, resourceVersion } = pod.metadata;
  const annotations = {
    [ANNOTATION.intent]: 'kill' satisfies Intent,
    [ANNOTATION.killReason]: 'its Pod was deleted by somebody else',
    [ANNOTATION.killedAt]: isoTime(nowMs),
    // What was said before, by whoever was about to stop it, stays.
    ...pod.metadata.annotations,
  };
  try {
    await kube.patch(PODS, keyOf(pod), 'merge', {
      metadata: { uid, resourceVersion, annotations },
    });
  } catch (error) {
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}

/**
 * Lets a dead Pod go: its end is recorded. Deletes it first, so that it vanishes with its finalizer; without grace, since
 * nothing of it runs and the kubelet that would confirm a graceful deletion may be gone.
 * A Pod that ended by itself between the word that it would be stopped and the deletion is not stopped by this one either.
 */
export async function releaseTask(
  kube: Pick<KubeApi, 'patch' | 'delete'>,
  pod: Pod,
): Promise<void> {
  const { uid } = pod.metadata;
  try {
    if (isStoppedInWordsOnly(pod)) await unsayWhy(kube, pod);
    await kube.delete(PODS, keyOf(pod), {
      ...(uid === undefined ? {} : { uid }),
      gracePeriodSeconds: 0,
    });
    const index = pod.metadata.finalizers?.indexOf(TASK_FINALIZER) ?? -1;
    if (index < 0) return;
    await kube.patch(PODS, keyOf(pod), 'json', [
      { op: 'test', path: '/metadata/uid', value: uid },
      { op: 'test', path: `/metadata/finalizers/${index}`, value: TASK_FINALIZER },
      { op: 'remove', path: `/metadata/finalizers/${index}` },
    ]);
  } catch (error) {
    // A failed test: the finalizers changed since the Pod was read. The server calls that invalid.
    if (isKubeError(error, 'invalid'))
      throw new OperatorError('conflict', error.message, { cause: error });
    if (!isGoneOrOther(error)) throw error;
  }
}

const isStoppedInWordsOnly = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  metadata.annotations?.[ANNOTATION.killedAt] !== undefined;

/** The Pod is gone, or another one has its name: nothing is left to do for this one. */
function isGoneOrOther(error: unknown): boolean {
  return (
    isKubeError(error, 'notFound') ||
    (isKubeError(error, 'conflict') && error.message.includes('UID in precondition'))
  );
}
