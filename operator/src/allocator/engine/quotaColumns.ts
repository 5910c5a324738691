import type { VectorColumn, VectorSpace } from './columns.ts';
import { NONE, ROOT, type RoleTree } from './roleTree.ts';

/**
 * Guarantees, limits and consumption by role, kept up to date amount by amount.
 *
 * *Consumed* = reservations, used or not, and unreserved non-revocable allocations, sub-roles included.
 * *Unmet* = what the role's own guarantee or those below it still lack, as far as its limit leaves room.
 * `mezzo`: quota binds at every level. `mesos`: on top-level roles only; the caller sets none elsewhere.
 * Source: Mesos `hierarchical.cpp` for the top level; the levels below are Mezzo's.
 */
export class QuotaColumns {
  readonly guarantee: VectorColumn;
  readonly limit: VectorColumn;
  readonly consumed: VectorColumn;
  readonly unmet: VectorColumn;
  /** Sum of `unmet` of the role's children. */
  readonly unmetBelow: VectorColumn;
  /** Roles with a guarantee, and with a limit. */
  guaranteed = new Set<number>();
  limited = new Set<number>();
  readonly #space: VectorSpace;
  readonly #tree: RoleTree;
  readonly #chainOnly: boolean;
  readonly #room: VectorColumn;

  constructor(space: VectorSpace, tree: RoleTree, mode: 'mezzo' | 'mesos') {
    this.#space = space;
    this.#tree = tree;
    this.#chainOnly = mode === 'mesos';
    this.guarantee = space.column();
    this.limit = space.column(Number.POSITIVE_INFINITY);
    this.consumed = space.column();
    this.unmet = space.column();
    this.unmetBelow = space.column();
    this.#room = space.column();
  }

  /** Prepares the row of a new role. */
  open(role: number): void {
    for (const column of [this.guarantee, this.limit, this.consumed, this.unmet, this.unmetBelow]) {
      column.ensure(role);
      column.clear(role);
    }
  }

  set(role: number, guarantees: Float64Array, limits: Float64Array): void {
    const { stride, names } = this.#space;
    let hasGuarantee = false;
    let hasLimit = false;
    for (let k = 0; k < names.length; k++) {
      this.guarantee.data[role * stride + k] = guarantees[k] as number;
      this.limit.data[role * stride + k] = limits[k] as number;
      if ((guarantees[k] as number) > 0) hasGuarantee = true;
      if (limits[k] !== Number.POSITIVE_INFINITY) hasLimit = true;
    }
    if (hasGuarantee) this.guaranteed.add(role);
    else this.guaranteed.delete(role);
    if (hasLimit) this.limited.add(role);
    else this.limited.delete(role);
    this.#refreshUnmet(role);
  }

  /** Charges (or credits) a role and all above it. */
  consume(role: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { stride } = this.#space;
    const consumed = this.consumed.data;
    const parent = this.#tree.parent;
    for (let row = role; row !== NONE; row = parent[row] as number)
      for (let k = 0; k < stride; k++)
        consumed[row * stride + k] =
          (consumed[row * stride + k] as number) + sign * (amounts[base + k] as number);
    if (this.guaranteed.size > 0) this.#refreshUnmet(role);
  }

  hasUnmet(): boolean {
    return this.guaranteed.size > 0 && this.isUnmet(ROOT);
  }

  /** True when a guarantee of the role, or of one below it, lacks something. */
  isUnmet(role: number): boolean {
    const { stride } = this.#space;
    const unmet = role === ROOT ? this.unmetBelow.data : this.unmet.data;
    for (let k = 0; k < stride; k++) if ((unmet[role * stride + k] as number) > 0) return true;
    return false;
  }

  /** `limit − consumed` of one role, never below zero; without a limit: infinite. */
  limitLeft(role: number, k: number): number {
    const at = role * this.#space.stride + k;
    const left = (this.limit.data[at] as number) - (this.consumed.data[at] as number);
    return left > 0 ? left : 0;
  }

  /** What the role may still take under every limit that binds it, guarantees of others not considered. */
  hardRoom(role: number, into: Float64Array): void {
    const { stride } = this.#space;
    into.fill(Number.POSITIVE_INFINITY, 0, stride);
    if (this.limited.size === 0) return;
    for (let row = role; row !== ROOT; row = this.#above(row))
      for (let k = 0; k < stride; k++)
        into[k] = Math.min(into[k] as number, this.limitLeft(row, k));
  }

  /** As `hardRoom`, less what guarantees of other roles under the same limits still lack. */
  roomBesideGuarantees(role: number, into: Float64Array, held: Float64Array): void {
    const { stride } = this.#space;
    into.fill(Number.POSITIVE_INFINITY, 0, stride);
    held.fill(0, 0, stride);
    if (this.limited.size === 0) return;
    let below = NONE;
    for (let row = role; row !== ROOT; row = this.#above(row)) {
      this.#addUnmetOfChildren(held, row, below);
      for (let k = 0; k < stride; k++) {
        const left = Math.max(0, this.limitLeft(row, k) - (held[k] as number));
        if (left < (into[k] as number)) into[k] = left;
      }
      below = row;
    }
  }

  /**
   * What the role may claim under a guarantee: its own, or an ancestor's as far as that is not due to the role's
   * siblings and the limits between them have room beside guarantees further down. False when there is nothing.
   */
  claim(role: number, into: Float64Array, held: Float64Array): boolean {
    const { stride } = this.#space;
    const room = this.#room.data;
    into.fill(0, 0, stride);
    held.fill(0, 0, stride);
    room.fill(Number.POSITIVE_INFINITY, 0, stride);
    let isAny = false;
    let below = NONE;
    for (let row = role; row !== ROOT; row = this.#above(row)) {
      this.#addUnmetOfChildren(held, row, below);
      for (let k = 0; k < stride; k++) {
        const at = row * stride + k;
        const guaranteed = this.guarantee.data[at] as number;
        const taken = (this.consumed.data[at] as number) + (held[k] as number);
        const open = Math.min(guaranteed - taken, room[k] as number);
        if (guaranteed > 0 && open > (into[k] as number)) {
          into[k] = open;
          isAny = true;
        }
        const left = (this.limit.data[at] as number) - taken;
        if (left < (room[k] as number)) room[k] = left;
      }
      below = row;
    }
    return isAny;
  }

  /**
   * Cluster-wide amounts to keep free for unmet guarantees when the role is offered something beyond `granted`, which
   * it is being offered under a guarantee.
   */
  heldFrom(role: number, granted: Float64Array, into: Float64Array): void {
    const { stride } = this.#space;
    into.fill(0, 0, stride);
    if (this.guaranteed.size === 0) return;
    if (this.#chainOnly) {
      for (let k = 0; k < stride; k++)
        into[k] = Math.max(0, (this.unmetBelow.data[k] as number) - (granted[k] as number));
      return;
    }
    let below = NONE;
    for (let row = role; row !== NONE; row = this.#tree.parent[row] as number) {
      this.#addUnmetOfChildren(into, row, below);
      below = row;
    }
  }

  /** The next role whose quota binds: in `mesos` there is one at most. */
  #above(row: number): number {
    return this.#chainOnly ? ROOT : (this.#tree.parent[row] as number);
  }

  #addUnmetOfChildren(into: Float64Array, row: number, except: number): void {
    const { stride } = this.#space;
    for (let k = 0; k < stride; k++) {
      let sum = this.unmetBelow.data[row * stride + k] as number;
      if (except !== NONE) sum -= this.unmet.data[except * stride + k] as number;
      into[k] = (into[k] as number) + sum;
    }
  }

  /** Brings `unmet` up to date from a role upwards. */
  #refreshUnmet(role: number): void {
    const { stride } = this.#space;
    const unmet = this.unmet.data;
    const unmetBelow = this.unmetBelow.data;
    const parent = this.#tree.parent;
    for (let row = role; row !== ROOT; row = parent[row] as number) {
      let changed = false;
      const above = (parent[row] as number) * stride;
      for (let k = 0; k < stride; k++) {
        const at = row * stride + k;
        const own = (this.guarantee.data[at] as number) - (this.consumed.data[at] as number);
        let lacking = Math.max(own, unmetBelow[at] as number);
        if (this.limit.data[at] !== Number.POSITIVE_INFINITY)
          lacking = Math.min(lacking, this.limitLeft(row, k));
        if (lacking < 0) lacking = 0;
        const change = lacking - (unmet[at] as number);
        if (change === 0) continue;
        changed = true;
        unmet[at] = lacking;
        unmetBelow[above + k] = (unmetBelow[above + k] as number) + change;
      }
      // Consumption was charged all the way up, so the rows above must be looked at even when this one is unchanged.
      if (!changed && row === role && this.guaranteed.size === 0) return;
    }
  }
}
