import type { AgentId, FrameworkId, RolePath } from '../../model/ids.ts';
import { TIERS } from '../../model/job.ts';
import type { Resources } from '../../model/resources.ts';
import { Need, PoolKind, type PoolSpec } from './agentTable.ts';
import type { FrameworkRecord } from './clientTable.ts';
import type { VectorColumn } from './columns.ts';
import { ConstraintTable } from './constraintTable.ts';
import { Cycle } from './cycle.ts';
import { Ledger } from './ledger.ts';
import { Pieces } from './pieces.ts';
import { containsPorts, NO_PORTS, normalised } from './ranges.ts';
import { NONE } from './roleTree.ts';
import { maskOf, REVOCABLE_TIER } from './tierColumns.ts';
import type { Applied, EngineOptions, OfferRef, Parts, PortRanges, ReservedPart } from './types.ts';

/** What an event works with: the ledger, and what a run will have to look at. */
export class Core {
  readonly options: EngineOptions;
  readonly ledger: Ledger;
  readonly constraints: ConstraintTable;
  readonly cycle: Cycle;
  readonly pieces: Pieces;
  /** What of a returned piece was offered, and what was used. */
  readonly offeredPart: VectorColumn;
  readonly usedPart: VectorColumn;
  /** Agents the next run looks at; `isAllDue` stands for every one. */
  readonly dueAgents: number[] = [];
  isAllDue = false;
  readonly backedOff = new Set<FrameworkRecord>();
  /** Roles that are kept because they have a quota or a weight. */
  readonly withQuota = new Set<number>();
  readonly withWeight = new Set<number>();
  nowMs = 0;
  /** The whitelist, for agents that come later; undefined: all take part. */
  defaultListed: ReadonlySet<AgentId> | undefined;

  constructor(options: EngineOptions) {
    this.options = options;
    this.ledger = new Ledger(options);
    this.constraints = new ConstraintTable(this.ledger.agents);
    this.cycle = new Cycle(this.ledger, this.constraints);
    this.pieces = new Pieces(this.ledger.space);
    this.offeredPart = this.ledger.space.column();
    this.usedPart = this.ledger.space.column();
  }

  get isMezzo(): boolean {
    return this.options.mode === 'mezzo';
  }

  due(agent: number): void {
    const { agents } = this.ledger;
    if (agents.due[agent] === 1) return;
    agents.due[agent] = 1;
    this.dueAgents.push(agent);
  }

  dueAll(): void {
    this.isAllDue = true;
  }

  /** `mezzo`: what was freed is offered at once; with quotas it may let a role take from any agent. */
  freed(agent: number | undefined): void {
    if (!this.isMezzo) return;
    const { quota, tiers } = this.ledger;
    if (quota.limited.size + quota.guaranteed.size + tiers.limited.size > 0) this.dueAll();
    else if (agent !== undefined) this.due(agent);
  }

  /** The client of a framework in a role; made, without being eligible, when there is none. */
  clientOf(id: string, path: string): number {
    const { ledger } = this;
    const framework = ledger.frameworks.get(id) ?? this.openFramework(id);
    const known = framework.clients.get(path);
    if (known !== undefined) return known;
    const role = ledger.acquireRole(path);
    const client = ledger.clients.add(framework, role, path);
    this.refreshHandles(client);
    return client;
  }

  /** A record of a framework that is not known yet. */
  openFramework(id: string): FrameworkRecord {
    const framework = newFramework(id);
    this.ledger.frameworks.set(id, framework);
    return framework;
  }

  findClient(id: string, path: string): number | undefined {
    return this.ledger.frameworks.get(id)?.clients.get(path);
  }

  refreshHandles(client: number): void {
    const { clients, roles } = this.ledger;
    const framework = clients.framework[client] as FrameworkRecord;
    const path = roles.paths[clients.role[client] as number] as string;
    const before = clients.handles[client] as number;
    const handles = handlesOf(framework.capabilities, path);
    clients.handles[client] = handles;
    const lends = (handles & Need.revocable) === 0 ? 0 : REVOCABLE_TIER;
    clients.tiers[client] = maskOf(framework.tiers ?? TIERS) & (~REVOCABLE_TIER | lends);
    if (handles !== before) this.ledger.filters.blocked.clearColumn(client);
  }

  /** Forgets a client that neither holds anything nor belongs to a framework any more. */
  maybeForget(client: number): void {
    const { clients, roles, frameworks, filters } = this.ledger;
    if ((clients.holdings[client] as number) > 0) return;
    const framework = clients.framework[client] as FrameworkRecord;
    const role = clients.role[client] as number;
    const path = roles.paths[role] as string;
    if (framework.known && framework.roles.includes(path)) return;
    if (framework.clients.get(path) !== client) return;
    filters.removeOfClient(client);
    this.ledger.addCount(client, -(clients.shares.count[client] as number));
    filters.blocked.clearColumn(client);
    this.cycle.returned.clearColumn(client);
    const constraints = clients.constraints[client];
    if (constraints !== undefined) this.constraints.forget(constraints);
    clients.remove(client, path);
    this.ledger.releaseRole(role);
    if (!framework.known && framework.clients.size === 0) frameworks.delete(framework.id);
  }

  setEligible(client: number): void {
    const { clients, roles } = this.ledger;
    const framework = clients.framework[client] as FrameworkRecord;
    const role = clients.role[client] as number;
    const path = roles.paths[role] as string;
    const eligible =
      framework.known &&
      framework.active &&
      framework.roles.includes(path) &&
      !framework.suppressed.has(path);
    if ((clients.eligible[client] === 1) === eligible) return;
    clients.setEligible(client, eligible);
    roles.addEligible(role, eligible ? 1 : -1);
    if (eligible) this.ledger.noteMinimum(role, clients.minimum[client] as number);
  }

  /** Finds a pool of an agent; a reservation without an id matches any of its stack. */
  findPool(agent: number, wanted: PoolWanted): number {
    const { agents, pools } = this.ledger;
    let match = NONE;
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      const spec = pools.spec[pool] as PoolSpec;
      if (spec.kind === wanted.kind && isSame(spec, wanted)) {
        if (spec.reservationId === wanted.reservationId) return pool;
        if (wanted.reservationId === undefined && match === NONE) match = pool;
      }
      pool = pools.next[pool] as number;
    }
    return match;
  }

  /** The pool of a reservation, made when there is none. */
  reservedPool(agent: number, part: ReservedPart): number {
    const { pools } = this.ledger;
    const found = this.findPool(agent, { kind: PoolKind.reserved, ...wantedOf(part) });
    if (found !== NONE && pools.spec[found]?.reservationId === part.reservationId) return found;
    const owner = this.ledger.acquireRole(part.stack.at(-1) as string);
    return this.addPool(agent, {
      kind: PoolKind.reserved,
      owner,
      needs: part.stack.length > 1 ? Need.refinement : 0,
      stack: part.stack,
      reservationId: part.reservationId,
      volumeId: undefined,
      isShared: false,
    });
  }

  addPool(agent: number, spec: PoolSpec): number {
    const { agents, pools } = this.ledger;
    const pool = pools.add(agent, spec);
    const first = agents.firstPool[agent] as number;
    if (first === NONE) agents.firstPool[agent] = pool;
    else {
      let last = first;
      while (pools.next[last] !== NONE) last = pools.next[last] as number;
      pools.next[last] = pool;
    }
    return pool;
  }

  /** Removes a pool that has no capacity and that nobody holds; an agent's first pool stays. */
  maybeRemovePool(agent: number, pool: number): void {
    const { agents, pools, holdings, space, filters } = this.ledger;
    const { stride } = space;
    if (agents.firstPool[agent] === pool) return;
    for (let at = pool * stride; at < (pool + 1) * stride; at++)
      if (pools.total.data[at] !== 0) return;
    if ((pools.totalPorts[pool] ?? NO_PORTS).length > 0) return;
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      if (holdings.pool[row] === pool) return;
      row = holdings.next[row] as number;
    }
    filters.forgetPool(agent, pool);
    let before = agents.firstPool[agent] as number;
    while (pools.next[before] !== pool) before = pools.next[before] as number;
    pools.next[before] = pools.next[pool] as number;
    const owner = pools.owner[pool] as number;
    pools.release(pool);
    if (owner !== NONE) this.ledger.releaseRole(owner);
  }

  /** Writes parts into `pieces` by pool; says what the agent does not have. */
  readParts(agent: number, parts: Parts): string | undefined {
    const { agents, pools, space } = this.ledger;
    const { pieces } = this;
    pieces.clear();
    admitParts(this, parts);
    const ports = normalised(parts.ports);
    if (parts.resources !== undefined || ports.length > 0)
      this.#addPiece(agents.firstPool[agent] as number, parts.resources, ports);
    for (const part of parts.reserved ?? []) {
      const pool = this.findPool(agent, { kind: PoolKind.reserved, ...wantedOf(part) });
      if (pool === NONE) {
        if (space.names.every((name) => (part.resources[name] ?? 0) === 0)) continue;
        return `agent ${agents.ids[agent]} has nothing reserved to ${part.stack.join(' then ')}`;
      }
      this.#addPiece(pool, part.resources, normalised(part.ports));
    }
    if (Object.keys(parts.revocable ?? {}).length > 0)
      this.#addPiece(this.revocablePool(agent), parts.revocable, NO_PORTS);
    for (const volume of parts.volumes ?? []) {
      const pool = this.findVolume(agent, volume.id);
      if (pool === NONE) return `agent ${agents.ids[agent]} has no volume ${volume.id}`;
      pieces.addCopy(pool, pools.total.data, pool * space.stride);
    }
    return undefined;
  }

  #addPiece(pool: number, amounts: Resources | undefined, ports: PortRanges): void {
    const at = this.pieces.add(pool, ports);
    this.ledger.space.read(amounts, this.pieces.amounts.data, at);
  }

  revocablePool(agent: number): number {
    const found = this.findPool(agent, { kind: PoolKind.revocable });
    if (found !== NONE) return found;
    return this.addPool(agent, {
      kind: PoolKind.revocable,
      owner: NONE,
      needs: Need.revocable,
      stack: [],
      reservationId: undefined,
      volumeId: undefined,
      isShared: false,
    });
  }

  findVolume(agent: number, id: string): number {
    const { agents, pools } = this.ledger;
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      if (pools.spec[pool]?.volumeId === id) return pool;
      pool = pools.next[pool] as number;
    }
    return NONE;
  }

  /** Takes back what is offered in a holding, without a filter; the reference is for its framework. */
  rescind(agent: number, client: number): OfferRef {
    const { ledger } = this;
    const { agents, holdings, clients, roles, space } = ledger;
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const next = holdings.next[row] as number;
      if (holdings.client[row] === client) {
        const offered = holdings.offered.data.slice(row * space.stride, (row + 1) * space.stride);
        ledger.withdraw(row, offered, 0, holdings.offeredPorts[row] ?? NO_PORTS);
        ledger.dropIfEmpty(agent, row);
      }
      row = next;
    }
    const ref = {
      framework: clients.framework[client]?.id as FrameworkId,
      role: roles.paths[clients.role[client] as number] as RolePath,
      agent: agents.ids[agent] as AgentId,
    };
    ledger.settleAgent(agent);
    this.maybeForget(client);
    this.freed(agent);
    return ref;
  }

  /** True when something is in an outstanding offer. */
  isOffered(holding: number): boolean {
    const { holdings, space } = this.ledger;
    for (let at = holding * space.stride; at < (holding + 1) * space.stride; at++)
      if ((holdings.offered.data[at] as number) > 0) return true;
    return (holdings.offeredPorts[holding] ?? NO_PORTS).length > 0;
  }

  /** Clients with an outstanding offer on an agent, each once. */
  offeredClients(agent: number): readonly number[] {
    const { agents, holdings } = this.ledger;
    const found = new Set<number>();
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      if (this.isOffered(row)) found.add(holdings.client[row] as number);
      row = holdings.next[row] as number;
    }
    return [...found];
  }

  /** Free ports of a pool that are asked for. */
  hasFreePorts(pool: number, ports: PortRanges): boolean {
    return containsPorts(this.ledger.pools.freePorts[pool] ?? NO_PORTS, ports);
  }
}

interface PoolWanted {
  readonly kind: number;
  readonly stack?: ReservedPart['stack'];
  readonly reservationId?: string | undefined;
}

function wantedOf(part: ReservedPart): Omit<PoolWanted, 'kind'> {
  return { stack: part.stack, reservationId: part.reservationId };
}

function isSame(spec: PoolSpec, wanted: PoolWanted): boolean {
  const stack = wanted.stack ?? [];
  return spec.stack.length === stack.length && spec.stack.every((role, at) => role === stack[at]);
}

function newFramework(id: string): FrameworkRecord {
  return {
    id,
    known: false,
    active: false,
    roles: [],
    suppressed: new Set(),
    capabilities: undefined,
    tiers: undefined,
    clients: new Map(),
    strikes: 0,
    backedOffUntilMs: 0,
    inverse: new Map(),
  };
}

const DEFAULT_CAPABILITIES = ['MULTI_ROLE', 'RESERVATION_REFINEMENT'];

function handlesOf(capabilities: readonly string[] | undefined, path: string): number {
  const has = new Set(capabilities ?? DEFAULT_CAPABILITIES);
  return (
    (has.has('REVOCABLE_RESOURCES') ? Need.revocable : 0) |
    (has.has('SHARED_RESOURCES') ? Need.shared : 0) |
    (has.has('RESERVATION_REFINEMENT') ? Need.refinement : 0) |
    (has.has('GPU_RESOURCES') ? Need.gpu : 0) |
    (has.has('REGION_AWARE') ? Need.remoteRegion : 0) |
    (has.has('MULTI_ROLE') ? 0 : Need.singleRole) |
    (path.includes('/') ? 0 : Need.topLevelRole)
  );
}

/** Makes room for all names in parts, so that columns are not widened while they are being written. */
export function admitParts(core: Core, parts: Parts): void {
  const { space } = core.ledger;
  space.admit(parts.resources);
  space.admit(parts.revocable);
  for (const part of parts.reserved ?? []) space.admit(part.resources);
}

export const DONE: Applied = { kind: 'ok', rescinds: [] };

export const refused = (message: string): Applied => ({ kind: 'refused', message });
