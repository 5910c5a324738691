import {
  grownFloats,
  grownInts,
  RowNumbers,
  type VectorColumn,
  type VectorSpace,
} from './columns.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { PortRanges } from './types.ts';

/** What a client has of one pool: one row per client and pool, chained by agent. */
export class HoldingTable {
  client = new Int32Array(16);
  pool = new Int32Array(16);
  next = new Int32Array(16).fill(NONE);
  /** In outstanding offers. */
  readonly offered: VectorColumn;
  readonly used: VectorColumn;
  /** Held for the client: it counts as taken by it, but is still free on the agent. */
  readonly held: VectorColumn;
  /** The part of `offered` that goes back to `held` when the offer ends unused. */
  readonly fromHold: VectorColumn;
  readonly offeredPorts: PortRanges[] = [];
  readonly usedPorts: PortRanges[] = [];
  /** When the oldest part of `offered` was offered. */
  offeredAtMs = new Float64Array(16);
  readonly #rows = new RowNumbers();

  constructor(space: VectorSpace) {
    this.offered = space.column();
    this.used = space.column();
    this.held = space.column();
    this.fromHold = space.column();
    // Rows are released only when they are empty, so that a row that is taken again needs no clearing.
    for (const column of [this.offered, this.used, this.held, this.fromHold])
      column.ensure(this.client.length - 1);
  }

  add(client: number, pool: number, next: number): number {
    const row = this.#rows.take();
    if (row >= this.client.length) {
      this.client = grownInts(this.client, row + 1);
      this.pool = grownInts(this.pool, row + 1);
      this.next = grownInts(this.next, row + 1, NONE);
      this.offeredAtMs = grownFloats(this.offeredAtMs, row + 1);
      const last = this.client.length - 1;
      for (const column of [this.offered, this.used, this.held, this.fromHold]) column.ensure(last);
    }
    this.client[row] = client;
    this.pool[row] = pool;
    this.next[row] = next;
    this.offeredPorts[row] = NO_PORTS;
    this.usedPorts[row] = NO_PORTS;
    this.offeredAtMs[row] = 0;
    return row;
  }

  release(row: number): void {
    this.offeredPorts[row] = NO_PORTS;
    this.usedPorts[row] = NO_PORTS;
    this.#rows.release(row);
  }
}
