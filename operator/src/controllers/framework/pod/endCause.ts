import { ANNOTATION } from '../../../model/labels.ts';
import type { ContainerState, Pod } from '../../../schema/kubeObjects.ts';
import { timeOf } from '../../task/taskView.ts';
import {
  hasEnded,
  isSingle,
  neverRan,
  startedAtOf,
  stateOf,
  wasToldToEnd,
} from './containerFacts.ts';
import type { EndCause } from './endings.ts';
import { diedUnhealthy } from './taskHealth.ts';

export interface TaskEnd {
  readonly cause: EndCause;
  readonly message: string;
}

/** Starts the kill reason of a task that Mezzo ends because its container cannot be started. */
export const LAUNCH_FAILED_PREFIX = 'launch failed: ';

/**
 * How the task in this container ended; undefined while it has not. `gone`: the Pod has been removed from the cluster and
 * will say no more.
 */
export function endOf(pod: Pod, container: string, gone: boolean): TaskEnd | undefined {
  const lostAt = pod.metadata.annotations?.[ANNOTATION.lost];
  const ended = hasEnded(pod, container);
  if (!ended && lostAt !== undefined)
    return { cause: 'unreachable', message: 'the agent did not come back in time' };
  if (!ended && !gone) return undefined;
  const state = stateOf(pod, container);
  const { reason = '', message = '' } = pod.status ?? {};
  if (ended && reason === 'DeadlineExceeded')
    return { cause: 'completionTimeReached', message: textOf(reason, message) };
  if (wasStopped(pod, container, state, ended)) return stopOf(pod, state);
  if (!ended) return { cause: 'removed', message: 'the Pod was removed before it ended' };
  return podFailure(reason, message) ?? containerEnd(pod, container, state);
}

const textOf = (reason: string, message: string): string =>
  message === '' ? reason : `${reason}: ${message}`;

/** Between the end of a container and the kubelet's last step, which sets the grace to zero and the time to its own. */
const FINAL_STEP_MS = 3_000;

/**
 * True when the container ended because its Pod was deleted. What Mezzo decides is written to the Pod first, naming the
 * version it was decided from, so that no clocks have to be compared; a deletion by somebody else leaves only those.
 */
function wasStopped(
  pod: Pod,
  container: string,
  state: ContainerState | undefined,
  ended: boolean,
): boolean {
  const deletionMs = timeOf(pod.metadata.deletionTimestamp);
  if (deletionMs === undefined) return false;
  if (!ended || wasToldToEnd(pod, container)) return true;
  const annotations = pod.metadata.annotations ?? {};
  if (annotations[ANNOTATION.killing] !== undefined) return false;
  if (annotations[ANNOTATION.killedAt] !== undefined && isSingle(container)) return true;
  const finishedMs = timeOf(state?.terminated?.finishedAt);
  // A Pod its node refused has no containers that could say when they ended.
  if (finishedMs === undefined) return pod.status?.reason === undefined;
  const graceSeconds = Math.max(
    pod.metadata.deletionGracePeriodSeconds ?? 0,
    pod.spec.terminationGracePeriodSeconds ?? 0,
  );
  return finishedMs >= deletionMs - graceSeconds * 1000 - FINAL_STEP_MS;
}

/** Who else but its framework ends a Pod. Source: Kubernetes `DisruptionTarget` condition, KEP-3329. */
const DISRUPTIONS: { readonly [reason: string]: EndCause } = {
  DeletionByPodGC: 'agentRemoved',
  DeletionByTaintManager: 'agentRemoved',
  PreemptionByScheduler: 'preempted',
  EvictionByEvictionAPI: 'drained',
};

function stopOf(pod: Pod, state: ContainerState | undefined): TaskEnd {
  const annotations = pod.metadata.annotations ?? {};
  const why = annotations[ANNOTATION.killReason];
  if (why?.startsWith(LAUNCH_FAILED_PREFIX)) return { cause: 'launchFailed', message: why };
  const by = annotations[ANNOTATION.preemptedBy];
  const intent = annotations[ANNOTATION.intent];
  if (by !== undefined) return { cause: 'preempted', message: `preempted by ${by}` };
  if (intent === 'preempt') return { cause: 'preempted', message: why ?? 'preempted' };
  if (intent === 'drain') return { cause: 'drained', message: why ?? 'the agent is being drained' };
  const disruption = pod.status?.conditions?.find(
    (one) => one.type === 'DisruptionTarget' && one.status === 'True',
  );
  const reason = disruption?.reason ?? '';
  const cause = Object.hasOwn(DISRUPTIONS, reason) ? DISRUPTIONS[reason] : undefined;
  if (cause !== undefined) return { cause, message: disruption?.message ?? reason };
  if (neverRan(state))
    return { cause: 'killedDuringLaunch', message: why ?? 'Killed before its command started' };
  return { cause: 'killed', message: why ?? 'Command terminated' };
}

/** Failures the kubelet reports of the Pod as a whole, before or instead of an exit code; the first that fits counts. */
const POD_FAILURES: readonly {
  readonly reason: RegExp;
  readonly message?: RegExp;
  readonly cause: EndCause;
}[] = [
  { reason: /^Evicted$/, message: /ephemeral|disk|storage|emptydir/i, cause: 'outOfDisk' },
  { reason: /^Evicted$/, message: /memory/i, cause: 'outOfMemory' },
  { reason: /^Evicted$/, cause: 'evicted' },
  { reason: /^Preempting$/, cause: 'preempted' },
  { reason: /^(NodeLost|DeletionByPodGC)$/, cause: 'agentRemoved' },
  { reason: /^(Terminated|NodeShutdown|Shutdown)$/, cause: 'agentShutDown' },
  // The kubelet refused the Pod: somebody took the capacity between offer and admission.
  {
    reason:
      /^(OutOf.*|NodeAffinity|NodePorts|NodeName|TaintToleration|UnexpectedAdmissionError|TopologyAffinityError|Admission.*)$/,
    cause: 'refusedByAgent',
  },
];

function podFailure(reason: string, text: string): TaskEnd | undefined {
  const rule = POD_FAILURES.find(
    (one) => one.reason.test(reason) && (one.message?.test(text) ?? true),
  );
  return rule === undefined ? undefined : { cause: rule.cause, message: textOf(reason, text) };
}

function containerEnd(pod: Pod, container: string, state: ContainerState | undefined): TaskEnd {
  const ended = state?.terminated;
  if (ended === undefined) return neverStarted(pod);
  const detail = ended.message === undefined || ended.message === '' ? '' : `: ${ended.message}`;
  if (ended.reason === 'OOMKilled')
    return { cause: 'outOfMemory', message: `Memory limit exceeded${detail}` };
  if (startedAtOf(state) === undefined)
    return { cause: 'launchFailed', message: `${ended.reason ?? 'not started'}${detail}` };
  if (diedUnhealthy(pod, container))
    return { cause: 'unhealthy', message: `Health check failed too often${detail}` };
  if (ended.exitCode === 0) return { cause: 'finished', message: 'Command exited with status 0' };
  const how =
    ended.exitCode > 128 && ended.exitCode < 160
      ? `Command terminated with signal ${ended.exitCode - 128}`
      : `Command exited with status ${ended.exitCode}`;
  return { cause: 'failed', message: `${how}${detail}` };
}

/** The words of the init container that failed, if one did. */
function neverStarted(pod: Pod): TaskEnd {
  const init = pod.status?.initContainerStatuses?.find(
    ({ state }) => (state?.terminated?.exitCode ?? 0) !== 0,
  );
  const said = init?.state?.terminated?.message?.trim() ?? '';
  const fallback = pod.status?.message ?? '';
  const message = said === '' ? fallback : said;
  return {
    cause: 'launchFailed',
    message: message === '' ? 'the container never started' : message,
  };
}
