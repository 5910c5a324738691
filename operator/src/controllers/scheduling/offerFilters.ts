import type { OfferFilter } from '../../allocator/types.ts';
import type { FrameworkId, RolePath } from '../../model/ids.ts';
import { fits } from '../../model/resources.ts';

const keyOf = (filter: Pick<OfferFilter, 'framework' | 'role' | 'agent'>): string =>
  `${filter.framework}\n${filter.role}\n${filter.agent}`;

/** What frameworks refused, and until when. In memory only: after a restart everybody is asked once more. */
export class OfferFilters {
  readonly #filters = new Map<string, readonly OfferFilter[]>();
  #list: readonly OfferFilter[] | undefined;

  list(): readonly OfferFilter[] {
    this.#list ??= [...this.#filters.values()].flat();
    return this.#list;
  }

  /** A filter that the new one covers is dropped, so that there are never more than distinct refusals. */
  add(filter: OfferFilter): void {
    const key = keyOf(filter);
    const kept = (this.#filters.get(key) ?? []).filter(
      (one) =>
        one.untilMs > filter.untilMs ||
        !fits(one.refused, filter.refused) ||
        !fits(one.refusedRevocable, filter.refusedRevocable),
    );
    this.#filters.set(key, [...kept, filter]);
    this.#list = undefined;
  }

  expire(nowMs: number): void {
    this.#keep((filter) => filter.untilMs > nowMs);
  }

  /** Forgets what a framework refused; of some roles, or of all. */
  clear(framework: FrameworkId, roles?: ReadonlySet<RolePath>): void {
    this.#keep(
      (filter) =>
        filter.framework !== framework || (roles !== undefined && !roles.has(filter.role)),
    );
  }

  /** When the first filter ends; infinite without any. */
  firstEndMs(): number {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const filter of this.list()) firstMs = Math.min(firstMs, filter.untilMs);
    return firstMs;
  }

  #keep(isKept: (filter: OfferFilter) => boolean): void {
    if (this.list().every(isKept)) return;
    for (const [key, filters] of this.#filters) {
      const kept = filters.filter(isKept);
      if (kept.length === 0) this.#filters.delete(key);
      else if (kept.length < filters.length) this.#filters.set(key, kept);
    }
    this.#list = undefined;
  }
}
