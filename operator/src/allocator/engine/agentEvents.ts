import type { AgentId } from '../../model/ids.ts';
import { TIERS } from '../../model/job.ts';
import type { Resources } from '../../model/resources.ts';
import { type AgentInfo, Need, PoolKind } from './agentTable.ts';
import { admitParts, type Core, DONE, refused } from './core.ts';
import { amountsFault, rolePathFault } from './describe.ts';
import { NO_PORTS, normalised, union, without } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { AgentUse, AllocatorEvent, Applied, OfferRef, PortRanges } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;
const NO_NAMES: ReadonlySet<string> = new Set();

type Fields = Event<'addAgent'> | Event<'updateAgent'>;

export function addAgent(core: Core, event: Event<'addAgent'>): Applied {
  if (core.ledger.agents.find(event.id) !== undefined)
    return refused(`agent ${event.id} already exists (duplicate id)`);
  const fault = fieldsFault(event);
  if (fault !== undefined) return refused(fault);
  const { ledger } = core;
  const agent = ledger.agents.add(event.id, infoOf(event));
  ledger.filters.openAgent(agent);
  core.addPool(agent, {
    kind: PoolKind.unreserved,
    owner: NONE,
    needs: 0,
    stack: [],
    reservationId: undefined,
    volumeId: undefined,
    isShared: false,
  });
  enterFields(core, agent, event);
  const problem = enterUse(core, agent, event.used ?? []);
  if (problem !== undefined) {
    removeRow(core, agent);
    return refused(problem);
  }
  finish(core, agent);
  core.due(agent);
  return DONE;
}

export function updateAgent(core: Core, event: Event<'updateAgent'>): Applied {
  const { ledger } = core;
  const agent = ledger.agents.find(event.id);
  if (agent === undefined) return refused(`there is no agent ${event.id}`);
  const fault = fieldsFault(event) ?? useFault(core, agent, event);
  if (fault !== undefined) return refused(fault);
  const info = ledger.agents.info[agent] as AgentInfo;
  // Mesos runs only when something changed; in Mezzo a run more costs little and the comparison is not made.
  const before = core.isMezzo ? '' : wordsOf(core, agent);
  if (event.attributes !== undefined && !isSameMap(event.attributes, info.attributes)) {
    ledger.filters.removeOfAgent(agent);
    core.constraints.forgetAgent(agent);
  }
  ledger.agents.info[agent] = { ...infoOf(event, info), listed: info.listed };
  core.constraints.forgetAgent(agent);
  enterFields(core, agent, event);
  enterUse(core, agent, event.used ?? []);
  finish(core, agent);
  const isUsed = (event.used ?? []).length > 0;
  if (core.isMezzo || isUsed || wordsOf(core, agent) !== before) core.due(agent);
  return { kind: 'ok', rescinds: core.isMezzo ? rescindRevocable(core, agent) : [] };
}

export function removeAgent(core: Core, event: Event<'removeAgent'>): Applied {
  const agent = core.ledger.agents.find(event.id);
  if (agent === undefined) return refused(`there is no agent ${event.id}`);
  const rescinds = core.offeredClients(agent).map((client) => core.rescind(agent, client));
  removeRow(core, agent);
  // What was taken on an agent that is gone matters to others through quotas alone.
  core.freed(undefined);
  return { kind: 'ok', rescinds };
}

export function whitelist(core: Core, event: Event<'whitelist'>): Applied {
  const { agents } = core.ledger;
  const listed = event.agents === undefined ? undefined : new Set<AgentId>(event.agents);
  core.defaultListed = listed;
  for (const agent of agents.rows()) {
    const info = agents.info[agent] as AgentInfo;
    info.listed = listed?.has(agents.ids[agent] as AgentId) ?? true;
    finish(core, agent);
  }
  if (core.isMezzo) core.dueAll();
  return DONE;
}

export function setUnavailability(core: Core, event: Event<'setUnavailability'>): Applied {
  const { agents, frameworks } = core.ledger;
  const agent = agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const info = agents.info[agent] as AgentInfo;
  const before = info.unavailability;
  info.unavailability = event.unavailability;
  agents.hasWindow[agent] = event.unavailability === undefined ? 0 : 1;
  for (const framework of frameworks.values()) framework.inverse.delete(agent);
  core.due(agent);
  const isSame =
    before?.startMs === event.unavailability?.startMs &&
    before?.durationMs === event.unavailability?.durationMs;
  // Offers tell of the window, so those made without it are made anew.
  const stale = core.isMezzo && !isSame ? core.offeredClients(agent) : [];
  return { kind: 'ok', rescinds: stale.map((client) => core.rescind(agent, client)) };
}

function fieldsFault(event: Fields): string | undefined {
  const where = `agent ${event.id}`;
  const amounts =
    amountsFault(where, event.total) ?? amountsFault(`${where}, revocable`, event.revocable);
  if (amounts !== undefined) return amounts;
  for (const part of event.reserved ?? []) {
    const fault = amountsFault(`${where}, reserved`, part.resources) ?? stackFault(part.stack);
    if (fault !== undefined) return `${where}: ${fault}`;
  }
  for (const use of event.used ?? []) {
    const fault =
      amountsFault(`${where}, used`, use.resources) ??
      amountsFault(`${where}, used revocable`, use.revocable) ??
      rolePathFault(use.role);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Every role of a stack is a strict sub-role of the one before it. */
export function stackFault(stack: readonly string[]): string | undefined {
  if (stack.length === 0) return 'a reservation names no role';
  for (let at = 0; at < stack.length; at++) {
    const role = stack[at] as string;
    const fault = rolePathFault(role);
    if (fault !== undefined) return fault;
    if (role === '*') return 'nothing can be reserved to the role "*"';
    const above = stack[at - 1];
    if (above !== undefined && !role.startsWith(`${above}/`))
      return `role ${role} is no sub-role of ${above}, so it cannot refine its reservation`;
  }
  return undefined;
}

/** All that an update may change about an agent, as text to compare. */
function wordsOf(core: Core, agent: number): string {
  const { agents, pools, space } = core.ledger;
  const { notText, ...info } = agents.info[agent] as AgentInfo;
  const words: unknown[] = [info, [...notText]];
  for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
    const at = pool * space.stride;
    const total = space.write(pools.total.data, at);
    words.push([pools.spec[pool], total, pools.totalPorts[pool]]);
    pool = pools.next[pool] as number;
  }
  return JSON.stringify(words);
}

function infoOf(event: Fields, before?: AgentInfo): AgentInfo {
  const unavailability = event.kind === 'addAgent' ? event.unavailability : before?.unavailability;
  const notText = event.notText === undefined ? undefined : new Set(event.notText);
  return {
    attributes: event.attributes ?? before?.attributes ?? {},
    notText: notText ?? before?.notText ?? NO_NAMES,
    hostname: event.hostname ?? before?.hostname ?? event.id,
    region: event.region ?? before?.region,
    zone: event.zone ?? before?.zone,
    capabilities: event.capabilities ?? before?.capabilities,
    schedulable: event.schedulable ?? before?.schedulable ?? true,
    listed: before?.listed ?? true,
    unavailability,
  };
}

/** Sets capacities; what is not named stays. */
function enterFields(core: Core, agent: number, event: Fields): void {
  const { agents } = core.ledger;
  admitParts(core, { resources: event.total ?? {}, revocable: event.revocable ?? {} });
  for (const part of event.reserved ?? []) admitParts(core, { resources: part.resources });
  const first = agents.firstPool[agent] as number;
  if (event.total !== undefined) setTotal(core, first, event.total);
  if (event.ports !== undefined) setPorts(core, first, normalised(event.ports));
  if (event.revocable !== undefined) {
    const pool = core.revocablePool(agent);
    setTotal(core, pool, event.revocable);
    core.maybeRemovePool(agent, pool);
  }
  if (event.reserved !== undefined) setReserved(core, agent, event.reserved);
  if (event.volumes !== undefined) setVolumes(core, agent, event.volumes);
}

/** Whole disks: new ones are added; those no longer named lose their size. */
function setVolumes(core: Core, agent: number, volumes: NonNullable<Fields['volumes']>): void {
  const { agents, pools } = core.ledger;
  for (const volume of volumes) {
    let pool = core.findVolume(agent, volume.id);
    if (pool === NONE)
      pool = core.addPool(agent, {
        kind: PoolKind.volume,
        owner: NONE,
        needs: 0,
        stack: [],
        reservationId: undefined,
        volumeId: volume.id,
        isShared: false,
      });
    setTotal(core, pool, { disk: volume.sizeBytes });
  }
  for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
    const next = pools.next[pool] as number;
    const id = pools.spec[pool]?.volumeId;
    const isOwn = id !== undefined && pools.owner[pool] === NONE;
    if (isOwn && !volumes.some((one) => one.id === id)) {
      setTotal(core, pool, {});
      core.maybeRemovePool(agent, pool);
    }
    pool = next;
  }
}

function setReserved(core: Core, agent: number, parts: NonNullable<Fields['reserved']>): void {
  const { agents, pools } = core.ledger;
  const named = new Set<number>();
  for (const part of parts) {
    const pool = core.reservedPool(agent, part);
    if (named.has(pool)) addTotal(core, pool, part.resources);
    else setTotal(core, pool, part.resources);
    const ports = normalised(part.ports);
    setPorts(core, pool, named.has(pool) ? union(pools.totalPorts[pool] ?? [], ports) : ports);
    named.add(pool);
  }
  for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
    const next = pools.next[pool] as number;
    if (pools.kind[pool] === PoolKind.reserved && !named.has(pool)) {
      setTotal(core, pool, {});
      setPorts(core, pool, NO_PORTS);
      core.maybeRemovePool(agent, pool);
    }
    pool = next;
  }
}

function setTotal(core: Core, pool: number, amounts: Resources): void {
  const { ledger } = core;
  const { stride } = ledger.space;
  const change = core.offeredPart.data;
  ledger.space.read(amounts, change, 0);
  for (let k = 0; k < stride; k++)
    change[k] = (change[k] as number) - (ledger.pools.total.data[pool * stride + k] as number);
  ledger.resize(pool, change, 0, 1);
}

function addTotal(core: Core, pool: number, amounts: Resources): void {
  const { ledger } = core;
  const change = new Float64Array(ledger.space.stride);
  ledger.space.read(amounts, change, 0);
  ledger.resize(pool, change, 0, 1);
}

function setPorts(core: Core, pool: number, ports: PortRanges): void {
  const { pools, filters } = core.ledger;
  const before = pools.totalPorts[pool] ?? NO_PORTS;
  if (before === ports) return;
  const taken = without(before, pools.freePorts[pool] ?? NO_PORTS);
  pools.totalPorts[pool] = ports;
  pools.freePorts[pool] = without(ports, taken);
  filters.grew(pools.agent[pool] as number, pool);
}

/** Use of reservations that an update of `reserved` is about to make is judged after it. */
function useFault(core: Core, agent: number, event: Event<'updateAgent'>): string | undefined {
  if (event.reserved !== undefined) return undefined;
  for (const use of event.used ?? []) {
    const problem = core.readParts(agent, use);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function enterUse(core: Core, agent: number, used: readonly AgentUse[]): string | undefined {
  const { ledger } = core;
  const { stride } = ledger.space;
  for (const use of used) {
    const problem = core.readParts(agent, use);
    if (problem !== undefined) return problem;
    const client = core.clientOf(use.framework, use.role);
    for (let at = 0; at < core.pieces.count; at++) {
      const holding = ledger.holdingOf(agent, client, core.pieces.pool[at] as number);
      const tier = TIERS.indexOf(use.tier ?? 'production');
      const ports = core.pieces.ports[at] ?? [];
      ledger.occupy(holding, core.pieces.amounts.data, at * stride, ports, tier);
      ledger.dropIfEmpty(agent, holding);
    }
    ledger.addCount(client, 1);
  }
  return undefined;
}

/** Brings what runs look at up to date with an agent's fields. */
function finish(core: Core, agent: number): void {
  const { agents, pools, space } = core.ledger;
  const info = agents.info[agent] as AgentInfo;
  if (core.defaultListed !== undefined)
    info.listed = core.defaultListed.has(agents.ids[agent] as AgentId);
  agents.open[agent] = info.schedulable && info.listed ? 1 : 0;
  const gpus = space.positionOf('gpus');
  let hasGpus = false;
  for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
    if ((pools.total.data[pool * space.stride + gpus] as number) > 0) hasGpus = true;
    pool = pools.next[pool] as number;
  }
  // Also when the master itself has no region. Source: Mesos `hierarchical.hpp`, `isRemoteSlave`.
  const isRemote = info.region !== undefined && info.region !== core.options.region;
  const has = (capability: string): boolean => info.capabilities?.includes(capability) ?? true;
  agents.needs[agent] =
    (hasGpus ? Need.gpu : 0) |
    (isRemote ? Need.remoteRegion : 0) |
    (has('MULTI_ROLE') ? 0 : Need.singleRole) |
    (has('HIERARCHICAL_ROLE') ? 0 : Need.topLevelRole);
  core.ledger.settleAgent(agent);
}

/** `mezzo`: an estimate below what is lent takes back offers until the rest fits. */
function rescindRevocable(core: Core, agent: number): readonly OfferRef[] {
  const { pools, holdings, agents, space } = core.ledger;
  const pool = core.findPool(agent, { kind: PoolKind.revocable });
  if (pool === NONE) return [];
  const rescinds: OfferRef[] = [];
  for (const client of core.offeredClients(agent)) {
    const isOver = pools.free.data
      .subarray(pool * space.stride, (pool + 1) * space.stride)
      .some((free) => free < 0);
    if (!isOver) break;
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const next = holdings.next[row] as number;
      if (holdings.client[row] === client && holdings.pool[row] === pool && core.isOffered(row)) {
        rescinds.push(core.rescind(agent, client));
        break;
      }
      row = next;
    }
  }
  core.maybeRemovePool(agent, pool);
  return rescinds;
}

function removeRow(core: Core, agent: number): void {
  const { ledger } = core;
  const { agents, pools, holdings, space } = ledger;
  const { stride } = space;
  const clients = new Set<number>();
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const next = holdings.next[row] as number;
    clients.add(holdings.client[row] as number);
    const at = row * stride;
    const copy = (from: Float64Array): Float64Array => from.slice(at, at + stride);
    ledger.withdraw(row, copy(holdings.offered.data), 0, holdings.offeredPorts[row] ?? []);
    ledger.vacate(row, copy(holdings.used.data), 0, holdings.usedPorts[row] ?? []);
    ledger.hold(row, copy(holdings.held.data), 0, -1);
    ledger.dropIfEmpty(agent, row);
    row = next;
  }
  ledger.filters.removeOfAgent(agent);
  core.constraints.forgetAgent(agent);
  core.cycle.returned.clearRow(agent);
  for (const framework of ledger.frameworks.values()) framework.inverse.delete(agent);
  for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
    const next = pools.next[pool] as number;
    setTotal(core, pool, {});
    const owner = pools.owner[pool] as number;
    pools.release(pool);
    if (owner !== NONE) ledger.releaseRole(owner);
    pool = next;
  }
  agents.firstPool[agent] = NONE;
  ledger.settleAgent(agent);
  agents.remove(agent);
  for (const client of clients) core.maybeForget(client);
}

function isSameMap(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  );
}
