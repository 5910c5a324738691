import type { AllocationPlan, RoleShare } from '../allocator/types.ts';
import { NO_RESOURCES, type Resources, sumOf } from '../model/resources.ts';
import { roleTableOf } from './role/roleTable.ts';
import { nodeCapacity } from './scheduling/agents.ts';
import type { GatheredSnapshot } from './scheduling/snapshot.ts';
import type { TaskView } from './task/taskView.ts';
import type { UsageBoard } from './usage.ts';
import type { AgentView, JobView, RoleView, TaskRow } from './views.ts';
import type { World } from './world.ts';

export interface ViewInput {
  readonly world: World;
  readonly gathered: GatheredSnapshot;
  readonly plan: AllocationPlan | undefined;
  readonly usage: UsageBoard;
}

/** Not measured is not zero: with tasks but without any measurement there is no figure. */
function usedBy(tasks: readonly TaskView[], usage: UsageBoard): Resources | undefined {
  const measured = tasks
    .map((task) => usage.usedBy(task.pod.metadata.uid ?? ''))
    .filter((one) => one !== undefined);
  return tasks.length > 0 && measured.length === 0 ? undefined : sumOf(measured);
}

/** One row per role that has an object, a quota or live tasks; own amounts, without those of sub-roles. */
export function roleViews({ world, gathered, plan, usage }: ViewInput): readonly RoleView[] {
  const table = roleTableOf(world.roles.list(), world.quotas.list());
  const tasksOf = Map.groupBy(gathered.ledger.tasks, (task) => task.role);
  const shares = new Map<string, RoleShare>(
    (plan?.shares ?? []).map((share) => [share.role, share]),
  );
  const offers = gathered.snapshot.allocations.filter((one) => one.kind === 'offer');
  const known = new Set(table.specs.map((spec) => spec.path));
  const unlisted = [...tasksOf.keys()].filter((path) => !known.has(path));
  const bare = unlisted.map((path) => ({
    path,
    weightMilli: 1000,
    guarantees: NO_RESOURCES,
    limits: NO_RESOURCES,
  }));
  return [...table.specs, ...bare].map((spec) => {
    const tasks = tasksOf.get(spec.path) ?? [];
    const share = shares.get(spec.path);
    return {
      role: spec.path,
      weight: spec.weightMilli / 1000,
      dominantSharePpm: share?.dominantSharePpm ?? 0,
      guaranteed: spec.guarantees,
      limit: spec.limits,
      reserved: share?.reserved ?? NO_RESOURCES,
      consumed: share?.consumed ?? NO_RESOURCES,
      allocated: sumOf(tasks.map((task) => task.resources)),
      offered: sumOf(offers.filter((one) => one.role === spec.path).map((one) => one.resources)),
      used: usedBy(tasks, usage),
      revocable: sumOf(tasks.map((task) => task.revocable)),
      tasks: tasks.length,
    };
  });
}

export function jobViews({ gathered, usage }: ViewInput): readonly JobView[] {
  const byJob = Map.groupBy(
    gathered.ledger.tasks,
    (task) => task.jobKey ?? `Framework//${task.framework}`,
  );
  return [...byJob].map(([key, tasks]) => {
    const [kind = '', namespace = '', ...name] = key.split('/');
    return {
      kind,
      namespace,
      job: name.join('/'),
      role: tasks[0]?.role ?? '',
      allocated: sumOf(tasks.map((task) => task.resources)),
      offered: NO_RESOURCES,
      used: usedBy(tasks, usage),
      revocable: sumOf(tasks.map((task) => task.revocable)),
      tasks: tasks.length,
    };
  });
}

export function agentViews({ world, gathered, usage }: ViewInput): readonly AgentView[] {
  const tasksOf = Map.groupBy(gathered.ledger.tasks, (task) => task.agent);
  return gathered.snapshot.agents.map((agent) => {
    const tasks = tasksOf.get(agent.id) ?? [];
    const node = world.nodes.get({ name: agent.id });
    const offers = gathered.snapshot.allocations.filter(
      (one) => one.kind === 'offer' && one.agent === agent.id,
    );
    return {
      agent: agent.id,
      capacity: node === undefined ? NO_RESOURCES : nodeCapacity(node),
      foreign: gathered.ledger.foreign.get(agent.id) ?? NO_RESOURCES,
      allocated: sumOf(tasks.map((task) => task.resources)),
      offered: sumOf(offers.map((one) => one.resources)),
      used: usedBy(tasks, usage),
      revocable: sumOf(tasks.map((task) => task.revocable)),
      revocableCapacity: agent.revocable,
      schedulable: agent.schedulable,
      reason: agent.unschedulableReason,
      tasks: tasks.length,
    };
  });
}

export function taskRows({ gathered }: ViewInput): readonly TaskRow[] {
  return gathered.ledger.tasks.map((task) => ({
    namespace: task.pod.metadata.namespace ?? '',
    name: task.pod.metadata.name,
    framework: task.framework,
    role: task.role,
    job: task.jobKey,
    agent: task.agent,
    state: task.state.state,
    message: task.state.message,
  }));
}
