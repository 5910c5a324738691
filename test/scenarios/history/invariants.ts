import type { EngineOffer } from '../../../operator/src/allocator/engine/types.ts';
import { addTo, type Books, flatten, lineage } from './books.ts';

/** What is wrong with the offers of one run; `books` as they were before it. One sentence each. */
export function faultsOfRun(books: Books, offers: readonly EngineOffer[]): readonly string[] {
  return [...overTotal(books, offers), ...overLimit(books, offers), ...notEntitled(books, offers)];
}

/** Nothing is offered that is not free. */
function overTotal(books: Books, offers: readonly EngineOffer[]): readonly string[] {
  const faults: string[] = [];
  const byAgent = new Map<string, Map<string, number>>();
  for (const offer of offers) {
    const sum = byAgent.get(offer.agent) ?? new Map<string, number>();
    addTo(sum, flatten(offer), 1);
    byAgent.set(offer.agent, sum);
  }
  for (const [agent, sum] of byAgent) {
    const free = books.freeOn(agent);
    for (const [key, amount] of sum)
      if (amount > (free.get(key) ?? 0))
        faults.push(
          `over total: ${amount} of ${key} offered on ${agent}, ${free.get(key) ?? 0} free`,
        );
  }
  return faults;
}

/** No run takes a role above its limit, whatever level the limit is at. */
function overLimit(books: Books, offers: readonly EngineOffer[]): readonly string[] {
  const faults: string[] = [];
  for (const [role, { limits }] of books.quotas)
    for (const [name, limit] of Object.entries(limits)) {
      let offered = 0;
      for (const offer of offers)
        if (lineage(offer.role).includes(role)) offered += offer.resources[name] ?? 0;
      const before = books.consumed(role, name);
      if (offered > 0 && before + offered > limit)
        faults.push(`over limit: ${role} at ${before} of ${limit} ${name} was offered ${offered}`);
    }
  return faults;
}

/** Offers go to active frameworks, in roles they have and did not suppress, of what those roles may have. */
function notEntitled(books: Books, offers: readonly EngineOffer[]): readonly string[] {
  return offers.flatMap((offer) => {
    const framework = books.frameworks.get(offer.framework);
    const isAsking =
      framework?.active === true &&
      framework.roles.includes(offer.role) &&
      !framework.suppressed.has(offer.role);
    const stacks = [
      ...offer.reserved.map((one) => one.stack),
      ...offer.volumes.map((one) => books.volumes.get(`${offer.agent} ${one.id}`) ?? []),
    ];
    const isTheirs = stacks.every((stack) => lineage(offer.role).includes(stack.at(-1) ?? ''));
    return isAsking && isTheirs
      ? []
      : [`not entitled: ${offer.framework} as ${offer.role} on ${offer.agent}`];
  });
}

/**
 * A guarantee that could be met after a run over everything, and is not: something unreserved of that name is free, no
 * limit on the way up is reached, and a framework of the role is asking and refuses nothing.
 */
export function unmetGuarantees(books: Books): readonly string[] {
  const faults: string[] = [];
  for (const [role, { guarantees }] of books.quotas)
    for (const [name, guarantee] of Object.entries(guarantees)) {
      const claimedBelow = [...books.quotas.keys()]
        .filter((one) => isChildOf(one, role, books))
        .reduce((sum, one) => sum + stillNeeded(books, one, name), 0);
      if (guarantee - books.consumed(role, name) <= claimedBelow) continue;
      const isAsking = [...books.frameworks.values()].some(
        (one) =>
          one.active && !one.hasRefused && one.roles.includes(role) && !one.suppressed.has(role),
      );
      const hasRoom = lineage(role).every((above) => {
        const limit = books.quotas.get(above)?.limits[name];
        return limit === undefined || books.consumed(above, name) < limit;
      });
      const agent = [...books.agents.keys()].find(
        (one) => (books.freeOn(one).get(`u:${name}`) ?? 0) > 0,
      );
      if (isAsking && hasRoom && agent !== undefined)
        faults.push(`guarantee: ${role} lacks ${name}, and some is free on ${agent}`);
    }
  return faults;
}

/** The nearest roles with quota below `role`. */
function isChildOf(path: string, role: string, books: Books): boolean {
  const above = lineage(path).slice(1);
  return above.find((one) => books.quotas.has(one)) === role;
}

/** What a role or those below it lack of their guarantees. */
function stillNeeded(books: Books, role: string, name: string): number {
  const guarantee = books.quotas.get(role)?.guarantees[name] ?? 0;
  const below = [...books.quotas.keys()]
    .filter((one) => isChildOf(one, role, books))
    .reduce((sum, one) => sum + stillNeeded(books, one, name), 0);
  return Math.max(0, guarantee - books.consumed(role, name), below);
}
