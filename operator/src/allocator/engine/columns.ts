import type { Resources } from '../../model/resources.ts';

/** Names every cluster has; they come first in every vector. */
const COMMON_NAMES = ['cpus', 'mem', 'disk', 'gpus'];

/**
 * The names of scalar resources as positions in vectors, and the columns that hold such vectors.
 *
 * A column is one flat `Float64Array`, `stride` numbers per row; amounts are integers (exact up to 2^53).
 * A new name widens every column, which is rare: code that holds a column's `data` must fetch it again afterwards.
 */
export class VectorSpace {
  readonly names: string[] = [...COMMON_NAMES];
  stride = COMMON_NAMES.length;
  readonly #positions = new Map<string, number>(COMMON_NAMES.map((name, at) => [name, at]));
  readonly #columns: VectorColumn[] = [];

  /** A new column; rows read as `fill` until written. */
  column(fill = 0): VectorColumn {
    const made = new VectorColumn(this.stride, fill);
    this.#columns.push(made);
    return made;
  }

  /** Position of a name; a new name gets the next one. */
  positionOf(name: string): number {
    const known = this.#positions.get(name);
    if (known !== undefined) return known;
    const position = this.names.length;
    if (position === this.stride) this.#widen(this.stride * 2);
    this.names.push(name);
    this.#positions.set(name, position);
    return position;
  }

  /** Makes room for every name of these amounts, so that `read` can no longer widen anything. */
  admit(amounts: Resources | undefined): void {
    for (const name in amounts) this.positionOf(name);
  }

  /** Writes amounts into one row; names that are absent become `absent`. */
  read(amounts: Resources | undefined, into: Float64Array, base: number, absent = 0): void {
    for (let k = 0; k < this.stride; k++) into[base + k] = absent;
    for (const name in amounts) into[base + this.positionOf(name)] = amounts[name] ?? 0;
  }

  /** The amounts above zero of one row. */
  write(from: Float64Array, base: number): Resources {
    // Most rows have cpus, mem and perhaps disk; a literal is several times faster than names one by one.
    const cpus = from[base] as number;
    const mem = from[base + 1] as number;
    const disk = from[base + 2] as number;
    let more = 0;
    for (let k = 3; k < this.stride; k++) more += from[base + k] as number;
    if (more === 0 && cpus > 0 && mem > 0) {
      if (disk > 0) return { cpus, mem, disk };
      if (disk === 0) return { cpus, mem };
    }
    const amounts: { [name: string]: number } = {};
    for (let k = 0; k < this.names.length; k++) {
      const amount = from[base + k] as number;
      if (amount > 0) amounts[this.names[k] as string] = amount;
    }
    return amounts;
  }

  #widen(stride: number): void {
    for (const column of this.#columns) column.widen(stride);
    this.stride = stride;
  }
}

/** Vectors in rows; see `VectorSpace`. */
export class VectorColumn {
  data: Float64Array;
  #stride: number;
  readonly #fill: number;

  constructor(stride: number, fill: number) {
    this.#stride = stride;
    this.#fill = fill;
    this.data = new Float64Array(stride).fill(fill);
  }

  /** Makes sure that `row` exists. */
  ensure(row: number): void {
    const needed = (row + 1) * this.#stride;
    if (needed <= this.data.length) return;
    const before = this.data.length;
    const grown = new Float64Array(Math.max(needed, before * 2));
    grown.set(this.data);
    // New memory is zero already, and is not touched before it is used.
    if (this.#fill !== 0) grown.fill(this.#fill, before);
    this.data = grown;
  }

  /** Sets a row back to what it was before it was written. */
  clear(row: number): void {
    const { data } = this;
    // A row is short: a call of `fill` costs more than the loop.
    for (let at = row * this.#stride; at < (row + 1) * this.#stride; at++) data[at] = this.#fill;
  }

  widen(stride: number): void {
    const rows = this.data.length / this.#stride;
    const wide = new Float64Array(rows * stride).fill(this.#fill);
    for (let row = 0; row < rows; row++)
      wide.set(this.data.subarray(row * this.#stride, (row + 1) * this.#stride), row * stride);
    this.data = wide;
    this.#stride = stride;
  }
}

/** A larger copy of a column of integers; new entries are `fill`. */
export function grownInts(old: Int32Array, rows: number, fill = 0): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(Math.max(rows, old.length * 2, 16));
  grown.set(old);
  if (fill !== 0) grown.fill(fill, old.length);
  return grown;
}

export function grownBytes(old: Uint8Array, rows: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(Math.max(rows, old.length * 2, 16));
  grown.set(old);
  return grown;
}

export function grownFloats(old: Float64Array, rows: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(Math.max(rows, old.length * 2, 16));
  grown.set(old);
  return grown;
}

/** Hands out row numbers and takes them back; the lowest unused one is not guaranteed. */
export class RowNumbers {
  count = 0;
  readonly #free: number[] = [];

  take(): number {
    return this.#free.pop() ?? this.count++;
  }

  release(row: number): void {
    this.#free.push(row);
  }
}

/** Bits per agent and client: row = agent, bit = client. */
export class BitTable {
  words = 1;
  data = new Int32Array(0);

  /** Makes sure that bit (row, column) exists. */
  ensure(row: number, column: number): void {
    const words = (column >> 5) + 1;
    if (words > this.words) this.#widen(Math.max(words, this.words * 2));
    const needed = (row + 1) * this.words;
    if (needed > this.data.length) {
      const grown = new Int32Array(Math.max(needed, this.data.length * 2));
      grown.set(this.data);
      this.data = grown;
    }
  }

  has(row: number, column: number): boolean {
    const word = row * this.words + (column >> 5);
    if (column >> 5 >= this.words || word >= this.data.length) return false;
    return ((this.data[word] as number) & (1 << (column & 31))) !== 0;
  }

  set(row: number, column: number): void {
    this.ensure(row, column);
    const word = row * this.words + (column >> 5);
    this.data[word] = (this.data[word] as number) | (1 << (column & 31));
  }

  unset(row: number, column: number): void {
    if (!this.has(row, column)) return;
    const word = row * this.words + (column >> 5);
    this.data[word] = (this.data[word] as number) & ~(1 << (column & 31));
  }

  clearRow(row: number): void {
    const from = row * this.words;
    if (from < this.data.length) this.data.fill(0, from, from + this.words);
  }

  isRowEmpty(row: number): boolean {
    const from = row * this.words;
    for (let word = from; word < from + this.words && word < this.data.length; word++)
      if (this.data[word] !== 0) return false;
    return true;
  }

  clearColumn(column: number): void {
    if (column >> 5 >= this.words) return;
    const mask = ~(1 << (column & 31));
    for (let word = column >> 5; word < this.data.length; word += this.words)
      this.data[word] = (this.data[word] as number) & mask;
  }

  #widen(words: number): void {
    const rows = Math.floor(this.data.length / this.words);
    const wide = new Int32Array(rows * words);
    for (let row = 0; row < rows; row++)
      wide.set(this.data.subarray(row * this.words, (row + 1) * this.words), row * words);
    this.data = wide;
    this.words = words;
  }
}
