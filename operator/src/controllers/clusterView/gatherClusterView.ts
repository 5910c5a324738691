import { frameworkId, JOBS_FRAMEWORK, rolePath } from '../../model/ids.ts';
import { LABEL } from '../../model/labels.ts';
import { NO_RESOURCES, type Resources, sumOf } from '../../model/resources.ts';
import type { FrameworkObject, ReservationObject } from '../../schema/mezzoKinds.ts';
import { parseResources } from '../../schema/quantity.ts';
import type { FrameworkSummary } from '../framework/types.ts';
import { DEFAULT_AGENT_PORT, hostnameOf, ipOf } from '../framework/wireOffer.ts';
import { roleViews, type ViewInput } from '../gatherViews.ts';
import { isDestroyed } from '../reservation/volumeObjects.ts';
import { roleTableOf } from '../role/roleTable.ts';
import { attributesOf } from '../scheduling/agents.ts';
import type { Offer } from '../scheduling/types.ts';
import { timeOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { toldStates, viewedTasks } from './gatherTasks.ts';
import {
  BUCKETS,
  type ClusterView,
  type Holding,
  type ViewedAgent,
  type ViewedFramework,
  type ViewedInverseAnswer,
  type ViewedReservation,
  type ViewedRole,
  type ViewedTask,
  type ViewedWindow,
} from './types.ts';

export interface ClusterViewInput extends ViewInput {
  /** What the hub knows of its frameworks; empty while this process does not lead. */
  readonly summaries: readonly FrameworkSummary[];
  readonly outstanding: (framework: ReturnType<typeof frameworkId>) => readonly Offer[];
  readonly nowMs: number;
  /** Port at which agents serve what old clients read; absent: 5051. */
  readonly agentPort?: number | undefined;
  /** What frameworks said to inverse offers. */
  readonly inverseAnswers: readonly ViewedInverseAnswer[];
}

/** Reads the caches and what is in memory into the cluster as a Mesos master would tell it. */
export function gatherClusterView(input: ClusterViewInput): ClusterView {
  const { world, summaries, usage, nowMs } = input;
  const tasks = viewedTasks(world.pods.list(), toldStates(summaries), usage);
  const windows = world.maintenanceWindows
    .list()
    .map((one) => viewedWindow(world, one, nowMs))
    .filter((one) => nowMs < one.startMs + one.durationMs);
  const tasksOf = Map.groupBy(tasks, (task) => task.framework);
  const summaryOf = new Map(summaries.map((one) => [one.id, one]));
  const frameworks = [
    ...jobsFramework(input, tasksOf.get(JOBS_FRAMEWORK) ?? []),
    ...world.frameworks.list().flatMap((object) => {
      const id = frameworkIdOf(object);
      if (id === undefined) return [];
      return [viewedFramework(input, object, summaryOf.get(id), tasksOf.get(id) ?? [])];
    }),
  ];
  return {
    agents: viewedAgents(input, tasks, windows),
    reservations: standingReservations(world),
    frameworks,
    tasks,
    roles: viewedRoles(input, frameworks),
    windows: windows.toSorted((left, right) => left.startMs - right.startMs),
    inverseAnswers: input.inverseAnswers,
  };
}

const standingReservations = (world: World): ReadonlyMap<string, ReservationObject> =>
  new Map(
    world.reservations
      .list()
      .filter((one) => !isDestroyed(one))
      .map((one) => [one.metadata.name, one] as const),
  );

const frameworkIdOf = (object: FrameworkObject): string | undefined =>
  object.status?.id ?? object.spec.frameworkId;

const isLive = (task: ViewedTask): boolean => BUCKETS[task.state] === 'live';

const holdingOf = (parts: readonly Holding[]): Holding => ({
  resources: sumOf(parts.map((one) => one.resources)),
  revocable: sumOf(parts.map((one) => one.revocable)),
});

function viewedAgents(
  { world, gathered, agentPort = DEFAULT_AGENT_PORT }: ClusterViewInput,
  tasks: readonly ViewedTask[],
  windows: readonly ViewedWindow[],
): readonly ViewedAgent[] {
  const tasksOn = Map.groupBy(tasks, (task) => task.agent);
  const offers = gathered.snapshot.allocations.filter((one) => one.kind === 'offer');
  const offersOn = Map.groupBy(offers, (one) => one.agent);
  const reservations = new Map(
    world.reservations.list().map((one) => [one.metadata.name, one] as const),
  );
  const pending = Map.groupBy(
    world.reservations
      .list()
      .filter((one) => one.status?.observedGeneration === -1 || one.status?.agents === undefined),
    (one) => one.spec.agent ?? '',
  );
  return gathered.snapshot.agents.map((agent) => {
    const node = world.nodes.get({ name: agent.id });
    const here = (tasksOn.get(agent.id) ?? []).filter(
      (task) => BUCKETS[task.state] !== 'completed',
    );
    const ready = node?.status?.conditions?.some(
      (one) => one.type === 'Ready' && one.status === 'True',
    );
    const draining = windows.some(
      (one) => one.active && one.mode === 'Drain' && one.agents.includes(agent.id),
    );
    return {
      id: agent.id,
      hostname: hostnameOf(agent.id, node),
      ip: ipOf(node),
      port: agentPort,
      attributes: agent.attributes,
      active: agent.schedulable,
      deactivated: draining || world.agents.get({ name: agent.id })?.spec?.freeze === true,
      unreachable: ready !== true,
      reason: agent.unschedulableReason,
      registeredMs: timeOf(node?.metadata.creationTimestamp),
      total: { resources: agent.total, revocable: agent.revocable },
      allocated: holdingOf(here),
      offered: holdingOf(offersOn.get(agent.id) ?? []),
      reservations: agent.reservations.map((one) =>
        viewedReservation(one.role, one.resources, one.reservationId, reservations),
      ),
      pendingReservations: (pending.get(agent.id) ?? []).map((one) =>
        viewedReservation(
          one.spec.role,
          parseResources(one.spec.resources),
          one.metadata.name,
          reservations,
        ),
      ),
      drain: draining ? (here.length === 0 ? 'DRAINED' : 'DRAINING') : undefined,
      hasObject: world.agents.get({ name: agent.id }) !== undefined,
    };
  });
}

function viewedReservation(
  role: string,
  resources: Resources,
  name: string,
  objects: ReadonlyMap<string, ReservationObject>,
): ViewedReservation {
  const spec = objects.get(name)?.spec;
  return {
    role,
    resources,
    name,
    principal: spec?.principal,
    labels: spec?.labels ?? {},
    wanted: parseResources(spec?.resources),
    volume: spec?.volume?.id,
    hereOnly: spec?.agent !== undefined,
  };
}

/** Mezzo's own job scheduler is a framework among others while it has work, without an object and without a stream. */
function jobsFramework(input: ClusterViewInput, own: readonly ViewedTask[]): ViewedFramework[] {
  const offers = input.outstanding(JOBS_FRAMEWORK);
  if (own.length === 0 && offers.length === 0) return [];
  const roles = new Set([...own, ...offers].map((one) => one.role));
  const framework: ViewedFramework = {
    id: JOBS_FRAMEWORK,
    name: JOBS_FRAMEWORK,
    user: '',
    hostname: '',
    webuiUrl: '',
    namespace: undefined,
    objectName: undefined,
    principal: undefined,
    roles: [...roles].toSorted(),
    capabilities: ['REVOCABLE_RESOURCES', 'GPU_RESOURCES', 'PARTITION_AWARE', 'MULTI_ROLE'],
    failoverTimeoutMs: 0,
    connected: true,
    completed: false,
    registeredMs: undefined,
    reregisteredMs: undefined,
    unregisteredMs: undefined,
    ...holdingsOf(own, offers),
    counts: undefined,
  };
  return [framework];
}

function viewedFramework(
  input: ClusterViewInput,
  object: FrameworkObject,
  summary: FrameworkSummary | undefined,
  tasks: readonly ViewedTask[],
): ViewedFramework {
  const { metadata, spec, status } = object;
  const id = frameworkIdOf(object) ?? metadata.name;
  const completed = summary?.completed ?? status?.completed === true;
  const { sent = 0, accepted = 0, declined = 0, rescinded = 0 } = status?.offers ?? {};
  const createdMs = timeOf(metadata.creationTimestamp);
  const subscribedMs = timeOf(status?.subscribedAt);
  return {
    id,
    name: spec.frameworkName ?? metadata.name,
    user: spec.user ?? '',
    hostname: spec.hostname ?? '',
    webuiUrl: spec.webuiUrl ?? '',
    namespace: metadata.namespace,
    objectName: metadata.name,
    principal: spec.principal,
    roles: spec.roles ?? [],
    capabilities: spec.capabilities ?? [],
    failoverTimeoutMs: (spec.failoverTimeoutSeconds ?? 0) * 1000,
    connected: summary?.connected ?? status?.connected === true,
    completed,
    registeredMs: createdMs,
    reregisteredMs: subscribedMs,
    unregisteredMs: completed ? timeOf(status?.disconnectedAt) : undefined,
    ...holdingsOf(
      tasks.filter((task) => task.namespace === metadata.namespace),
      completed ? [] : input.outstanding(frameworkId(id)),
    ),
    counts: { sent, accepted, declined, rescinded },
  };
}

function holdingsOf(
  tasks: readonly ViewedTask[],
  offers: readonly Offer[],
): Pick<ViewedFramework, 'allocated' | 'offered' | 'offers'> {
  return {
    allocated: holdingOf(tasks.filter(isLive)),
    offered: holdingOf(offers),
    offers: offers.map(({ id, agent, role, resources, revocable, reserved }) => ({
      id,
      agent,
      role,
      resources,
      revocable,
      reserved,
    })),
  };
}

function viewedRoles(
  input: ClusterViewInput,
  frameworks: readonly ViewedFramework[],
): readonly ViewedRole[] {
  const table = roleTableOf(input.world.roles.list(), input.world.quotas.list());
  const reservedFor = Map.groupBy(
    input.gathered.snapshot.agents.flatMap((agent) => agent.reservations),
    (one) => one.role as string,
  );
  const known = roleViews(input);
  const listed = new Set(known.map((one) => one.role));
  const live = frameworks.filter((one) => !one.completed);
  const more = new Set(
    [...live.flatMap((one) => one.roles), ...reservedFor.keys()].filter((one) => !listed.has(one)),
  );
  const bare = [...more].map((role) => ({ ...BARE_ROLE, role }));
  return [...known, ...bare]
    .map((one) => ({
      role: one.role,
      weight: one.weight,
      roleObject: table.roleOf.get(rolePath(one.role))?.metadata.name,
      quotaObject: table.quotaOf.get(rolePath(one.role))?.metadata.name,
      guarantees: one.guaranteed,
      limits: one.limit,
      consumed: one.consumed,
      allocated: one.allocated,
      offered: one.offered,
      reserved: sumOf((reservedFor.get(one.role) ?? []).map((part) => part.resources)),
      dominantSharePpm: one.dominantSharePpm,
      frameworks: live.filter((each) => each.roles.includes(one.role)).map((each) => each.id),
    }))
    .toSorted((left, right) => (left.role < right.role ? -1 : 1));
}

const BARE_ROLE = {
  weight: 1,
  guaranteed: NO_RESOURCES,
  limit: NO_RESOURCES,
  consumed: NO_RESOURCES,
  allocated: NO_RESOURCES,
  offered: NO_RESOURCES,
  dominantSharePpm: 0,
};

function viewedWindow(
  world: World,
  window: ReturnType<World['maintenanceWindows']['list']>[number],
  nowMs: number,
): ViewedWindow {
  const { agents, selector, start, durationSeconds, mode } = window.spec;
  const startMs = Date.parse(start);
  const durationMs = durationSeconds * 1000;
  const selected =
    agents ??
    world.nodes
      .list()
      .filter((node) => {
        const has = attributesOf(node, world.agents.get({ name: node.metadata.name }));
        return Object.entries(selector ?? {}).every(([key, value]) => has[key] === value);
      })
      .map((node) => node.metadata.name);
  return {
    name: window.metadata.name,
    agents: selected.toSorted(),
    startMs,
    durationMs,
    mode: mode ?? 'Drain',
    active: nowMs >= startMs && nowMs < startMs + durationMs,
    bySelector: agents === undefined,
    isAgentDrain: window.metadata.labels?.[LABEL.agentDrain] !== undefined,
  };
}
