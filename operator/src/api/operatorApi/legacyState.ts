import {
  BUCKETS,
  type ClusterView,
  type TaskBucket,
  type ViewedAgent,
  type ViewedFramework,
  type ViewedTask,
} from '../../controllers/clusterView/types.ts';
import { indexOf } from '../../controllers/clusterView/viewIndex.ts';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import { subtract, sumOf } from '../../model/resources.ts';
import type { MesosTaskState } from '../../schema/mesos/event.ts';
import { quantities, scalars, together } from './legacyResources.ts';
import { AGENT_CAPABILITIES, type MasterFacts } from './masterFacts.ts';
import { agentResources, heldResources } from './wireResources.ts';

/** JSON of the read endpoints, as Mesos shaped it. Source: Mesos `src/master/readonly_handler.cpp`, `src/common/http.cpp`. */

const seconds = (ms: number | undefined): number => (ms ?? 0) / 1000;

export function legacyTask(task: ViewedTask): object {
  return {
    id: task.id,
    name: task.name,
    framework_id: task.framework,
    executor_id: task.executor ?? '',
    slave_id: task.agent,
    state: task.state,
    resources: scalars(task),
    role: task.role,
    statuses: task.statuses.map(({ state, atMs }) => ({
      state,
      timestamp: atMs / 1000,
      container_status: {
        container_id: { value: task.podUid },
        ...(task.podIp === undefined
          ? {}
          : {
              network_infos: [{ ip_addresses: [{ protocol: 'IPv4', ip_address: task.podIp }] }],
            }),
      },
    })),
    ...(task.labels === undefined ? {} : { labels: task.labels }),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
    ...(task.image === undefined
      ? {}
      : { container: { type: 'DOCKER', docker: { image: task.image } } }),
  };
}

function summaryOf(framework: ViewedFramework): object {
  return {
    id: framework.id,
    name: framework.name,
    used_resources: scalars(framework.allocated),
    offered_resources: scalars(framework.offered),
    capabilities: framework.capabilities,
    hostname: framework.hostname,
    webui_url: framework.webuiUrl,
    active: framework.connected && !framework.completed,
    connected: framework.connected,
    recovered: false,
  };
}

/** `tasks` are those of this framework. */
export function legacyFramework(framework: ViewedFramework, tasks: readonly ViewedTask[]): object {
  const { id, roles, registeredMs, reregisteredMs } = framework;
  const inBucket = (bucket: TaskBucket): object[] =>
    tasks.filter((task) => BUCKETS[task.state] === bucket).map(legacyTask);
  const wasBack = reregisteredMs !== undefined && reregisteredMs !== registeredMs;
  return {
    ...summaryOf(framework),
    user: framework.user,
    failover_timeout: framework.failoverTimeoutMs / 1000,
    checkpoint: true,
    registered_time: seconds(registeredMs),
    unregistered_time: seconds(framework.unregisteredMs),
    ...(framework.principal === undefined ? {} : { principal: framework.principal }),
    resources: scalars(together(framework.allocated, framework.offered)),
    ...(wasBack ? { reregistered_time: seconds(reregisteredMs) } : {}),
    ...(framework.capabilities.includes('MULTI_ROLE') ? { roles } : { role: roles[0] ?? '*' }),
    tasks: inBucket('live'),
    unreachable_tasks: inBucket('unreachable'),
    completed_tasks: inBucket('completed'),
    offers: framework.offers.map((offer) => ({
      id: offer.id,
      framework_id: id,
      allocation_info: { role: offer.role },
      slave_id: offer.agent,
      resources: scalars(offer),
    })),
    executors: [],
    offer_constraints: {},
  };
}

export function legacyAgent(agent: ViewedAgent): object {
  const reserved = Map.groupBy(agent.reservations, (one) => one.role);
  const allReserved = sumOf(agent.reservations.map((one) => one.resources));
  return {
    id: agent.id,
    hostname: agent.hostname,
    port: agent.port,
    attributes: agent.attributes,
    pid: `slave(1)@${agent.ip}:${agent.port}`,
    registered_time: seconds(agent.registeredMs),
    resources: scalars(agent.total),
    used_resources: scalars(agent.allocated),
    offered_resources: scalars(agent.offered),
    reserved_resources: Object.fromEntries(
      [...reserved].map(([role, parts]) => [
        role,
        scalars(sumOf(parts.map((one) => one.resources))),
      ]),
    ),
    unreserved_resources: scalars({
      resources: subtract(agent.total.resources, allReserved),
      revocable: agent.total.revocable,
    }),
    active: agent.active,
    deactivated: agent.deactivated,
    version: MESOS_VERSION,
    capabilities: AGENT_CAPABILITIES,
    ...(agent.drain === undefined
      ? {}
      : { drain_info: { state: agent.drain, config: { mark_gone: false } } }),
  };
}

/** As `/slaves` shows an agent: with every resource written out. */
function legacyAgentInFull(agent: ViewedAgent, view: ClusterView): object {
  const here = indexOf(view).liveOn(agent.id);
  const offers = indexOf(view).offersOn(agent.id);
  const { reserved, unreserved } = agentResources(agent);
  return {
    ...legacyAgent(agent),
    reserved_resources_full: Object.fromEntries(
      [...Map.groupBy(reserved, (one) => one.role)].map(([role, parts]) => [
        role,
        parts.map((one) => one.resource),
      ]),
    ),
    unreserved_resources_full: unreserved,
    used_resources_full: here.flatMap(heldResources),
    offered_resources_full: offers.flatMap(heldResources),
  };
}

export function legacyAgents(view: ClusterView, agentId: string | undefined): object {
  const slaves = view.agents
    .filter((one) => agentId === undefined || one.id === agentId)
    .map((one) => legacyAgentInFull(one, view));
  return { slaves, recovered_slaves: [] };
}

export function legacyFrameworks(view: ClusterView, frameworkId: string | undefined): object {
  const { tasksOf } = indexOf(view);
  const wanted = view.frameworks.filter(
    (one) => frameworkId === undefined || one.id === frameworkId,
  );
  const render = (one: ViewedFramework): object => legacyFramework(one, tasksOf(one.id));
  return {
    frameworks: wanted.filter((one) => !one.completed).map(render),
    completed_frameworks: wanted.filter((one) => one.completed).map(render),
    unregistered_frameworks: [],
  };
}

/** `flags` only for those who may see them. */
export function legacyState(
  view: ClusterView,
  facts: MasterFacts,
  flags: { readonly [name: string]: string } | undefined,
): object {
  return {
    version: MESOS_VERSION,
    build_user: facts.buildUser,
    start_time: facts.startMs / 1000,
    ...(facts.electedMs === undefined ? {} : { elected_time: facts.electedMs / 1000 }),
    id: facts.id,
    pid: facts.pid,
    hostname: facts.hostname,
    capabilities: facts.capabilities,
    ...agentCounts(view.agents),
    leader: facts.pid,
    leader_info: { id: facts.id, pid: facts.pid, port: facts.port, hostname: facts.hostname },
    ...(flags === undefined ? {} : { flags }),
    slaves: view.agents.map(legacyAgent),
    recovered_slaves: [],
    ...legacyFrameworks(view, undefined),
    orphan_tasks: [],
  };
}

function agentCounts(agents: readonly ViewedAgent[]): object {
  const count = (which: (agent: ViewedAgent) => boolean): number => agents.filter(which).length;
  return {
    activated_slaves: count((one) => one.active),
    deactivated_slaves: count((one) => !one.active && !one.unreachable),
    unreachable_slaves: count((one) => one.unreachable),
  };
}

/** States `/state-summary` counts. Source: Mesos `src/master/readonly_handler.cpp`, `stateSummary`. */
const SUMMARISED = [
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_KILLED',
  'TASK_FAILED',
  'TASK_LOST',
  'TASK_ERROR',
  'TASK_UNREACHABLE',
] as const satisfies readonly MesosTaskState[];

function stateCounts(tasks: readonly ViewedTask[]): { [state: string]: number } {
  const counts: { [state: string]: number } = {};
  for (const state of SUMMARISED)
    counts[state] = tasks.reduce((sum, task) => sum + (task.state === state ? 1 : 0), 0);
  return counts;
}

export function legacyStateSummary(view: ClusterView, facts: MasterFacts): object {
  const frameworks = view.frameworks.filter((one) => !one.completed);
  const shown = new Set(frameworks.map((one) => one.id));
  const tasks = view.tasks.filter((task) => shown.has(task.framework));
  const tasksOn = Map.groupBy(tasks, (task) => task.agent);
  const tasksOf = Map.groupBy(tasks, (task) => task.framework);
  const distinct = (all: readonly string[]): string[] => [...new Set(all)].toSorted();
  return {
    hostname: facts.hostname,
    slaves: view.agents.map((agent) => {
      const here = tasksOn.get(agent.id) ?? [];
      return {
        ...legacyAgent(agent),
        ...stateCounts(here),
        framework_ids: distinct(here.map((task) => task.framework)),
      };
    }),
    frameworks: frameworks.map((framework) => {
      const own = tasksOf.get(framework.id) ?? [];
      return {
        ...summaryOf(framework),
        ...stateCounts(own),
        slave_ids: distinct(own.map((task) => task.agent)),
      };
    }),
  };
}

export interface TaskQuery {
  readonly limit: number;
  readonly offset: number;
  readonly ascending: boolean;
  readonly frameworkId: string | undefined;
  readonly taskId: string | undefined;
}

/** Tasks by the time of their earliest status; one without any is the oldest. */
export function legacyTasks(view: ClusterView, query: TaskQuery): object {
  const sign = query.ascending ? 1 : -1;
  const startOf = (task: ViewedTask): number => task.statuses[0]?.atMs ?? Number.NEGATIVE_INFINITY;
  const tasks = view.tasks
    .filter((task) => query.frameworkId === undefined || task.framework === query.frameworkId)
    .filter((task) => query.taskId === undefined || task.id === query.taskId)
    .toSorted((left, right) => {
      const [a, b] = [startOf(left), startOf(right)];
      return a === b ? 0 : sign * (a < b ? -1 : 1);
    });
  return { tasks: tasks.slice(query.offset, query.offset + query.limit).map(legacyTask) };
}

export function legacyRoles(view: ClusterView): object {
  return {
    roles: view.roles.map((one) => ({
      name: one.role,
      weight: one.weight,
      quota: {
        role: one.role,
        guarantee: quantities(one.guarantees),
        limit: quantities(one.limits),
        consumed: quantities(one.consumed),
      },
      resources: quantities(sumOf([one.allocated, one.offered])),
      allocated: quantities(one.allocated),
      offered: quantities(one.offered),
      reserved: quantities(one.reserved),
      frameworks: one.frameworks,
    })),
  };
}
