import { PoolKind } from './agentTable.ts';
import type { VectorColumn } from './columns.ts';
import type { Ledger } from './ledger.ts';
import { Pieces } from './pieces.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';

/**
 * What one client could be offered on one agent, by pool; filled again for every candidate.
 *
 * Held amounts are the client's own: neither limit nor headroom applies to them, they were charged before.
 */
export class Draft {
  readonly pieces: Pieces;
  /** All pieces together. */
  readonly sum: VectorColumn;
  /** The unreserved part that is not held: the only part that is cut. */
  readonly open: VectorColumn;
  isHolder = false;
  /** Place of the unreserved piece among the pieces. */
  #unreserved = NONE;
  readonly #cut: VectorColumn;
  readonly #left: VectorColumn;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.pieces = new Pieces(ledger.space);
    this.sum = ledger.space.column();
    this.open = ledger.space.column();
    this.#cut = ledger.space.column();
    this.#left = ledger.space.column();
  }

  /** Collects what is visible; `own` leaves out the reservations of roles above. */
  gather(client: number, agent: number, reservations: 'own' | 'own and ancestors'): void {
    const { agents, pools, clients, space } = this.#ledger;
    const { stride } = space;
    const sum = this.sum.data;
    sum.fill(0, 0, stride);
    this.open.data.fill(0, 0, stride);
    this.pieces.clear();
    this.isHolder = false;
    this.#unreserved = NONE;
    const handles = clients.handles[client] as number;
    const role = clients.role[client] as number;
    const isOverdrawn = agents.overdrawn[agent] === 1;
    const hasHolds = (agents.holds[agent] as number) > 0;
    if (isOverdrawn) this.#sumFree(agent);
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      const next = pools.next[pool] as number;
      if (pools.kind[pool] === PoolKind.unreserved)
        this.#unreserved = this.#addUnreserved(pool, hasHolds);
      else if (((pools.needs[pool] as number) & ~handles) === 0)
        this.#addPool(pool, role, reservations);
      pool = next;
    }
    if (hasHolds) this.#withHolds(client, agent);
    if (isOverdrawn) this.#cutToPhysical(client, agent);
    this.#sumUp();
  }

  /** Cuts the open part to amounts per name (infinite: as it is). */
  cap(most: Float64Array): void {
    const { stride } = this.#ledger.space;
    const open = this.open.data;
    const sum = this.sum.data;
    const amounts = this.pieces.amounts.data;
    const base = this.#unreserved * stride;
    for (let k = 0; k < stride; k++) {
      const over = (open[k] as number) - (most[k] as number);
      if (over <= 0) continue;
      open[k] = (open[k] as number) - over;
      sum[k] = (sum[k] as number) - over;
      amounts[base + k] = (amounts[base + k] as number) - over;
    }
    if (this.pieces.count > 1) this.#dropVolumesOver(most);
  }

  /** Cuts the revocable part to amounts per name. */
  capRevocable(most: Float64Array): void {
    const { pools, space } = this.#ledger;
    const amounts = this.pieces.amounts.data;
    for (let at = 0; at < this.pieces.count; at++) {
      if (pools.kind[this.pieces.pool[at] as number] !== PoolKind.revocable) continue;
      for (let k = 0; k < space.stride; k++) {
        const over = (amounts[at * space.stride + k] as number) - (most[k] as number);
        if (over <= 0) continue;
        amounts[at * space.stride + k] = most[k] as number;
        this.sum.data[k] = (this.sum.data[k] as number) - over;
      }
    }
  }

  /** Adds to `granted` each whole unreserved disk that fits in claim and room beside what is granted; true if any does. */
  grantVolumes(claim: Float64Array, room: Float64Array, granted: Float64Array): boolean {
    const { space } = this.#ledger;
    let isAny = false;
    for (let at = 0; at < this.pieces.count; at++) {
      if (!this.#isWholeDisk(at)) continue;
      const base = at * space.stride;
      const amounts = this.pieces.amounts.data;
      let fits = true;
      for (let k = 0; k < space.stride; k++) {
        const most = Math.min(claim[k] as number, room[k] as number) - (granted[k] as number);
        if ((amounts[base + k] as number) > Math.max(0, most)) fits = false;
      }
      if (!fits) continue;
      isAny = true;
      for (let k = 0; k < space.stride; k++)
        granted[k] = (granted[k] as number) + (amounts[base + k] as number);
    }
    return isAny;
  }

  #isWholeDisk(at: number): boolean {
    const { pools } = this.#ledger;
    const pool = this.pieces.pool[at] as number;
    return pools.kind[pool] === PoolKind.volume && pools.owner[pool] === NONE;
  }

  #addUnreserved(pool: number, hasHolds: boolean): number {
    const { pools, space } = this.#ledger;
    const { stride } = space;
    const at = this.pieces.count;
    const to = this.pieces.add(pool, pools.freePorts[pool] ?? NO_PORTS);
    const free = pools.free.data;
    const held = pools.held.data;
    const amounts = this.pieces.amounts.data;
    for (let k = 0; k < stride; k++) {
      let left = free[pool * stride + k] as number;
      if (hasHolds) left -= held[pool * stride + k] as number;
      if (left > 0) amounts[to + k] = left;
    }
    return at;
  }

  #addPool(pool: number, role: number, reservations: 'own' | 'own and ancestors'): void {
    const { pools, space, run } = this.#ledger;
    const { stride } = space;
    const owner = pools.owner[pool] as number;
    if (owner !== NONE && owner !== role && !this.#isAbove(owner, role, reservations)) return;
    if (pools.isShared(pool) && pools.offeredInRun[pool] === run) return;
    let isAny = (pools.freePorts[pool] ?? NO_PORTS).length > 0;
    const free = pools.free.data;
    const held = pools.held.data;
    for (let at = pool * stride; at < (pool + 1) * stride && !isAny; at++)
      if ((free[at] as number) - (held[at] as number) > 0) isAny = true;
    if (!isAny) return;
    const to = this.pieces.add(pool, pools.freePorts[pool] ?? NO_PORTS);
    for (let k = 0; k < stride; k++) {
      const left = (free[pool * stride + k] as number) - (held[pool * stride + k] as number);
      this.pieces.amounts.data[to + k] = left > 0 ? left : 0;
    }
  }

  #isAbove(owner: number, role: number, reservations: 'own' | 'own and ancestors'): boolean {
    if (reservations === 'own') return false;
    const { parent } = this.#ledger.roles;
    for (let row = parent[role] as number; row > 0; row = parent[row] as number)
      if (row === owner) return true;
    return false;
  }

  /** Adds what is held for the client, as far as it is physically there. */
  #withHolds(client: number, agent: number): void {
    const { agents, holdings, pools, space } = this.#ledger;
    const { stride } = space;
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const next = holdings.next[row] as number;
      const pool = holdings.pool[row] as number;
      if (holdings.client[row] === client) {
        let piece = this.#pieceOf(pool);
        for (let k = 0; k < stride; k++) {
          const mine = holdings.held.data[row * stride + k] as number;
          if (mine <= 0) continue;
          this.isHolder = true;
          if (piece === NONE) {
            piece = this.pieces.count;
            this.pieces.add(pool);
          }
          const others = (pools.held.data[pool * stride + k] as number) - mine;
          const visible = (pools.free.data[pool * stride + k] as number) - others;
          const part = Math.min(mine, visible);
          if (part <= 0) continue;
          const at = piece * stride + k;
          this.pieces.amounts.data[at] = (this.pieces.amounts.data[at] as number) + part;
        }
      }
      row = next;
    }
  }

  #pieceOf(pool: number): number {
    for (let at = 0; at < this.pieces.count; at++) if (this.pieces.pool[at] === pool) return at;
    return NONE;
  }

  /** Not lent, and no disk of its own: a volume is there whole, whatever became of the rest of the agent. */
  #isPlain(pool: number): boolean {
    const kind = this.#ledger.pools.kind[pool];
    return kind !== PoolKind.revocable && kind !== PoolKind.volume;
  }

  /** What is physically free of the agent's non-revocable capacity. */
  #sumFree(agent: number): void {
    const { agents, pools, space } = this.#ledger;
    const { stride } = space;
    const left = this.#left.data;
    left.fill(0, 0, stride);
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      if (this.#isPlain(pool))
        for (let k = 0; k < stride; k++)
          left[k] = (left[k] as number) + (pools.free.data[pool * stride + k] as number);
      pool = pools.next[pool] as number;
    }
  }

  /** The agent has less than its pools say: held parts come first, then reservations in their order, then the rest. */
  #cutToPhysical(client: number, agent: number): void {
    const { agents, pools, space } = this.#ledger;
    for (let k = 0; k < space.stride; k++) {
      let left = Math.max(0, this.#left.data[k] as number);
      for (const isHeld of [true, false])
        for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
          if (this.#isPlain(pool) && pools.kind[pool] !== PoolKind.unreserved)
            left -= this.#cutPool(client, agent, { pool, k, isHeld, left });
          pool = pools.next[pool] as number;
        }
      if (this.#unreserved === NONE) continue;
      const at = this.#unreserved * space.stride + k;
      this.pieces.amounts.data[at] = Math.min(this.pieces.amounts.data[at] as number, left);
    }
  }

  /** Cuts the held (or the other) part of one pool to what is left; returns what it takes of that. */
  #cutPool(
    client: number,
    agent: number,
    cut: {
      readonly pool: number;
      readonly k: number;
      readonly isHeld: boolean;
      readonly left: number;
    },
  ): number {
    const { pools, holdings, space } = this.#ledger;
    const { pool, k, isHeld, left } = cut;
    const at = pool * space.stride + k;
    const held = pools.held.data[at] as number;
    const part = isHeld ? held : Math.max(0, (pools.free.data[at] as number) - held);
    const taken = Math.min(part, left);
    const piece = this.#pieceOf(pool);
    if (piece === NONE || taken === part) return taken;
    const holding = isHeld ? this.#ledger.findHolding(agent, client, pool) : NONE;
    const mine = holding === NONE ? 0 : (holdings.held.data[holding * space.stride + k] as number);
    const over = isHeld ? Math.max(0, mine - taken) : part - taken;
    const where = piece * space.stride + k;
    const amount = this.pieces.amounts.data[where] as number;
    this.pieces.amounts.data[where] = Math.max(0, amount - over);
    return taken;
  }

  /** Adds up the pieces; what of the unreserved piece is not held is open to cuts. */
  #sumUp(): void {
    const { pools, space } = this.#ledger;
    const { stride } = space;
    const sum = this.sum.data;
    const open = this.open.data;
    const amounts = this.pieces.amounts.data;
    for (let at = 0; at < this.pieces.count; at++)
      for (let k = 0; k < stride; k++)
        sum[k] = (sum[k] as number) + (amounts[at * stride + k] as number);
    if (this.#unreserved === NONE) return;
    const pool = this.pieces.pool[this.#unreserved] as number;
    for (let k = 0; k < stride; k++) {
      const at = pool * stride + k;
      const amount = amounts[this.#unreserved * stride + k] as number;
      if (!this.isHolder) open[k] = amount;
      else {
        const free = (pools.free.data[at] as number) - (pools.held.data[at] as number);
        open[k] = Math.min(amount, Math.max(0, free));
      }
    }
  }

  /** Volumes on unreserved disk cannot be cut: one that does not fit beside the rest stays out. */
  #dropVolumesOver(most: Float64Array): void {
    const { space } = this.#ledger;
    const { stride } = space;
    this.#cut.data.set(most.subarray(0, stride));
    const left = this.#cut.data;
    for (let k = 0; k < stride; k++) left[k] = (left[k] as number) - (this.open.data[k] as number);
    for (let at = 0; at < this.pieces.count; at++) {
      if (!this.#isWholeDisk(at)) continue;
      let fits = true;
      for (let k = 0; k < stride; k++)
        if ((this.pieces.amounts.data[at * stride + k] as number) > Math.max(0, left[k] as number))
          fits = false;
      for (let k = 0; k < stride; k++) {
        const amount = this.pieces.amounts.data[at * stride + k] as number;
        if (fits) left[k] = (left[k] as number) - amount;
        else {
          this.pieces.amounts.data[at * stride + k] = 0;
          this.sum.data[k] = (this.sum.data[k] as number) - amount;
        }
      }
    }
  }
}
