import { AgentTable, PoolKind, PoolTable } from './agentTable.ts';
import { ClientTable, type FrameworkRecord } from './clientTable.ts';
import { grownInts, type VectorColumn, VectorSpace } from './columns.ts';
import { FilterTable } from './filterTable.ts';
import { HoldingTable } from './holdingTable.ts';
import { MinimumTable } from './minimumTable.ts';
import { QuotaColumns } from './quotaColumns.ts';
import { NO_PORTS, union, without } from './ranges.ts';
import { NONE, ROOT, RoleTree } from './roleTree.ts';
import { ClusterTotals } from './shareTable.ts';
import { TierColumns } from './tierColumns.ts';
import type { EngineOptions, PortRanges } from './types.ts';

/**
 * All columns of the engine, and the moves of amounts between free, offered, used and held.
 *
 * Guarantees: every move charges the sorters, the quota and the headroom by exactly what it moves.
 * Does not: judge whether a move is allowed; events and runs do.
 */
export class Ledger {
  readonly options: EngineOptions;
  readonly space = new VectorSpace();
  readonly totals: ClusterTotals;
  readonly agents: AgentTable;
  readonly pools: PoolTable;
  readonly roles: RoleTree;
  readonly quota: QuotaColumns;
  readonly clients: ClientTable;
  readonly minimums: MinimumTable;
  readonly holdings: HoldingTable;
  readonly filters: FilterTable;
  readonly tiers: TierColumns;
  readonly frameworks = new Map<string, FrameworkRecord>();
  /** Unreserved free amounts, not held, of the agents that count. */
  readonly headroom: VectorColumn;
  /** Runs so far. */
  run = 0;
  /** By role: bits of the lists of smallest offers in use there and below; never shrinks. */
  #minimumMask = new Int32Array(16);
  readonly #maybeClosed: number[] = [];
  readonly #scratch: VectorColumn;
  readonly #counted: VectorColumn;
  #isHeadroomExact = true;

  constructor(options: EngineOptions) {
    this.options = options;
    this.totals = new ClusterTotals(this.space, options.fairnessExclude);
    this.agents = new AgentTable(this.space);
    this.pools = new PoolTable(this.space);
    this.roles = new RoleTree(this.totals);
    this.quota = new QuotaColumns(this.space, this.roles, options.mode);
    this.clients = new ClientTable(this.totals);
    this.minimums = new MinimumTable(this.space, options.minAllocatable);
    this.holdings = new HoldingTable(this.space);
    this.tiers = new TierColumns(this.space, this.roles, this.holdings, options.mode);
    this.filters = new FilterTable(this.space, this.agents, this.pools, this.clients);
    this.headroom = this.space.column();
    this.#scratch = this.space.column();
    this.#counted = this.space.column();
    this.quota.open(ROOT);
  }

  /** The row of a role; made when it is new. Counts as one use of it. */
  acquireRole(path: string): number {
    const before = this.roles.find(path);
    const row = this.roles.acquire(path);
    if (before === undefined) this.#openRoles(row);
    return row;
  }

  #openRoles(row: number): void {
    // Rows above may be new as well: those have consumed nothing and have no quota, so opening is harmless only then.
    for (let at = row; at !== ROOT; at = this.roles.parent[at] as number) {
      if (this.#opened[at] === this.roles.paths[at]) return;
      this.#opened[at] = this.roles.paths[at];
      if (at >= this.#minimumMask.length) this.#minimumMask = grownInts(this.#minimumMask, at + 1);
      this.#minimumMask[at] = 0;
      this.quota.open(at);
      this.tiers.open(at);
    }
  }
  readonly #opened: (string | undefined)[] = [];

  releaseRole(row: number): void {
    this.roles.release(row);
    for (let at = row; at !== ROOT && at !== NONE; at = this.roles.parent[at] as number)
      if (this.roles.find(this.roles.paths[at] as string) !== at) {
        this.#opened[at] = undefined;
        this.quota.guaranteed.delete(at);
        this.quota.limited.delete(at);
        this.tiers.limited.delete(at);
      }
  }

  /** The row of what a client has of a pool, made when there is none. */
  holdingOf(agent: number, client: number, pool: number): number {
    const known = this.findHolding(agent, client, pool);
    if (known !== NONE) return known;
    const row = this.holdings.add(client, pool, this.agents.firstHolding[agent] as number);
    this.agents.firstHolding[agent] = row;
    this.clients.holdings[client] = (this.clients.holdings[client] as number) + 1;
    return row;
  }

  findHolding(agent: number, client: number, pool: number): number {
    const { holdings } = this;
    let row = this.agents.firstHolding[agent] as number;
    while (row !== NONE && (holdings.client[row] !== client || holdings.pool[row] !== pool))
      row = holdings.next[row] as number;
    return row;
  }

  /** Free becomes offered, out of the client's hold first; `count` allocations are added to the client. */
  offer(holding: number, amounts: Float64Array, base: number, ports: PortRanges): void {
    const { holdings, space } = this;
    const pool = holdings.pool[holding] as number;
    const client = holdings.client[holding] as number;
    const charged = this.#scratch.data;
    const { stride } = space;
    const offered = holdings.offered.data;
    for (let k = 0, at = holding * stride; k < stride; k++, at++) {
      const amount = amounts[base + k] as number;
      offered[at] = (offered[at] as number) + amount;
      charged[k] = amount;
    }
    if (this.#hasHolds(pool)) this.#takeFromHold(holding, charged);
    if (ports.length > 0)
      holdings.offeredPorts[holding] = union(holdings.offeredPorts[holding] ?? NO_PORTS, ports);
    this.#draw(pool, amounts, base, ports, 1);
    this.#charge(client, pool, charged, 0, 1);
    this.#offerLent(holding, amounts, base, 1);
  }

  #offerLent(holding: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    if (this.pools.kind[this.holdings.pool[holding] as number] !== PoolKind.revocable) return;
    this.tiers.offerLent(this.#roleOf(holding), amounts, base, sign);
  }

  #roleOf(holding: number): number {
    return this.clients.role[this.holdings.client[holding] as number] as number;
  }

  #hasHolds(pool: number): boolean {
    return (this.agents.holds[this.pools.agent[pool] as number] as number) > 0;
  }

  /** What is offered comes out of the client's hold first; `charged` is lessened by it. */
  #takeFromHold(holding: number, charged: Float64Array): void {
    const { holdings, pools, space } = this;
    const pool = holdings.pool[holding] as number;
    for (let k = 0; k < space.stride; k++) {
      const at = holding * space.stride + k;
      const part = Math.min(holdings.held.data[at] as number, charged[k] as number);
      if (part <= 0) continue;
      holdings.held.data[at] = (holdings.held.data[at] as number) - part;
      holdings.fromHold.data[at] = (holdings.fromHold.data[at] as number) + part;
      const inPool = pool * space.stride + k;
      pools.held.data[inPool] = (pools.held.data[inPool] as number) - part;
      charged[k] = (charged[k] as number) - part;
    }
  }

  /** Of an offer that shrank, what came out of a hold and is no longer offered is held again, not credited. */
  #giveBackToHold(holding: number, credited: Float64Array): void {
    const { holdings, pools, space } = this;
    const pool = holdings.pool[holding] as number;
    for (let k = 0; k < space.stride; k++) {
      const at = holding * space.stride + k;
      const left = holdings.offered.data[at] as number;
      const part = Math.max(0, (holdings.fromHold.data[at] as number) - left);
      if (part <= 0) continue;
      holdings.fromHold.data[at] = (holdings.fromHold.data[at] as number) - part;
      holdings.held.data[at] = (holdings.held.data[at] as number) + part;
      const inPool = pool * space.stride + k;
      pools.held.data[inPool] = (pools.held.data[inPool] as number) + part;
      credited[k] = (credited[k] as number) - part;
    }
  }

  /** Free becomes used: something that runs without having been offered. */
  occupy(holding: number, amounts: Float64Array, base: number, ports: PortRanges, tier = 0): void {
    const { holdings } = this;
    this.tiers.take(holding, this.#roleOf(holding), tier, amounts, base);
    const { stride } = this.space;
    for (let k = 0; k < stride; k++)
      holdings.used.data[holding * stride + k] =
        (holdings.used.data[holding * stride + k] as number) + (amounts[base + k] as number);
    if (ports.length > 0)
      holdings.usedPorts[holding] = union(holdings.usedPorts[holding] ?? NO_PORTS, ports);
    const pool = holdings.pool[holding] as number;
    this.#draw(pool, amounts, base, ports, 1);
    this.#charge(holdings.client[holding] as number, pool, amounts, base, 1);
  }

  /** Offered becomes used. */
  use(holding: number, amounts: Float64Array, base: number, ports: PortRanges, tier = 0): void {
    const { holdings } = this;
    this.tiers.take(holding, this.#roleOf(holding), tier, amounts, base);
    this.#offerLent(holding, amounts, base, -1);
    const { stride } = this.space;
    for (let k = 0; k < stride; k++) {
      const at = holding * stride + k;
      const amount = amounts[base + k] as number;
      holdings.offered.data[at] = (holdings.offered.data[at] as number) - amount;
      holdings.used.data[at] = (holdings.used.data[at] as number) + amount;
      holdings.fromHold.data[at] = Math.max(0, (holdings.fromHold.data[at] as number) - amount);
    }
    if (ports.length === 0) return;
    holdings.offeredPorts[holding] = without(holdings.offeredPorts[holding] ?? NO_PORTS, ports);
    holdings.usedPorts[holding] = union(holdings.usedPorts[holding] ?? NO_PORTS, ports);
  }

  /** Offered becomes free; what came out of a hold is held again. */
  withdraw(holding: number, amounts: Float64Array, base: number, ports: PortRanges): void {
    const { holdings } = this;
    const { stride } = this.space;
    const pool = holdings.pool[holding] as number;
    const credited = this.#scratch.data;
    const offered = holdings.offered.data;
    for (let k = 0, at = holding * stride; k < stride; k++, at++) {
      const amount = amounts[base + k] as number;
      offered[at] = (offered[at] as number) - amount;
      credited[k] = amount;
    }
    if (this.#hasHolds(pool)) this.#giveBackToHold(holding, credited);
    if (ports.length > 0)
      holdings.offeredPorts[holding] = without(holdings.offeredPorts[holding] ?? NO_PORTS, ports);
    this.#draw(pool, amounts, base, ports, -1);
    this.#charge(holdings.client[holding] as number, pool, credited, 0, -1);
    this.#offerLent(holding, amounts, base, -1);
  }

  /** Used becomes free. */
  vacate(
    holding: number,
    amounts: Float64Array,
    base: number,
    ports: PortRanges,
    tier?: number,
  ): void {
    const { holdings } = this;
    this.tiers.release(holding, this.#roleOf(holding), tier, amounts, base);
    const { stride } = this.space;
    for (let k = 0; k < stride; k++)
      holdings.used.data[holding * stride + k] =
        (holdings.used.data[holding * stride + k] as number) - (amounts[base + k] as number);
    if (ports.length > 0)
      holdings.usedPorts[holding] = without(holdings.usedPorts[holding] ?? NO_PORTS, ports);
    const pool = holdings.pool[holding] as number;
    this.#draw(pool, amounts, base, ports, -1);
    this.#charge(holdings.client[holding] as number, pool, amounts, base, -1);
  }

  /** Charges (or ends) a hold; what is held stays free on the agent, for its holder alone. */
  hold(holding: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { holdings, pools } = this;
    const { stride } = this.space;
    const pool = holdings.pool[holding] as number;
    for (let k = 0; k < stride; k++) {
      const amount = sign * (amounts[base + k] as number);
      holdings.held.data[holding * stride + k] =
        (holdings.held.data[holding * stride + k] as number) + amount;
      pools.held.data[pool * stride + k] = (pools.held.data[pool * stride + k] as number) + amount;
    }
    this.#charge(holdings.client[holding] as number, pool, amounts, base, sign);
    if (sign < 0) this.filters.grew(this.pools.agent[pool] as number, pool);
  }

  /** Adds to the capacity of a pool (or takes from it); reservations count as consumed by their role. */
  resize(pool: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { pools } = this;
    const { stride } = this.space;
    for (let k = 0; k < stride; k++) {
      const amount = sign * (amounts[base + k] as number);
      const at = pool * stride + k;
      pools.total.data[at] = (pools.total.data[at] as number) + amount;
      pools.free.data[at] = (pools.free.data[at] as number) + amount;
    }
    this.totals.add(amounts, base, sign);
    const owner = pools.owner[pool] as number;
    if (owner !== NONE) this.consume(owner, amounts, base, sign);
    this.filters.grew(pools.agent[pool] as number, pool);
  }

  /** Removes a holding row that is empty. */
  dropIfEmpty(agent: number, holding: number): void {
    const { holdings } = this;
    const { stride } = this.space;
    const hasHolds = (this.agents.holds[agent] as number) > 0;
    for (let at = holding * stride; at < (holding + 1) * stride; at++) {
      if (holdings.offered.data[at] !== 0 || holdings.used.data[at] !== 0) return;
      if (hasHolds && holdings.held.data[at] !== 0) return;
    }
    if ((holdings.offeredPorts[holding] ?? NO_PORTS).length > 0) return;
    if ((holdings.usedPorts[holding] ?? NO_PORTS).length > 0) return;
    let before = NONE;
    let row = this.agents.firstHolding[agent] as number;
    while (row !== holding) {
      before = row;
      row = holdings.next[row] as number;
    }
    const next = holdings.next[holding] as number;
    if (before === NONE) this.agents.firstHolding[agent] = next;
    else holdings.next[before] = next;
    const client = holdings.client[holding] as number;
    this.clients.holdings[client] = (this.clients.holdings[client] as number) - 1;
    holdings.release(holding);
  }

  /** As `settleAgent`, after offers or returns: without guarantees nobody asks for the headroom, so it may wait. */
  settleOffers(agent: number): void {
    if (this.quota.guaranteed.size > 0 || this.agents.overdrawn[agent] === 1)
      this.settleAgent(agent);
    else this.#isHeadroomExact = false;
  }

  /** Counts the headroom anew if it was left to wait. */
  settleHeadroom(): void {
    if (this.#isHeadroomExact) return;
    for (const agent of this.agents.rows()) this.settleAgent(agent);
    this.#isHeadroomExact = true;
  }

  /** Brings what is derived from an agent's free amounts up to date; to be called after moves on it. */
  settleAgent(agent: number): void {
    const { pools, agents } = this;
    const { stride } = this.space;
    const counts = agents.open[agent] === 1 || this.options.mode === 'mesos';
    const counted = agents.counted.data;
    const headroom = this.headroom.data;
    const amount = this.#counted.data;
    const free = pools.free.data;
    const held = pools.held.data;
    let isOverdrawn = false;
    for (let k = 0; k < stride; k++) amount[k] = 0;
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      if (pools.kind[pool] !== PoolKind.revocable) {
        const isOpen = counts && pools.owner[pool] === NONE;
        for (let k = 0, at = pool * stride; k < stride; k++, at++) {
          const left = free[at] as number;
          if (left < 0) isOverdrawn = true;
          const open = left - (held[at] as number);
          if (isOpen && open > 0) amount[k] = (amount[k] as number) + open;
        }
      }
      pool = pools.next[pool] as number;
    }
    agents.overdrawn[agent] = isOverdrawn ? 1 : 0;
    for (let k = 0, at = agent * stride; k < stride; k++, at++) {
      headroom[k] = (headroom[k] as number) + (amount[k] as number) - (counted[at] as number);
      counted[at] = amount[k] as number;
    }
  }

  /** Charges a role's consumption and notes that its limit may have opened or closed it. */
  consume(role: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    this.quota.consume(role, amounts, base, sign);
    if (this.quota.limited.size > 0) this.noteLimits(role);
  }

  noteLimits(role: number): void {
    for (let row = role; row !== ROOT; row = this.roles.parent[row] as number)
      if (this.quota.limited.has(row) || this.roles.isClosed(row)) this.#maybeClosed.push(row);
  }

  /** Adds a list of smallest offers to those in use in a role. */
  noteMinimum(role: number, minimum: number): void {
    const bit = this.minimums.bit(minimum);
    for (let row = role; row !== ROOT; row = this.roles.parent[row] as number)
      this.#minimumMask[row] = (this.#minimumMask[row] as number) | bit;
    this.noteLimits(role);
  }

  /** Opens and closes roles by what their limits leave; not while a sorter is being walked. */
  settleClosed(): void {
    if (this.#maybeClosed.length === 0) return;
    const { stride } = this.space;
    const left = this.#scratch.data;
    for (const role of this.#maybeClosed) {
      for (let k = 0; k < stride; k++) left[k] = this.quota.limitLeft(role, k);
      const mask = this.minimums.satisfiedMask(left, 0) & (this.#minimumMask[role] as number);
      const own = this.options.mode === 'mesos' ? (this.roles.leaf[role] as number) : NONE;
      // Mesos binds a role by its limit, not its sub-roles: only its own clients are closed.
      if (own !== NONE) this.roles.setClosed(role, false);
      this.roles.setClosed(own === NONE ? role : own, mask === 0);
    }
    this.#maybeClosed.length = 0;
  }

  /** Free amounts of a pool go down (1) or up (−1). A shared volume is always there. */
  #draw(pool: number, amounts: Float64Array, base: number, ports: PortRanges, sign: 1 | -1): void {
    const { pools } = this;
    if (pools.isShared(pool)) return;
    const { stride } = this.space;
    const free = pools.free.data;
    for (let k = 0; k < stride; k++)
      free[pool * stride + k] =
        (free[pool * stride + k] as number) - sign * (amounts[base + k] as number);
    if (ports.length > 0) {
      const before = pools.freePorts[pool] ?? NO_PORTS;
      pools.freePorts[pool] = sign > 0 ? without(before, ports) : union(before, ports);
    }
    if (sign < 0) this.filters.grew(pools.agent[pool] as number, pool);
  }

  /** What a client has counts in both sorters; unreserved and not revocable it counts against quota too. */
  #charge(client: number, pool: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { clients, pools } = this;
    const role = clients.role[client] as number;
    this.chargeClient(client, amounts, base, sign);
    if (pools.owner[pool] === NONE && pools.kind[pool] !== PoolKind.revocable)
      this.consume(role, amounts, base, sign);
  }

  /** Charges (or credits) both sorters. */
  chargeClient(client: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { clients } = this;
    const role = clients.role[client] as number;
    clients.shares.charge(client, amounts, base, sign);
    if (clients.eligible[client] === 1) clients.groups[role]?.touch(client);
    this.roles.charge(role, amounts, base, sign);
  }

  /** Adds allocations to a client and its role: the second key of the sorters. */
  addCount(client: number, count: number): void {
    const { clients, roles } = this;
    const role = clients.role[client] as number;
    const { shares } = clients;
    shares.count[client] = (shares.count[client] as number) + count;
    if (clients.eligible[client] === 1) clients.groups[role]?.touch(client);
    const own = roles.leaf[role] as number;
    for (let row = own === NONE ? role : own; row !== NONE; row = roles.parent[row] as number) {
      roles.shares.count[row] = (roles.shares.count[row] as number) + count;
      roles.touch(row);
    }
  }
}
