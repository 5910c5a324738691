import type {
  AgentReservation,
  Allocation,
  AllocationCount,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorSnapshot,
  OfferFilter,
} from '../../allocator/types.ts';
import { agentId, JOBS_FRAMEWORK } from '../../model/ids.ts';
import { isEmpty, NO_RESOURCES } from '../../model/resources.ts';
import type { Node, Pod } from '../../schema/kubeObjects.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import { roleTableOf } from '../role/roleTable.ts';
import type { TaskView } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { allocatorAgentOf } from './agents.ts';
import { type Ledger, ledgerOf } from './ledger.ts';

export interface SnapshotInput {
  readonly world: World;
  /** Pods being created. */
  readonly assumed: readonly Pod[];
  readonly offers: Iterable<OutstandingOffer>;
  readonly holds: readonly CapacityHold[];
  readonly reservations: ReadonlyMap<string, readonly AgentReservation[]>;
  /** Agents a maintenance window keeps free of new work. */
  readonly inMaintenance: ReadonlySet<string>;
  readonly frameworks: readonly AllocatorFramework[];
  readonly filters: readonly OfferFilter[];
  readonly counts: readonly AllocationCount[];
  readonly nowMs: number;
}

export interface GatheredSnapshot {
  readonly snapshot: AllocatorSnapshot;
  readonly ledger: Ledger;
}

/** What is on one node: what the snapshot says of it, read from its Pods alone. */
export interface AgentFigures {
  readonly agent: AllocatorAgent;
  readonly ledger: Ledger;
  readonly offers: readonly OutstandingOffer[];
}

/** Reads the caches and the offers in memory into what one allocation cycle looks at. */
export function gatherSnapshot(input: SnapshotInput): GatheredSnapshot {
  const { world } = input;
  const ledger = ledgerOf(world.pods.list(), input.assumed);
  const agents = world.nodes.list().map((node) => agentOf(input, node, ledger));
  const roles = roleTableOf(world.roles.list(), world.quotas.list()).specs;
  const { offers, reservations } = input;
  const holds = openHolds(input.holds, ledger.tasks);
  const allocations = allocationsOn({ tasks: ledger.tasks, offers, holds, reservations });
  return {
    ledger,
    snapshot: {
      agents,
      roles,
      frameworks: input.frameworks,
      allocations,
      filters: input.filters,
      counts: input.counts,
    },
  };
}

function agentOf(input: SnapshotInput, node: Node, ledger: Ledger): AllocatorAgent {
  const { name } = node.metadata;
  return allocatorAgentOf({
    node,
    agent: input.world.agents.get({ name }),
    ledger,
    reservations: input.reservations.get(name) ?? [],
    inMaintenance: input.inMaintenance.has(name),
    nowMs: input.nowMs,
  });
}

/** Holds whose instance does not run yet; once it does, its Pod counts and the hold is spent. */
export function openHolds(
  holds: readonly CapacityHold[],
  tasks: readonly TaskView[],
): readonly CapacityHold[] {
  if (holds.length === 0) return holds;
  const running = new Set(tasks.map((task) => `${task.jobKey ?? ''}#${task.instance}`));
  return holds.filter((hold) => !running.has(`${hold.jobKey}#${hold.instance}`));
}

/** As `openHolds`, by a look at the Pods of the jobs that have a hold. `assumed`: Pods on their way. */
export function openHoldsNow(
  world: Pick<World, 'pods'>,
  assumed: Iterable<Pod>,
  holds: readonly CapacityHold[],
): readonly CapacityHold[] {
  if (holds.length === 0) return holds;
  const jobs = new Set(holds.map((hold) => hold.jobKey));
  const pods = [...jobs].flatMap((job) => world.pods.byIndex('job', job));
  return openHolds(holds, ledgerOf(pods, [...assumed]).tasks);
}

/** What is taken: by tasks, offers and holds, in this order. */
export function allocationsOn(of: {
  readonly tasks: readonly TaskView[];
  readonly offers: Iterable<OutstandingOffer>;
  readonly holds: readonly CapacityHold[];
  readonly reservations: SnapshotInput['reservations'];
}): readonly Allocation[] {
  // Which task is charged to which of several reservations must not depend on the order in which they were seen.
  const isAnyReserved = of.tasks.some((task) => !isEmpty(task.reserved));
  const tasks = isAnyReserved
    ? of.tasks.toSorted((left, right) => (left.key < right.key ? -1 : 1))
    : of.tasks;
  const offers = Array.from(of.offers, (offer) => offerAllocation(offer, of.reservations));
  return [...tasks.map(taskAllocation), ...offers, ...of.holds.map(holdAllocation)];
}

function taskAllocation(task: TaskView): Allocation {
  return {
    agent: task.agent,
    framework: task.framework,
    role: task.role,
    resources: task.resources,
    revocable: task.revocable,
    reserved: task.reserved,
    ...(task.volumes.length === 0 ? {} : { volumes: task.volumes }),
    tier: task.tier,
    kind: 'task',
  };
}

/** An offer as the allocator counts it. */
export function offerAllocation(
  offer: OutstandingOffer,
  reservations: SnapshotInput['reservations'],
): Allocation {
  const here = reservations.get(offer.agent) ?? [];
  const volumes = (offer.reservedBy ?? []).flatMap(({ reservationId: id }) =>
    here.some((one) => one.reservationId === id && one.volume !== undefined) ? [id] : [],
  );
  return {
    agent: offer.agent,
    framework: offer.framework,
    role: offer.role,
    resources: offer.resources,
    revocable: offer.revocable,
    reserved: offer.reserved,
    ...(volumes.length === 0 ? {} : { volumes }),
    fromHold: offer.fromHold,
    kind: 'offer',
  };
}

/** A hold as the allocator counts it. */
export function holdAllocation(hold: CapacityHold): Allocation {
  return {
    agent: agentId(hold.agent),
    framework: JOBS_FRAMEWORK,
    role: hold.role,
    resources: hold.resources,
    revocable: NO_RESOURCES,
    kind: 'hold',
  };
}
