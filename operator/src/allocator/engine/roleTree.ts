import { parentPath } from '../rolePaths.ts';
import { grownBytes, grownInts, RowNumbers } from './columns.ts';
import { OrderedGroup } from './orderedGroup.ts';
import { type ClusterTotals, ShareTable } from './shareTable.ts';

/** The node above all top-level roles. */
export const ROOT = 0;
/** No such row. */
export const NONE = -1;

const ABSENT = 0;
const OPEN = 1;
const CLOSED = 2;

/**
 * The roles as a tree of shares.
 *
 * A role with clients that also has sub-roles keeps its own clients in a *virtual leaf* `.` of weight 1 below it.
 * Only nodes with an eligible client below them stand in a group. A *closed* node is one whose limit leaves no room for
 * any offer of unreserved resources: it stands in a group of its own, which most walks never look at.
 * Source: Mesos `sorter/drf/sorter.cpp` for the tree; closed groups are Mezzo's.
 */
export class RoleTree {
  readonly shares: ShareTable;
  readonly paths: string[] = [];
  /** By row; the parent of a virtual leaf is its role. */
  parent = new Int32Array(16).fill(NONE);
  /** By role: the row of its virtual leaf. */
  leaf = new Int32Array(16).fill(NONE);
  /** By row: 1 for a virtual leaf. */
  isLeaf = new Int32Array(16);
  /** By role: clients that may be offered something; `below` also counts those of sub-roles. */
  eligible = new Int32Array(16);
  below = new Int32Array(16);
  /** By role: 1 when its sub-roles and its own frameworks take turns at random; the root's is the engine's option. */
  isRandom = new Uint8Array(16);
  /** By row: what keeps it alive (clients, sub-roles, quota, weight, reservations). */
  uses = new Int32Array(16);
  readonly children: Set<number>[] = [];
  readonly open: OrderedGroup[] = [];
  readonly closed: OrderedGroup[] = [];
  #place = new Int32Array(16);
  readonly #rows = new RowNumbers();
  readonly #byPath = new Map<string, number>();

  constructor(totals: ClusterTotals) {
    this.shares = new ShareTable(totals);
    this.#newRow('', '', NONE);
  }

  find(path: string): number | undefined {
    return this.#byPath.get(path);
  }

  /** All roles, in no order. */
  roles(): Iterable<number> {
    return this.#byPath.values();
  }

  /** The row of a path, made with all rows above it; counts as one use until `release`. */
  acquire(path: string): number {
    const known = this.#byPath.get(path);
    if (known !== undefined) {
      this.uses[known] = (this.uses[known] as number) + 1;
      return known;
    }
    const above = parentPath(path);
    const parent = above === undefined ? ROOT : this.acquire(above);
    if (parent !== ROOT && this.children[parent]?.size === 0) this.#splitLeaf(parent);
    const row = this.#newRow(
      path,
      above === undefined ? path : path.slice(above.length + 1),
      parent,
    );
    this.#byPath.set(path, row);
    this.children[parent]?.add(row);
    this.uses[row] = 1;
    return row;
  }

  /** Ends one use; a role without any is forgotten, and those above it that only it kept. */
  release(row: number): void {
    this.uses[row] = (this.uses[row] as number) - 1;
    if (row === ROOT || this.uses[row] > 0) return;
    const parent = this.parent[row] as number;
    this.#byPath.delete(this.paths[row] as string);
    this.children[parent]?.delete(row);
    this.#rows.release(row);
    if (parent === ROOT) return;
    if (this.children[parent]?.size === 0) this.#dropLeaf(parent);
    this.release(parent);
  }

  /** Charges (or, with −1, credits) a role and everything above it. */
  charge(role: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const own = this.leaf[role] as number;
    for (let row = own === NONE ? role : own; row !== NONE; row = this.parent[row] as number) {
      this.shares.charge(row, amounts, base, sign);
      this.touch(row);
    }
  }

  /** Notes that the order of a row among its siblings may have changed. */
  touch(row: number): void {
    const place = this.#place[row] as number;
    if (place === ABSENT) return;
    this.#group(this.parent[row] as number, place).touch(row);
  }

  /** Adds `by` eligible clients to a role. */
  addEligible(role: number, by: number): void {
    this.eligible[role] = (this.eligible[role] as number) + by;
    const own = this.leaf[role] as number;
    if (own !== NONE) this.#setPlace(own, this.eligible[role] > 0 ? OPEN : ABSENT);
    for (let row = role; row !== NONE; row = this.parent[row] as number) {
      this.below[row] = (this.below[row] as number) + by;
      const place = this.#place[row] as number;
      if ((this.below[row] as number) === 0) this.#setPlace(row, ABSENT);
      else if (place === ABSENT) this.#setPlace(row, OPEN);
    }
  }

  /** Moves a role between the open and the closed group; a role without eligible clients is in neither. */
  setClosed(role: number, isClosed: boolean): void {
    if (this.#place[role] !== ABSENT) this.#setPlace(role, isClosed ? CLOSED : OPEN);
  }

  isClosed(role: number): boolean {
    return this.#place[role] === CLOSED;
  }

  #group(parent: number, place: number): OrderedGroup {
    return (place === OPEN ? this.open[parent] : this.closed[parent]) as OrderedGroup;
  }

  #setPlace(row: number, place: number): void {
    const before = this.#place[row] as number;
    if (before === place || row === ROOT) return;
    const parent = this.parent[row] as number;
    if (before !== ABSENT) this.#group(parent, before).remove(row);
    if (place !== ABSENT) this.#group(parent, place).add(row);
    this.#place[row] = place;
  }

  #newRow(path: string, name: string, parent: number): number {
    const row = this.#rows.take();
    if (row >= this.parent.length) {
      this.parent = grownInts(this.parent, row + 1, NONE);
      this.leaf = grownInts(this.leaf, row + 1, NONE);
      this.isLeaf = grownInts(this.isLeaf, row + 1);
      this.isRandom = grownBytes(this.isRandom, row + 1);
      this.eligible = grownInts(this.eligible, row + 1);
      this.below = grownInts(this.below, row + 1);
      this.uses = grownInts(this.uses, row + 1);
      this.#place = grownInts(this.#place, row + 1);
    }
    this.shares.open(row, name, 1000);
    this.paths[row] = path;
    this.parent[row] = parent;
    this.leaf[row] = NONE;
    this.isLeaf[row] = 0;
    this.isRandom[row] = 0;
    this.eligible[row] = 0;
    this.below[row] = 0;
    this.#place[row] = ABSENT;
    this.children[row] = new Set();
    this.open[row] = new OrderedGroup(this.shares);
    this.closed[row] = new OrderedGroup(this.shares);
    return row;
  }

  /** A role gets its first sub-role: what it holds itself moves to a virtual leaf. */
  #splitLeaf(role: number): void {
    const leaf = this.#newRow(this.paths[role] as string, '.', role);
    this.isLeaf[leaf] = 1;
    this.leaf[role] = leaf;
    const stride = this.shares.totals.space.stride;
    this.shares.charge(leaf, this.shares.allocated.data, role * stride, 1);
    this.shares.count[leaf] = this.shares.count[role] as number;
    if ((this.eligible[role] as number) > 0) this.#setPlace(leaf, OPEN);
  }

  #dropLeaf(role: number): void {
    const leaf = this.leaf[role] as number;
    if (leaf === NONE) return;
    this.#setPlace(leaf, ABSENT);
    this.leaf[role] = NONE;
    this.#rows.release(leaf);
  }
}
