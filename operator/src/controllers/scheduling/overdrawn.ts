import type { OverLimit } from '../../allocator/drivenAllocator.ts';
import { parentPath, pathAndAncestors } from '../../allocator/rolePaths.ts';
import type { Allocation, AllocatorSnapshot, RoleSpec } from '../../allocator/types.ts';
import {
  add,
  amountOf,
  fits,
  isEmpty,
  max,
  min,
  type Resources,
  subtract,
  sumOf,
} from '../../model/resources.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';

/**
 * Offers that take more than there is. Each rule gets the offers newest first and gives back as few of them as it
 * takes; offers that an earlier rule took back are not among them and count no more.
 * Source: Mesos rescinds on agent loss, quota change, operator reservations and new revocable estimates.
 */
interface Situation {
  readonly snapshot: AllocatorSnapshot;
}

export function onClosedAgents(
  { snapshot }: Situation,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const open = new Set(
    snapshot.agents.filter((agent) => agent.schedulable).map((agent) => agent.id),
  );
  return offers.filter((offer) => !open.has(offer.agent));
}

/** The agent shrank, tasks grew into what was offered, or what was lent is needed again. */
export function beyondAgents(
  { snapshot }: Situation,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const tasks = tasksByAgent(snapshot);
  const offersOf = offersByAgent(offers);
  const gone: OutstandingOffer[] = [];
  for (const agent of snapshot.agents) {
    const here = offersOf.get(agent.id);
    if (here === undefined) continue;
    const used = tasks.get(agent.id) ?? NO_TASKS;
    // Nearly all agents have room for what is offered: find that out without building anything.
    const isOver =
      exceeds(used.resources, here, 'resources', agent.total) ||
      exceeds(used.revocable, here, 'revocable', agent.revocable);
    if (!isOver) continue;
    const taken = sumOf([used.resources, ...here.map((one) => one.resources)]);
    const lent = sumOf([used.revocable, ...here.map((one) => one.revocable)]);
    let over = subtract(taken, agent.total);
    let overRevocable = subtract(lent, agent.revocable);
    for (const offer of here) {
      if (isEmpty(over) && isEmpty(overRevocable)) break;
      if (!touches(offer.resources, over) && !touches(offer.revocable, overRevocable)) continue;
      gone.push(offer);
      over = subtract(over, offer.resources);
      overRevocable = subtract(overRevocable, offer.revocable);
    }
  }
  return gone;
}

/**
 * Offers of a reservation that is gone or became smaller, and offers of unreserved resources that were reserved since.
 * The latter also when the offer's own role got the reservation: accepted, it would count beside the reservation.
 */
export function beyondReservations(
  { snapshot }: Situation,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const offersOf = offersByAgent(offers);
  const gone = new Set<OutstandingOffer>();
  for (const agent of snapshot.agents) {
    const here = offersOf.get(agent.id);
    if (here === undefined) continue;
    for (const offer of here) if (!isCovered(offer, agent.reservations)) gone.add(offer);
    if (agent.reservations.length === 0) continue;
    const left = here.filter((offer) => !gone.has(offer));
    const open = subtract(agent.total, sumOf(agent.reservations.map((one) => one.resources)));
    const used = (tasksByAgent(snapshot).get(agent.id) ?? NO_TASKS).unreserved;
    let over = subtract(sumOf([used, ...left.map(unreservedPart)]), open);
    for (const offer of left) {
      if (isEmpty(over)) break;
      const unreserved = unreservedPart(offer);
      if (!touches(unreserved, over)) continue;
      gone.add(offer);
      over = subtract(over, unreserved);
    }
  }
  return [...gone];
}

function isCovered(
  offer: OutstandingOffer,
  reservations: readonly { readonly reservationId: string; readonly resources: Resources }[],
): boolean {
  return (offer.reservedBy ?? []).every((part) => {
    const now = reservations.find((one) => one.reservationId === part.reservationId);
    return now !== undefined && fits(part.resources, now.resources);
  });
}

/** A limit was lowered below what its role consumes. */
export function aboveLimits(
  { snapshot }: Situation,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  if (snapshot.roles.every((role) => Object.keys(role.limits).length === 0)) return [];
  const consumed = consumedWith(snapshot, offers);
  const over = snapshot.roles
    .filter((role) => Object.keys(role.limits).length > 0)
    .map(({ path, limits }) => ({ path, over: excess(consumed.get(path) ?? {}, limits) }));
  return beyondLimits(over, offers);
}

/** Offers, newest first, that bring roles back below their limits as far as offers can. */
export function beyondLimits(
  limited: readonly OverLimit[],
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const gone = new Set<OutstandingOffer>();
  for (const { path, over: excessOfRole } of limited) {
    let over: Resources = excessOfRole;
    for (const offer of gone)
      if (isWithin(offer.role, path)) over = subtract(over, unreservedPart(offer));
    for (const offer of offers) {
      if (isEmpty(over)) break;
      const counted = unreservedPart(offer);
      if (gone.has(offer) || !isWithin(offer.role, path) || !touches(counted, over)) continue;
      gone.add(offer);
      over = subtract(over, counted);
    }
  }
  return [...gone];
}

/** Offers of other roles that hold what unmet guarantees need, until the rest of the cluster can meet them. */
export function standingInTheWayOfGuarantees(
  { snapshot }: Situation,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const consumed = consumedWith(snapshot, offers);
  let missing = subtract(unmetOfAll(snapshot.roles, consumed), freeUnreserved(snapshot, offers));
  const gone: OutstandingOffer[] = [];
  const specs = new Map<string, RoleSpec>(snapshot.roles.map((role) => [role.path, role]));
  for (const offer of offers) {
    if (isEmpty(missing)) break;
    const counted = unreservedPart(offer);
    if (!touches(counted, missing) || isOwed(offer, missing, specs, consumed)) continue;
    gone.push(offer);
    missing = subtract(missing, counted);
  }
  return gone;
}

/** The offer itself serves a guarantee that would be unmet without it. */
function isOwed(
  offer: OutstandingOffer,
  missing: Resources,
  specs: ReadonlyMap<string, RoleSpec>,
  consumed: ReadonlyMap<string, Resources>,
): boolean {
  return pathAndAncestors(offer.role).some((path) =>
    Object.entries(specs.get(path)?.guarantees ?? {}).some(
      ([name, guarantee]) =>
        amountOf(missing, name) > 0 && amountOf(consumed.get(path) ?? {}, name) <= guarantee,
    ),
  );
}

/** What the guarantees of all roles still lack; a role's own and those below it overlap. */
function unmetOfAll(
  roles: readonly RoleSpec[],
  consumed: ReadonlyMap<string, Resources>,
): Resources {
  const below = new Map<string | undefined, Resources>();
  const deepestFirst = [...withAncestors(roles)].toSorted(
    (left, right) => right.split('/').length - left.split('/').length,
  );
  const specs = new Map<string, RoleSpec>(roles.map((role) => [role.path, role]));
  for (const path of deepestFirst) {
    const spec = specs.get(path);
    const own = subtract(spec?.guarantees ?? {}, consumed.get(path) ?? {});
    let unmet = max(own, below.get(path) ?? {});
    for (const name in spec?.limits ?? {}) {
      const room = amountOf(spec?.limits ?? {}, name) - amountOf(consumed.get(path) ?? {}, name);
      if (amountOf(unmet, name) > room) unmet = { ...unmet, [name]: Math.max(0, room) };
    }
    const parent = parentPath(path);
    below.set(parent, add(below.get(parent) ?? {}, unmet));
  }
  return below.get(undefined) ?? {};
}

function withAncestors(roles: readonly RoleSpec[]): ReadonlySet<string> {
  return new Set(roles.flatMap((role) => pathAndAncestors(role.path)));
}

function freeUnreserved(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): Resources {
  const taken = Map.groupBy([...takenBeside(snapshot), ...offers], (one) => one.agent);
  return sumOf(
    snapshot.agents
      .filter((agent) => agent.schedulable)
      .map((agent) =>
        subtract(
          agent.total,
          sumOf([
            ...agent.reservations.map((one) => one.resources),
            ...(taken.get(agent.id) ?? []).map(beyondHold),
          ]),
        ),
      ),
  );
}

/**
 * What counts against limits: reservations, used or not, and what is held outside of them. One pass over everything, as it
 * runs in every cycle; a reserved part beyond its reservation, which only a shrunk reservation leaves, is not looked for.
 */
function consumedWith(
  snapshot: AllocatorSnapshot,
  offers: readonly OutstandingOffer[],
): ReadonlyMap<string, Resources> {
  const own = new Map<string, { [name: string]: number }>();
  const charge = (role: string, amounts: Resources, less: Resources, more: Resources): void => {
    let sum = own.get(role);
    if (sum === undefined) own.set(role, (sum = {}));
    for (const name in amounts) {
      const amount = amountOf(amounts, name) - amountOf(less, name) - amountOf(more, name);
      if (amount > 0) sum[name] = (sum[name] ?? 0) + amount;
    }
  };
  for (const agent of snapshot.agents)
    for (const one of agent.reservations) charge(one.role, one.resources, {}, {});
  for (const one of snapshot.allocations)
    if (one.kind !== 'offer') charge(one.role, one.resources, one.reserved ?? {}, {});
  for (const one of offers) charge(one.role, one.resources, one.reserved, one.fromHold);
  const consumed = new Map<string, Resources>();
  for (const [role, amounts] of own)
    for (const path of pathAndAncestors(role))
      consumed.set(path, add(consumed.get(path) ?? {}, amounts));
  return consumed;
}

/** Everything taken but by offers: tasks, and capacity held for a preemptor. */
const takenBeside = (snapshot: AllocatorSnapshot): readonly Allocation[] =>
  snapshot.allocations.filter((one) => one.kind !== 'offer');

/** True when something that is offered is more than there is, tasks counted first. */
function exceeds(
  used: Resources,
  offers: readonly OutstandingOffer[],
  part: 'resources' | 'revocable',
  total: Resources,
): boolean {
  const isOver = (name: string): boolean => {
    let sum = amountOf(used, name);
    for (const offer of offers) sum += amountOf(offer[part], name);
    return sum > amountOf(total, name);
  };
  for (const offer of offers) for (const name in offer[part]) if (isOver(name)) return true;
  return false;
}

const groups = new WeakMap<
  readonly OutstandingOffer[],
  ReadonlyMap<string, readonly OutstandingOffer[]>
>();

/** Rules that find nothing hand the same list on. */
function offersByAgent(
  offers: readonly OutstandingOffer[],
): ReadonlyMap<string, readonly OutstandingOffer[]> {
  const known = groups.get(offers) ?? Map.groupBy(offers, (offer): string => offer.agent);
  groups.set(offers, known);
  return known;
}

interface TaskSums {
  readonly resources: { [name: string]: number };
  readonly revocable: { [name: string]: number };
  readonly unreserved: { [name: string]: number };
}
const NO_TASKS: TaskSums = { resources: {}, revocable: {}, unreserved: {} };
const sumsOf = new WeakMap<AllocatorSnapshot, ReadonlyMap<string, TaskSums>>();

/** What tasks take on each agent. Holds take nothing physically: the victims' Pods, or the offers made of them, do. */
function tasksByAgent(snapshot: AllocatorSnapshot): ReadonlyMap<string, TaskSums> {
  const known = sumsOf.get(snapshot);
  if (known !== undefined) return known;
  const sums = new Map<string, TaskSums>();
  for (const one of snapshot.allocations) {
    if (one.kind !== 'task') continue;
    let sum = sums.get(one.agent);
    if (sum === undefined)
      sums.set(one.agent, (sum = { resources: {}, revocable: {}, unreserved: {} }));
    for (const name in one.resources) {
      const amount = amountOf(one.resources, name);
      sum.resources[name] = (sum.resources[name] ?? 0) + amount;
      const unreserved = Math.max(0, amount - amountOf(one.reserved ?? {}, name));
      sum.unreserved[name] = (sum.unreserved[name] ?? 0) + unreserved;
    }
    for (const name in one.revocable)
      sum.revocable[name] = (sum.revocable[name] ?? 0) + amountOf(one.revocable, name);
  }
  sumsOf.set(snapshot, sums);
  return sums;
}

function unreservedPart(one: {
  readonly resources: Resources;
  readonly reserved?: Resources;
}): Resources {
  return subtract(one.resources, min(one.reserved ?? {}, one.resources));
}

/** What an offer takes beside the hold it was made of: the hold is counted already. */
const beyondHold = (one: Allocation | OutstandingOffer): Resources =>
  subtract(unreservedPart(one), one.fromHold ?? {});

function excess(consumed: Resources, limits: Resources): Resources {
  const over: { [name: string]: number } = {};
  for (const name in limits) {
    const surplus = amountOf(consumed, name) - amountOf(limits, name);
    if (surplus > 0) over[name] = surplus;
  }
  return over;
}

const touches = (amounts: Resources, over: Resources): boolean =>
  Object.keys(over).some((name) => amountOf(amounts, name) > 0 && amountOf(over, name) > 0);

const isWithin = (role: string, ancestor: string): boolean =>
  role === ancestor || role.startsWith(`${ancestor}/`);
