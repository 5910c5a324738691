import type { Resources } from '../../model/resources.ts';
import type { VectorColumn, VectorSpace } from './columns.ts';

/** Above this many different lists a mask no longer tells them apart. */
const MASK_BITS = 30;

/**
 * The different lists of smallest offers, each kept once: an offer must contain one set of its receiver's list.
 * Row 0 is the default list.
 * Source: Mesos `min_allocatable_resources`, `FrameworkInfo.offer_filters`.
 */
export class MinimumTable {
  readonly #space: VectorSpace;
  readonly #sets: VectorColumn;
  /** By list: its first set and how many. An empty list accepts anything. */
  readonly #first: number[] = [];
  readonly #count: number[] = [];
  readonly #byContent = new Map<string, number>();
  #setCount = 0;

  constructor(space: VectorSpace, fallback: readonly Resources[]) {
    this.#space = space;
    this.#sets = space.column();
    this.rowOf(fallback);
  }

  get size(): number {
    return this.#first.length;
  }

  /** The row of a list; lists of equal text share one. */
  rowOf(list: readonly Resources[]): number {
    const content = JSON.stringify(list);
    const known = this.#byContent.get(content);
    if (known !== undefined) return known;
    const row = this.#first.length;
    this.#first.push(this.#setCount);
    this.#count.push(list.length);
    for (const set of list) {
      this.#space.admit(set);
      this.#sets.ensure(this.#setCount);
      this.#space.read(set, this.#sets.data, this.#setCount * this.#space.stride);
      this.#setCount++;
    }
    this.#byContent.set(content, row);
    return row;
  }

  /** The bit of a list in masks; lists beyond the last bit share it. */
  bit(row: number): number {
    return 1 << Math.min(row, MASK_BITS);
  }

  /** Bits of the lists that amounts satisfy; the shared last bit is set when it is in use. */
  satisfiedMask(amounts: Float64Array, base: number): number {
    let mask = this.#first.length > MASK_BITS ? 1 << MASK_BITS : 0;
    const lists = Math.min(this.#first.length, MASK_BITS);
    for (let row = 0; row < lists; row++) if (this.accepts(row, amounts, base)) mask |= 1 << row;
    return mask;
  }

  /** True when there is anything, and a set of the list (if it has any) is contained. */
  accepts(row: number, amounts: Float64Array, base: number): boolean {
    const { stride } = this.#space;
    const count = this.#count[row] as number;
    const sets = this.#sets.data;
    const first = this.#first[row] as number;
    for (let set = first; set < first + count; set++) {
      let isContained = true;
      for (let k = 0; k < stride && isContained; k++)
        if ((sets[set * stride + k] as number) > (amounts[base + k] as number)) isContained = false;
      if (isContained) return isPositive(amounts, base, stride);
    }
    return count === 0 && isPositive(amounts, base, stride);
  }

  /** True for an empty list. */
  acceptsAnything(row: number): boolean {
    return this.#count[row] === 0;
  }

  anyAcceptsAnything(): boolean {
    return this.#count.includes(0);
  }

  /** The sets of a list, as amounts. */
  sets(row: number): readonly Resources[] {
    const first = this.#first[row] as number;
    const all: Resources[] = [];
    for (let set = first; set < first + (this.#count[row] as number); set++)
      all.push(this.#space.write(this.#sets.data, set * this.#space.stride));
    return all;
  }
}

function isPositive(amounts: Float64Array, base: number, stride: number): boolean {
  for (let k = 0; k < stride; k++) if ((amounts[base + k] as number) > 0) return true;
  return false;
}
