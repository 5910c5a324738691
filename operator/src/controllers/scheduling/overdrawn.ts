import { consumptionOf } from '../../allocator/quotaCheck.ts';
import type { AllocatorSnapshot } from '../../allocator/types.ts';
import { amountOf, fits, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';

/**
 * Offers that may no longer stand: their agent is gone or closed, shrank below what is taken, or a limit was lowered
 * below what its role consumes. Newest offers go first, and only as many as it takes.
 * Source: Mesos rescinds on agent loss, quota change and new revocable estimates (`reference` section 2.10).
 */
export function overdrawnOffers(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  if (offers.length === 0) return [];
  const newestFirst = offers.toSorted(
    (left, right) => right.issuedAtMs - left.issuedAtMs || (left.id < right.id ? 1 : -1),
  );
  const gone = new Set<OutstandingOffer>();
  for (const offer of onClosedAgents(snapshot, newestFirst)) gone.add(offer);
  for (const offer of onShrunkAgents(snapshot, newestFirst)) gone.add(offer);
  for (const offer of aboveLimits(snapshot, newestFirst)) gone.add(offer);
  return [...gone];
}

function onClosedAgents(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const open = new Set(
    snapshot.agents.filter((agent) => agent.schedulable).map((agent) => agent.id),
  );
  return offers.filter((offer) => !open.has(offer.agent));
}

function onShrunkAgents(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const taken = new Map<string, { resources: Resources[]; revocable: Resources[] }>();
  for (const one of snapshot.allocations) {
    if (one.kind === 'hold') continue;
    const entry = taken.get(one.agent) ?? { resources: [], revocable: [] };
    entry.resources.push(one.resources);
    entry.revocable.push(one.revocable);
    taken.set(one.agent, entry);
  }
  const gone: OutstandingOffer[] = [];
  for (const agent of snapshot.agents) {
    const entry = taken.get(agent.id);
    if (entry === undefined) continue;
    let over = subtract(sumOf(entry.resources), agent.total);
    let overRevocable = subtract(sumOf(entry.revocable), agent.revocable);
    for (const offer of offers) {
      if (offer.agent !== agent.id || (fits(over, {}) && fits(overRevocable, {}))) continue;
      if (!touches(offer.resources, over) && !touches(offer.revocable, overRevocable)) continue;
      gone.push(offer);
      over = subtract(over, offer.resources);
      overRevocable = subtract(overRevocable, offer.revocable);
    }
  }
  return gone;
}

function aboveLimits(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const { consumed } = consumptionOf(snapshot);
  const gone: OutstandingOffer[] = [];
  for (const role of snapshot.roles) {
    let over: Resources = excess(consumed.get(role.path) ?? {}, role.limits);
    for (const offer of offers) {
      if (fits(over, {})) break;
      if (!isWithin(offer.role, role.path) || !touches(offer.resources, over)) continue;
      gone.push(offer);
      over = subtract(over, offer.resources);
    }
  }
  return gone;
}

function excess(consumed: Resources, limits: Resources): Resources {
  const over: { [name: string]: number } = {};
  for (const name in limits) {
    const surplus = amountOf(consumed, name) - amountOf(limits, name);
    if (surplus > 0) over[name] = surplus;
  }
  return over;
}

const touches = (amounts: Resources, over: Resources): boolean =>
  Object.keys(over).some((name) => amountOf(amounts, name) > 0);

const isWithin = (role: string, ancestor: string): boolean =>
  role === ancestor || role.startsWith(`${ancestor}/`);
