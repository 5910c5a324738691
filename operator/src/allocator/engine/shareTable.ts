import { comparePaths } from '../rolePaths.ts';
import {
  grownBytes,
  grownFloats,
  grownInts,
  type VectorColumn,
  type VectorSpace,
} from './columns.ts';

/** Cluster amounts that shares are fractions of; `version` changes with them. */
export class ClusterTotals {
  readonly space: VectorSpace;
  readonly column: VectorColumn;
  version = 0;
  readonly #excluded: ReadonlySet<string>;

  constructor(space: VectorSpace, fairnessExclude: readonly string[]) {
    this.space = space;
    this.column = space.column();
    this.#excluded = new Set(fairnessExclude);
  }

  add(amounts: Float64Array, base: number, sign: 1 | -1): void {
    const totals = this.column.data;
    for (let k = 0; k < this.space.names.length; k++) {
      const amount = amounts[base + k] as number;
      if (amount === 0) continue;
      totals[k] = (totals[k] as number) + sign * amount;
      this.version++;
    }
  }

  /** False for names that are left out of fairness. */
  counts(position: number): boolean {
    return !this.#excluded.has(this.space.names[position] as string);
  }
}

/**
 * What each member of a sorter holds, and the key it is sorted by: dominant share by weight, then the number of
 * allocations, then the name.
 *
 * Keys are copies: a member that was charged keeps its place until its group is settled.
 * Source: Mesos `sorter/drf/sorter.cpp`.
 */
export class ShareTable {
  readonly totals: ClusterTotals;
  readonly allocated: VectorColumn;
  count = new Float64Array(16);
  weightMilli = new Float64Array(16);
  keyShare = new Float64Array(16);
  keyCount = new Float64Array(16);
  /** 1: charged since its group was settled. */
  touched = new Uint8Array(16);
  readonly names: string[] = [];
  /** Place of the name among all names; 0: not known yet, then names are compared as text. */
  #rank = new Int32Array(16);
  #hasUnranked = false;

  constructor(totals: ClusterTotals) {
    this.totals = totals;
    this.allocated = totals.space.column();
  }

  open(row: number, name: string, weightMilli: number): void {
    if (row >= this.count.length) {
      this.count = grownFloats(this.count, row + 1);
      this.weightMilli = grownFloats(this.weightMilli, row + 1);
      this.keyShare = grownFloats(this.keyShare, row + 1);
      this.keyCount = grownFloats(this.keyCount, row + 1);
      this.touched = grownBytes(this.touched, row + 1);
      this.#rank = grownInts(this.#rank, row + 1);
    }
    this.allocated.ensure(row);
    this.allocated.clear(row);
    this.count[row] = 0;
    this.weightMilli[row] = weightMilli;
    this.keyShare[row] = 0;
    this.keyCount[row] = 0;
    this.touched[row] = 0;
    this.names[row] = name;
    this.#rank[row] = 0;
    this.#hasUnranked = true;
  }

  charge(row: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const stride = this.totals.space.stride;
    const allocated = this.allocated.data;
    const at = row * stride;
    for (let k = 0; k < stride; k++)
      allocated[at + k] = (allocated[at + k] as number) + sign * (amounts[base + k] as number);
  }

  /** Largest fraction of the cluster that the member holds, over names that count for fairness. */
  fraction(row: number): number {
    const { totals } = this;
    const stride = totals.space.stride;
    const total = totals.column.data;
    const allocated = this.allocated.data;
    let dominant = 0;
    for (let k = 0; k < stride; k++) {
      const amount = allocated[row * stride + k] as number;
      if (amount <= 0) continue;
      const whole = total[k] as number;
      if (whole <= 0) continue;
      const part = amount / whole;
      if (part > dominant && totals.counts(k)) dominant = part;
    }
    return dominant;
  }

  refreshKey(row: number): void {
    const weight = this.weightMilli[row] as number;
    this.keyShare[row] = (this.fraction(row) * 1000) / Math.max(1, weight);
    this.keyCount[row] = this.count[row] as number;
    this.touched[row] = 0;
  }

  /** Gives every name its place, so that ties need no comparison of text; once per run at most. */
  rankNames(): void {
    if (!this.#hasUnranked) return;
    this.#hasUnranked = false;
    const rows = Int32Array.from(this.names.keys());
    rows.sort((left, right) =>
      comparePaths(this.names[left] as string, this.names[right] as string),
    );
    rows.forEach((row, place) => {
      this.#rank[row] = place + 1;
    });
  }

  /** Negative when `left` goes first. */
  compare(left: number, right: number): number {
    const share = (this.keyShare[left] as number) - (this.keyShare[right] as number);
    if (share !== 0) return share;
    const count = (this.keyCount[left] as number) - (this.keyCount[right] as number);
    if (count !== 0) return count;
    const leftRank = this.#rank[left] as number;
    const rightRank = this.#rank[right] as number;
    if (leftRank > 0 && rightRank > 0) return leftRank - rightRank;
    return comparePaths(this.names[left] as string, this.names[right] as string);
  }
}
