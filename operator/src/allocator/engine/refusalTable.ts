import { NO_RESOURCES, type Resources } from '../../model/resources.ts';
import { PoolKind, type PoolTable } from './agentTable.ts';
import { grownInts, RowNumbers, type VectorColumn, type VectorSpace } from './columns.ts';
import { ANY_POOL, ANY_REVOCABLE, type Pieces } from './pieces.ts';
import { containsPorts } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { PortRanges } from './types.ts';

/** What was refused without regard to pools. */
export interface RefusedSums {
  readonly refused: Resources;
  readonly refusedRevocable: Resources;
}

/** A part whose pool is gone. */
const NO_POOL = -3;

/** Amounts that were refused, by pool; filters on one agent with equal amounts share a row. */
export class RefusalTable {
  #uses = new Int32Array(16);
  #first = new Int32Array(16);
  #pool = new Int32Array(16);
  #next = new Int32Array(16);
  readonly #ports: PortRanges[] = [];
  readonly #amounts: VectorColumn;
  readonly #rows = new RowNumbers();
  readonly #parts = new RowNumbers();
  /** The refusal made last on an agent: the next one is most often the same. */
  #lastOfAgent = new Int32Array(16).fill(NONE);
  readonly #space: VectorSpace;
  readonly #pools: PoolTable;

  constructor(space: VectorSpace, pools: PoolTable) {
    this.#space = space;
    this.#pools = pools;
    this.#amounts = space.column();
  }

  acquire(agent: number, refused: Pieces): number {
    const last = this.#lastOfAgent[agent] ?? NONE;
    if (last !== NONE && this.#equals(last, refused)) {
      this.#uses[last] = (this.#uses[last] as number) + 1;
      return last;
    }
    const row = this.#rows.take();
    if (row >= this.#uses.length) {
      this.#uses = grownInts(this.#uses, row + 1);
      this.#first = grownInts(this.#first, row + 1);
    }
    this.#uses[row] = 1;
    this.#first[row] = NONE;
    for (let at = 0; at < refused.count; at++) this.#addPart(row, refused, at);
    // Being the last one is a use as well, so that the row is not given to somebody else meanwhile.
    this.#uses[row] = 2;
    this.forgetAgent(agent);
    if (agent >= this.#lastOfAgent.length)
      this.#lastOfAgent = grownInts(this.#lastOfAgent, agent + 1, NONE);
    this.#lastOfAgent[agent] = row;
    return row;
  }

  release(row: number): void {
    const uses = (this.#uses[row] as number) - 1;
    this.#uses[row] = uses;
    if (uses > 0) return;
    for (let part = this.#first[row] as number; part !== NONE; ) {
      const next = this.#next[part] as number;
      this.#ports[part] = [];
      this.#parts.release(part);
      part = next;
    }
    this.#rows.release(row);
  }

  forgetAgent(agent: number): void {
    const last = this.#lastOfAgent[agent] ?? NONE;
    if (last === NONE) return;
    this.#lastOfAgent[agent] = NONE;
    this.release(last);
  }

  forgetPool(row: number, pool: number): void {
    for (let part = this.#first[row] as number; part !== NONE; part = this.#next[part] as number)
      if (this.#pool[part] === pool) this.#pool[part] = NO_POOL;
  }

  /** True when everything offered was refused. */
  covers(row: number, offer: Pieces): boolean {
    const { stride } = this.#space;
    const first = this.#first[row] as number;
    const isSum = first !== NONE && this.#isSum(first);
    if (isSum) return this.#coversSums(row, offer);
    for (let at = 0; at < offer.count; at++) {
      const part = this.#partOf(row, offer.pool[at] as number);
      if (!this.#holds(part, offer.amounts.data, at * stride, offer.ports[at] ?? [])) return false;
    }
    return true;
  }

  /** True when everything that is free (or was judged) on an agent and visible with these capabilities was refused. */
  coversPools(row: number, firstPool: number, handles: number, what: 'free' | 'judged'): boolean {
    const pools = this.#pools;
    const amounts = pools[what].data;
    const ports = what === 'free' ? pools.freePorts : pools.judgedPorts;
    const { stride } = this.#space;
    const first = this.#first[row] as number;
    if (first !== NONE && this.#isSum(first)) return false;
    for (let pool = firstPool; pool !== NONE; pool = pools.next[pool] as number) {
      if (((pools.needs[pool] as number) & ~handles) !== 0) continue;
      const part = this.#partOf(row, pool);
      if (!this.#holds(part, amounts, pool * stride, ports[pool] ?? [])) return false;
    }
    return true;
  }

  sumsOf(row: number): RefusedSums {
    const of = (pool: number): Resources => {
      const part = this.#partOf(row, pool);
      if (part === NONE) return NO_RESOURCES;
      return this.#space.write(this.#amounts.data, part * this.#space.stride);
    };
    return { refused: of(ANY_POOL), refusedRevocable: of(ANY_REVOCABLE) };
  }

  /** True when everything this row refuses is refused by `refused` too. */
  isWithin(row: number, refused: Pieces): boolean {
    const { stride } = this.#space;
    for (let part = this.#first[row] as number; part !== NONE; part = this.#next[part] as number) {
      let isInside = false;
      for (let at = 0; at < refused.count && !isInside; at++) {
        if (refused.pool[at] !== this.#pool[part]) continue;
        isInside = containsPorts(refused.ports[at] ?? [], this.#ports[part] ?? []);
        for (let k = 0; k < stride && isInside; k++)
          if (
            (this.#amounts.data[part * stride + k] as number) >
            (refused.amounts.data[at * stride + k] as number)
          )
            isInside = false;
      }
      if (!isInside) return false;
    }
    return true;
  }

  #coversSums(row: number, offer: Pieces): boolean {
    const { stride } = this.#space;
    for (const isRevocable of [false, true]) {
      const part = this.#partOf(row, isRevocable ? ANY_REVOCABLE : ANY_POOL);
      for (let k = 0; k < stride; k++) {
        let sum = 0;
        for (let at = 0; at < offer.count; at++) {
          const kind = this.#pools.kind[offer.pool[at] as number];
          if ((kind === PoolKind.revocable) === isRevocable)
            sum += offer.amounts.data[at * stride + k] as number;
        }
        if (sum > (part === NONE ? 0 : (this.#amounts.data[part * stride + k] as number)))
          return false;
      }
    }
    return true;
  }

  #isSum(part: number): boolean {
    const pool = this.#pool[part] as number;
    return pool === ANY_POOL || pool === ANY_REVOCABLE;
  }

  #partOf(row: number, pool: number): number {
    for (let part = this.#first[row] as number; part !== NONE; part = this.#next[part] as number)
      if (this.#pool[part] === pool) return part;
    return NONE;
  }

  /** True when amounts and ports lie within a part; without a part only nothing does. */
  #holds(part: number, from: Float64Array, base: number, ports: PortRanges): boolean {
    const { stride } = this.#space;
    const amounts = this.#amounts.data;
    for (let k = 0; k < stride; k++) {
      const amount = from[base + k] as number;
      if (amount > 0 && (part === NONE || amount > (amounts[part * stride + k] as number)))
        return false;
    }
    return ports.length === 0 || (part !== NONE && containsPorts(this.#ports[part] ?? [], ports));
  }

  #addPart(row: number, refused: Pieces, at: number): void {
    const { stride } = this.#space;
    const part = this.#parts.take();
    if (part >= this.#pool.length) {
      this.#pool = grownInts(this.#pool, part + 1);
      this.#next = grownInts(this.#next, part + 1);
    }
    this.#amounts.ensure(part);
    for (let k = 0; k < stride; k++)
      this.#amounts.data[part * stride + k] = refused.amounts.data[at * stride + k] as number;
    this.#ports[part] = refused.ports[at] ?? [];
    this.#pool[part] = refused.pool[at] as number;
    this.#next[part] = this.#first[row] as number;
    this.#first[row] = part;
  }

  #equals(row: number, refused: Pieces): boolean {
    const { stride } = this.#space;
    let count = 0;
    for (let part = this.#first[row] as number; part !== NONE; part = this.#next[part] as number)
      count++;
    if (count !== refused.count) return false;
    for (let at = 0; at < refused.count; at++) {
      const part = this.#partOf(row, refused.pool[at] as number);
      if (part === NONE) return false;
      const ports = refused.ports[at] ?? [];
      const known = this.#ports[part] ?? [];
      if (ports !== known && !(containsPorts(known, ports) && containsPorts(ports, known)))
        return false;
      for (let k = 0; k < stride; k++)
        if (this.#amounts.data[part * stride + k] !== refused.amounts.data[at * stride + k])
          return false;
    }
    return true;
  }
}
