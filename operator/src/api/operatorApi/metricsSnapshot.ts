import {
  BUCKETS,
  type ClusterView,
  type Holding,
  type ViewedAgent,
  type ViewedFramework,
  type ViewedRole,
} from '../../controllers/clusterView/types.ts';
import { add, type Resources, sumOf } from '../../model/resources.ts';
import { scalarFromAmount } from '../../schema/mesos/resource.ts';

export interface SnapshotInput {
  /** The whole cluster: sums are told to everybody with a name. */
  readonly all: ClusterView;
  /** What the caller may see: figures of single roles and frameworks. */
  readonly visible: ClusterView;
  readonly elected: boolean;
  readonly uptimeMs: number;
  readonly subscribers: number;
}

type Snapshot = { [key: string]: number };

/**
 * `/metrics/snapshot`: the keys of a Mesos master for which there is a figure; a key without one is left out, never zero.
 * Source: Mesos `docs/monitoring.md`, `src/master/metrics.cpp`.
 */
export function metricsSnapshot(input: SnapshotInput): Snapshot {
  const { all, visible } = input;
  const frameworks = all.frameworks.filter((one) => !one.completed);
  const snapshot: Snapshot = {
    'master/elected': input.elected ? 1 : 0,
    'master/uptime_secs': input.uptimeMs / 1000,
    'master/operator_event_stream_subscribers': input.subscribers,
    'master/outstanding_offers': frameworks.reduce((sum, one) => sum + one.offers.length, 0),
  };
  addPair(
    snapshot,
    'master/frameworks',
    ['active', 'inactive'],
    frameworks,
    (one) => one.connected,
  );
  addPair(
    snapshot,
    'master/frameworks',
    ['connected', 'disconnected'],
    frameworks,
    (one) => one.connected,
  );
  addPair(snapshot, 'master/slaves', ['active', 'inactive'], all.agents, (one) => one.active);
  addPair(
    snapshot,
    'master/slaves',
    ['connected', 'disconnected'],
    all.agents,
    (one) => !one.unreachable,
  );
  snapshot['master/slaves_unreachable'] = all.agents.filter((one) => one.unreachable).length;
  for (const state of ['staging', 'starting', 'running', 'killing', 'unreachable'])
    snapshot[`master/tasks_${state}`] = all.tasks.filter(
      (task) => task.state === `TASK_${state.toUpperCase()}`,
    ).length;
  addCapacity(snapshot, all.agents);
  for (const role of visible.roles) addRole(snapshot, role);
  const tasksOf = Map.groupBy(visible.tasks, (task) => task.framework);
  for (const framework of visible.frameworks.filter((one) => !one.completed))
    addFramework(snapshot, framework, tasksOf.get(framework.id) ?? []);
  return snapshot;
}

function addPair<T>(
  snapshot: Snapshot,
  prefix: string,
  [yes, no]: readonly [string, string],
  things: readonly T[],
  test: (thing: T) => boolean,
): void {
  const count = things.filter(test).length;
  snapshot[`${prefix}_${yes}`] = count;
  snapshot[`${prefix}_${no}`] = things.length - count;
}

function addCapacity(snapshot: Snapshot, agents: readonly ViewedAgent[]): void {
  const total = whole(agents.map((one) => one.total));
  const used = whole(agents.map((one) => one.allocated));
  const taken = add(used.resources, whole(agents.map((one) => one.offered)).resources);
  for (const name of ['cpus', 'mem', 'disk', 'gpus']) {
    for (const [infix, of] of [
      ['', 'resources'],
      ['_revocable', 'revocable'],
    ] as const) {
      const most = figure(name, total[of]);
      const held = figure(name, used[of]);
      snapshot[`master/${name}${infix}_total`] = most;
      snapshot[`master/${name}${infix}_used`] = held;
      snapshot[`master/${name}${infix}_percent`] = most === 0 ? 0 : held / most;
    }
    if (name === 'gpus') continue;
    const prefix = `allocator/mesos/resources/${name}`;
    snapshot[`${prefix}/total`] = figure(name, total.resources);
    snapshot[`${prefix}/offered_or_allocated`] = figure(name, taken);
  }
}

const figure = (name: string, of: Resources): number => scalarFromAmount(name, of[name] ?? 0);

const whole = (parts: readonly Holding[]): Holding => ({
  resources: sumOf(parts.map((one) => one.resources)),
  revocable: sumOf(parts.map((one) => one.revocable)),
});

function addRole(snapshot: Snapshot, role: ViewedRole): void {
  // The sorter's figure, as Mesos publishes it: the share divided by the weight.
  snapshot[`allocator/mesos/roles/${role.role}/shares/dominant`] =
    role.dominantSharePpm / 1e6 / role.weight;
  const taken = add(role.allocated, role.offered);
  const names = new Set([...Object.keys(role.guarantees), ...Object.keys(role.limits)]);
  for (const name of names) {
    const prefix = `allocator/mesos/quota/roles/${role.role}/resources/${name}`;
    if (role.guarantees[name] !== undefined)
      snapshot[`${prefix}/guarantee`] = figure(name, role.guarantees);
    if (role.limits[name] !== undefined) snapshot[`${prefix}/limit`] = figure(name, role.limits);
    snapshot[`${prefix}/consumed`] = figure(name, role.consumed);
    snapshot[`${prefix}/offered_or_allocated`] = figure(name, taken);
  }
}

function addFramework(
  snapshot: Snapshot,
  framework: ViewedFramework,
  tasks: ClusterView['tasks'],
): void {
  const prefix = `master/frameworks/${encodeURIComponent(framework.name)}/${framework.id}`;
  snapshot[`${prefix}/subscribed`] = framework.connected ? 1 : 0;
  for (const [fate, count] of Object.entries(framework.counts ?? {}))
    snapshot[`${prefix}/offers/${fate}`] = count;
  for (const [state, bucket] of Object.entries(BUCKETS)) {
    if (bucket !== 'live' || state === 'TASK_UNKNOWN') continue;
    snapshot[`${prefix}/tasks/active/${state.toLowerCase()}`] = tasks.filter(
      (task) => task.state === state,
    ).length;
  }
}
