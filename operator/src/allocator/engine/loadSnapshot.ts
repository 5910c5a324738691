import type { Resources } from '../../model/resources.ts';
import { comparePaths, parentPath } from '../rolePaths.ts';
import { type SettledAllocation, settle } from '../settle.ts';
import type {
  AgentReservation,
  AllocateOptions,
  Allocation,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorSnapshot,
  OfferFilter,
} from '../types.ts';
import { Need, PoolKind } from './agentTable.ts';
import { Core } from './core.ts';
import { enterFrameworkFields } from './frameworkEvents.ts';
import { ANY_POOL, ANY_REVOCABLE } from './pieces.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { EngineOptions } from './types.ts';

/** What a framework of a snapshot can handle beside what it says itself. */
const ALWAYS = ['MULTI_ROLE', 'RESERVATION_REFINEMENT', 'REGION_AWARE'];

/**
 * A ledger that stands where a snapshot does, whatever the order of the snapshot's lists.
 *
 * Takes the snapshot as it is: amounts above an agent's total, guarantees above limits and allocations on agents that are
 * gone are facts here, not faults.
 */
export function loadSnapshot(snapshot: AllocatorSnapshot, options: AllocateOptions): Core {
  const core = new Core(engineOptionsOf(options));
  core.nowMs = options.nowMs;
  admitNames(core, snapshot);
  loadRoles(core, snapshot, options.mode);
  for (const framework of byId(snapshot.frameworks)) loadFramework(core, framework);
  const onAgent = Map.groupBy(snapshot.allocations, (one) => one.agent);
  for (const agent of byId(snapshot.agents)) loadAgent(core, agent, onAgent.get(agent.id) ?? []);
  for (const [agent, allocations] of onAgent)
    if (core.ledger.agents.find(agent) === undefined)
      for (const one of allocations) chargeElsewhere(core, one);
  for (const one of snapshot.filters) if (one.untilMs > options.nowMs) loadFilter(core, one);
  for (const { framework, role, count } of snapshot.counts ?? []) {
    const client = core.findClient(framework, role);
    const isCurrent = core.ledger.frameworks.get(framework)?.roles.includes(role) === true;
    if (client !== undefined && isCurrent) core.ledger.addCount(client, count);
  }
  core.dueAll();
  return core;
}

function engineOptionsOf(options: AllocateOptions): EngineOptions {
  return {
    mode: options.mode,
    minAllocatable: options.minAllocatable,
    fairnessExclude: options.fairnessExclude,
    sorter: 'drf',
    offers: 'coarse',
    agentOrder: 'random',
    allocationIntervalMs: 0,
  };
}

function byId<Item extends { readonly id: string }>(items: readonly Item[]): readonly Item[] {
  return items.toSorted((left, right) => comparePaths(left.id, right.id));
}

/** Every name is made room for first: columns must not be widened while rows are being written. */
function admitNames(core: Core, snapshot: AllocatorSnapshot): void {
  const { space } = core.ledger;
  for (const agent of snapshot.agents) {
    space.admit(agent.total);
    space.admit(agent.revocable);
    for (const reservation of agent.reservations) space.admit(reservation.resources);
  }
  for (const role of snapshot.roles) {
    space.admit(role.guarantees);
    space.admit(role.limits);
  }
  for (const one of snapshot.allocations) {
    space.admit(one.resources);
    space.admit(one.revocable);
  }
  for (const one of snapshot.filters) {
    space.admit(one.refused);
    space.admit(one.refusedRevocable);
  }
}

function loadRoles(core: Core, snapshot: AllocatorSnapshot, mode: AllocateOptions['mode']): void {
  const { ledger } = core;
  const { space } = ledger;
  for (const spec of snapshot.roles.toSorted((left, right) =>
    comparePaths(left.path, right.path),
  )) {
    const role = ledger.acquireRole(spec.path);
    ledger.roles.shares.weightMilli[role] = spec.weightMilli;
    if (mode === 'mesos' && parentPath(spec.path) !== undefined) continue;
    const guarantees = new Float64Array(space.stride);
    const limits = new Float64Array(space.stride);
    space.read(spec.guarantees, guarantees, 0);
    space.read(spec.limits, limits, 0, Number.POSITIVE_INFINITY);
    ledger.quota.set(role, guarantees, limits);
    ledger.noteLimits(role);
  }
}

function loadFramework(core: Core, framework: AllocatorFramework): void {
  const record = core.openFramework(framework.id);
  record.known = true;
  record.active = framework.active;
  const { capabilities } = framework;
  enterFrameworkFields(core, record, {
    kind: 'addFramework',
    id: framework.id,
    roles: framework.roles,
    suppressed: framework.suppressedRoles,
    capabilities: [
      ...ALWAYS,
      ...(capabilities.revocable ? ['REVOCABLE_RESOURCES'] : []),
      ...(capabilities.gpu ? ['GPU_RESOURCES'] : []),
      ...(capabilities.shared === true ? ['SHARED_RESOURCES'] : []),
    ],
    ...(framework.minAllocatable === undefined ? {} : { minAllocatable: framework.minAllocatable }),
    ...(framework.minAllocatableByRole === undefined
      ? {}
      : { minAllocatableByRole: framework.minAllocatableByRole }),
    ...(framework.constraints === undefined ? {} : { constraints: framework.constraints }),
  });
}

function loadAgent(core: Core, agent: AllocatorAgent, allocations: readonly Allocation[]): void {
  const { ledger } = core;
  const { agents, space } = ledger;
  const row = agents.add(agent.id, {
    attributes: agent.attributes,
    notText: new Set(),
    hostname: agent.attributes['hostname'] ?? agent.id,
    region: agent.attributes['topology.kubernetes.io/region'],
    zone: agent.attributes['topology.kubernetes.io/zone'],
    capabilities: undefined,
    schedulable: agent.schedulable,
    listed: true,
    unavailability: undefined,
  });
  ledger.filters.openAgent(row);
  const unreserved = core.addPool(row, {
    kind: PoolKind.unreserved,
    owner: -1,
    needs: 0,
    stack: [],
    reservationId: undefined,
    volumeId: undefined,
    isShared: false,
  });
  const amounts = new Float64Array(space.stride);
  space.read(agent.total, amounts, 0);
  ledger.resize(unreserved, amounts, 0, 1);
  for (const reservation of agent.reservations) {
    // `total` is unreserved and reserved together; it may be less than what is reserved.
    space.read(reservation.resources, amounts, 0);
    ledger.resize(unreserved, amounts, 0, -1);
    ledger.resize(poolOf(core, row, reservation), amounts, 0, 1);
  }
  if (Object.keys(agent.revocable).length > 0) {
    space.read(agent.revocable, amounts, 0);
    ledger.resize(core.revocablePool(row), amounts, 0, 1);
  }
  agents.open[row] = agent.schedulable ? 1 : 0;
  agents.needs[row] = agent.hasGpus ? Need.gpu : 0;
  for (const one of settle(agent, allocations)) enterAllocation(core, row, unreserved, one);
  ledger.settleAgent(row);
}

/** The pool of a reservation; that of a shared volume is never used up. */
function poolOf(core: Core, agent: number, reservation: AgentReservation): number {
  const { role, reservationId, volume } = reservation;
  if (volume?.shared !== true)
    return core.reservedPool(agent, { stack: [role], resources: {}, reservationId });
  const found = core.findVolume(agent, reservationId);
  if (found !== NONE) return found;
  return core.addPool(agent, {
    kind: PoolKind.volume,
    owner: core.ledger.acquireRole(role),
    needs: Need.shared,
    stack: [role],
    reservationId,
    volumeId: reservationId,
    isShared: true,
  });
}

function enterAllocation(
  core: Core,
  agent: number,
  unreserved: number,
  one: SettledAllocation,
): void {
  enter(core, agent, unreserved, one, {
    resources: one.unreserved,
    kind: one.kind,
  });
  for (const { reservation, amount } of one.reservedParts) {
    const pool = poolOf(core, agent, reservation);
    enter(core, agent, pool, one, { resources: amount, kind: one.kind });
  }
  // What is lent cannot be held for anybody: it counts as taken.
  if (Object.keys(one.revocable).length > 0) {
    const kind = one.kind === 'hold' ? 'task' : one.kind;
    enter(core, agent, core.revocablePool(agent), one, {
      resources: one.revocable,
      kind,
    });
  }
}

function enter(
  core: Core,
  agent: number,
  pool: number,
  one: Pick<Allocation, 'framework' | 'role'>,
  amount: { readonly resources: Resources; readonly kind: Allocation['kind'] },
): void {
  const { ledger } = core;
  const client = core.clientOf(one.framework, one.role);
  const amounts = new Float64Array(ledger.space.stride);
  ledger.space.read(amount.resources, amounts, 0);
  const holding = ledger.holdingOf(agent, client, pool);
  switch (amount.kind) {
    case 'task':
      ledger.occupy(holding, amounts, 0, NO_PORTS);
      break;
    case 'offer':
      ledger.offer(holding, amounts, 0, NO_PORTS);
      break;
    case 'hold':
      ledger.hold(holding, amounts, 0, 1);
      ledger.agents.holds[agent] = (ledger.agents.holds[agent] as number) + 1;
  }
  ledger.dropIfEmpty(agent, holding);
}

/** An allocation on an agent that is not there any more counts whole, as unreserved. */
function chargeElsewhere(core: Core, one: Allocation): void {
  const { ledger } = core;
  const client = core.clientOf(one.framework, one.role);
  const role = ledger.clients.role[client] as number;
  const amounts = new Float64Array(ledger.space.stride);
  ledger.space.read(one.resources, amounts, 0);
  ledger.chargeClient(client, amounts, 0, 1);
  ledger.consume(role, amounts, 0, 1);
  ledger.space.read(one.revocable, amounts, 0);
  ledger.chargeClient(client, amounts, 0, 1);
}

function loadFilter(core: Core, filter: OfferFilter): void {
  const { agents, space, filters } = core.ledger;
  const agent = agents.find(filter.agent);
  const client = core.findClient(filter.framework, filter.role);
  if (agent === undefined || client === undefined) return;
  const { pieces } = core;
  pieces.clear();
  // Adding may make the column grow, so its data is fetched afterwards.
  const first = pieces.add(ANY_POOL);
  space.read(filter.refused, pieces.amounts.data, first);
  const second = pieces.add(ANY_REVOCABLE);
  space.read(filter.refusedRevocable, pieces.amounts.data, second);
  filters.add(client, agent, pieces, filter.untilMs, core.ledger.run);
}
