import type { Tier } from '../../model/job.ts';
import type { RoleConstraints } from '../offerConstraints.ts';
import { grownBytes, grownFloats, grownInts, RowNumbers } from './columns.ts';
import { OrderedGroup } from './orderedGroup.ts';
import { NONE } from './roleTree.ts';
import { type ClusterTotals, ShareTable } from './shareTable.ts';
import { ALL_TIERS } from './tierColumns.ts';

/** A framework as the engine knows it; `known` is false for one that only use was reported of. */
export interface FrameworkRecord {
  readonly id: string;
  known: boolean;
  active: boolean;
  roles: readonly string[];
  readonly suppressed: Set<string>;
  capabilities: readonly string[] | undefined;
  /** Tiers its tasks may have; undefined: all. */
  tiers: readonly Tier[] | undefined;
  readonly clients: Map<string, number>;
  /** Offers in a row that it let expire, and until when it gets none for that. */
  strikes: number;
  backedOffUntilMs: number;
  /** Agent row → until when it is not asked again to leave it. */
  readonly inverse: Map<number, { outstanding: boolean; quietUntilMs: number }>;
}

/** Framework × role: what a framework sorter sorts. */
export class ClientTable {
  readonly shares: ShareTable;
  readonly framework: FrameworkRecord[] = [];
  role = new Int32Array(16);
  /** What it can handle: bits of `Need`. */
  handles = new Int32Array(16);
  /** Tiers its tasks may have, as a mask of `TIERS`. */
  tiers = new Uint8Array(16);
  /** Row of its smallest offers in `MinimumTable`. */
  minimum = new Int32Array(16);
  /** 1: active, not suppressed, its role among the framework's. */
  eligible = new Uint8Array(16);
  /** Holding rows; a client without any, that is no framework's any more, is forgotten. */
  holdings = new Int32Array(16);
  /** First of its filters. */
  firstFilter = new Int32Array(16).fill(NONE);
  filters = new Int32Array(16);
  /** Until when it gets no offers for hoarding; 0: it may. */
  pausedUntilMs = new Float64Array(16);
  readonly constraints: (RoleConstraints | undefined)[] = [];
  /** By role row: its eligible clients in order. */
  readonly groups: OrderedGroup[] = [];
  /** Eligible clients as bits, for comparison with a row of a `BitTable`. */
  eligibleBits = new Int32Array(1);
  readonly #rows = new RowNumbers();

  constructor(totals: ClusterTotals) {
    this.shares = new ShareTable(totals);
  }

  get rowCount(): number {
    return this.#rows.count;
  }

  add(framework: FrameworkRecord, role: number, path: string): number {
    const row = this.#rows.take();
    if (row >= this.role.length) {
      this.role = grownInts(this.role, row + 1);
      this.handles = grownInts(this.handles, row + 1);
      this.minimum = grownInts(this.minimum, row + 1);
      this.holdings = grownInts(this.holdings, row + 1);
      this.firstFilter = grownInts(this.firstFilter, row + 1, NONE);
      this.filters = grownInts(this.filters, row + 1);
      this.eligible = grownBytes(this.eligible, row + 1);
      this.tiers = grownBytes(this.tiers, row + 1);
      this.pausedUntilMs = grownFloats(this.pausedUntilMs, row + 1);
    }
    if (row >> 5 >= this.eligibleBits.length)
      this.eligibleBits = grownInts(this.eligibleBits, (row >> 5) + 1);
    this.shares.open(row, framework.id, 1000);
    this.framework[row] = framework;
    this.role[row] = role;
    this.handles[row] = 0;
    this.tiers[row] = ALL_TIERS;
    this.minimum[row] = 0;
    this.holdings[row] = 0;
    this.firstFilter[row] = NONE;
    this.filters[row] = 0;
    this.eligible[row] = 0;
    this.pausedUntilMs[row] = 0;
    this.constraints[row] = undefined;
    framework.clients.set(path, row);
    return row;
  }

  remove(row: number, path: string): void {
    (this.framework[row] as FrameworkRecord).clients.delete(path);
    this.#rows.release(row);
  }

  groupOf(role: number): OrderedGroup {
    const known = this.groups[role];
    if (known !== undefined) return known;
    const made = new OrderedGroup(this.shares);
    this.groups[role] = made;
    return made;
  }

  setEligible(row: number, eligible: boolean): void {
    const role = this.role[row] as number;
    this.eligible[row] = eligible ? 1 : 0;
    const word = row >> 5;
    const bit = 1 << (row & 31);
    const bits = this.eligibleBits[word] as number;
    this.eligibleBits[word] = eligible ? bits | bit : bits & ~bit;
    if (eligible) this.groupOf(role).add(row);
    else this.groupOf(role).remove(row);
  }
}
