import { countsOf, plannedOffer, reasonsOf, sharesOf } from './describePlan.ts';
import { loadSnapshot } from './engine/loadSnapshot.ts';
import { Run } from './engine/run.ts';
import { comparePaths } from './rolePaths.ts';
import type {
  AllocateOptions,
  AllocationPlan,
  AllocatorSnapshot,
  HeldBack,
  PlannedOffer,
} from './types.ts';

/**
 * One allocation cycle over a snapshot: who is offered what, and what held back the rest.
 *
 * Loads the engine from the snapshot and runs it once. Reasons are worked out when they are first read.
 * Guarantees: allocations and offers together never exceed an agent; no offer takes a role above its limit (`mezzo`:
 * nor above any ancestor's); the same snapshot and seed give the same plan, whatever the order of the snapshot's lists.
 * Does not: revoke or rescind anything; an over-committed agent or role is simply offered nothing more.
 * Source: Mesos `src/master/allocator/mesos/hierarchical.cpp`.
 */
export function allocate(snapshot: AllocatorSnapshot, options: AllocateOptions): AllocationPlan {
  const core = loadSnapshot(snapshot, options);
  const run = new Run(core, { nowMs: options.nowMs, seed: options.seed });
  while (!run.step(Number.MAX_SAFE_INTEGER));
  const { agents } = core.ledger;
  const elsewhere = snapshot.allocations.filter((one) => agents.find(one.agent) === undefined);
  let reasons: readonly HeldBack[] | undefined;
  return {
    offers: run.plan().offers.map(plannedOffer).toSorted(compareOffers),
    get reasons(): readonly HeldBack[] {
      reasons ??= reasonsOf(core, snapshot.frameworks);
      return reasons;
    },
    shares: sharesOf(core, elsewhere),
    counts: countsOf(core, snapshot.frameworks),
  };
}

/** The order in which a plan lists its offers. */
export function compareOffers(left: PlannedOffer, right: PlannedOffer): number {
  return (
    comparePaths(left.framework, right.framework) ||
    comparePaths(left.role, right.role) ||
    comparePaths(left.agent, right.agent)
  );
}
