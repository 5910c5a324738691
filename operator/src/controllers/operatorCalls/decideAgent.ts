import { LABEL } from '../../model/labels.ts';
import { ok } from '../../model/result.ts';
import { NODES } from '../../schema/kubeKinds.ts';
import { printable } from '../../schema/mesos/framework.ts';
import type { OperatorCallOf } from '../../schema/mesos/operatorCall.ts';
import { AGENTS, FRAMEWORKS, MAINTENANCE_WINDOWS } from '../../schema/mezzoKinds.ts';
import type { ClusterView, ViewedAgent } from '../clusterView/types.ts';
import { isoTime } from '../shared/conditions.ts';
import { creation, objectNameFor, refuseAs } from './planning.ts';
import type { CallPlan, PlannedWrite } from './types.ts';

/** Calls about one agent, and TEARDOWN of one framework. Source: Mesos `src/master/http.cpp`. */

/** A drain lasts until somebody lets the agent work again; objects hold no longer time. */
const DRAIN_SECONDS = 31_536_000;

const agentOf = (view: ClusterView, id: string): ViewedAgent | undefined =>
  view.agents.find((one) => one.id === id);

/** The agent takes no new work, or does again. */
function freezing(agent: ViewedAgent, freeze: boolean): PlannedWrite {
  return agent.hasObject
    ? { verb: 'patch', ref: AGENTS, name: agent.id, patch: { spec: { freeze } } }
    : creation(AGENTS, agent.id, { freeze });
}

export function decideDrain(
  body: OperatorCallOf<'DRAIN_AGENT'>['body'],
  view: ClusterView,
  nowMs: number,
): CallPlan {
  const agent = agentOf(view, body.agent_id.value);
  if (agent === undefined) return refuseAs('badRequest', 'Unknown agent');
  if (body.max_grace_period !== undefined)
    return refuseAs(
      'notImplemented',
      "'max_grace_period' is not served: each task has the grace of its own kill policy",
    );
  if (body.mark_gone === true)
    return refuseAs(
      'notImplemented',
      "'mark_gone' is not served: send MARK_AGENT_GONE when the agent is drained and its node is off",
    );
  const drains = view.windows.filter((one) => one.isAgentDrain && one.agents.includes(agent.id));
  if (drains.length > 0) return ok([]);
  const window = view.windows.find((one) => one.agents.includes(agent.id));
  if (window !== undefined)
    return refuseAs(
      'badRequest',
      `Agent ${agent.id} is part of a maintenance schedule: MaintenanceWindow '${window.name}'`,
    );
  const spec = {
    agents: [agent.id],
    start: isoTime(nowMs),
    durationSeconds: DRAIN_SECONDS,
    mode: 'Drain',
    slaPolicy: 'Ignore',
  };
  const name = objectNameFor(`drain-${agent.id}`);
  return ok([creation(MAINTENANCE_WINDOWS, name, spec, { [LABEL.agentDrain]: 'true' })]);
}

export function decideDeactivate(id: string, view: ClusterView): CallPlan {
  const agent = agentOf(view, id);
  return agent === undefined
    ? refuseAs('badRequest', 'Unknown agent')
    : ok([freezing(agent, true)]);
}

export function decideReactivate(id: string, view: ClusterView): CallPlan {
  const agent = agentOf(view, id);
  if (agent === undefined || !agent.deactivated)
    return refuseAs('badRequest', 'Agent is not deactivated');
  if (agent.drain === 'DRAINING')
    return refuseAs('badRequest', 'Agent is still in the DRAINING state');
  const drains = view.windows.filter((one) => one.isAgentDrain && one.agents.includes(id));
  const scheduled = view.windows.find(
    (one) => !one.isAgentDrain && one.active && one.mode === 'Drain' && one.agents.includes(id),
  );
  if (scheduled !== undefined)
    return refuseAs(
      'conflict',
      `Agent is down by MaintenanceWindow '${scheduled.name}'; send STOP_MAINTENANCE`,
    );
  return ok([
    ...drains.map(({ name }): PlannedWrite => ({ verb: 'delete', ref: MAINTENANCE_WINDOWS, name })),
    ...(agent.hasObject ? [freezing(agent, false)] : []),
  ]);
}

/** MARK_AGENT_GONE: the Node object goes, and with it everything bound to it. */
export function decideMarkGone(id: string, view: ClusterView): CallPlan {
  const agent = agentOf(view, id);
  if (agent === undefined) return refuseAs('notFound', `Agent '${printable(id)}' not found`);
  if (!agent.unreachable)
    return refuseAs(
      'conflict',
      `Agent '${id}' still answers: its node would come back at once; send DRAIN_AGENT and switch the node off first`,
    );
  return ok([{ verb: 'delete', ref: NODES, name: id }]);
}

export function decideTeardown(id: string, view: ClusterView): CallPlan {
  const framework = view.frameworks.find((one) => one.id === id && !one.completed);
  if (framework === undefined)
    return refuseAs('badRequest', 'No framework found with specified ID');
  const { namespace, objectName } = framework;
  if (namespace === undefined || objectName === undefined)
    return refuseAs('badRequest', `Framework '${id}' is part of the operator; delete its jobs`);
  return ok([{ verb: 'delete', ref: FRAMEWORKS, name: objectName, namespace }]);
}
