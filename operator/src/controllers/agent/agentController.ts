import { agentId } from '../../model/ids.ts';
import { NO_RESOURCES, type Resources, sumOf } from '../../model/resources.ts';
import type { Clock } from '../../ports/clock.ts';
import { isKubeError, type KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { NODES } from '../../schema/kubeKinds.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import { AGENTS, type AgentObject, API_VERSION } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { nodeFault, revocableTarget } from '../scheduling/agents.ts';
import type { AgentFigures } from '../scheduling/snapshot.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { REVOCABLE_CPU, REVOCABLE_MEMORY } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { declareLost, losable, notReadySinceMs } from './declareLost.ts';

export interface AgentControllerOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  /** What is on one node now. Looking at every agent in turn must cost no more than one look at the cluster. */
  readonly figuresOf: (node: Node) => AgentFigures;
  /** Tasks of a node that has not been ready for this long are declared lost and replaced. */
  readonly lostAfterMs: number;
}

/** How often the figures of an agent's status are brought up to date; they are no telemetry. */
const REFRESH_MS = 15_000;

/** Keeps one Agent object per Node, its status, and the revocable capacity the node publishes. Keys are node names. */
export function createAgentController(options: AgentControllerOptions): {
  reconcile(key: string): Promise<WorkResult>;
} {
  return {
    async reconcile(name) {
      const node = options.world.nodes.get({ name });
      if (node === undefined) return { kind: 'awaitChange' };
      // Held is only what stands in for it, and a status written from that would lose what the node's agent reports.
      if (options.world.agents.isUnreadable({ name })) return await lookAtNodeOnly(options, node);
      const agent = options.world.agents.get({ name }) ?? (await ensureAgent(options.kube, node));
      await publishRevocable(options, node, agent);
      await loseTasks(options, node);
      await writeStatus<AgentObject>(
        options.kube,
        AGENTS,
        agent,
        agentStatus(options, node, agent),
      );
      return { kind: 'requeueAfter', delayMs: REFRESH_MS };
    },
  };
}

async function lookAtNodeOnly(options: AgentControllerOptions, node: Node): Promise<WorkResult> {
  await loseTasks(options, node);
  return { kind: 'requeueAfter', delayMs: REFRESH_MS };
}

async function loseTasks(options: AgentControllerOptions, node: Node): Promise<void> {
  const sinceMs = notReadySinceMs(node);
  const nowMs = options.clock.nowMs();
  if (sinceMs === undefined || nowMs - sinceMs < options.lostAfterMs) return;
  for (const pod of losable(options.world.pods.byIndex('node', node.metadata.name))) {
    await declareLost(options.kube, pod, nowMs);
  }
}

/** The Agent belongs to its Node and goes with it. */
async function ensureAgent(kube: KubeApi, node: Node): Promise<AgentObject> {
  const object: AgentObject = {
    apiVersion: API_VERSION,
    kind: 'Agent',
    metadata: {
      name: node.metadata.name,
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Node', name: node.metadata.name, uid: node.metadata.uid ?? '' },
      ],
    },
    spec: {},
  };
  try {
    return await kube.create<AgentObject>(AGENTS, object);
  } catch (error) {
    if (!isKubeError(error, 'alreadyExists')) throw error;
    return await kube.get<AgentObject>(AGENTS, { name: node.metadata.name });
  }
}

function agentStatus(
  options: AgentControllerOptions,
  node: Node,
  agent: AgentObject,
): NonNullable<AgentObject['status']> {
  const id = agentId(node.metadata.name);
  const { agent: known, ledger, offers } = options.figuresOf(node);
  const generation = agent.metadata.generation ?? 0;
  return {
    ...agent.status,
    observedGeneration: generation,
    capacity: formatResources(known.total),
    foreign: formatResources(ledger.foreign.get(id) ?? NO_RESOURCES),
    allocated: formatResources(sumOf(ledger.tasks.map((task) => task.resources))),
    offered: formatResources(sumOf(offers.map((one) => one.resources))),
    tasks: ledger.tasks.length,
    conditions: withCondition(
      agent.status?.conditions,
      readyCondition(nodeFault(node, agent) ?? known.unschedulableReason),
      generation,
      isoTime(options.clock.nowMs()),
    ),
  };
}

const FAULT_SENTENCES: { readonly [reason: string]: string } = {
  NodeNotReady:
    'the node is not ready: its kubelet does not report or reports a fault; see kubectl describe node',
  NodeCordoned: 'the node is cordoned; kubectl uncordon opens it again',
  NodeTainted: 'the node has a NoSchedule or NoExecute taint that tasks do not tolerate',
  NodeDeleting: 'the node is being deleted',
  AgentFrozen:
    'spec.freeze is true: what runs goes on, nothing new starts; set it to false to open the agent',
  InMaintenance:
    'a MaintenanceWindow keeps it free of new work; kubectl get maintenancewindows tells until when',
  PodLimitReached: 'the node runs as many Pods as its kubelet takes (status.allocatable.pods)',
};

function readyCondition(fault: string | undefined): ConditionValue {
  if (fault === undefined) {
    return {
      type: 'Ready',
      status: 'True',
      reason: 'Offering',
      message: 'free capacity is offered to frameworks',
    };
  }
  return {
    type: 'Ready',
    status: 'False',
    reason: fault,
    message: FAULT_SENTENCES[fault] ?? fault,
  };
}

/**
 * Publishes revocable capacity as extended resources of the node: the larger of target and granted, since a kubelet that
 * restarts admits running Pods against the published figure and would fail the youngest.
 */
async function publishRevocable(
  options: AgentControllerOptions,
  node: Node,
  agent: AgentObject,
): Promise<void> {
  const target = revocableTarget(node, agent, options.clock.nowMs());
  const { tasks } = options.figuresOf(node).ledger;
  const granted: Resources = sumOf(tasks.map((task) => task.revocable));
  const wanted = {
    [REVOCABLE_CPU]: String(Math.max(target.cpuMillis, granted['cpus'] ?? 0)),
    [REVOCABLE_MEMORY]: String(Math.max(target.memoryBytes, granted['mem'] ?? 0)),
  };
  const published = node.status?.capacity ?? {};
  const changed = Object.entries(wanted).filter(
    ([name, amount]) => Number(published[name] ?? 0) !== Number(amount),
  );
  if (changed.length === 0) return;
  await options.kube.patch(
    NODES,
    { name: node.metadata.name },
    'merge',
    { status: { capacity: Object.fromEntries(changed) } },
    { subresource: 'status' },
  );
}
