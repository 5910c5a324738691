import { grownInts, type VectorColumn, type VectorSpace } from './columns.ts';
import { NO_PORTS } from './ranges.ts';
import type { PortRanges } from './types.ts';

/** A refusal given as sums: any non-revocable pool, or any revocable one. */
export const ANY_POOL = -1;
export const ANY_REVOCABLE = -2;

/** A list of amounts by pool that is filled, read and cleared again and again without making objects. */
export class Pieces {
  count = 0;
  pool = new Int32Array(16);
  readonly amounts: VectorColumn;
  readonly ports: PortRanges[] = [];
  readonly #space: VectorSpace;

  constructor(space: VectorSpace) {
    this.#space = space;
    this.amounts = space.column();
  }

  clear(): void {
    this.count = 0;
  }

  /** Adds an empty piece and returns where its amounts begin. */
  add(pool: number, ports: PortRanges = NO_PORTS): number {
    const at = this.count++;
    if (at >= this.pool.length) this.pool = grownInts(this.pool, at + 1);
    this.amounts.ensure(at);
    const { stride } = this.#space;
    const amounts = this.amounts.data;
    for (let k = at * stride; k < (at + 1) * stride; k++) amounts[k] = 0;
    this.pool[at] = pool;
    this.ports[at] = ports;
    return at * stride;
  }

  /** Adds a piece with a copy of amounts. */
  addCopy(pool: number, from: Float64Array, base: number, ports: PortRanges = NO_PORTS): void {
    const at = this.add(pool, ports);
    for (let k = 0; k < this.#space.stride; k++)
      this.amounts.data[at + k] = from[base + k] as number;
  }

  /** True when no piece has anything. */
  isEmpty(): boolean {
    const { stride } = this.#space;
    for (let at = 0; at < this.count; at++) {
      if ((this.ports[at] as PortRanges).length > 0) return false;
      for (let k = 0; k < stride; k++)
        if ((this.amounts.data[at * stride + k] as number) > 0) return false;
    }
    return true;
  }
}
