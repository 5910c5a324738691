import type { AgentTable, PoolTable } from './agentTable.ts';
import type { ClientTable } from './clientTable.ts';
import { BitTable, grownBytes, grownInts, RowNumbers, type VectorSpace } from './columns.ts';
import { ExpiryQueue } from './expiryQueue.ts';
import type { Pieces } from './pieces.ts';
import { containsPorts } from './ranges.ts';
import { RefusalTable, type RefusedSums } from './refusalTable.ts';
import { NONE } from './roleTree.ts';

/**
 * Refusals by client and agent.
 *
 * A refusal holds back an offer that lies within what was refused. Whether everything free on an agent lies within it
 * is judged once and kept as a bit (`blocked`): as long as the agent has no more free than was judged, a blocked client
 * needs no further look, so a round in which everybody has refused everything costs a few words per agent.
 * Source: Mesos `RefusedOfferFilter`, `hierarchical.cpp`.
 */
export class FilterTable {
  /** Clients with a filter on the agent; those of them that would refuse whatever is free there now. */
  readonly any = new BitTable();
  readonly blocked = new BitTable();
  /** Clients with more than one filter on the agent. */
  readonly #several = new BitTable();
  /** By agent: 1 when more is free than `blocked` was judged for. */
  stale = new Uint8Array(16);
  readonly refusals: RefusalTable;
  #client = new Int32Array(16);
  #agent = new Int32Array(16);
  #refusal = new Int32Array(16);
  /** Number of the last run when the filter was made: the next one has to see it. */
  #madeAfterRun = new Int32Array(16);
  #nextOfAgent = new Int32Array(16);
  #previousOfAgent = new Int32Array(16);
  #nextOfClient = new Int32Array(16);
  #previousOfClient = new Int32Array(16);
  #firstOfAgent = new Int32Array(16).fill(NONE);
  /** By agent: the last run that looked at it. */
  #lastRun = new Int32Array(16);
  #lastFullRun = 0;
  readonly #rows = new RowNumbers();
  readonly #queue = new ExpiryQueue();
  /** Due, but not seen by any run yet. */
  #unseen: number[] = [];
  #live = 0;
  readonly #space: VectorSpace;
  readonly #agents: AgentTable;
  readonly #pools: PoolTable;
  readonly #clients: ClientTable;

  constructor(space: VectorSpace, agents: AgentTable, pools: PoolTable, clients: ClientTable) {
    this.#space = space;
    this.#agents = agents;
    this.#pools = pools;
    this.#clients = clients;
    this.refusals = new RefusalTable(space, pools);
  }

  get size(): number {
    return this.#live;
  }

  /** Prepares the row of an agent. */
  openAgent(agent: number): void {
    if (agent >= this.#firstOfAgent.length) {
      this.#firstOfAgent = grownInts(this.#firstOfAgent, agent + 1, NONE);
      this.#lastRun = grownInts(this.#lastRun, agent + 1);
      this.stale = grownBytes(this.stale, agent + 1);
    }
    this.#firstOfAgent[agent] = NONE;
    this.#lastRun[agent] = 0;
    this.stale[agent] = 0;
  }

  hasFilters(agent: number): boolean {
    return this.#firstOfAgent[agent] !== NONE;
  }

  /** Remembers a refusal until `untilMs`; older ones that it covers are dropped. */
  add(client: number, agent: number, refused: Pieces, untilMs: number, run: number): void {
    if (this.any.has(agent, client)) {
      this.#dropCovered(client, agent, refused, untilMs);
      if (this.any.has(agent, client)) this.#several.set(agent, client);
    }
    const isFirst = !this.hasFilters(agent);
    const row = this.#rows.take();
    this.#growTo(row);
    const refusal = this.refusals.acquire(agent, refused);
    this.#client[row] = client;
    this.#agent[row] = agent;
    this.#refusal[row] = refusal;
    this.#madeAfterRun[row] = run;
    this.#link(row, client, agent);
    // For all clients at once: a table that grew client by client would be copied again and again.
    const lastClient = this.#clients.rowCount - 1;
    this.any.ensure(agent, lastClient);
    this.any.set(agent, client);
    this.blocked.ensure(agent, lastClient);
    this.#queue.add(row, untilMs);
    this.#live++;
    if (isFirst) this.#judgeUpToFree(agent);
    if (this.stale[agent] === 1) return;
    const first = this.#poolsOf(agent);
    const handles = this.#handlesOf(client);
    if (!this.refusals.coversPools(refusal, first, handles, 'judged')) {
      if (!this.refusals.coversPools(refusal, first, handles, 'free')) return;
      this.#judgeUpToFree(agent);
    }
    this.blocked.set(agent, client);
  }

  /** True when a live filter holds back this offer. */
  isRefused(client: number, agent: number, offer: Pieces): boolean {
    if (!this.any.has(agent, client)) return false;
    for (
      let row = this.#firstOfAgent[agent] as number;
      row !== NONE;
      row = this.#nextOfAgent[row] as number
    )
      if (this.#client[row] === client && this.refusals.covers(this.#refusal[row] as number, offer))
        return true;
    return false;
  }

  /** Brings the bits of an agent up to date after more became free there. */
  refresh(agent: number): void {
    if (this.stale[agent] === 0) return;
    this.stale[agent] = 0;
    this.blocked.clearRow(agent);
    this.#judgeUpToFree(agent);
    const first = this.#poolsOf(agent);
    let refusal = NONE;
    let handles = NONE;
    let isCovered = false;
    for (
      let row = this.#firstOfAgent[agent] as number;
      row !== NONE;
      row = this.#nextOfAgent[row] as number
    ) {
      const client = this.#client[row] as number;
      if (this.#refusal[row] !== refusal || this.#handlesOf(client) !== handles) {
        refusal = this.#refusal[row] as number;
        handles = this.#handlesOf(client);
        isCovered = this.refusals.coversPools(refusal, first, handles, 'free');
      }
      if (isCovered) this.blocked.set(agent, client);
    }
  }

  /** Notes that more became free in a pool. */
  grew(agent: number, pool: number): void {
    if (this.stale[agent] === 1 || !this.hasFilters(agent)) return;
    const { stride } = this.#space;
    const free = this.#pools.free.data;
    const judged = this.#pools.judged.data;
    for (let at = pool * stride; at < (pool + 1) * stride; at++)
      if ((free[at] as number) > (judged[at] as number)) {
        this.stale[agent] = 1;
        return;
      }
    const ports = this.#pools.freePorts[pool];
    const known = this.#pools.judgedPorts[pool];
    if (ports !== undefined && known !== undefined && !containsPorts(known, ports))
      this.stale[agent] = 1;
  }

  /** Notes that a run looked at an agent. */
  sawAgent(agent: number, run: number): void {
    this.#lastRun[agent] = run;
  }

  /** Notes that a run looks at every agent. */
  seesAll(run: number): void {
    this.#lastFullRun = run;
  }

  /** Ends filters that are due and were seen by a run; `freed` hears of each agent. */
  expire(nowMs: number, freed: (agent: number) => void): void {
    const waiting = this.#unseen;
    this.#unseen = [];
    for (const row of waiting) this.#end(row, freed);
    for (let row = this.#queue.first(); row !== NONE; row = this.#queue.first()) {
      if (this.#queue.dueMs(row) > nowMs) return;
      this.#queue.remove(row);
      this.#end(row, freed);
    }
  }

  nextExpiryMs(): number | undefined {
    const row = this.#queue.first();
    if (this.#unseen.length > 0) return 0;
    return row === NONE ? undefined : this.#queue.dueMs(row);
  }

  /** When a run could end the next filter: those that no run has seen yet do not count. */
  nextEndMs(): number | undefined {
    if (this.#unseen.some((row) => this.#isSeen(row))) return 0;
    const row = this.#queue.first();
    return row === NONE ? undefined : this.#queue.dueMs(row);
  }

  /** Every live filter; amounts of pools that are gone or named one by one are left out. */
  *entries(): Generator<
    { readonly client: number; readonly agent: number; readonly untilMs: number } & RefusedSums
  > {
    for (const agent of this.#agents.rows())
      for (
        let row = this.#firstOfAgent[agent] as number;
        row !== NONE;
        row = this.#nextOfAgent[row] as number
      )
        yield {
          client: this.#client[row] as number,
          agent,
          untilMs: this.#queue.dueMs(row),
          ...this.refusals.sumsOf(this.#refusal[row] as number),
        };
  }

  removeOfClient(client: number): void {
    for (
      let row = this.#clients.firstFilter[client] as number;
      row !== NONE;
      row = this.#clients.firstFilter[client] as number
    )
      this.#remove(row);
  }

  removeOfAgent(agent: number): void {
    for (
      let row = this.#firstOfAgent[agent] as number;
      row !== NONE;
      row = this.#firstOfAgent[agent] as number
    )
      this.#remove(row);
    this.refusals.forgetAgent(agent);
  }

  /** A pool is gone: what was refused of it says nothing about a later pool of that row. */
  forgetPool(agent: number, pool: number): void {
    for (
      let row = this.#firstOfAgent[agent] as number;
      row !== NONE;
      row = this.#nextOfAgent[row] as number
    )
      this.refusals.forgetPool(this.#refusal[row] as number, pool);
  }

  #end(row: number, freed: (agent: number) => void): void {
    const agent = this.#agent[row] as number;
    if (!this.#isSeen(row)) {
      this.#unseen.push(row);
      return;
    }
    this.#remove(row);
    freed(agent);
  }

  #isSeen(row: number): boolean {
    const lastRun = Math.max(
      this.#lastFullRun,
      this.#lastRun[this.#agent[row] as number] as number,
    );
    return lastRun > (this.#madeAfterRun[row] as number);
  }

  #dropCovered(client: number, agent: number, refused: Pieces, untilMs: number): void {
    let row = this.#firstOfAgent[agent] as number;
    while (row !== NONE) {
      const next = this.#nextOfAgent[row] as number;
      if (
        this.#client[row] === client &&
        this.#queue.dueMs(row) <= untilMs &&
        this.refusals.isWithin(this.#refusal[row] as number, refused)
      )
        this.#remove(row);
      row = next;
    }
  }

  #judgeUpToFree(agent: number): void {
    const { stride } = this.#space;
    const pools = this.#pools;
    for (let pool = this.#poolsOf(agent); pool !== NONE; pool = pools.next[pool] as number) {
      for (let at = pool * stride; at < (pool + 1) * stride; at++)
        pools.judged.data[at] = pools.free.data[at] as number;
      pools.judgedPorts[pool] = pools.freePorts[pool] ?? [];
    }
  }

  #poolsOf(agent: number): number {
    return this.#agents.firstPool[agent] as number;
  }

  #handlesOf(client: number): number {
    return this.#clients.handles[client] as number;
  }

  #growTo(row: number): void {
    if (row < this.#client.length) return;
    this.#client = grownInts(this.#client, row + 1);
    this.#agent = grownInts(this.#agent, row + 1);
    this.#refusal = grownInts(this.#refusal, row + 1);
    this.#madeAfterRun = grownInts(this.#madeAfterRun, row + 1);
    this.#nextOfAgent = grownInts(this.#nextOfAgent, row + 1);
    this.#previousOfAgent = grownInts(this.#previousOfAgent, row + 1);
    this.#nextOfClient = grownInts(this.#nextOfClient, row + 1);
    this.#previousOfClient = grownInts(this.#previousOfClient, row + 1);
  }

  #link(row: number, client: number, agent: number): void {
    const firstOfAgent = this.#firstOfAgent[agent] as number;
    this.#nextOfAgent[row] = firstOfAgent;
    this.#previousOfAgent[row] = NONE;
    if (firstOfAgent !== NONE) this.#previousOfAgent[firstOfAgent] = row;
    this.#firstOfAgent[agent] = row;
    const firstOfClient = this.#clients.firstFilter[client] as number;
    this.#nextOfClient[row] = firstOfClient;
    this.#previousOfClient[row] = NONE;
    if (firstOfClient !== NONE) this.#previousOfClient[firstOfClient] = row;
    this.#clients.firstFilter[client] = row;
    this.#clients.filters[client] = (this.#clients.filters[client] as number) + 1;
  }

  #remove(row: number): void {
    const client = this.#client[row] as number;
    const agent = this.#agent[row] as number;
    this.#queue.remove(row);
    if (this.#unseen.length > 0) this.#unseen = this.#unseen.filter((one) => one !== row);
    const next = this.#nextOfAgent[row] as number;
    const previous = this.#previousOfAgent[row] as number;
    if (next !== NONE) this.#previousOfAgent[next] = previous;
    if (previous === NONE) this.#firstOfAgent[agent] = next;
    else this.#nextOfAgent[previous] = next;
    const nextOfClient = this.#nextOfClient[row] as number;
    const previousOfClient = this.#previousOfClient[row] as number;
    if (nextOfClient !== NONE) this.#previousOfClient[nextOfClient] = previousOfClient;
    if (previousOfClient === NONE) this.#clients.firstFilter[client] = nextOfClient;
    else this.#nextOfClient[previousOfClient] = nextOfClient;
    this.#clients.filters[client] = (this.#clients.filters[client] as number) - 1;
    this.refusals.release(this.#refusal[row] as number);
    this.#rows.release(row);
    this.#live--;
    this.#refreshBits(client, agent);
  }

  /** After a removal: the client may have other filters on the agent; those are looked at one by one from now on. */
  #refreshBits(client: number, agent: number): void {
    this.blocked.unset(agent, client);
    if (this.#several.has(agent, client)) {
      for (
        let row = this.#firstOfAgent[agent] as number;
        row !== NONE;
        row = this.#nextOfAgent[row] as number
      )
        if (this.#client[row] === client) return;
      this.#several.unset(agent, client);
    }
    this.any.unset(agent, client);
  }
}
