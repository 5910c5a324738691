import type { FrameworkId, RolePath } from '../model/ids.ts';
import { add, type Resources, sumOf } from '../model/resources.ts';
import type { Core } from './engine/core.ts';
import { rolesOf } from './engine/figures.ts';
import { loadSnapshot } from './engine/loadSnapshot.ts';
import { Run } from './engine/run.ts';
import type { EngineOffer } from './engine/types.ts';
import { whyNot } from './engine/why.ts';
import { comparePaths, pathAndAncestors } from './rolePaths.ts';
import {
  type AllocateOptions,
  type AllocationCount,
  type AllocationPlan,
  type AllocatorSnapshot,
  type HeldBack,
  HOLD_BACK_CHECKS,
  type PlannedOffer,
  type RoleShare,
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
  let reasons: readonly HeldBack[] | undefined;
  return {
    offers: run.plan().offers.map(plannedOffer).toSorted(compareOffers),
    get reasons(): readonly HeldBack[] {
      reasons ??= reasonsOf(core, snapshot);
      return reasons;
    },
    shares: sharesOf(core, snapshot),
    counts: countsOf(core, snapshot),
  };
}

function plannedOffer(offer: EngineOffer): PlannedOffer {
  const reserved = sumOf(offer.reserved.map((part) => part.resources));
  return {
    framework: offer.framework,
    role: offer.role,
    agent: offer.agent,
    resources: add(offer.resources, reserved),
    revocable: offer.revocable,
    reserved,
    reservedBy: [
      ...offer.reserved.map((part) => ({
        role: part.stack.at(-1) as RolePath,
        resources: part.resources,
        reservationId: part.reservationId ?? '',
      })),
      ...offer.volumes.map(({ id, sizeBytes }) => ({
        role: offer.role,
        resources: { disk: sizeBytes },
        reservationId: id,
        volume: { shared: true },
      })),
    ],
    fromHold: offer.fromHold,
  };
}

function compareOffers(left: PlannedOffer, right: PlannedOffer): number {
  return (
    comparePaths(left.framework, right.framework) ||
    comparePaths(left.role, right.role) ||
    comparePaths(left.agent, right.agent)
  );
}

/** By framework, role and order of the checks. */
function reasonsOf(core: Core, snapshot: AllocatorSnapshot): readonly HeldBack[] {
  const pairs = snapshot.frameworks
    .flatMap((framework) => framework.roles.map((role) => ({ framework: framework.id, role })))
    .toSorted(
      (left, right) =>
        comparePaths(left.framework, right.framework) || comparePaths(left.role, right.role),
    );
  return pairs.flatMap(({ framework, role }) =>
    whyNot(core, framework, role).flatMap((held): readonly HeldBack[] => {
      const check = HOLD_BACK_CHECKS.find((one) => one === held.check);
      // A whole snapshot is run, so nothing can have been left out; what came too early waits for the next cycle.
      return [{ ...held, framework, role, check: check ?? 'HeldForGuarantees' }];
    }),
  );
}

function sharesOf(core: Core, snapshot: AllocatorSnapshot): readonly RoleShare[] {
  const elsewhere = new Map<
    string,
    { allocated: Resources; offered: Resources; revocable: Resources }
  >();
  for (const one of snapshot.allocations) {
    if (core.ledger.agents.find(one.agent) !== undefined) continue;
    for (const path of pathAndAncestors(one.role)) {
      const before = elsewhere.get(path) ?? { allocated: {}, offered: {}, revocable: {} };
      elsewhere.set(path, {
        allocated: add(before.allocated, one.resources),
        offered: one.kind === 'offer' ? add(before.offered, one.resources) : before.offered,
        revocable: add(before.revocable, one.revocable),
      });
    }
  }
  return rolesOf(core).map((role) => {
    const more = elsewhere.get(role.role);
    return {
      role: role.role,
      dominantSharePpm: role.dominantSharePpm,
      weightMilli: role.weightMilli,
      allocated: add(role.allocated, more?.allocated ?? {}),
      offered: add(role.offered, more?.offered ?? {}),
      revocable: add(role.revocable, more?.revocable ?? {}),
      reserved: role.reserved,
      consumed: role.consumed,
    };
  });
}

function countsOf(core: Core, snapshot: AllocatorSnapshot): readonly AllocationCount[] {
  const { shares } = core.ledger.clients;
  const pairs: { readonly framework: FrameworkId; readonly role: RolePath }[] =
    snapshot.frameworks.flatMap((framework) =>
      framework.roles.map((role) => ({ framework: framework.id, role })),
    );
  return pairs.flatMap((pair) => {
    const client = core.findClient(pair.framework, pair.role);
    const count = client === undefined ? 0 : (shares.count[client] as number);
    return count === 0 ? [] : [{ ...pair, count }];
  });
}
