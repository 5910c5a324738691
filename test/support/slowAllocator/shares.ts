import { pathAndAncestors } from '../../../operator/src/allocator/rolePaths.ts';
import type { RoleShare } from '../../../operator/src/allocator/types.ts';
import type { RolePath } from '../../../operator/src/model/ids.ts';
import { add, type Resources, subtract } from '../../../operator/src/model/resources.ts';
import { type Cycle, settledAllocations } from './cycle.ts';

type Sums = Map<string, Resources>;

/** Where every role stands after the cycle, sub-roles included in the roles above them. */
export function sharesOf(cycle: Cycle): readonly RoleShare[] {
  const allocated: Sums = new Map();
  const offered: Sums = new Map();
  const revocable: Sums = new Map();
  const reserved: Sums = new Map();
  for (const one of settledAllocations(cycle.snapshot, cycle.ledgers)) {
    credit(allocated, one.role, one.resources);
    credit(revocable, one.role, one.revocable);
    if (one.kind === 'offer') credit(offered, one.role, one.resources);
  }
  for (const offer of cycle.offers.values()) {
    // A held part is counted with its hold already, as allocated but not as offered.
    credit(allocated, offer.role, subtract(offer.resources, offer.fromHold));
    credit(offered, offer.role, offer.resources);
    credit(revocable, offer.role, offer.revocable);
  }
  for (const agent of cycle.snapshot.agents)
    for (const reservation of agent.reservations)
      credit(reserved, reservation.role, reservation.resources);
  const weights = new Map(cycle.snapshot.roles.map((role) => [role.path, role.weightMilli]));
  return knownPaths(cycle).map((role) => ({
    role,
    dominantSharePpm: Math.floor(cycle.roleSorter.dominantShare(role) * 1_000_000),
    weightMilli: weights.get(role) ?? 1000,
    allocated: allocated.get(role) ?? {},
    offered: offered.get(role) ?? {},
    revocable: revocable.get(role) ?? {},
    reserved: reserved.get(role) ?? {},
    consumed: cycle.quota.consumedOf(role),
  }));
}

function credit(sums: Sums, role: RolePath, amounts: Resources): void {
  for (const path of pathAndAncestors(role)) sums.set(path, add(sums.get(path) ?? {}, amounts));
}

function knownPaths(cycle: Cycle): readonly RolePath[] {
  const paths = new Set<string>(cycle.quota.paths());
  const note = (role: RolePath): void => {
    for (const path of pathAndAncestors(role)) paths.add(path);
  };
  for (const framework of cycle.snapshot.frameworks) framework.roles.forEach(note);
  for (const spec of cycle.snapshot.roles) note(spec.path);
  return [...paths].toSorted() as RolePath[];
}
