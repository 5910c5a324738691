import type { RolePath } from '../model/ids.ts';
import { amountOf, type Resources } from '../model/resources.ts';
import { comparePaths, pathAndAncestors } from './rolePaths.ts';
import { settle } from './settle.ts';
import { hasTierLimits, type TierUse, tierUseOf } from './tierCheck.ts';
import type { AllocatorSnapshot, RoleSpec } from './types.ts';

/** What each role consumes against its limits, sub-roles included, beside the roles' policy. */
export interface RoleConsumption {
  readonly roles: readonly RoleSpec[];
  /** By role path; an absent role consumes nothing. */
  readonly consumed: ReadonlyMap<string, Resources>;
  /** Absent while no tier is limited. */
  readonly tierUse?: TierUse;
}

export interface QuotaExcess {
  /** The role whose limit is hit: the asking role or one above it, nearest first. */
  readonly role: RolePath;
  readonly resource: string;
  readonly limit: number;
  readonly consumed: number;
  readonly requested: number;
}

/** Consumption by the allocator's own rules: reservations, used or not, and unreserved non-revocable allocations. */
export function consumptionOf(snapshot: AllocatorSnapshot): RoleConsumption {
  const consumed = new Map<string, Record<string, number>>();
  const charge = (role: string, amounts: Resources): void => {
    for (const path of pathAndAncestors(role)) {
      const sum = consumed.get(path) ?? {};
      consumed.set(path, sum);
      for (const name in amounts) sum[name] = (sum[name] ?? 0) + amountOf(amounts, name);
    }
  };
  const onAgent = Map.groupBy(snapshot.allocations, (one) => one.agent);
  for (const agent of snapshot.agents) {
    for (const one of agent.reservations) charge(one.role, one.resources);
    for (const one of settle(agent, onAgent.get(agent.id) ?? [])) charge(one.role, one.unreserved);
    onAgent.delete(agent.id);
  }
  // What is left is on agents that are gone: it counts whole until its Pods are.
  for (const allocations of onAgent.values())
    for (const one of allocations) charge(one.role, one.resources);
  if (!hasTierLimits(snapshot.roles)) return { roles: snapshot.roles, consumed };
  const tasks = snapshot.allocations.filter((one) => one.kind === 'task');
  const tierUse = tierUseOf(
    tasks.map((one) => ({ ...one, tier: one.tier ?? ('production' as const) })),
  );
  return { roles: snapshot.roles, consumed, tierUse };
}

/**
 * The first limit that `extra` more for a role would break, or null when it fits.
 *
 * `extra`: unreserved, non-revocable amounts that are not consumed yet (what an outstanding offer holds already is).
 * Does not: consider guarantees of other roles; those hold back offers, never a launch.
 */
export function wouldExceed(
  tree: RoleConsumption,
  role: RolePath,
  extra: Resources,
): QuotaExcess | null {
  const specs = new Map<string, RoleSpec>(tree.roles.map((spec) => [spec.path, spec]));
  for (const path of pathAndAncestors(role)) {
    const spec = specs.get(path);
    if (spec === undefined) continue;
    for (const resource of Object.keys(spec.limits).toSorted(comparePaths)) {
      const limit = amountOf(spec.limits, resource);
      const consumed = amountOf(tree.consumed.get(path) ?? {}, resource);
      const requested = amountOf(extra, resource);
      if (requested > 0 && consumed + requested > limit)
        return { role: spec.path, resource, limit, consumed, requested };
    }
  }
  return null;
}
