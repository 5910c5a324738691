import { comparePaths } from '../../../operator/src/allocator/rolePaths.ts';
import type {
  AllocateOptions,
  AllocationCount,
  AllocationPlan,
  AllocatorSnapshot,
  PlannedOffer,
} from '../../../operator/src/allocator/types.ts';
import type { FrameworkId, RolePath } from '../../../operator/src/model/ids.ts';
import { type Cycle, countKey, openCycle } from './cycle.ts';
import { Funnel } from './funnel.ts';
import { satisfyGuarantees } from './guarantees.ts';
import { offerRest } from './rest.ts';
import { sharesOf } from './shares.ts';
import { shuffled } from './shuffle.ts';

/**
 * One allocation cycle the plain way: every figure computed anew from the snapshot. The oracle for the engine.
 *
 * Guarantees: allocations and offers together never exceed an agent; no offer takes a role above its limit (`mezzo`:
 * nor above any ancestor's); the same snapshot and seed give the same plan, whatever the order of the snapshot's lists.
 * Does not: revoke or rescind anything; an over-committed agent or role is simply offered nothing more.
 * Source: Mesos `src/master/allocator/mesos/hierarchical.cpp`.
 */
export function slowAllocate(
  snapshot: AllocatorSnapshot,
  options: AllocateOptions,
): AllocationPlan {
  const cycle = openCycle(snapshot, options);
  const funnel = new Funnel();
  satisfyGuarantees(cycle, candidates(cycle));
  offerRest(cycle, candidates(cycle), funnel);
  return {
    offers: [...cycle.offers.values()].toSorted(compareOffers),
    reasons: funnel.reasons(cycle),
    shares: sharesOf(cycle),
    counts: countsOf(cycle),
  };
}

/** Agents that take part, in an order of the cycle's own. */
function candidates(cycle: Cycle): Cycle['ledgers'] {
  const open = cycle.ledgers.filter((ledger) => ledger.agent.schedulable);
  return shuffled(open, cycle.rng);
}

function compareOffers(left: PlannedOffer, right: PlannedOffer): number {
  return (
    comparePaths(left.framework, right.framework) ||
    comparePaths(left.role, right.role) ||
    comparePaths(left.agent, right.agent)
  );
}

function countsOf(cycle: Cycle): readonly AllocationCount[] {
  const pairs: { readonly framework: FrameworkId; readonly role: RolePath }[] =
    cycle.snapshot.frameworks.flatMap((framework) =>
      framework.roles.map((role) => ({ framework: framework.id, role })),
    );
  return pairs.flatMap((pair) => {
    const count = cycle.counts.get(countKey(pair.framework, pair.role)) ?? 0;
    return count === 0 ? [] : [{ ...pair, count }];
  });
}
