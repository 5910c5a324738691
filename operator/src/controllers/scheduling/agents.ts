import type { AgentReservation, AllocatorAgent } from '../../allocator/types.ts';
import { type AgentId, agentId } from '../../model/ids.ts';
import {
  amountOf,
  NO_RESOURCES,
  type Resources,
  resources,
  subtract,
} from '../../model/resources.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type { AgentObject } from '../../schema/mezzoKinds.ts';
import { resourcesFromKube } from '../../schema/quantity.ts';
import { REVOCABLE_CPU, REVOCABLE_MEMORY, timeOf } from '../task/taskView.ts';
import type { Ledger } from './ledger.ts';

export interface AgentInput {
  readonly node: Node;
  readonly agent: AgentObject | undefined;
  readonly ledger: Ledger;
  readonly reservations: readonly AgentReservation[];
  /** True while a maintenance window holds the agent. */
  readonly inMaintenance: boolean;
  readonly nowMs: number;
}

/** A revocable estimate older than this counts as none: what is borrowed must be known to be idle. */
export const REVOCABLE_MAX_AGE_MS = 120_000;

/** Names in a node's allocatable that are no capacity to offer. */
const NOT_OFFERED: ReadonlySet<string> = new Set(['pods', REVOCABLE_CPU, REVOCABLE_MEMORY]);

/** One node as the allocator sees it: allocatable, less what Pods that are not Mezzo's request. */
export function allocatorAgentOf(input: AgentInput): AllocatorAgent {
  const id = agentId(input.node.metadata.name);
  const capacity = nodeCapacity(input.node);
  const total = subtract(capacity, input.ledger.foreign.get(id) ?? NO_RESOURCES);
  const reason = unschedulableReason(input, id);
  return {
    id,
    total,
    revocable: revocableOf(input),
    reservations: input.reservations,
    attributes: attributesOf(input.node, input.agent),
    schedulable: reason === undefined,
    ...(reason === undefined ? {} : { unschedulableReason: reason }),
    hasGpus: amountOf(capacity, 'gpus') > 0,
  };
}

/** Allocatable capacity of a node in Mezzo's names. */
export function nodeCapacity(node: Node): Resources {
  const allocatable = node.status?.allocatable;
  if (allocatable === undefined) return NO_RESOURCES;
  const known = capacities.get(allocatable) ?? readCapacity(allocatable);
  capacities.set(allocatable, known);
  return known;
}

/** Objects are immutable, so each is read once. */
const capacities = new WeakMap<Allocatable, Resources>();
type Allocatable = NonNullable<NonNullable<Node['status']>['allocatable']>;

function readCapacity(allocatable: Allocatable): Resources {
  const all = resourcesFromKube(allocatable);
  const offered: { [name: string]: number } = {};
  for (const name in all) {
    if (
      !NOT_OFFERED.has(name) &&
      !name.startsWith('attachable-volumes-') &&
      !name.startsWith('hugepages-')
    ) {
      offered[name] = amountOf(all, name);
    }
  }
  return resources(offered);
}

/** Labels of the node, overridden by the attributes its Agent object sets; `hostname` is always there. */
export function attributesOf(node: Node, agent: AgentObject | undefined): Record<string, string> {
  return { hostname: node.metadata.name, ...node.metadata.labels, ...agent?.spec?.attributes };
}

/** Why nothing new may start on a node, as a CamelCase word; undefined when it may. */
export function nodeFault(node: Node, agent: AgentObject | undefined): string | undefined {
  if (node.metadata.deletionTimestamp !== undefined) return 'NodeDeleting';
  if (!node.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
    return 'NodeNotReady';
  if (node.spec?.unschedulable) return 'NodeCordoned';
  const taint = node.spec?.taints?.find((one) => one.effect !== 'PreferNoSchedule');
  if (taint !== undefined) return 'NodeTainted';
  if (agent?.spec?.freeze) return 'AgentFrozen';
  return undefined;
}

function unschedulableReason(input: AgentInput, id: AgentId): string | undefined {
  const fault = nodeFault(input.node, input.agent);
  if (fault !== undefined) return fault;
  if (input.inMaintenance) return 'InMaintenance';
  const podLimit = Number(input.node.status?.allocatable?.['pods'] ?? Number.POSITIVE_INFINITY);
  return (input.ledger.podCount.get(id) ?? 0) >= podLimit ? 'PodLimitReached' : undefined;
}

/** What may be lent on a node now, by its agent's estimate and its policy: missing, stale or forbidden is zero, never a floor. */
export function revocableTarget(
  node: Node,
  agent: AgentObject | undefined,
  nowMs: number,
): { readonly cpuMillis: number; readonly memoryBytes: number } {
  const estimate = agent?.status?.revocable;
  const policy = agent?.spec?.overcommit;
  const observedMs = timeOf(estimate?.observedAt);
  const isStale = observedMs === undefined || nowMs - observedMs > REVOCABLE_MAX_AGE_MS;
  if (estimate === undefined || policy?.enabled === false || isStale) {
    return { cpuMillis: 0, memoryBytes: 0 };
  }
  const percent = policy?.maxRevocableCpuPercent ?? 50;
  const cap = Math.floor((amountOf(nodeCapacity(node), 'cpus') * percent) / 100);
  return {
    cpuMillis: Math.min(estimate.cpuMillis, cap),
    memoryBytes: policy?.revocableMemory === true ? estimate.memoryBytes : 0,
  };
}

/** What the node has published, not the estimate alone: a kubelet admits against the published figure. */
function revocableOf(input: AgentInput): Resources {
  const target = revocableTarget(input.node, input.agent, input.nowMs);
  const published = input.node.status?.allocatable ?? {};
  return resources({
    cpus: Math.min(target.cpuMillis, Number(published[REVOCABLE_CPU] ?? 0)),
    mem: Math.min(target.memoryBytes, Number(published[REVOCABLE_MEMORY] ?? 0)),
  });
}
