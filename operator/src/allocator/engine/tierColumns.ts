import { TIERS, type Tier } from '../../model/job.ts';
import type { VectorColumn, VectorSpace } from './columns.ts';
import type { HoldingTable } from './holdingTable.ts';
import { NONE, ROOT, type RoleTree } from './roleTree.ts';

/** A set of tiers is a mask: bit 0 for the first of `TIERS`. */
export const ALL_TIERS = 0b111;
export const REVOCABLE_TIER = 0b100;

/** Bits of some tiers. */
export const maskOf = (tiers: readonly Tier[]): number =>
  tiers.reduce((mask, tier) => mask | (1 << TIERS.indexOf(tier)), 0);

/** A part of what is used, by tasks of one tier. */
export interface TierPart {
  readonly tier: number;
  readonly amounts: Float64Array;
}

/**
 * What tasks of each tier hold, by role, and the most they may.
 *
 * A tier limit binds tasks: all they hold, reserved and revocable amounts too. An offer has no tier, so it is cut only to
 * what tasks of all tiers its framework launches could still take together; which tier a task is of is known when it is
 * launched, and there each limit is judged. Use counts as production where nobody says another tier.
 * `mezzo`: limits bind at every level. `mesos`: on top-level roles only.
 */
export class TierColumns {
  /** By tier; rows are roles, sub-roles included. */
  readonly limit: readonly VectorColumn[];
  readonly used: readonly VectorColumn[];
  /** By role: lent amounts in offers; whoever takes them will be of the revocable tier. */
  readonly offeredLent: VectorColumn;
  /** Roles with a tier limit. */
  readonly limited = new Set<number>();
  readonly #space: VectorSpace;
  readonly #tree: RoleTree;
  readonly #holdings: HoldingTable;
  readonly #topOnly: boolean;
  /** By tier; rows are holdings. Production is what is left of `used`, so its column stays empty. */
  readonly #ofHolding: readonly VectorColumn[];

  constructor(space: VectorSpace, tree: RoleTree, holdings: HoldingTable, mode: 'mezzo' | 'mesos') {
    this.#space = space;
    this.#tree = tree;
    this.#holdings = holdings;
    this.#topOnly = mode === 'mesos';
    this.limit = TIERS.map(() => space.column(Number.POSITIVE_INFINITY));
    this.used = TIERS.map(() => space.column());
    this.offeredLent = space.column();
    this.#ofHolding = TIERS.map(() => space.column());
    this.open(ROOT);
  }

  /** Prepares the row of a new role. */
  open(role: number): void {
    for (const column of [...this.limit, ...this.used, this.offeredLent]) {
      column.ensure(role);
      column.clear(role);
    }
    this.limited.delete(role);
  }

  /** `limits`: by tier, infinite where nothing is limited. */
  set(role: number, limits: readonly Float64Array[]): void {
    const { stride } = this.#space;
    let isLimited = false;
    limits.forEach((most, tier) => {
      (this.limit[tier] as VectorColumn).data.set(most.subarray(0, stride), role * stride);
      if (most.some((amount) => amount !== Number.POSITIVE_INFINITY)) isLimited = true;
    });
    if (isLimited) this.limited.add(role);
    else this.limited.delete(role);
  }

  /** Tasks of a tier use more of a holding. */
  take(holding: number, role: number, tier: number, amounts: Float64Array, base: number): void {
    if (tier > 0) this.#ofHolding[tier]?.ensure(holding);
    this.#move(holding, role, { tier, amounts, base, sign: 1 });
  }

  /** They use less; to be called before the holding's `used` is lessened. Without a tier: see `split`. */
  release(
    holding: number,
    role: number,
    tier: number | undefined,
    amounts: Float64Array,
    base: number,
  ): void {
    if (tier !== undefined) this.#move(holding, role, { tier, amounts, base, sign: -1 });
    else
      for (const part of this.split(holding, amounts, base))
        this.#move(holding, role, { ...part, base: 0, sign: -1 });
  }

  /** Whose an amount of a holding is when nobody says: production's first, then the next tier's. */
  split(holding: number, amounts: Float64Array, base: number): readonly TierPart[] {
    const { stride } = this.#space;
    const left = amounts.slice(base, base + stride);
    const parts: TierPart[] = [];
    for (let tier = 0; tier < TIERS.length; tier++) {
      const part = new Float64Array(stride);
      let isAny = false;
      for (let k = 0; k < stride; k++) {
        const taken = Math.min(left[k] as number, this.usedOf(holding, tier, k));
        if (taken <= 0) continue;
        part[k] = taken;
        left[k] = (left[k] as number) - taken;
        isAny = true;
      }
      if (isAny) parts.push({ tier, amounts: part });
    }
    return parts;
  }

  /** What tasks of a tier use of a holding. */
  usedOf(holding: number, tier: number, k: number): number {
    const at = holding * this.#space.stride + k;
    if (tier > 0) return this.#ofHolding[tier]?.data[at] ?? 0;
    return (
      (this.#holdings.used.data[at] as number) -
      (this.#ofHolding[1]?.data[at] ?? 0) -
      (this.#ofHolding[2]?.data[at] ?? 0)
    );
  }

  /** Cuts `into` to what an unreserved offer in a role may hold, for a framework that launches tasks of these tiers. */
  narrow(role: number, mask: number, into: Float64Array): void {
    const { stride } = this.#space;
    const allocated = this.#tree.shares.allocated.data;
    for (let row = role; row !== ROOT; row = this.#above(row)) {
      if (!this.limited.has(row)) continue;
      for (let k = 0; k < stride; k++) {
        const at = row * stride + k;
        let open = 0;
        let used = 0;
        for (let tier = 0; tier < TIERS.length; tier++) {
          used += this.used[tier]?.data[at] as number;
          if ((mask & (1 << tier)) !== 0) open += this.left(row, tier, k);
        }
        // Offers and holds will be tasks of some tier.
        open -= (allocated[at] as number) - used;
        if (open < (into[k] as number)) into[k] = Math.max(0, open);
      }
    }
  }

  /** Cuts `into` to what of lent amounts an offer in a role may hold. */
  narrowLent(role: number, into: Float64Array): void {
    const { stride } = this.#space;
    const tier = TIERS.indexOf('revocable');
    for (let row = role; row !== ROOT; row = this.#above(row)) {
      if (!this.limited.has(row)) continue;
      for (let k = 0; k < stride; k++) {
        const open = this.left(row, tier, k) - (this.offeredLent.data[row * stride + k] as number);
        if (open < (into[k] as number)) into[k] = Math.max(0, open);
      }
    }
  }

  /** Lent amounts are in an offer (1), or no longer (−1). */
  offerLent(role: number, amounts: Float64Array, base: number, sign: 1 | -1): void {
    const { stride } = this.#space;
    const part = { amounts, base, sign };
    for (let row = role; row !== NONE; row = this.#tree.parent[row] as number)
      addTo(this.offeredLent.data, row * stride, part, stride);
  }

  /** `limit − used` of a tier in one role alone, never below zero. */
  left(role: number, tier: number, k: number): number {
    const at = role * this.#space.stride + k;
    const left = (this.limit[tier]?.data[at] as number) - (this.used[tier]?.data[at] as number);
    return left > 0 ? left : 0;
  }

  /** The first tier limit that `extra` more would break, the role's own before those above. */
  excess(
    role: number,
    tier: number,
    extra: Float64Array,
  ): { readonly role: number; readonly k: number } | undefined {
    for (let row = role; row !== ROOT; row = this.#above(row)) {
      if (!this.limited.has(row)) continue;
      for (let k = 0; k < this.#space.names.length; k++)
        if ((extra[k] as number) > this.left(row, tier, k)) return { role: row, k };
    }
    return undefined;
  }

  #above(row: number): number {
    return this.#topOnly ? ROOT : (this.#tree.parent[row] as number);
  }

  #move(
    holding: number,
    role: number,
    part: TierPart & { readonly base: number; readonly sign: 1 | -1 },
  ): void {
    const { stride } = this.#space;
    const { tier } = part;
    if (tier > 0) addTo(this.#ofHolding[tier]?.data, holding * stride, part, stride);
    this.#charge(role, part);
  }

  /** Counts use that is on no agent. */
  charge(role: number, tier: number, amounts: Float64Array, sign: 1 | -1): void {
    this.#charge(role, { tier, amounts, base: 0, sign });
  }

  #charge(role: number, part: TierPart & { readonly base: number; readonly sign: 1 | -1 }): void {
    const { stride } = this.#space;
    const used = this.used[part.tier]?.data;
    for (let row = role; row !== NONE; row = this.#tree.parent[row] as number)
      addTo(used, row * stride, part, stride);
  }
}

function addTo(
  data: Float64Array | undefined,
  at: number,
  part: { readonly amounts: Float64Array; readonly base: number; readonly sign: 1 | -1 },
  stride: number,
): void {
  if (data === undefined) return;
  for (let k = 0; k < stride; k++)
    data[at + k] = (data[at + k] as number) + part.sign * (part.amounts[part.base + k] as number);
}
