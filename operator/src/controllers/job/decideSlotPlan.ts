import type { TaskGroup } from '../../model/job.ts';
import type { PendingSlot, SlotPod } from '../../state/jobSlots.ts';
import type { TaskView } from '../task/taskView.ts';
import type { DemandSlot } from './types.ts';

/** `<job>-<hash of the job's uid>-<instance>-<generation>`: the same decision always names the same Pod. */
export function podNameOf(
  jobName: string,
  uidHash: string,
  slot: { instance: number; generation: number },
): string {
  return `${jobName}-${uidHash}-${slot.instance}-${slot.generation}`;
}

export function slotPodOf(view: TaskView, uidHash: string): SlotPod {
  return {
    name: view.pod.metadata.name,
    uid: view.pod.metadata.uid ?? '',
    jobUidHash: uidHash,
    instance: view.instance,
    generation: view.generation,
    templateHash: view.templateHash,
    state: view.state.state,
    deleting: view.deleting,
    createdAtMs: view.createdAtMs,
    flaps: view.flaps,
    failures: view.failures,
    mayStillRun:
      view.state.state === 'LOST' &&
      view.pod.status?.phase !== 'Failed' &&
      view.pod.status?.phase !== 'Succeeded',
    ...(view.startedAtMs === undefined ? {} : { startedAtMs: view.startedAtMs }),
    ...(view.terminalAtMs === undefined ? {} : { terminalAtMs: view.terminalAtMs }),
  };
}

export function demandOf(
  slot: PendingSlot,
  job: {
    readonly name: string;
    readonly uidHash: string;
    readonly group: TaskGroup;
    readonly sinceMs: number;
  },
): DemandSlot {
  return {
    task: {
      group: job.group,
      instance: slot.instance,
      generation: slot.generation,
      podName: podNameOf(job.name, job.uidHash, slot),
      sinceMs: job.sinceMs,
    },
    flaps: slot.flaps,
    failures: slot.failures,
    notBeforeMs: slot.notBeforeMs,
  };
}
