import { ANNOTATION } from '../../../model/labels.ts';
import { amountOf } from '../../../model/resources.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type {
  MesosReason,
  MesosStatusSource,
  MesosTaskState,
  WireCheckStatus,
  WireTaskStatus,
} from '../../../schema/mesos/event.ts';
import { scalarFromAmount } from '../../../schema/mesos/resource.ts';
import { resourcesFromKube } from '../../../schema/quantity.ts';
import { timeOf } from '../../task/taskView.ts';
import { specOf, startedAtOf, stateOf } from './containerFacts.ts';
import { endOf } from './endCause.ts';
import { ENDINGS, type EndingRule } from './endings.ts';
import { TASK_CONTAINER } from './podMetadata.ts';
import { type HealthVerdict, verdictOf } from './taskHealth.ts';

/**
 * The life of a task as its Pod tells it. `updatesOf` lists every update the framework must have seen by now, in
 * order; what has been acknowledged is a position in that list and the last verdict on its health, so nothing else needs
 * to be remembered.
 */

/** Steps of a task, in the order their updates are delivered. `health` comes again with every change of it. */
export const UPDATE_STEPS = ['starting', 'running', 'health', 'killing', 'ended'] as const;
export type UpdateStep = (typeof UPDATE_STEPS)[number];

export interface TaskUpdate {
  readonly step: UpdateStep;
  /** Names the update among those of its task: the step, or for `health` the verdict. */
  readonly key: string;
  /** In the words for partition-aware frameworks; others are told TASK_LOST for the finer states. */
  readonly state: MesosTaskState;
  readonly source: MesosStatusSource;
  readonly reason?: MesosReason;
  readonly message: string;
  readonly atMs: number | undefined;
  readonly healthy?: boolean;
  readonly checkStatus?: WireCheckStatus;
  readonly limitation?: WireTaskStatus['limitation'];
}

export const stepRank = (step: UpdateStep | undefined): number =>
  step === undefined ? -1 : UPDATE_STEPS.indexOf(step);

/** `gone`: the Pod has been removed from the cluster and will say no more. */
export function updatesOf(pod: Pod, gone: boolean, container = TASK_CONTAINER): TaskUpdate[] {
  const state = stateOf(pod, container);
  const end = endOf(pod, container, gone);
  const updates: TaskUpdate[] = [
    plain('starting', 'TASK_STARTING', timeOf(pod.metadata.creationTimestamp)),
  ];
  const startedAt = startedAtOf(state);
  if (startedAt !== undefined) {
    updates.push(plain('running', 'TASK_RUNNING', timeOf(startedAt)));
    const verdict = verdictOf(pod, container);
    const deleting = pod.metadata.deletionTimestamp !== undefined;
    if (verdict !== undefined && !deleting) updates.push(healthUpdate(verdict));
    if (deleting && !STOPPED_BEFORE.has(end?.cause ?? ''))
      updates.push({
        ...plain('killing', 'TASK_KILLING', killRequestedMs(pod)),
        message: pod.metadata.annotations?.[ANNOTATION.killReason] ?? 'kill requested',
      });
  }
  if (end !== undefined) {
    const { limitation, ...rule }: EndingRule = ENDINGS[end.cause];
    const limited = limitation === undefined ? undefined : limitationOf(pod, container, limitation);
    updates.push({
      step: 'ended',
      key: 'ended',
      ...rule,
      message: end.message,
      atMs: timeOf(state?.terminated?.finishedAt),
      ...(limited === undefined ? {} : { limitation: limited }),
    });
  }
  return updates;
}

/** Ends that came by themselves: a deletion that followed was no kill. */
const STOPPED_BEFORE: ReadonlySet<string> = new Set(['finished', 'failed', 'outOfMemory']);

const plain = (step: UpdateStep, state: MesosTaskState, atMs: number | undefined): TaskUpdate => ({
  step,
  key: step,
  state,
  source: 'SOURCE_EXECUTOR',
  message: '',
  atMs,
});

function healthUpdate({ kind, passing, key, atMs, checkStatus }: HealthVerdict): TaskUpdate {
  const words = passing ? 'passed' : 'failed';
  return {
    step: 'health',
    key,
    state: 'TASK_RUNNING',
    source: 'SOURCE_EXECUTOR',
    reason:
      kind === 'check'
        ? 'REASON_TASK_CHECK_STATUS_UPDATED'
        : 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
    message: kind === 'check' ? `Check ${words}` : `Health check ${words}`,
    atMs,
    ...(kind === 'check' ? {} : { healthy: passing }),
    ...(checkStatus === undefined ? {} : { checkStatus }),
  };
}

/** When the end was asked for; the deletion timestamp lies one grace period later. */
function killRequestedMs(pod: Pod): number | undefined {
  const deadlineMs = timeOf(pod.metadata.deletionTimestamp);
  if (deadlineMs === undefined) return undefined;
  return deadlineMs - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
}

/** The limit that was passed, in Mesos's units. */
function limitationOf(
  pod: Pod,
  container: string,
  name: 'mem' | 'disk',
): WireTaskStatus['limitation'] {
  const amount = amountOf(resourcesFromKube(specOf(pod, container)?.resources?.limits), name);
  if (amount === 0) return undefined;
  const value = scalarFromAmount(name, amount);
  const role = pod.metadata.annotations?.[ANNOTATION.rolePath];
  return {
    resources: [
      { name, type: 'SCALAR', scalar: { value }, ...(role === undefined ? {} : { role }) },
    ],
  };
}
