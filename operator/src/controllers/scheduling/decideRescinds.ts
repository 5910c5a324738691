import { pathAndAncestors } from '../../allocator/rolePaths.ts';
import type { AllocateOptions, AllocatorSnapshot, RoleSpec } from '../../allocator/types.ts';
import type { RolePath } from '../../model/ids.ts';
import { equal } from '../../model/resources.ts';
import type { OutstandingOffer, Unavailability } from '../../state/offerBook.ts';
import {
  aboveLimits,
  beyondAgents,
  beyondReservations,
  onClosedAgents,
  standingInTheWayOfGuarantees,
} from './overdrawn.ts';

/** Why an offer may no longer stand, in the order in which it is looked for. */
export const RESCIND_REASONS = [
  'AgentClosed',
  'UnavailabilityChanged',
  'RevocableChanged',
  'AgentOverdrawn',
  'ReservationsChanged',
  'LimitExceeded',
  'GuaranteeRaised',
  'WeightsChanged',
] as const;
export type RescindReason = (typeof RESCIND_REASONS)[number];

export interface RescindInput {
  readonly snapshot: AllocatorSnapshot;
  /** What the cycle before looked at; undefined in the first. */
  readonly before: AllocatorSnapshot | undefined;
  readonly offers: readonly OutstandingOffer[];
  /** When agents will be away, by name. */
  readonly unavailable: ReadonlyMap<string, Unavailability>;
  readonly mode: AllocateOptions['mode'];
}

export interface Rescind {
  readonly offer: OutstandingOffer;
  readonly reason: RescindReason;
}

/** Which of `offers` (newest first, those already taken back left out) a rule takes back. */
type Rule = (
  input: RescindInput,
  offers: readonly OutstandingOffer[],
) => readonly OutstandingOffer[];

/**
 * What is taken back when something changed. Mesos takes back every offer the change may concern; Mezzo only those that
 * could do harm, newest first: whoever thinks about an offer should not lose it for nothing.
 * Source: Mesos `Master::updateWeights`, `Master::QuotaHandler::rescindOffers`, `Master::updateSlave`,
 * `Master::updateUnavailability`.
 */
const RESCIND_RULES = {
  AgentClosed: { mesos: onClosedAgents, mezzo: onClosedAgents },
  UnavailabilityChanged: { mesos: toldOtherwise, mezzo: toldOtherwise },
  RevocableChanged: { mesos: whereTheEstimateChanged, mezzo: none },
  // In `mezzo` mode also what the revocable estimate no longer covers, and no more than that.
  AgentOverdrawn: { mesos: beyondAgents, mezzo: beyondAgents },
  ReservationsChanged: { mesos: beyondReservations, mezzo: beyondReservations },
  LimitExceeded: { mesos: aboveLimits, mezzo: aboveLimits },
  GuaranteeRaised: { mesos: forRaisedGuarantees, mezzo: forRaisedGuarantees },
  WeightsChanged: { mesos: allOnceWeighed, mezzo: ofRolesThatWeighLess },
} as const satisfies Record<RescindReason, Record<AllocateOptions['mode'], Rule>>;

/** Offers that may no longer stand, each once, with the first reason that applies. */
export function decideRescinds(input: RescindInput): readonly Rescind[] {
  const rescinds: Rescind[] = [];
  let left = newestFirst(input.offers);
  for (const reason of RESCIND_REASONS) {
    if (left.length === 0) break;
    const gone = new Set(RESCIND_RULES[reason][input.mode](input, left));
    for (const offer of gone) rescinds.push({ offer, reason });
    if (gone.size > 0) left = left.filter((offer) => !gone.has(offer));
  }
  return rescinds;
}

/** The order in which offers are taken back. */
export function newestFirst(offers: readonly OutstandingOffer[]): readonly OutstandingOffer[] {
  return offers.toSorted(
    (left, right) => right.issuedAtMs - left.issuedAtMs || (left.id < right.id ? 1 : -1),
  );
}

function none(): readonly OutstandingOffer[] {
  return [];
}

function toldOtherwise(
  { unavailable }: RescindInput,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  return offers.filter((offer) => {
    const now = unavailable.get(offer.agent);
    return (
      now?.startMs !== offer.unavailability?.startMs ||
      now?.durationMs !== offer.unavailability?.durationMs
    );
  });
}

function whereTheEstimateChanged(
  { snapshot, before }: RescindInput,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  if (before === undefined) return [];
  const former = new Map(before.agents.map((agent) => [agent.id, agent.revocable]));
  const changed = new Set(
    snapshot.agents
      .filter((agent) => !equal(agent.revocable, former.get(agent.id) ?? {}))
      .map((agent) => agent.id),
  );
  return offers.filter(
    (offer) => changed.has(offer.agent) && Object.keys(offer.revocable).length > 0,
  );
}

/** Only a change of the guarantees takes offers back: in all other cases the allocator has held enough back. */
function forRaisedGuarantees(
  input: RescindInput,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const former = specsOf(input.before);
  const raised = input.snapshot.roles.some((role) => {
    const guarantees = former.get(role.path)?.guarantees ?? {};
    return Object.entries(role.guarantees).some(
      ([name, amount]) => amount > (guarantees[name] ?? 0),
    );
  });
  if (input.before === undefined || !raised) return [];
  return standingInTheWayOfGuarantees(input, offers);
}

function allOnceWeighed(
  input: RescindInput,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const changed = changedWeights(input);
  return changed.some((path) => isActive(input.snapshot, path)) ? offers : [];
}

/**
 * Offers of roles whose part of the weights among their siblings became smaller, or whose ancestor's did, if a role
 * whose part grew is there to take what comes free.
 */
function ofRolesThatWeighLess(
  input: RescindInput,
  offers: readonly OutstandingOffer[],
): readonly OutstandingOffer[] {
  const changed = changedWeights(input);
  if (input.before === undefined || changed.length === 0) return [];
  const now = weightsOf(input.snapshot.roles);
  const former = weightsOf(input.before.roles);
  const groups = new Set(changed.map(groupOf));
  const parts = new Map<string, number>();
  for (const group of groups) {
    const siblings = siblingsIn(input.snapshot, group);
    for (const path of siblings) {
      const change = partOf(path, siblings, now) - partOf(path, siblings, former);
      parts.set(path, change);
    }
  }
  const gainers = [...parts].filter(([, change]) => change > 0).map(([path]) => path);
  if (!gainers.some((path) => isActive(input.snapshot, path))) return [];
  return offers.filter((offer) =>
    pathAndAncestors(offer.role).some((path) => (parts.get(path) ?? 0) < 0),
  );
}

const partOf = (
  path: string,
  siblings: ReadonlySet<string>,
  weights: ReadonlyMap<string, number>,
): number => {
  let all = 0;
  for (const one of siblings) all += weights.get(one) ?? 1000;
  return (weights.get(path) ?? 1000) / all;
};

/** Paths of one level that take part in sharing: those with frameworks, allocations, or below-roles that have. */
function siblingsIn(snapshot: AllocatorSnapshot, group: string): ReadonlySet<string> {
  const paths = new Set<string>();
  const note = (role: RolePath): void => {
    for (const path of pathAndAncestors(role)) if (groupOf(path) === group) paths.add(path);
  };
  for (const framework of snapshot.frameworks) framework.roles.forEach(note);
  for (const one of snapshot.allocations) note(one.role);
  return paths;
}

const groupOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function changedWeights({ snapshot, before }: RescindInput): readonly string[] {
  if (before === undefined) return [];
  const now = weightsOf(snapshot.roles);
  const former = weightsOf(before.roles);
  return [...new Set([...now.keys(), ...former.keys()])].filter(
    (path) => (now.get(path) ?? 1000) !== (former.get(path) ?? 1000),
  );
}

const weightsOf = (roles: readonly RoleSpec[]): ReadonlyMap<string, number> =>
  new Map(roles.map((role) => [role.path, role.weightMilli]));

const specsOf = (snapshot: AllocatorSnapshot | undefined): ReadonlyMap<string, RoleSpec> =>
  new Map(snapshot?.roles.map((role) => [role.path, role]));

/** A framework waits for offers in the role or below it. */
function isActive(snapshot: AllocatorSnapshot, path: string): boolean {
  return snapshot.frameworks.some(
    (framework) =>
      framework.active &&
      framework.roles.some(
        (role) =>
          (role === path || role.startsWith(`${path}/`)) &&
          !framework.suppressedRoles.includes(role),
      ),
  );
}
