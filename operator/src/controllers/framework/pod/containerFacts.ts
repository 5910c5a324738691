import { ANNOTATION } from '../../../model/labels.ts';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
} from '../../../schema/kubeObjects.ts';
import { timeOf } from '../../task/taskView.ts';
import { TASK_CONTAINER } from './podMetadata.ts';

/** Plain readings of one container in a Pod. */

export const specOf = (pod: Pod, container: string): Container | undefined =>
  pod.spec.containers.find((one) => one.name === container);

export const statusOf = (pod: Pod, container: string): ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find((one) => one.name === container);

export const stateOf = (pod: Pod, container: string): ContainerState | undefined =>
  statusOf(pod, container)?.state;

/** A Pod that has ended, ended all its containers, those included that never started. */
export const hasPodEnded = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

export const hasEnded = (pod: Pod, container: string): boolean =>
  hasPodEnded(pod) || stateOf(pod, container)?.terminated !== undefined;

export const isSingle = (container: string): boolean => container === TASK_CONTAINER;

/** Annotation that holds this of a container: the plain key for a task that has its Pod to itself. */
export const annotationOf = (base: string, container: string): string =>
  isSingle(container) ? base : `${base}.${container}`;

/** A container that could not be started has a termination without a real start. */
const NEVER_RAN: ReadonlySet<string> = new Set([
  'StartError',
  'ContainerCannotRun',
  'CreateContainerError',
  'ContainerStatusUnknown',
]);

export const neverRan = (state: ContainerState | undefined): boolean =>
  startedAtOf(state) === undefined;

/** When the container really started, as the kubelet wrote it. */
export function startedAtOf(state: ContainerState | undefined): string | undefined {
  if (state?.running?.startedAt !== undefined) return state.running.startedAt;
  const ended = state?.terminated;
  if (ended === undefined || NEVER_RAN.has(ended.reason ?? '')) return undefined;
  const startedMs = timeOf(ended.startedAt);
  return startedMs !== undefined && startedMs > 0 ? ended.startedAt : undefined;
}

/** True when it was decided to end the Pod while the container had not ended. */
export function wasToldToEnd(pod: Pod, container: string): boolean {
  const told = pod.metadata.annotations?.[ANNOTATION.killing];
  return told?.split(',').includes(container) ?? false;
}

/** Waiting reasons after which a Mesos task would have failed; the kubelet would try for ever. */
const HOPELESS: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

/** Why a Pod that still waits will never start, as far as can be told; undefined otherwise. */
export function launchFailureOf(pod: Pod): string | undefined {
  const statuses = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  for (const { state } of statuses) {
    const waiting = state?.waiting;
    if (waiting?.reason === undefined || !HOPELESS.has(waiting.reason)) continue;
    return waiting.message === undefined ? waiting.reason : `${waiting.reason}: ${waiting.message}`;
  }
  return undefined;
}
