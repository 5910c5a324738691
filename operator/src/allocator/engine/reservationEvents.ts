import type { Resources } from '../../model/resources.ts';
import { stackFault } from './agentEvents.ts';
import { Need, PoolKind } from './agentTable.ts';
import { type Core, DONE, refused } from './core.ts';
import { amountsFault, describeAmounts } from './describe.ts';
import { containsPorts, NO_PORTS, normalised, union, without } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { AllocatorEvent, Applied, OfferRef, PortRanges } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;

/** Amounts that go from one pool of an agent to another, free or held by one client. */
interface Exchange {
  readonly agent: number;
  readonly from: number;
  readonly amounts: Float64Array;
  readonly ports: PortRanges;
  readonly client: number | undefined;
}

export function reserve(core: Core, event: Event<'reserve'>): Applied {
  const agent = core.ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const fault = stackFault(event.stack) ?? amountsFault('reservation', event.resources);
  if (fault !== undefined) return refused(fault);
  const below = event.stack.slice(0, -1);
  const from =
    below.length === 0
      ? (core.ledger.agents.firstPool[agent] as number)
      : core.findPool(agent, { kind: PoolKind.reserved, stack: below });
  const where = below.length === 0 ? 'unreserved' : `reserved to ${below.join(' then ')}`;
  if (from === NONE) return refused(`nothing is ${where} on ${event.agent}`);
  const exchange = exchangeOf(core, agent, from, event);
  const rescinds = makeRoom(core, exchange);
  const problem = exchangeFault(core, exchange, event, where);
  if (problem !== undefined) return refused(withLargest(core, event, problem));
  moveTo(core, exchange, core.reservedPool(agent, event));
  return { kind: 'ok', rescinds };
}

export function unreserve(core: Core, event: Event<'unreserve'>): Applied {
  const agent = core.ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const fault = stackFault(event.stack) ?? amountsFault('reservation', event.resources);
  if (fault !== undefined) return refused(fault);
  const from = core.findPool(agent, {
    kind: PoolKind.reserved,
    stack: event.stack,
    reservationId: event.reservationId,
  });
  const where = `reserved to ${event.stack.join(' then ')}`;
  if (from === NONE) return refused(`nothing is ${where} on ${event.agent}`);
  const exchange = exchangeOf(core, agent, from, event);
  const rescinds = makeRoom(core, exchange);
  const problem = exchangeFault(core, exchange, event, where);
  if (problem !== undefined) return refused(problem);
  const below = event.stack.slice(0, -1);
  const to =
    below.length === 0
      ? (core.ledger.agents.firstPool[agent] as number)
      : core.reservedPool(agent, { stack: below, resources: {} });
  moveTo(core, exchange, to);
  return { kind: 'ok', rescinds };
}

export function createVolume(core: Core, event: Event<'createVolume'>): Applied {
  const { ledger } = core;
  const agent = ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  if (core.findVolume(agent, event.id) !== NONE)
    return refused(`agent ${event.agent} has a volume ${event.id} already`);
  const size = { disk: event.sizeBytes };
  const isReserved = event.stack.length > 0;
  const fault = amountsFault('volume', size) ?? (isReserved ? stackFault(event.stack) : undefined);
  if (fault !== undefined) return refused(fault);
  if (event.sizeBytes === 0) return refused(`volume ${event.id} has no size`);
  const from = isReserved
    ? core.findPool(agent, {
        kind: PoolKind.reserved,
        stack: event.stack,
        reservationId: event.reservationId,
      })
    : (ledger.agents.firstPool[agent] as number);
  const where = isReserved ? `reserved to ${event.stack.join(' then ')}` : 'unreserved';
  if (from === NONE) return refused(`nothing is ${where} on ${event.agent}`);
  const exchange = exchangeOf(core, agent, from, { ...event, resources: size });
  const rescinds = makeRoom(core, exchange);
  const problem = exchangeFault(core, exchange, event, where);
  if (problem !== undefined) return refused(problem);
  const owner = ledger.pools.owner[from] as number;
  if (owner !== NONE) ledger.acquireRole(ledger.roles.paths[owner] as string);
  const to = core.addPool(agent, {
    kind: PoolKind.volume,
    owner,
    needs: (ledger.pools.needs[from] as number) | (event.shared ? Need.shared : 0),
    stack: ledger.pools.spec[from]?.stack ?? [],
    reservationId: ledger.pools.spec[from]?.reservationId,
    volumeId: event.id,
    isShared: event.shared,
  });
  moveTo(core, exchange, to);
  return { kind: 'ok', rescinds };
}

export function destroyVolume(core: Core, event: Event<'destroyVolume'>): Applied {
  const { ledger } = core;
  const agent = ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const volume = core.findVolume(agent, event.id);
  if (volume === NONE) return refused(`agent ${event.agent} has no volume ${event.id}`);
  const { stride } = ledger.space;
  const amounts = ledger.pools.total.data.slice(volume * stride, (volume + 1) * stride);
  const client = clientFor(core, event);
  const rescinds: OfferRef[] = [];
  for (const other of holdersOf(core, agent, volume))
    if (other !== client && !isUsed(core, agent, other, volume))
      rescinds.push(core.rescind(agent, other));
  const others = holdersOf(core, agent, volume).filter((one) => one !== client);
  if (others.length > 0) {
    const names = others.map((one) => ledger.clients.framework[one]?.id).join(', ');
    return refused(`volume ${event.id} on ${event.agent} is in use by ${names}`);
  }
  const mine = client === undefined ? NONE : ledger.findHolding(agent, client, volume);
  const to = sourceOf(core, agent, volume);
  const exchange = {
    agent,
    from: volume,
    amounts,
    ports: NO_PORTS,
    client: mine === NONE ? undefined : client,
  };
  moveTo(core, exchange, to);
  return { kind: 'ok', rescinds };
}

/** GROW_VOLUME and SHRINK_VOLUME: disk goes between a volume and where it was taken from. */
export function resizeVolume(core: Core, event: Event<'resizeVolume'>): Applied {
  const { ledger } = core;
  const agent = ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const volume = core.findVolume(agent, event.id);
  if (volume === NONE) return refused(`agent ${event.agent} has no volume ${event.id}`);
  const fault = amountsFault('volume', { disk: event.sizeBytes });
  if (fault !== undefined) return refused(fault);
  if (event.sizeBytes === 0) return refused(`volume ${event.id} would have no size; destroy it`);
  if (ledger.pools.spec[volume]?.isShared === true)
    return refused(`volume ${event.id} is shared and cannot be resized`);
  const disk = ledger.space.positionOf('disk');
  const before = ledger.pools.total.data[volume * ledger.space.stride + disk] as number;
  const source = sourceOf(core, agent, volume);
  const change = event.sizeBytes - before;
  const from = change > 0 ? source : volume;
  const exchange = exchangeOf(core, agent, from, {
    ...event,
    resources: { disk: Math.abs(change) },
  });
  const problem = exchangeFault(core, exchange, event, change > 0 ? 'disk beside it' : 'in it');
  if (problem !== undefined) return refused(problem);
  moveTo(core, exchange, change > 0 ? volume : source);
  return DONE;
}

function exchangeOf(
  core: Core,
  agent: number,
  from: number,
  event: Pick<Event<'reserve'>, 'framework' | 'role' | 'resources' | 'ports'>,
): Exchange {
  const { space } = core.ledger;
  space.admit(event.resources);
  const amounts = new Float64Array(space.stride);
  space.read(event.resources, amounts, 0);
  return { agent, from, amounts, ports: normalised(event.ports), client: clientFor(core, event) };
}

function clientFor(
  core: Core,
  event: Pick<Event<'reserve'>, 'framework' | 'role'>,
): number | undefined {
  if (event.framework === undefined) return undefined;
  // A framework that is not known holds nothing: the fault is then found with the amounts.
  return core.findClient(event.framework, event.role ?? '') ?? NONE;
}

/** `mezzo`: an operator's change takes back offers on the agent, as few as it needs, when they are in the way. */
function makeRoom(core: Core, exchange: Exchange): readonly OfferRef[] {
  if (!core.isMezzo || exchange.client !== undefined) return [];
  const offered = core.offeredClients(exchange.agent);
  const within = (): boolean => lackingOf(core, exchange) === undefined;
  if (within()) return [];
  // Nothing is taken back for what would be refused all the same.
  if (!couldFit(core, exchange) || !core.hasFreePorts(exchange.from, exchange.ports)) return [];
  const rescinds: OfferRef[] = [];
  for (const client of offered) {
    if (within()) break;
    rescinds.push(core.rescind(exchange.agent, client));
  }
  return rescinds;
}

/** True when free and offered amounts together are enough. */
function couldFit(core: Core, { agent, from, amounts }: Exchange): boolean {
  const { pools, space } = core.ledger;
  for (let k = 0; k < space.stride; k++) {
    const most =
      (pools.free.data[from * space.stride + k] as number) -
      (pools.held.data[from * space.stride + k] as number) +
      offeredIn(core, agent, from, k);
    if ((amounts[k] as number) > 0 && (amounts[k] as number) > most) return false;
  }
  return true;
}

/** How much of a pool would be free if its offers ended. */
function offeredIn(core: Core, agent: number, pool: number, k: number): number {
  const { agents, holdings, space } = core.ledger;
  let sum = 0;
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const at = row * space.stride + k;
    // What came out of a hold is held again when the offer ends.
    if (holdings.pool[row] === pool)
      sum += (holdings.offered.data[at] as number) - (holdings.fromHold.data[at] as number);
    row = holdings.next[row] as number;
  }
  return sum;
}

/** What is missing, per name; undefined when all is there. */
function lackingOf(
  core: Core,
  exchange: Exchange,
  offers: 'stay' | 'are taken back' = 'stay',
): Resources | undefined {
  const { pools, holdings, space } = core.ledger;
  const { agent, from, amounts, client } = exchange;
  const holding =
    client === undefined || client === NONE ? NONE : core.ledger.findHolding(agent, client, from);
  const lacking: { [name: string]: number } = {};
  for (let k = 0; k < space.stride; k++) {
    const at = from * space.stride + k;
    let have = 0;
    if (client === undefined) {
      have = Math.max(0, (pools.free.data[at] as number) - (pools.held.data[at] as number));
      if (offers === 'are taken back') have += offeredIn(core, agent, from, k);
    }
    if (client !== undefined && holding !== NONE)
      have =
        (holdings.offered.data[holding * space.stride + k] as number) +
        (holdings.used.data[holding * space.stride + k] as number);
    const over = (amounts[k] as number) - have;
    if (over > 0) lacking[space.names[k] as string] = over;
  }
  return Object.keys(lacking).length === 0 ? undefined : lacking;
}

function exchangeFault(
  core: Core,
  exchange: Exchange,
  event: { readonly agent: string; readonly framework?: string },
  where: string,
): string | undefined {
  const short = lackingOf(core, exchange);
  // In Mezzo offers would have been taken back for it, had that been enough: what is missing is missing beyond them.
  const beyond = core.isMezzo ? lackingOf(core, exchange, 'are taken back') : undefined;
  const lacking = short === undefined ? undefined : (beyond ?? short);
  const whose = event.framework === undefined ? 'free and ' : '';
  const holder = event.framework === undefined ? '' : ` and held by ${event.framework}`;
  if (lacking !== undefined)
    return `${describeAmounts(lacking)} more than is ${whose}${where}${holder} on ${event.agent}`;
  if (exchange.ports.length === 0) return undefined;
  const { holdings } = core.ledger;
  const holding =
    exchange.client === undefined
      ? NONE
      : core.ledger.findHolding(exchange.agent, exchange.client, exchange.from);
  const isThere =
    exchange.client === undefined
      ? core.hasFreePorts(exchange.from, exchange.ports)
      : holding !== NONE && containsPorts(holdings.offeredPorts[holding] ?? [], exchange.ports);
  return isThere ? undefined : `ports that are not ${whose}${where}${holder} on ${event.agent}`;
}

/** Adds the largest agent to a refusal when no agent at all could hold the reservation. */
function withLargest(core: Core, event: Event<'reserve'>, problem: string): string {
  const { agents, pools, space } = core.ledger;
  const largest: { [name: string]: number } = {};
  for (const agent of agents.rows())
    for (const name in event.resources) {
      const first = agents.firstPool[agent] as number;
      const total = pools.total.data[first * space.stride + space.positionOf(name)] as number;
      largest[name] = Math.max(largest[name] ?? 0, total);
    }
  const isTooLarge = Object.keys(event.resources).some(
    (name) => (event.resources[name] ?? 0) > (largest[name] ?? 0),
  );
  if (!isTooLarge) return problem;
  return `${problem}; it is larger than any agent: ${describeAmounts(event.resources)} wanted, the largest has ${describeAmounts(largest)}`;
}

/** Carries out an exchange that was judged to fit. */
function moveTo(core: Core, exchange: Exchange, to: number): void {
  const { ledger } = core;
  const { agent, from, amounts, ports, client } = exchange;
  const held = client === undefined ? NONE : ledger.findHolding(agent, client, from);
  if (client !== undefined && held !== NONE) moveHeld(core, exchange, held, to);
  else {
    ledger.resize(from, amounts, 0, -1);
    ledger.resize(to, amounts, 0, 1);
    movePorts(core, from, to, ports);
  }
  core.maybeRemovePool(agent, from);
  core.maybeRemovePool(agent, to);
  ledger.settleAgent(agent);
  core.freed(agent);
}

function moveHeld(core: Core, exchange: Exchange, held: number, to: number): void {
  const { ledger } = core;
  const { holdings, space } = ledger;
  const { agent, from, amounts, ports } = exchange;
  const client = exchange.client as number;
  const offered = new Float64Array(space.stride);
  const used = new Float64Array(space.stride);
  for (let k = 0; k < space.stride; k++) {
    const inOffer = holdings.offered.data[held * space.stride + k] as number;
    offered[k] = Math.min(amounts[k] as number, inOffer);
    used[k] = (amounts[k] as number) - (offered[k] as number);
  }
  const byTier = ledger.tiers.split(held, used, 0);
  ledger.withdraw(held, offered, 0, ports);
  for (const part of byTier) ledger.vacate(held, part.amounts, 0, NO_PORTS, part.tier);
  ledger.resize(from, amounts, 0, -1);
  ledger.resize(to, amounts, 0, 1);
  movePorts(core, from, to, ports);
  ledger.dropIfEmpty(agent, held);
  const next = ledger.holdingOf(agent, client, to);
  ledger.offer(next, offered, 0, ports);
  for (const part of byTier) ledger.occupy(next, part.amounts, 0, NO_PORTS, part.tier);
  ledger.dropIfEmpty(agent, next);
}

function movePorts(core: Core, from: number, to: number, ports: PortRanges): void {
  if (ports.length === 0) return;
  const { pools } = core.ledger;
  pools.totalPorts[from] = without(pools.totalPorts[from] ?? NO_PORTS, ports);
  pools.freePorts[from] = without(pools.freePorts[from] ?? NO_PORTS, ports);
  pools.totalPorts[to] = union(pools.totalPorts[to] ?? NO_PORTS, ports);
  pools.freePorts[to] = union(pools.freePorts[to] ?? NO_PORTS, ports);
  core.ledger.filters.grew(pools.agent[to] as number, to);
}

/** The pool a volume's disk came from and goes back to. */
function sourceOf(core: Core, agent: number, volume: number): number {
  const spec = core.ledger.pools.spec[volume];
  if (spec === undefined || spec.stack.length === 0)
    return core.ledger.agents.firstPool[agent] as number;
  return core.reservedPool(agent, {
    stack: spec.stack,
    resources: {},
    ...(spec.reservationId === undefined ? {} : { reservationId: spec.reservationId }),
  });
}

function holdersOf(core: Core, agent: number, pool: number): readonly number[] {
  const { agents, holdings } = core.ledger;
  const holders: number[] = [];
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    if (holdings.pool[row] === pool) holders.push(holdings.client[row] as number);
    row = holdings.next[row] as number;
  }
  return holders;
}

function isUsed(core: Core, agent: number, client: number, pool: number): boolean {
  const { holdings, space } = core.ledger;
  const row = core.ledger.findHolding(agent, client, pool);
  if (row === NONE) return false;
  return holdings.used.data
    .subarray(row * space.stride, (row + 1) * space.stride)
    .some((amount) => amount > 0);
}
