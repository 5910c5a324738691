import { ANNOTATION } from '../../../model/labels.ts';
import type { Container, Pod, Probe } from '../../../schema/kubeObjects.ts';
import type { WireCheckStatus } from '../../../schema/mesos/event.ts';
import { timeOf } from '../../task/taskView.ts';
import {
  annotationOf,
  isSingle,
  specOf,
  startedAtOf,
  stateOf,
  statusOf,
} from './containerFacts.ts';

/** What the health check or check of a running task says now. */
export interface HealthVerdict {
  readonly kind: 'healthCheck' | 'check';
  readonly passing: boolean;
  /** Names this verdict among those of the Pod, across restarts of the operator. */
  readonly key: string;
  readonly atMs: number | undefined;
  readonly checkStatus?: WireCheckStatus;
}

/**
 * The verdict on a running container; undefined while there is none. A container that was never ready is not unhealthy:
 * the kubelet has not asked yet, or its failures are still forgiven.
 */
export function verdictOf(pod: Pod, container: string): HealthVerdict | undefined {
  const probe = specOf(pod, container)?.readinessProbe;
  const state = stateOf(pod, container);
  if (probe === undefined || state?.running === undefined) return undefined;
  const ready = statusOf(pod, container)?.ready === true;
  if (!ready && !wasReady(pod, container)) return undefined;
  const sinceText = readyCondition(pod)?.lastTransitionTime ?? '';
  const key = `${ready ? 'passing' : 'failing'}@${sinceText}`;
  const verdict = { passing: ready, key, atMs: timeOf(sinceText) };
  return specOf(pod, container)?.livenessProbe === undefined
    ? { ...verdict, kind: 'check', checkStatus: checkStatusOf(probe, ready) }
    : { ...verdict, kind: 'healthCheck' };
}

const readyCondition = (pod: Pod) =>
  pod.status?.conditions?.find((one) => one.type === 'ContainersReady');

function wasReady(pod: Pod, container: string): boolean {
  const told = pod.metadata.annotations?.[annotationOf(ANNOTATION.acknowledgedHealth, container)];
  if (told !== undefined) return true;
  if (!isSingle(container)) return false;
  const startedMs = timeOf(startedAtOf(stateOf(pod, container)));
  const changedMs = timeOf(readyCondition(pod)?.lastTransitionTime);
  return startedMs !== undefined && changedMs !== undefined && changedMs > startedMs;
}

/** Kubernetes tells whether a check passed, not what it saw: exit codes and HTTP statuses of failures are not known. */
function checkStatusOf(probe: Probe, passing: boolean): WireCheckStatus {
  if (probe.tcpSocket !== undefined) return { type: 'TCP', tcp: { succeeded: passing } };
  if (probe.httpGet !== undefined) return { type: 'HTTP', http: {} };
  return { type: 'COMMAND', command: passing ? { exit_code: 0 } : {} };
}

/** Between the last failed probe and the first signal, and for times cut to whole seconds. */
const SLACK_MS = 2_000;
/** 128 + SIGKILL, 128 + SIGTERM. */
const KILL_CODES: ReadonlySet<number> = new Set([137, 143]);

/**
 * True when the kubelet killed the container for failing its health check. Kubernetes does not say so in the Pod; it
 * follows from how long the container had not been ready when it ended. All times compared are the kubelet's own.
 */
export function diedUnhealthy(pod: Pod, container: string): boolean {
  const spec = specOf(pod, container);
  const ended = stateOf(pod, container)?.terminated;
  const startedMs = timeOf(ended?.startedAt);
  const finishedMs = timeOf(ended?.finishedAt);
  if (spec?.livenessProbe === undefined || startedMs === undefined || finishedMs === undefined)
    return false;
  const isKill = KILL_CODES.has(ended?.exitCode ?? 0);
  const changedMs = timeOf(readyCondition(pod)?.lastTransitionTime);
  if (!isSingle(container) || changedMs === undefined)
    return isKill && toldUnhealthy(pod, container);
  const wasOnceReady = changedMs > startedMs;
  const sinceMs = Math.max(changedMs, startedMs);
  const patienceMs = wasOnceReady ? failingMs(spec) : startupMs(spec);
  // A container that was ready to the end turns unready only after it.
  return sinceMs < finishedMs && finishedMs - sinceMs >= patienceMs - SLACK_MS;
}

function toldUnhealthy(pod: Pod, container: string): boolean {
  const told = pod.metadata.annotations?.[annotationOf(ANNOTATION.acknowledgedHealth, container)];
  return told?.startsWith('failing') ?? false;
}

function failingMs({ livenessProbe: probe }: Container): number {
  return ((probe?.failureThreshold ?? 3) - 1) * (probe?.periodSeconds ?? 10) * 1000;
}

function startupMs({ startupProbe: probe }: Container): number {
  const rounds = ((probe?.failureThreshold ?? 3) - 1) * (probe?.periodSeconds ?? 10);
  return ((probe?.initialDelaySeconds ?? 0) + rounds) * 1000;
}
