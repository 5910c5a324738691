import type { JobFacts } from '../../operator/src/controllers/job/types.ts';
import { isoTime } from '../../operator/src/controllers/shared/conditions.ts';
import { taskViewOf } from '../../operator/src/controllers/task/taskView.ts';
import { rolePath } from '../../operator/src/model/ids.ts';
import { jobKeyOf } from '../../operator/src/model/job.ts';
import { type TaskShape, taskPod } from './operatorWorld.ts';

/** Half an hour after the Pods of `taskPod` were made. */
export const NOW_MS = Date.UTC(2026, 0, 1, 0, 30);

/** Facts of the job `shop` with these tasks, as `gatherJob` would have them. */
export function factsOf<Spec extends object, Status extends object>(
  spec: Spec,
  status: Status,
  tasks: readonly TaskShape[],
  more: Partial<JobFacts<Spec, Status>> = {},
): JobFacts<Spec, Status> {
  const kind = more.kind ?? 'ServiceJob';
  const key = jobKeyOf(kind, 'apps', 'shop');
  return {
    kind,
    key,
    namespace: 'apps',
    name: 'shop',
    uid: 'uid-shop',
    uidHash: 'abcde',
    generation: 3,
    stopping: false,
    spec,
    status,
    group: {
      jobKey: key,
      jobUid: 'uid-shop',
      role: rolePath('web'),
      tier: 'preemptible',
      priority: 0,
      resources: { cpus: 1000 },
      revocable: {},
      constraints: [],
    },
    templateHash: 'hash-1',
    tasks: tasks.map((shape) => taskViewOf(taskPod({ kind, ...shape }))),
    fault: undefined,
    rejection: undefined,
    pendingReport: undefined,
    pendingSinceMs: NOW_MS - 90_000,
    nowMs: NOW_MS,
    isoOf: isoTime,
    parseTime: (iso) => Date.parse(iso),
    retentionMs: 120_000,
    ...more,
  };
}
