import type { Offer, Resource } from 'mezzo/client';
import { take } from 'mezzo/client';

/** Resources for one member, of one offer. */
export interface Place {
  readonly offer: Offer;
  readonly resources: readonly Resource[];
}

/**
 * Places for all members of a gang in the offers at hand, or undefined: a gang runs whole or not at all.
 * Guarantees: spread over the agents as evenly as the offers allow; ties by offer id, so the answer is reproducible.
 */
export function placesFor(
  members: number,
  needs: { readonly [name: string]: number },
  offers: readonly Offer[],
): readonly Place[] | undefined {
  const places: Place[] = [];
  let open = offers
    .toSorted((a, b) => (a.id.value < b.id.value ? -1 : 1))
    .map((offer) => ({ offer, left: offer.resources ?? [] }));
  while (places.length < members) {
    const next: typeof open = [];
    for (const { offer, left } of open) {
      const part = places.length < members ? take(needs, left) : undefined;
      if (part === undefined) continue;
      places.push({ offer, resources: part.taken });
      next.push({ offer, left: part.left });
    }
    if (next.length === 0) return undefined;
    open = next;
  }
  return places;
}
