import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { slowAllocate } from '../../../test/support/slowAllocator/slowAllocate.ts';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import {
  add,
  fits,
  isEmpty,
  min,
  type Resources,
  resources,
  subtract,
  sumOf,
} from '../model/resources.ts';
import { allocate } from './allocate.ts';
import { consumptionOf, wouldExceed } from './quotaCheck.ts';
import { isAllocatableTo, pathAndAncestors } from './rolePaths.ts';
import type {
  AllocateOptions,
  Allocation,
  AllocationPlan,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorSnapshot,
  PlannedOffer,
  RoleShare,
  RoleSpec,
} from './types.ts';

const ROLES = ['a', 'a/b', 'a/b/c', 'a/d', 'e', '*'].map(rolePath);
const OPTIONS: Omit<AllocateOptions, 'mode' | 'seed'> = {
  nowMs: 1000,
  minAllocatable: [{ cpus: 1 }, { mem: 1 }],
  fairnessExclude: [],
};

const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }).map(resources);
const role = fc.constantFrom(...ROLES);
const framework = fc.constantFrom('F1', 'F2', 'F3').map(frameworkId);
const agentName = fc.constantFrom('A1', 'A2', 'A3').map(agentId);

const agents: fc.Arbitrary<readonly AllocatorAgent[]> = fc
  .uniqueArray(
    fc.record({
      id: agentName,
      total: amounts(12),
      revocable: amounts(4),
      reservations: fc.array(
        fc.record({ role, resources: amounts(4), reservationId: fc.constant('') }),
        { maxLength: 2 },
      ),
      attributes: fc.constant({}),
      schedulable: fc.nat(9).map((tenth) => tenth > 0),
      hasGpus: fc.constant(false),
    }),
    { selector: (agent) => agent.id, minLength: 1, maxLength: 3 },
  )
  .map((list) =>
    list.map((agent) => ({
      ...agent,
      reservations: agent.reservations.map((one, index) => ({
        ...one,
        reservationId: `${agent.id}-${index}`,
      })),
    })),
  );

/** Some names limited, some not; zero is a real limit. */
const quotaOf = (path: (typeof ROLES)[number]): fc.Arbitrary<RoleSpec> =>
  fc
    .record({
      weightMilli: fc.constantFrom(500, 1000, 2000),
      limitCpus: fc.option(fc.nat(10), { nil: undefined }),
      limitMem: fc.option(fc.nat(10), { nil: undefined }),
      guarantees: fc.oneof(fc.constant({}), amounts(6)),
    })
    .map(({ weightMilli, limitCpus, limitMem, guarantees }) => ({
      path,
      weightMilli,
      guarantees,
      limits: {
        ...(limitCpus === undefined ? {} : { cpus: limitCpus }),
        ...(limitMem === undefined ? {} : { mem: limitMem }),
      },
    }));

const frameworks: fc.Arbitrary<readonly AllocatorFramework[]> = fc.uniqueArray(
  fc.record({
    id: framework,
    roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
    suppressedRoles: fc.oneof(fc.constant([]), fc.array(role, { maxLength: 1 })),
    active: fc.nat(9).map((tenth) => tenth > 0),
    capabilities: fc.record({ revocable: fc.boolean(), gpu: fc.constant(true) }),
  }),
  { selector: (one) => one.id, minLength: 1, maxLength: 3 },
);

const allocation: fc.Arbitrary<Allocation> = fc
  .record({
    agent: agentName,
    framework,
    role,
    resources: amounts(4),
    revocable: amounts(2),
    kind: fc.constantFrom('task' as const, 'offer' as const, 'hold' as const),
    reservedPart: fc.boolean(),
  })
  .map(({ reservedPart, ...one }) => ({
    ...one,
    revocable: one.kind === 'hold' ? {} : one.revocable,
    ...(reservedPart ? { reserved: one.resources } : {}),
  }))
  // Nothing at all is no allocation: it names no role.
  .filter((one) => !isEmpty(one.resources) || !isEmpty(one.revocable));

const snapshots: fc.Arbitrary<AllocatorSnapshot> = fc.record({
  agents,
  roles: fc
    .subarray(ROLES)
    .chain((some) => fc.tuple(...some.map(quotaOf)))
    .map((list): readonly RoleSpec[] => list),
  frameworks,
  allocations: fc.array(allocation, { maxLength: 5 }),
  filters: fc.array(
    fc.record({
      framework,
      role,
      agent: agentName,
      refused: amounts(12),
      refusedRevocable: amounts(4),
      untilMs: fc.constantFrom(500, 5000),
    }),
    { maxLength: 3 },
  ),
});
const seeds = fc.integer();
const modes = fc.constantFrom('mezzo' as const, 'mesos' as const);

/** The snapshot after its plan was carried out: planned offers are outstanding. */
function carriedOut(snapshot: AllocatorSnapshot, plan: AllocationPlan): AllocatorSnapshot {
  const offers = plan.offers.map((offer): Allocation => ({ ...offer, kind: 'offer' }));
  return { ...snapshot, allocations: [...snapshot.allocations, ...offers] };
}

/** The same names with amounts no cluster has: picks names in `min`. */
function scaled(of: Resources): Resources {
  return Object.fromEntries(Object.keys(of).map((name) => [name, Number.MAX_SAFE_INTEGER]));
}

function withoutZeros(share: RoleShare): RoleShare {
  return {
    ...share,
    consumed: resources(share.consumed),
    allocated: resources(share.allocated),
    offered: resources(share.offered),
    revocable: resources(share.revocable),
    reserved: resources(share.reserved),
  };
}

/** The same offer with its reservations in order of their id. */
function inOrder(offer: PlannedOffer): PlannedOffer {
  const byId = (left: { reservationId: string }, right: { reservationId: string }): number =>
    left.reservationId < right.reservationId ? -1 : 1;
  return { ...offer, reservedBy: offer.reservedBy.toSorted(byId) };
}

function usedOn(snapshot: AllocatorSnapshot, agent: AllocatorAgent, kind: 'all' | 'physical') {
  return snapshot.allocations.filter(
    (one) => one.agent === agent.id && (kind === 'all' || one.kind !== 'hold'),
  );
}

describe('allocate', () => {
  test('never offers more than an agent has, whatever is already over-used', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (snapshot, seed, mode) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        for (const agent of snapshot.agents) {
          const used = usedOn(snapshot, agent, 'physical');
          const offers = plan.offers.filter((offer) => offer.agent === agent.id);
          const before = sumOf(used.map((one) => one.resources));
          const offered = sumOf(offers.map((offer) => offer.resources));
          // Per name: either nothing is offered, or use and offers together fit.
          const touched = resources(
            Object.fromEntries(
              Object.keys(offered).map((name) => [
                name,
                (before[name] ?? 0) + (offered[name] ?? 0),
              ]),
            ),
          );
          expect(fits(touched, agent.total)).toBe(true);
          const revocable = sumOf(offers.map((offer) => offer.revocable));
          const allRevocable = add(revocable, sumOf(used.map((one) => one.revocable)));
          for (const name in revocable)
            expect(allRevocable[name] ?? 0).toBeLessThanOrEqual(agent.revocable[name] ?? 0);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('never takes a role above its limit or any limit above it (mezzo), beyond what already was', () => {
    fc.assert(
      fc.property(snapshots, seeds, (snapshot, seed) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode: 'mezzo' });
        const before = consumptionOf(snapshot);
        const after = consumptionOf(carriedOut(snapshot, plan));
        for (const spec of snapshot.roles)
          for (const name in spec.limits) {
            const was = before.consumed.get(spec.path)?.[name] ?? 0;
            const is = after.consumed.get(spec.path)?.[name] ?? 0;
            expect(is).toBeLessThanOrEqual(Math.max(was, spec.limits[name] ?? 0));
          }
        for (const path of ROLES)
          if (wouldExceed(before, path, {}) !== null) throw new Error('nothing asked, yet refused');
      }),
      { numRuns: 400 },
    );
  });

  test('offers reservations to the role and its sub-roles only', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (snapshot, seed, mode) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        for (const offer of plan.offers) {
          for (const part of offer.reservedBy)
            expect(isAllocatableTo(part.role, offer.role)).toBe(true);
          expect(sumOf(offer.reservedBy.map((part) => part.resources))).toEqual(offer.reserved);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('offers held capacity to nobody but the one it is held for', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (drawn, seed, mode) => {
        // Without reservations, so that every hold is a claim on the same pool.
        const bare = drawn.agents.map((agent) => ({ ...agent, reservations: [] }));
        const snapshot = { ...drawn, agents: bare };
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        for (const agent of snapshot.agents) {
          const here = plan.offers.filter((offer) => offer.agent === agent.id);
          const holds = usedOn(snapshot, agent, 'all').filter((one) => one.kind === 'hold');
          const isHolder = (offer: { framework: string; role: string }): boolean =>
            holds.some((hold) => hold.framework === offer.framework && hold.role === offer.role);
          const stillHeld = subtract(
            sumOf(holds.map((hold) => hold.resources)),
            sumOf(here.map((offer) => offer.fromHold)),
          );
          const taken = sumOf([
            ...usedOn(snapshot, agent, 'physical').map((one) => one.resources),
            ...here.map((offer) => offer.resources),
            stillHeld,
          ]);
          for (const offer of here.filter((one) => !isHolder(one)))
            expect(fits(min(taken, scaled(offer.resources)), agent.total)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('decides exactly what the plain allocator decides', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (snapshot, seed, mode) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        const slow = slowAllocate(snapshot, { ...OPTIONS, seed, mode });
        expect(plan.offers.map(inOrder)).toEqual(slow.offers.map(inOrder));
        expect(plan.counts).toEqual(slow.counts);
        expect(plan.shares.map(withoutZeros)).toEqual(slow.shares.map(withoutZeros));
      }),
      { numRuns: 250 },
    );
  });

  test('the order of the lists in the snapshot does not matter', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (snapshot, seed, mode) => {
        const turned = {
          ...snapshot,
          agents: snapshot.agents.toReversed(),
          roles: snapshot.roles.toReversed(),
          frameworks: snapshot.frameworks.toReversed(),
        };
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        const same = allocate(turned, { ...OPTIONS, seed, mode });
        expect(same.offers).toEqual(plan.offers);
        expect(same.shares).toEqual(plan.shares);
        expect(same.reasons).toEqual(plan.reasons);
      }),
      { numRuns: 150 },
    );
  });

  test('every agent is accounted for: offered, or held back for exactly one reason', () => {
    fc.assert(
      fc.property(snapshots, seeds, modes, (snapshot, seed, mode) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode });
        for (const one of snapshot.frameworks)
          for (const path of one.roles) {
            const mine = (entry: { framework: string; role: string }) =>
              entry.framework === one.id && entry.role === path;
            const offered = plan.offers.filter(mine).length;
            const held = plan.reasons.filter(mine).reduce((sum, reason) => sum + reason.agents, 0);
            expect(offered + held).toBe(snapshot.agents.length);
          }
      }),
      { numRuns: 150 },
    );
  });

  test('shares report what consumption after the plan is', () => {
    fc.assert(
      fc.property(snapshots, seeds, (snapshot, seed) => {
        const plan = allocate(snapshot, { ...OPTIONS, seed, mode: 'mezzo' });
        const after = consumptionOf(carriedOut(snapshot, plan));
        for (const share of plan.shares)
          expect(resources(share.consumed)).toEqual(
            resources(after.consumed.get(share.role) ?? {}),
          );
        for (const offer of plan.offers)
          for (const path of pathAndAncestors(offer.role))
            expect(plan.shares.some((share) => share.role === path)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
