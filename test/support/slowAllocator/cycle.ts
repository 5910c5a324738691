import { comparePaths } from '../../../operator/src/allocator/rolePaths.ts';
import type {
  AgentReservation,
  AllocateOptions,
  Allocation,
  AllocatorFramework,
  AllocatorSnapshot,
  OfferFilter,
  PlannedOffer,
} from '../../../operator/src/allocator/types.ts';
import type { AgentId, FrameworkId, RolePath } from '../../../operator/src/model/ids.ts';
import {
  add,
  amountOf,
  type Resources,
  subtract,
  sumOf,
} from '../../../operator/src/model/resources.ts';
import { createSeededRng } from '../../../operator/src/model/seededRng.ts';
import { AgentLedger, type Draft, nonRevocableOf } from './agentLedger.ts';
import { QuotaTree } from './quotaTree.ts';
import { DrfSorter } from './sorter.ts';

/** The working state of one allocation cycle; made from the snapshot, changed by `grant` alone. */
export interface Cycle {
  readonly snapshot: AllocatorSnapshot;
  readonly options: AllocateOptions;
  readonly rng: { int(bound: number): number };
  readonly ledgers: readonly AgentLedger[];
  readonly quota: QuotaTree;
  readonly roleSorter: DrfSorter;
  /** By role: its frameworks, suppressed and inactive ones included but not in the sort. */
  readonly frameworkSorters: ReadonlyMap<RolePath, DrfSorter>;
  readonly frameworks: ReadonlyMap<FrameworkId, AllocatorFramework>;
  readonly filters: ReadonlyMap<string, readonly OfferFilter[]>;
  /** Unreserved, not held, non-revocable capacity still free in the cluster. */
  headroom: Resources;
  readonly offers: Map<string, PlannedOffer>;
  readonly counts: Map<string, number>;
}

export const offerKey = (framework: FrameworkId, role: RolePath, agent: AgentId): string =>
  `${framework}\n${role}\n${agent}`;
export const countKey = (framework: FrameworkId, role: RolePath): string => `${framework}\n${role}`;

/** Builds the working state: ledgers, quota tree, sorters charged with everything already taken. */
export function openCycle(snapshot: AllocatorSnapshot, options: AllocateOptions): Cycle {
  const ledgers = ledgersOf(snapshot);
  const totals = fairnessTotals(snapshot, options.fairnessExclude);
  const weightsMilli = new Map<string, number>(
    snapshot.roles.map((role) => [role.path, role.weightMilli]),
  );
  const roleSorter = new DrfSorter({ totals, weightsMilli, hierarchical: true });
  const frameworkSorters = new Map<RolePath, DrfSorter>();
  const sorterOf = (role: RolePath): DrfSorter => {
    const known = frameworkSorters.get(role);
    if (known !== undefined) return known;
    const made = new DrfSorter({ totals, weightsMilli: new Map(), hierarchical: false });
    frameworkSorters.set(role, made);
    return made;
  };
  for (const framework of snapshot.frameworks)
    for (const role of framework.roles) {
      roleSorter.addClient(role, true);
      const eligible = framework.active && !framework.suppressedRoles.includes(role);
      sorterOf(role).addClient(framework.id, eligible);
    }
  for (const one of snapshot.allocations) {
    roleSorter.addClient(one.role, false);
    sorterOf(one.role).addClient(one.framework, false);
  }
  for (const one of settledAllocations(snapshot, ledgers)) {
    roleSorter.charge(one.role, [one.resources, one.revocable], 0);
    sorterOf(one.role).charge(one.framework, [one.resources, one.revocable], 0);
  }
  const counts = chargeCounts(snapshot, roleSorter, frameworkSorters);
  return {
    snapshot,
    options,
    rng: createSeededRng(String(options.seed)),
    ledgers,
    quota: quotaTreeOf(snapshot, ledgers, options.mode),
    roleSorter,
    frameworkSorters,
    frameworks: new Map(snapshot.frameworks.map((framework) => [framework.id, framework])),
    filters: liveFilters(snapshot.filters, options.nowMs),
    headroom: sumOf(
      ledgers
        .filter((ledger) => options.mode === 'mesos' || ledger.agent.schedulable)
        .map((ledger) => ledger.freeForAll()),
    ),
    offers: new Map(),
    counts,
  };
}

/** Offers a draft: everything that must know of it is charged. */
export function grant(
  cycle: Cycle,
  ledger: AgentLedger,
  framework: FrameworkId,
  role: RolePath,
  draft: Draft,
): void {
  const fromHold = ledger.take(framework, role, draft);
  cycle.quota.consume(role, draft.unreserved);
  cycle.headroom = subtract(cycle.headroom, draft.unreserved);
  const charged = subtract(nonRevocableOf(draft), fromHold);
  cycle.roleSorter.charge(role, [charged, draft.revocable], 1);
  cycle.frameworkSorters.get(role)?.charge(framework, [charged, draft.revocable], 1);
  const counted = countKey(framework, role);
  cycle.counts.set(counted, (cycle.counts.get(counted) ?? 0) + 1);
  const key = offerKey(framework, role, ledger.agent.id);
  const before = cycle.offers.get(key);
  cycle.offers.set(key, {
    framework,
    role,
    agent: ledger.agent.id,
    resources: add(before?.resources ?? {}, nonRevocableOf(draft)),
    revocable: add(before?.revocable ?? {}, draft.revocable),
    reserved: add(before?.reserved ?? {}, sumOf(draft.reservations.map((one) => one.resources))),
    reservedBy: joinReservations([...(before?.reservedBy ?? []), ...draft.reservations]),
    fromHold: add(before?.fromHold ?? {}, fromHold),
  });
}

/** The quota tree of a snapshot, charged with all reservations and all unreserved allocations. */
export function quotaTreeOf(
  snapshot: AllocatorSnapshot,
  ledgers: readonly AgentLedger[],
  mode: AllocateOptions['mode'],
): QuotaTree {
  const tree = new QuotaTree(snapshot.roles, mode);
  for (const agent of snapshot.agents)
    for (const reservation of agent.reservations)
      tree.consume(reservation.role, reservation.resources);
  for (const one of settledAllocations(snapshot, ledgers)) tree.consume(one.role, one.unreserved);
  return tree;
}

/** One ledger per agent, in order of agent id, so that the outcome does not depend on the order of the snapshot. */
export function ledgersOf(snapshot: AllocatorSnapshot): readonly AgentLedger[] {
  const byAgent = Map.groupBy(snapshot.allocations, (one) => one.agent);
  return snapshot.agents
    .toSorted((left, right) => comparePaths(left.id, right.id))
    .map((agent) => new AgentLedger(agent, byAgent.get(agent.id) ?? []));
}

/** Allocations as they count; those on agents the snapshot no longer has count whole. */
export function settledAllocations(
  snapshot: AllocatorSnapshot,
  ledgers: readonly AgentLedger[],
): readonly (Allocation & { readonly unreserved: Resources })[] {
  const known = new Set(ledgers.map((ledger) => ledger.agent.id));
  const elsewhere = snapshot.allocations
    .filter((one) => !known.has(one.agent))
    .map((one) => ({ ...one, unreserved: one.resources }));
  return [...ledgers.flatMap((ledger) => ledger.settled), ...elsewhere];
}

function fairnessTotals(
  snapshot: AllocatorSnapshot,
  exclude: readonly string[],
): ReadonlyMap<string, number> {
  const sum = sumOf(snapshot.agents.flatMap((agent) => [agent.total, agent.revocable]));
  return new Map(
    Object.keys(sum)
      .filter((name) => !exclude.includes(name))
      .map((name) => [name, amountOf(sum, name)]),
  );
}

function chargeCounts(
  snapshot: AllocatorSnapshot,
  roleSorter: DrfSorter,
  frameworkSorters: ReadonlyMap<RolePath, DrfSorter>,
): Map<string, number> {
  const counts = new Map<string, number>();
  const current = new Set(
    snapshot.frameworks.flatMap((framework) =>
      framework.roles.map((role) => countKey(framework.id, role)),
    ),
  );
  for (const one of snapshot.counts ?? []) {
    const key = countKey(one.framework, one.role);
    if (!current.has(key)) continue;
    counts.set(key, one.count);
    roleSorter.charge(one.role, [], one.count);
    frameworkSorters.get(one.role)?.charge(one.framework, [], one.count);
  }
  return counts;
}

function liveFilters(
  filters: readonly OfferFilter[],
  nowMs: number,
): ReadonlyMap<string, readonly OfferFilter[]> {
  return Map.groupBy(
    filters.filter((filter) => filter.untilMs > nowMs),
    (filter) => offerKey(filter.framework, filter.role, filter.agent),
  );
}

function joinReservations(parts: readonly AgentReservation[]): readonly AgentReservation[] {
  return [...Map.groupBy(parts, (part) => part.reservationId).values()].map((same) => ({
    ...(same[0] as AgentReservation),
    resources: sumOf(same.map((part) => part.resources)),
  }));
}
