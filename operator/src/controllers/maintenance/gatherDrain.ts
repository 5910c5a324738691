import { jobKeyOf } from '../../model/job.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { MaintenanceWindowObject } from '../../schema/mezzoKinds.ts';
import { isTaskPod, type TaskView, taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import type { DrainInput, DrainTask } from './decideDrain.ts';
import { agentsOf, startOf } from './windows.ts';

/** Mezzo's tasks on an agent that have not ended. */
export function tasksOn(world: World, agent: string): readonly TaskView[] {
  return world.pods
    .byIndex('node', agent)
    .filter(isTaskPod)
    .map(taskViewOf)
    .filter((task) => !task.terminal);
}

export function gatherDrain(
  world: World,
  window: MaintenanceWindowObject,
  nowMs: number,
): DrainInput {
  const { slaPolicy, deadlineSeconds, concurrency } = window.spec;
  const deadlineMs =
    deadlineSeconds === undefined
      ? Number.POSITIVE_INFINITY
      : startOf(window) + deadlineSeconds * 1000;
  return {
    agents: agentsOf(world, window).map((name) => ({
      name,
      tasks: tasksOn(world, name)
        .map(drainTaskOf)
        .toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    })),
    concurrency: concurrency ?? 1,
    honoursJobs: slaPolicy !== 'Ignore' && nowMs < deadlineMs,
    spare: spareOfJobs(world),
  };
}

function drainTaskOf(task: TaskView): DrainTask {
  const { key, jobKey, deleting } = task;
  const leaving = deleting || task.pod.metadata.annotations?.[ANNOTATION.intent] !== undefined;
  return {
    key,
    jobKey,
    deleting,
    ready: task.readySinceMs !== undefined && !leaving,
  };
}

/** Of service jobs that name a minimum: how many ready instances they have above it. */
function spareOfJobs(world: World): ReadonlyMap<string, number> {
  const spare = new Map<string, number>();
  for (const job of world.serviceJobs.list()) {
    const least = job.spec.sla?.minAvailable;
    if (least === undefined) continue;
    const key = jobKeyOf('ServiceJob', job.metadata.namespace ?? '', job.metadata.name);
    const ready = world.pods
      .byIndex('job', key)
      .map(taskViewOf)
      .filter((task) => !task.terminal && drainTaskOf(task).ready).length;
    spare.set(key, ready - least);
  }
  return spare;
}
