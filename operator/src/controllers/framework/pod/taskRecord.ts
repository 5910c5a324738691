import {
  type AgentId,
  agentId,
  type FrameworkId,
  frameworkId,
  type TaskId,
} from '../../../model/ids.ts';
import { ANNOTATION, LABEL } from '../../../model/labels.ts';
import type { CancelTimer } from '../../../ports/clock.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { frameworkObjectName } from '../names.ts';
import { annotationOf } from './containerFacts.ts';
import type { PodTask } from './podMetadata.ts';
import { stepRank, type TaskUpdate, updatesOf } from './podUpdates.ts';
import { stepIn } from './podWriter.ts';

/** An update that waits for its acknowledgement. */
export interface Pending {
  readonly update: TaskUpdate;
  readonly uuid: string;
  attempts: number;
  cancel: CancelTimer | undefined;
}

/** A task as it is followed. */
export interface TaskRecord {
  readonly framework: FrameworkId;
  readonly task: TaskId;
  /** Its container in the Pod. */
  readonly container: string;
  readonly agent: AgentId;
  pod: Pod;
  gone: boolean;
  /** The end as it was first seen; what happens to the Pod afterwards does not change it. */
  ended: TaskUpdate | undefined;
  ackedRank: number;
  /** Key of the last acknowledged verdict on its health. */
  ackedHealth: string | undefined;
  pending: Pending | undefined;
  /** What was last read from its Pod: each of its versions is read once. */
  read: { readonly pod: Pod; readonly gone: boolean; readonly updates: TaskUpdate[] } | undefined;
}

export const ENDED_RANK = stepRank('ended');

export function newRecord(
  framework: FrameworkId,
  { task, container }: PodTask,
  pod: Pod,
): TaskRecord {
  return {
    framework,
    task,
    container,
    agent: agentId(pod.spec.nodeName ?? ''),
    pod,
    gone: false,
    ended: undefined,
    ackedRank: -1,
    ackedHealth: undefined,
    pending: undefined,
    read: undefined,
  };
}

/** Takes in a newer Pod; what has been acknowledged never goes back. */
export function refresh(record: TaskRecord, pod: Pod, gone: boolean): void {
  record.pod = pod;
  record.gone ||= gone;
  const annotations = pod.metadata.annotations ?? {};
  record.ackedRank = Math.max(record.ackedRank, stepRank(stepIn(annotations, record.container)));
  record.ackedHealth ??= annotations[annotationOf(ANNOTATION.acknowledgedHealth, record.container)];
}

/** Everything its framework must have seen by now, in order. */
export function updatesFor(record: TaskRecord): readonly TaskUpdate[] {
  const { read, pod, gone } = record;
  if (read !== undefined && read.pod === pod && read.gone === gone) return read.updates;
  const updates = readUpdates(record);
  record.read = { pod, gone, updates };
  return updates;
}

function readUpdates(record: TaskRecord): TaskUpdate[] {
  const updates = updatesOf(record.pod, record.gone, record.container);
  record.ended ??= updates.find((one) => one.step === 'ended');
  const { ended } = record;
  if (ended === undefined) return updates;
  return [...updates.filter((one) => one.step !== 'ended'), ended];
}

/** True when the update has not been acknowledged and still says something new. */
export function isOwed(update: TaskUpdate, record: TaskRecord): boolean {
  if (update.step !== 'health') return stepRank(update.step) > record.ackedRank;
  return record.ackedRank < stepRank('killing') && update.key !== record.ackedHealth;
}

/** What its framework knows of it, or is about to be told. */
export function toldOf(record: TaskRecord): TaskUpdate | undefined {
  if (record.pending !== undefined) return record.pending.update;
  return updatesFor(record).findLast((one) => stepRank(one.step) <= record.ackedRank);
}

/** Framework of a Pod made for an external framework. */
export function frameworkOf(pod: Pod): FrameworkId | undefined {
  const framework = pod.metadata.annotations?.[ANNOTATION.frameworkId];
  if (framework === undefined) return undefined;
  const label = pod.metadata.labels?.[LABEL.framework];
  return label === frameworkObjectName(frameworkId(framework)) ? frameworkId(framework) : undefined;
}
