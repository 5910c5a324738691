import { Router } from 'express';
import type { FrameworkHub } from '../../controllers/framework/hub.ts';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import type { FrameworkSummary } from '../../controllers/framework/types.ts';
import type { AgentView } from '../../controllers/views.ts';
import type { Resources } from '../../model/resources.ts';
import { scalarFromAmount } from '../../schema/mesos/resource.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { answeredElsewhere, createGuard, guarded } from './guard.ts';

const both = (path: string): string[] => [path, `/master${path}`];

/** Read endpoints of a Mesos master that old clients touch, each also under `/master`. */
export function masterRoutes(context: RouteContext): Router {
  const guard = createGuard(context);
  const startedMs = context.clock.monotonicMs();
  const router = Router({ strict: true, caseSensitive: true });
  router.get(both('/health'), (_request, response) => {
    response.status(200).end();
  });
  router.get(both('/version'), (_request, response) => {
    response.json({ version: MESOS_VERSION, build_user: 'mezzo' });
  });
  router.get(both('/redirect'), (_request, response) => {
    const leadership = context.leadership();
    if (leadership.kind === 'unknown') {
      sendError(response, 503, 'No leader is known at the moment');
      return;
    }
    const leader = leadership.kind === 'self' ? context.advertisedAddress : leadership.address;
    response.redirect(307, `//${leader}`);
  });
  router.get(
    both('/state'),
    guarded(guard, (request, response) => {
      const leadership = context.leadership();
      if (answeredElsewhere(leadership, request, response)) return;
      response.json(stateOf(context, leadership.hub));
    }),
  );
  router.get(
    both('/metrics/snapshot'),
    guarded(guard, (_request, response) => {
      const leadership = context.leadership();
      const hub = leadership.kind === 'self' ? leadership.hub : undefined;
      const uptimeSecs = (context.clock.monotonicMs() - startedMs) / 1000;
      response.json(snapshotOf(context, hub, uptimeSecs));
    }),
  );
  const all = ['/health', '/version', '/redirect', '/state', '/metrics/snapshot'].flatMap(both);
  router.all(all, methodNotAllowed('GET', 'HEAD'));
  return router;
}

function stateOf(context: RouteContext, hub: FrameworkHub | undefined): unknown {
  const frameworks = hub?.frameworks() ?? [];
  const agents = context.views.agents();
  return {
    version: MESOS_VERSION,
    pid: `master@${context.advertisedAddress}`,
    leader: `master@${context.advertisedAddress}`,
    activated_slaves: agents.filter((agent) => agent.schedulable).length,
    deactivated_slaves: agents.filter((agent) => !agent.schedulable).length,
    slaves: agents.map(agentState),
    frameworks: frameworks.filter((one) => !one.completed).map(frameworkState),
    completed_frameworks: frameworks.filter((one) => one.completed).map(frameworkState),
    orphan_tasks: [],
    unregistered_frameworks: [],
  };
}

function frameworkState(framework: FrameworkSummary): unknown {
  const { id, name, principal, roles, connected, tasks } = framework;
  return {
    id,
    name,
    principal,
    roles,
    role: roles[0] ?? '*',
    active: connected,
    connected,
    tasks: tasks.map((task) => ({
      id: task.id,
      framework_id: id,
      slave_id: task.agent,
      state: task.state,
    })),
    completed_tasks: [],
    offers: [],
  };
}

function agentState(agent: AgentView): unknown {
  return {
    id: agent.agent,
    hostname: agent.agent,
    active: agent.schedulable,
    resources: scalars(agent.capacity),
    used_resources: scalars(agent.allocated),
    offered_resources: scalars(agent.offered),
  };
}

function scalars(of: Resources): { [name: string]: number } {
  const values: { [name: string]: number } = { cpus: 0, mem: 0, disk: 0, gpus: 0 };
  for (const [name, amount] of Object.entries(of)) values[name] = scalarFromAmount(name, amount);
  return values;
}

const COUNTED_STATES = ['staging', 'starting', 'running', 'killing'] as const;

function snapshotOf(
  context: RouteContext,
  hub: FrameworkHub | undefined,
  uptimeSecs: number,
): { [key: string]: number } {
  const frameworks = (hub?.frameworks() ?? []).filter((one) => !one.completed);
  const agents = context.views.agents();
  const snapshot: { [key: string]: number } = {
    'master/elected': hub === undefined ? 0 : 1,
    'master/uptime_secs': uptimeSecs,
    'master/frameworks_connected': frameworks.filter((one) => one.connected).length,
    'master/frameworks_disconnected': frameworks.filter((one) => !one.connected).length,
    'master/slaves_active': agents.filter((agent) => agent.schedulable).length,
    'master/slaves_inactive': agents.filter((agent) => !agent.schedulable).length,
  };
  const states = frameworks.flatMap((one) => one.tasks.map((task) => task.state));
  for (const state of COUNTED_STATES)
    snapshot[`master/tasks_${state}`] = states.filter(
      (one) => one === `TASK_${state.toUpperCase()}`,
    ).length;
  for (const name of ['cpus', 'mem', 'disk', 'gpus']) {
    const total = sumOf(agents, name, (agent) => agent.capacity);
    const used = sumOf(agents, name, (agent) => agent.allocated);
    snapshot[`master/${name}_total`] = total;
    snapshot[`master/${name}_used`] = used;
    snapshot[`master/${name}_percent`] = total === 0 ? 0 : used / total;
  }
  return snapshot;
}

function sumOf(
  agents: readonly AgentView[],
  name: string,
  of: (agent: AgentView) => Resources,
): number {
  return agents.reduce((sum, agent) => sum + scalarFromAmount(name, of(agent)[name] ?? 0), 0);
}
