import type { FrameworkRecord } from './clientTable.ts';
import { BitTable, type VectorColumn } from './columns.ts';
import type { ConstraintTable } from './constraintTable.ts';
import { Draft } from './draft.ts';
import { FairShares } from './fairShares.ts';
import type { Ledger } from './ledger.ts';
import { PlanBook } from './planBook.ts';
import { childrenOf, drawNext, randomOrder } from './randomOrder.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE, ROOT, type RoleTree } from './roleTree.ts';

/** Which of the passes over the agents a visit belongs to. */
export type Stage = 'guarantees' | 'rest' | 'uncapped';

/**
 * Visits agents one by one and offers what is free there to clients in the order of the sorters.
 *
 * The order of roles is that of the moment the agent is entered, the order of frameworks that of the moment their role
 * is entered, as in Mesos. No function knows where the events came from.
 * Source: Mesos `hierarchical.cpp`, `__generateOffers`.
 */
export class Cycle {
  readonly book: PlanBook;
  readonly draft: Draft;
  /** `mezzo`: clients that gave back what was offered on the agent; they wait until others had their turn. */
  readonly returned = new BitTable();
  readonly fairShares: FairShares;
  readonly #ledger: Ledger;
  readonly #constraints: ConstraintTable;
  readonly #free: VectorColumn;
  readonly #room: VectorColumn;
  readonly #held: VectorColumn;
  readonly #claim: VectorColumn;
  readonly #granted: VectorColumn;
  readonly #nothing: VectorColumn;
  readonly #fromHold: VectorColumn;
  #rng: { next(): number } = { next: () => 0 };
  #nowMs = 0;
  #stage: Stage = 'rest';
  #agent = NONE;
  #skipsReturned = false;
  /** By client: 1 while it hoards offers. */
  hoarding = new Uint8Array(0);

  constructor(ledger: Ledger, constraints: ConstraintTable) {
    this.#ledger = ledger;
    this.#constraints = constraints;
    this.book = new PlanBook(ledger);
    this.draft = new Draft(ledger);
    this.fairShares = new FairShares(ledger);
    this.#free = ledger.space.column();
    this.#room = ledger.space.column();
    this.#held = ledger.space.column();
    this.#claim = ledger.space.column();
    this.#granted = ledger.space.column();
    this.#nothing = ledger.space.column();
    this.#fromHold = ledger.space.column();
  }

  start(nowMs: number, rng: { next(): number }): void {
    this.#nowMs = nowMs;
    this.#rng = rng;
    this.book.clear();
    this.fairShares.clear();
  }

  visit(agent: number, stage: Stage): void {
    const { filters, agents } = this.#ledger;
    this.#stage = stage;
    this.#agent = agent;
    this.#ledger.settleClosed();
    if (this.#isSpent()) return;
    filters.refresh(agent);
    if ((agents.holds[agent] as number) === 0 && !this.#hasUnblocked()) return;
    const waits = stage !== 'guarantees' && !this.returned.isRowEmpty(agent);
    this.#skipsReturned = waits;
    if (this.#visitRoles() || !waits) return;
    this.#skipsReturned = false;
    this.returned.clearRow(agent);
    this.#ledger.settleClosed();
    this.#visitRoles();
  }

  /** Roles, or the frameworks of one role, in the order a run would begin with. */
  order(path: string | undefined, rng: { next(): number }): readonly string[] {
    const { roles, clients, options } = this.#ledger;
    this.#rng = rng;
    this.#ledger.settleClosed();
    if (path === undefined) {
      const rows =
        options.sorter === 'drf' ? rolesInOrder(roles, rng) : randomOrder(roles, rng, true);
      return rows.map((row) => roles.paths[row] as string);
    }
    const role = roles.find(path) ?? NONE;
    const group = clients.groups[role];
    group?.settle();
    if (group === undefined) return [];
    const members = this.#takesTurnsAtRandom(role)
      ? this.#shuffled(group.members, group.size)
      : group.members;
    return Array.from(
      members.subarray(0, group.size),
      (client) => clients.shares.names[client] as string,
    );
  }

  /** True when the agent has nothing left that anybody would accept. */
  #visitRoles(): boolean {
    const { options, roles } = this.#ledger;
    const includesClosed = this.#hasMoreThanUnreserved();
    if (options.sorter === 'drf') return this.#walk(ROOT, includesClosed);
    for (const role of randomOrder(roles, this.#rng, includesClosed))
      if (this.#visitRole(role)) return true;
    return false;
  }

  /** Pre-order walk of the role tree; closed roles only where there is something that limits do not bind. */
  #walk(parent: number, includesClosed: boolean): boolean {
    const { roles } = this.#ledger;
    if (roles.isRandom[parent] === 1) return this.#walkAtRandom(parent, includesClosed);
    const open = roles.open[parent];
    const closed = includesClosed ? roles.closed[parent] : undefined;
    if (open === undefined) return false;
    open.settle();
    closed?.settle();
    const closedSize = closed?.size ?? 0;
    let next = 0;
    for (let at = 0; at < open.size || next < closedSize; ) {
      const left = at < open.size ? (open.members[at] as number) : NONE;
      const right = next < closedSize ? (closed?.members[next] as number) : NONE;
      const takesLeft = right === NONE || (left !== NONE && roles.shares.compare(left, right) < 0);
      if (takesLeft) at++;
      else next++;
      if (this.#enter(takesLeft ? left : right, parent, includesClosed)) return true;
    }
    return false;
  }

  #walkAtRandom(parent: number, includesClosed: boolean): boolean {
    const { roles } = this.#ledger;
    const rows = childrenOf(roles, parent, includesClosed);
    for (let left = rows.length; left > 0; left--)
      if (this.#enter(drawNext(roles, rows, left, this.#rng), parent, includesClosed)) return true;
    return false;
  }

  #takesTurnsAtRandom(role: number): boolean {
    const { options, roles } = this.#ledger;
    return options.sorter === 'random' || roles.isRandom[role] === 1;
  }

  #enter(row: number, parent: number, includesClosed: boolean): boolean {
    const { roles, quota } = this.#ledger;
    if (roles.isLeaf[row] === 1) return this.#visitRole(parent);
    if (this.#stage === 'guarantees' && parent === ROOT && !quota.isUnmet(row)) return false;
    if (roles.leaf[row] === NONE) return this.#visitRole(row);
    return this.#walk(row, includesClosed);
  }

  /** Offers to the frameworks of one role; true when the agent is spent. */
  #visitRole(role: number): boolean {
    const { clients, quota, filters } = this.#ledger;
    const group = clients.groups[role];
    if (group === undefined || group.size === 0) return false;
    if (this.#stage === 'guarantees' && !quota.claim(role, this.#claim.data, this.#held.data))
      return false;
    group.settle();
    const members = this.#takesTurnsAtRandom(role)
      ? this.#shuffled(group.members, group.size)
      : group.members;
    const agent = this.#agent;
    const holds = this.#ledger.agents.holds[agent] as number;
    for (let at = 0; at < group.size; at++) {
      const client = members[at] as number;
      if (holds === 0 && filters.blocked.has(agent, client)) continue;
      if (this.#skipsReturned && this.returned.has(agent, client)) continue;
      if (!this.isVisible(client, agent)) continue;
      const isFit =
        this.#stage === 'guarantees' ? this.#fitGuarantee(client) : this.#fitRest(client);
      if (!isFit) continue;
      this.#grant(client);
      if (this.#isSpent()) return true;
      if (this.#stage === 'guarantees' && !quota.claim(role, this.#claim.data, this.#held.data))
        return false;
    }
    return false;
  }

  /** Frameworks of a role have equal weight, so that their random order is a plain shuffle. */
  #shuffled(members: Int32Array, size: number): Int32Array {
    const order = members.slice(0, size);
    for (let last = size - 1; last > 0; last--) {
      const other = Math.floor(this.#rng.next() * (last + 1));
      const kept = order[last] as number;
      order[last] = order[other] as number;
      order[other] = kept;
    }
    return order;
  }

  /** True when the agent may be shown to the client at all; amounts are another matter. */
  isVisible(client: number, agent: number): boolean {
    const { clients, agents } = this.#ledger;
    if (((agents.needs[agent] as number) & ~(clients.handles[client] as number)) !== 0)
      return false;
    if (client < this.hoarding.length && this.hoarding[client] === 1) return false;
    const framework = clients.framework[client] as FrameworkRecord;
    if (framework.backedOffUntilMs > this.#nowMs) return false;
    const constraints = clients.constraints[client];
    return constraints === undefined || this.#constraints.admits(constraints, agent);
  }

  /** Second stage: all that is visible, within limits and beside what unmet guarantees keep. */
  #fitRest(client: number): boolean {
    const { clients, quota } = this.#ledger;
    const { draft } = this;
    draft.gather(client, this.#agent, 'own and ancestors');
    const minimum = clients.minimum[client] as number;
    if (!this.accepts(minimum)) return false;
    const role = clients.role[client] as number;
    if (quota.limited.size > 0) this.capToRoom(role);
    this.capToTiers(client);
    if (quota.guaranteed.size > 0) this.capToHeadroom(role);
    if (this.#ledger.options.offers === 'fairShare' && this.#stage === 'rest') {
      if (!draft.isHolder && !this.fairShares.due(client, this.#room.data)) return false;
      if (!draft.isHolder) draft.cap(this.#room.data);
    }
    return this.accepts(minimum) && !this.isRefused(client, this.#agent);
  }

  /** First stage: what the guarantee lacks, and of the rest what limits and other guarantees leave. */
  #fitGuarantee(client: number): boolean {
    const { clients, quota, space } = this.#ledger;
    const { stride } = space;
    const { draft } = this;
    draft.gather(client, this.#agent, 'own');
    const minimum = clients.minimum[client] as number;
    if (!this.accepts(minimum)) return false;
    const role = clients.role[client] as number;
    const granted = this.#granted.data;
    quota.hardRoom(role, this.#room.data);
    this.#ledger.tiers.narrow(role, clients.tiers[client] as number, this.#room.data);
    let isAny = false;
    for (let k = 0; k < stride; k++) {
      granted[k] = Math.min(
        draft.open.data[k] as number,
        this.#claim.data[k] as number,
        this.#room.data[k] as number,
      );
      if ((granted[k] as number) > 0) isAny = true;
    }
    // A whole disk counts as granted when all of it is due.
    if (draft.pieces.count > 1 && draft.grantVolumes(this.#claim.data, this.#room.data, granted))
      isAny = true;
    if (!isAny) return false;
    // `granted` plus at most what the room beside guarantees and the headroom leave for the rest.
    quota.roomBesideGuarantees(role, this.#room.data, this.#held.data);
    this.#headroomLeft(role, granted, this.#held.data);
    for (let k = 0; k < stride; k++) {
      const beside = Math.max(0, (this.#room.data[k] as number) - (granted[k] as number));
      this.#room.data[k] = (granted[k] as number) + Math.min(beside, this.#held.data[k] as number);
    }
    draft.cap(this.#room.data);
    this.capToTiers(client);
    return this.accepts(minimum) && !this.isRefused(client, this.#agent);
  }

  /** Cuts the draft to what tasks of the tiers that its receiver launches may still take. */
  capToTiers(client: number): void {
    const { clients, tiers, space } = this.#ledger;
    if (tiers.limited.size === 0) return;
    const role = clients.role[client] as number;
    const room = this.#room.data;
    room.fill(Number.POSITIVE_INFINITY, 0, space.stride);
    tiers.narrow(role, clients.tiers[client] as number, room);
    this.draft.cap(room);
    room.fill(Number.POSITIVE_INFINITY, 0, space.stride);
    tiers.narrowLent(role, room);
    this.draft.capRevocable(room);
  }

  /** Cuts the draft to what limits leave beside the guarantees of others. */
  capToRoom(role: number): void {
    this.#ledger.quota.roomBesideGuarantees(role, this.#room.data, this.#held.data);
    this.draft.cap(this.#room.data);
  }

  /** Cuts the draft to what the cluster has beyond unmet guarantees. */
  capToHeadroom(role: number): void {
    this.#headroomLeft(role, this.#nothing.data, this.#room.data);
    this.draft.cap(this.#room.data);
  }

  /** How much of each guaranteed name may still be given beyond `granted`; names nobody lacks are not held. */
  #headroomLeft(role: number, granted: Float64Array, into: Float64Array): void {
    const { quota, headroom, space } = this.#ledger;
    quota.heldFrom(role, granted, into);
    for (let k = 0; k < space.stride; k++) {
      const held = into[k] as number;
      into[k] =
        held > 0
          ? Math.max(0, (headroom.data[k] as number) - (granted[k] as number) - held)
          : Number.POSITIVE_INFINITY;
    }
  }

  /** True when the draft is as large as its receiver's smallest offer. Ports alone count only where anything does. */
  accepts(minimum: number): boolean {
    const { minimums } = this.#ledger;
    if (minimums.accepts(minimum, this.draft.sum.data, 0)) return true;
    return minimums.acceptsAnything(minimum) && !this.draft.pieces.isEmpty();
  }

  /** What was freed for a framework is offered to it whatever it refused before. */
  isRefused(client: number, agent: number): boolean {
    return !this.draft.isHolder && this.#ledger.filters.isRefused(client, agent, this.draft.pieces);
  }

  #grant(client: number): void {
    const ledger = this.#ledger;
    const { holdings, pools, space } = ledger;
    const { stride } = space;
    const agent = this.#agent;
    const { pieces } = this.draft;
    const grant = this.book.grant(client, agent);
    const hasHolds = (ledger.agents.holds[agent] as number) > 0;
    for (let at = 0; at < pieces.count; at++) {
      const ports = pieces.ports[at] ?? NO_PORTS;
      if (!hasAny(pieces.amounts.data, at * stride, stride) && ports.length === 0) continue;
      const pool = pieces.pool[at] as number;
      const holding = ledger.holdingOf(agent, client, pool);
      const held = holding * stride;
      const fromHold = this.#fromHold.data;
      if (hasHolds)
        for (let k = 0; k < stride; k++) fromHold[k] = holdings.held.data[held + k] as number;
      if (!hasAny(holdings.offered.data, held, stride)) holdings.offeredAtMs[holding] = this.#nowMs;
      ledger.offer(holding, pieces.amounts.data, at * stride, ports);
      for (let k = 0; k < stride; k++)
        fromHold[k] = hasHolds
          ? (fromHold[k] as number) - (holdings.held.data[held + k] as number)
          : 0;
      if (pools.isShared(pool)) pools.offeredInRun[pool] = ledger.run;
      this.book.addPiece(grant, pieces, at, fromHold);
    }
    ledger.addCount(client, 1);
    ledger.settleOffers(agent);
  }

  /** True when what is free on the agent is below everybody's smallest offer. */
  #isSpent(): boolean {
    const { agents, pools, space, minimums } = this.#ledger;
    const { stride } = space;
    const sum = this.#free.data;
    const free = pools.free.data;
    let hasPorts = false;
    for (let k = 0; k < stride; k++) sum[k] = 0;
    for (let pool = agents.firstPool[this.#agent] as number; pool !== NONE; ) {
      for (let k = 0, at = pool * stride; k < stride; k++, at++) {
        const left = free[at] as number;
        if (left > 0) sum[k] = (sum[k] as number) + left;
      }
      if (pools.freePorts[pool] !== NO_PORTS) hasPorts = true;
      pool = pools.next[pool] as number;
    }
    return minimums.satisfiedMask(sum, 0) === 0 && !(hasPorts && minimums.anyAcceptsAnything());
  }

  /** True when some eligible client has not refused everything that is free on the agent. */
  #hasUnblocked(): boolean {
    const { clients, filters } = this.#ledger;
    const { blocked } = filters;
    const eligible = clients.eligibleBits;
    const from = this.#agent * blocked.words;
    for (let word = 0; word < eligible.length; word++) {
      const isInTable = word < blocked.words && from + word < blocked.data.length;
      const refused = isInTable ? (blocked.data[from + word] as number) : 0;
      if (((eligible[word] as number) & ~refused) !== 0) return true;
    }
    return false;
  }

  #hasMoreThanUnreserved(): boolean {
    const { agents, pools } = this.#ledger;
    if ((agents.holds[this.#agent] as number) > 0) return true;
    return (pools.next[agents.firstPool[this.#agent] as number] as number) !== NONE;
  }
}

/** All roles with eligible clients, as a walk meets them. */
function rolesInOrder(roles: RoleTree, rng: { next(): number }): readonly number[] {
  const order: number[] = [];
  const enter = (parent: number): void => {
    const rows = childrenOf(roles, parent, true);
    if (roles.isRandom[parent] === 1)
      for (let left = rows.length; left > 0; left--) drawNext(roles, rows, left, rng);
    else rows.sort((left, right) => roles.shares.compare(right, left));
    for (const row of rows.reverse())
      if (roles.isLeaf[row] === 1) order.push(parent);
      else if (roles.leaf[row] === NONE) order.push(row);
      else enter(row);
  };
  enter(ROOT);
  return order;
}

function hasAny(from: Float64Array, base: number, stride: number): boolean {
  for (let k = 0; k < stride; k++) if (from[base + k] !== 0) return true;
  return false;
}
