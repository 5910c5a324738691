import { TIERS } from '../../model/job.ts';
import { isEmpty, type Resources } from '../../model/resources.ts';
import { type SettledAllocation, settle } from '../settle.ts';
import type { AgentReservation, Allocation, AllocatorAgent } from '../types.ts';
import { type AgentInfo, Need, PoolKind } from './agentTable.ts';
import type { Core } from './core.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';

/** Every name is made room for first: columns must not be widened while rows are being written. */
export function admitAgent(
  core: Core,
  agent: AllocatorAgent | undefined,
  allocations: readonly Allocation[],
): void {
  const { space } = core.ledger;
  if (agent !== undefined) {
    space.admit(agent.total);
    space.admit(agent.revocable);
    for (const reservation of agent.reservations) space.admit(reservation.resources);
  }
  for (const one of allocations) {
    space.admit(one.resources);
    space.admit(one.revocable);
  }
}

/**
 * Makes an agent stand in the ledger as given, with exactly these allocations on it; refusals of it stay.
 *
 * `before` is what it was given as last; undefined when it is new. Takes everything as it is: amounts above the agent's
 * total are facts here, not faults. The row afterwards is what a ledger loaded from nothing would have.
 */
export function putAgent(
  core: Core,
  agent: AllocatorAgent,
  allocations: readonly Allocation[],
  before?: AllocatorAgent,
): number {
  const { ledger } = core;
  const known = ledger.agents.find(agent.id);
  const row = known ?? openAgent(core, agent);
  const idle = known === undefined ? [] : clearHoldings(core, row);
  if (before !== agent) enterFields(core, row, agent, before);
  const unreserved = ledger.agents.firstPool[row] as number;
  for (const one of settle(agent, allocations)) enterAllocation(core, row, unreserved, one);
  if (known !== undefined) dropEmptyRevocable(core, row);
  ledger.settleAgent(row);
  for (const client of idle) core.maybeForget(client);
  return row;
}

function openAgent(core: Core, agent: AllocatorAgent): number {
  const { ledger } = core;
  const row = ledger.agents.add(agent.id, infoOf(agent));
  ledger.filters.openAgent(row);
  core.addPool(row, {
    kind: PoolKind.unreserved,
    owner: NONE,
    needs: 0,
    stack: [],
    reservationId: undefined,
    volumeId: undefined,
    isShared: false,
  });
  return row;
}

function infoOf(agent: AllocatorAgent): AgentInfo {
  return {
    attributes: agent.attributes,
    notText: NO_NAMES,
    hostname: agent.attributes['hostname'] ?? agent.id,
    region: agent.attributes['topology.kubernetes.io/region'],
    zone: agent.attributes['topology.kubernetes.io/zone'],
    capabilities: undefined,
    schedulable: agent.schedulable,
    listed: true,
    unavailability: undefined,
  };
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Takes everything on an agent back; tells the clients, as some may have nothing left. */
function clearHoldings(core: Core, agent: number): readonly number[] {
  const { ledger } = core;
  const { agents, holdings, space } = ledger;
  const { stride } = space;
  const clients: number[] = [];
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const next = holdings.next[row] as number;
    const at = row * stride;
    const copy = (from: Float64Array): Float64Array => from.slice(at, at + stride);
    clients.push(holdings.client[row] as number);
    ledger.withdraw(row, copy(holdings.offered.data), 0, NO_PORTS);
    ledger.vacate(row, copy(holdings.used.data), 0, NO_PORTS);
    // What came out of a hold is held again by now.
    if ((agents.holds[agent] as number) > 0) ledger.hold(row, copy(holdings.held.data), 0, -1);
    ledger.dropIfEmpty(agent, row);
    row = next;
  }
  agents.holds[agent] = 0;
  return clients;
}

function enterFields(
  core: Core,
  row: number,
  agent: AllocatorAgent,
  before: AllocatorAgent | undefined,
): void {
  const { agents } = core.ledger;
  agents.info[row] = infoOf(agent);
  core.constraints.forgetAgent(row);
  if (before === undefined || !isSameReservations(before.reservations, agent.reservations))
    dropOtherPools(core, row);
  const amounts = new Map<number, Float64Array>();
  const first = agents.firstPool[row] as number;
  const unreserved = vectorOf(core, agent.total);
  amounts.set(first, unreserved);
  for (const reservation of agent.reservations) {
    const part = vectorOf(core, reservation.resources);
    const pool = poolOf(core, row, reservation);
    // `total` is unreserved and reserved together; it may be less than what is reserved.
    addTo(unreserved, part, -1);
    const sum = amounts.get(pool);
    if (sum === undefined) amounts.set(pool, part);
    else addTo(sum, part, 1);
  }
  const lent = vectorOf(core, agent.revocable);
  if (Object.keys(agent.revocable).length > 0) amounts.set(core.revocablePool(row), lent);
  else {
    const pool = core.findPool(row, { kind: PoolKind.revocable });
    if (pool !== NONE) amounts.set(pool, lent);
  }
  for (const [pool, total] of amounts) setTotal(core, pool, total);
  agents.open[row] = agent.schedulable ? 1 : 0;
  agents.needs[row] = agent.hasGpus ? Need.gpu : 0;
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

function isSameReservations(
  left: readonly AgentReservation[],
  right: readonly AgentReservation[],
): boolean {
  return (
    left.length === right.length &&
    left.every((one, at) => {
      const other = right[at];
      const isSameVolume = one.volume?.shared === other?.volume?.shared;
      return isSameVolume && one.role === other?.role && one.reservationId === other.reservationId;
    })
  );
}

/** Nobody holds anything there now. Pools that are made again stand in the order of the new list. */
function dropOtherPools(core: Core, agent: number): void {
  const { agents, pools, space } = core.ledger;
  const first = agents.firstPool[agent] as number;
  for (let pool = pools.next[first] as number; pool !== NONE; ) {
    const next = pools.next[pool] as number;
    setTotal(core, pool, new Float64Array(space.stride));
    core.maybeRemovePool(agent, pool);
    pool = next;
  }
}

/** A pool of lent capacity stays only as long as there is some, or somebody still has what is not there any more. */
function dropEmptyRevocable(core: Core, agent: number): void {
  const pool = core.findPool(agent, { kind: PoolKind.revocable });
  if (pool !== NONE) core.maybeRemovePool(agent, pool);
}

function setTotal(core: Core, pool: number, total: Float64Array): void {
  const { pools, space } = core.ledger;
  for (let k = 0; k < space.stride; k++)
    total[k] = (total[k] as number) - (pools.total.data[pool * space.stride + k] as number);
  core.ledger.resize(pool, total, 0, 1);
}

function vectorOf(core: Core, amounts: Resources): Float64Array {
  const vector = new Float64Array(core.ledger.space.stride);
  core.ledger.space.read(amounts, vector, 0);
  return vector;
}

function addTo(sum: Float64Array, part: Float64Array, sign: 1 | -1): void {
  for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] as number) + sign * (part[k] as number);
}

function enterAllocation(
  core: Core,
  agent: number,
  unreserved: number,
  one: SettledAllocation,
): void {
  enter(core, agent, unreserved, one, { resources: one.unreserved, kind: one.kind });
  for (const { reservation, amount } of one.reservedParts) {
    const pool = poolOf(core, agent, reservation);
    enter(core, agent, pool, one, { resources: amount, kind: one.kind });
  }
  // What is lent cannot be held for anybody: it counts as taken.
  if (Object.keys(one.revocable).length > 0) {
    const kind = one.kind === 'hold' ? 'task' : one.kind;
    enter(core, agent, core.revocablePool(agent), one, { resources: one.revocable, kind });
  }
}

function enter(
  core: Core,
  agent: number,
  pool: number,
  one: Pick<Allocation, 'framework' | 'role' | 'tier'>,
  amount: { readonly resources: Resources; readonly kind: Allocation['kind'] },
): void {
  // Nothing leaves no trace: a client is kept by what it has.
  if (isEmpty(amount.resources)) return;
  const { ledger } = core;
  const client = core.clientOf(one.framework, one.role);
  const amounts = vectorOf(core, amount.resources);
  const holding = ledger.holdingOf(agent, client, pool);
  switch (amount.kind) {
    case 'task':
      ledger.occupy(holding, amounts, 0, NO_PORTS, TIERS.indexOf(one.tier ?? 'production'));
      break;
    case 'offer':
      ledger.offer(holding, amounts, 0, NO_PORTS);
      break;
    case 'hold':
      ledger.hold(holding, amounts, 0, 1);
      ledger.agents.holds[agent] = (ledger.agents.holds[agent] as number) + 1;
  }
}

/**
 * Charges (or, with −1, credits) an allocation on an agent that is not there: it counts whole, as unreserved.
 * Until it is credited it keeps its client.
 */
export function chargeElsewhere(core: Core, one: Allocation, sign: 1 | -1): void {
  const { ledger } = core;
  const client = core.clientOf(one.framework, one.role);
  const role = ledger.clients.role[client] as number;
  const amounts = vectorOf(core, one.resources);
  ledger.chargeClient(client, amounts, 0, sign);
  ledger.consume(role, amounts, 0, sign);
  ledger.chargeClient(client, vectorOf(core, one.revocable), 0, sign);
  if (one.kind === 'task') {
    addTo(amounts, vectorOf(core, one.revocable), 1);
    ledger.tiers.charge(role, TIERS.indexOf(one.tier ?? 'production'), amounts, sign);
  }
  ledger.clients.holdings[client] = (ledger.clients.holdings[client] as number) + sign;
  if (sign < 0) core.maybeForget(client);
}
