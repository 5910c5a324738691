import {
  BUCKETS,
  type ClusterView,
  type TaskBucket,
  type ViewedAgent,
  type ViewedFramework,
  type ViewedTask,
} from '../../controllers/clusterView/types.ts';
import { indexOf } from '../../controllers/clusterView/viewIndex.ts';
import { TASK_CONTAINER } from '../../controllers/framework/pod/podMetadata.ts';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import { sumOf } from '../../model/resources.ts';
import { ipToMesosInt } from '../../schema/mesos/event.ts';
import type { WireObject } from '../../schema/mesos/proto/types.ts';
import { scalars } from './legacyResources.ts';
import { AGENT_CAPABILITIES, type MasterFacts } from './masterFacts.ts';
import { heldResources, totalResources } from './wireResources.ts';

/** Messages of the v1 operator API, as both wire forms take them. Empty lists are left out, as Mesos leaves them out. */

const id = (value: string): WireObject => ({ value });
const timeInfo = (ms: number): WireObject => ({ nanoseconds: ms * 1_000_000 });

/** The field with the list, or nothing when the list is empty. */
function listed(field: string, list: readonly unknown[]): WireObject {
  return list.length === 0 ? {} : { [field]: list };
}

function timed(field: string, ms: number | undefined): WireObject {
  return ms === undefined ? {} : { [field]: timeInfo(ms) };
}

export function v1Task(task: ViewedTask): WireObject {
  return {
    name: task.name,
    task_id: id(task.id),
    framework_id: id(task.framework),
    ...(task.executor === undefined ? {} : { executor_id: id(task.executor) }),
    agent_id: id(task.agent),
    state: task.state,
    ...listed('resources', heldResources(task)),
    ...listed(
      'statuses',
      task.statuses.map((one) => v1Status(task, one.state, one.atMs)),
    ),
    ...(task.labels === undefined ? {} : { labels: { labels: task.labels } }),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
    ...(task.image === undefined
      ? {}
      : { container: { type: 'DOCKER', docker: { image: task.image } } }),
  };
}

function v1Status(task: ViewedTask, state: string, atMs: number): WireObject {
  return {
    task_id: id(task.id),
    state,
    agent_id: id(task.agent),
    timestamp: atMs / 1000,
    container_status: {
      container_id: id(task.podUid),
      ...(task.podIp === undefined
        ? {}
        : {
            network_infos: [{ ip_addresses: [{ protocol: 'IPv4', ip_address: task.podIp }] }],
          }),
    },
  };
}

/** The status that brought a task into the state it is in. */
export function v1NewestStatus(task: ViewedTask, nowMs: number): WireObject {
  const atMs = task.statuses.findLast((one) => one.state === task.state)?.atMs ?? nowMs;
  return { ...v1Status(task, task.state, atMs), message: task.message };
}

export function v1FrameworkInfo(framework: ViewedFramework): WireObject {
  const { capabilities, roles, principal } = framework;
  return {
    user: framework.user,
    name: framework.name,
    id: id(framework.id),
    failover_timeout: framework.failoverTimeoutMs / 1000,
    checkpoint: true,
    ...(framework.hostname === '' ? {} : { hostname: framework.hostname }),
    ...(framework.webuiUrl === '' ? {} : { webui_url: framework.webuiUrl }),
    ...(capabilities.includes('MULTI_ROLE') ? listed('roles', roles) : { role: roles[0] ?? '*' }),
    ...(principal === undefined ? {} : { principal }),
    ...listed(
      'capabilities',
      capabilities.map((type) => ({ type })),
    ),
  };
}

export function v1Framework(framework: ViewedFramework, view: ClusterView): WireObject {
  const { registeredMs, reregisteredMs, unregisteredMs } = framework;
  const held = indexOf(view).liveOf(framework.id);
  return {
    framework_info: v1FrameworkInfo(framework),
    active: framework.connected && !framework.completed,
    connected: framework.connected,
    recovered: false,
    ...timed('registered_time', registeredMs),
    ...(reregisteredMs === registeredMs ? {} : timed('reregistered_time', reregisteredMs)),
    ...timed('unregistered_time', unregisteredMs),
    ...listed(
      'offers',
      framework.offers.map((offer) => ({
        id: id(offer.id),
        framework_id: id(framework.id),
        agent_id: id(offer.agent),
        hostname: indexOf(view).hostnameOf(offer.agent),
        allocation_info: { role: offer.role },
        ...listed('resources', heldResources(offer)),
      })),
    ),
    ...listed('allocated_resources', held.flatMap(heldResources)),
    ...listed('offered_resources', framework.offers.flatMap(heldResources)),
  };
}

export function v1Agent(agent: ViewedAgent, view: ClusterView): WireObject {
  const held = indexOf(view).liveOn(agent.id);
  const offers = indexOf(view).offersOn(agent.id);
  const total = totalResources(agent);
  return {
    agent_info: {
      id: id(agent.id),
      hostname: agent.hostname,
      port: agent.port,
      ...listed('resources', total),
      ...listed(
        'attributes',
        Object.entries(agent.attributes).map(([name, value]) => ({
          name,
          type: 'TEXT',
          text: { value },
        })),
      ),
    },
    active: agent.active,
    deactivated: agent.deactivated,
    version: MESOS_VERSION,
    pid: `slave(1)@${agent.ip}:${agent.port}`,
    ...timed('registered_time', agent.registeredMs),
    ...listed('total_resources', total),
    ...listed('allocated_resources', held.flatMap(heldResources)),
    ...listed('offered_resources', offers.flatMap(heldResources)),
    capabilities: AGENT_CAPABILITIES.map((type) => ({ type })),
    ...(agent.drain === undefined
      ? {}
      : { drain_info: { state: agent.drain, config: { mark_gone: false } } }),
  };
}

export const getAgents = (view: ClusterView): WireObject =>
  listed(
    'agents',
    view.agents.map((one) => v1Agent(one, view)),
  );

export function getFrameworks(view: ClusterView): WireObject {
  const written = (completed: boolean): readonly WireObject[] =>
    view.frameworks
      .filter((one) => one.completed === completed)
      .map((one) => v1Framework(one, view));
  return {
    ...listed('frameworks', written(false)),
    ...listed('completed_frameworks', written(true)),
  };
}

export function getTasks(view: ClusterView): WireObject {
  const inBucket = (bucket: TaskBucket): readonly WireObject[] =>
    view.tasks.filter((task) => BUCKETS[task.state] === bucket).map(v1Task);
  return {
    ...listed('tasks', inBucket('live')),
    ...listed('unreachable_tasks', inBucket('unreachable')),
    ...listed('completed_tasks', inBucket('completed')),
  };
}

/** Executors that have a task the caller sees: custom ones, and those that groups were launched with. */
export function getExecutors(view: ClusterView): WireObject {
  const executors = new Map<string, WireObject>();
  for (const { agent, container, executor, framework, state } of view.tasks) {
    if (executor === undefined || BUCKETS[state] === 'completed') continue;
    executors.set(`${framework}\u0000${executor}\u0000${agent}`, {
      agent_id: id(agent),
      executor_info: {
        executor_id: id(executor),
        framework_id: id(framework),
        type: container === TASK_CONTAINER ? 'CUSTOM' : 'DEFAULT',
      },
    });
  }
  return listed('executors', [...executors.values()]);
}

export const getState = (view: ClusterView): WireObject => ({
  get_tasks: getTasks(view),
  get_executors: getExecutors(view),
  get_frameworks: getFrameworks(view),
  get_agents: getAgents(view),
});

/** `resources`: what tasks of the role hold and what it is offered. */
export const getRoles = (view: ClusterView): WireObject =>
  listed(
    'roles',
    view.roles.map((one) => ({
      name: one.role,
      weight: one.weight,
      ...listed('frameworks', one.frameworks.map(id)),
      ...listed(
        'resources',
        Object.entries(scalars(sumOf([one.allocated, one.offered])))
          .filter(([, value]) => value > 0)
          .map(([name, value]) => ({
            name,
            type: 'SCALAR',
            scalar: { value },
            allocation_info: { role: one.role },
          })),
      ),
    })),
  );

export const getMaster = (facts: MasterFacts): WireObject => ({
  master_info: {
    id: facts.id,
    ip: ipToMesosInt(facts.ip),
    port: facts.port,
    pid: facts.pid,
    hostname: facts.hostname,
    version: MESOS_VERSION,
    address: { hostname: facts.hostname, ip: facts.ip, port: facts.port },
    ...listed(
      'capabilities',
      facts.capabilities.map((type) => ({ type })),
    ),
  },
  start_time: facts.startMs / 1000,
  ...(facts.electedMs === undefined ? {} : { elected_time: facts.electedMs / 1000 }),
});
