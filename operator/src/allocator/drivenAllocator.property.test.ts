import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import { isEmpty, type Resources, resources } from '../model/resources.ts';
import { allocate } from './allocate.ts';
import { DrivenAllocator } from './drivenAllocator.ts';
import type {
  AgentFacts,
  Allocation,
  AllocationCount,
  AllocatorFramework,
  AllocatorSnapshot,
  OfferFilter,
  PlannedOffer,
  RoleSpec,
} from './types.ts';

const AGENTS = ['A1', 'A2', 'A3', 'A4'].map(agentId);
const FRAMEWORKS = ['F1', 'F2', 'F3'].map(frameworkId);
const ROLES = ['a', 'a/b', 'a/b/c', 'a/d', 'e', '*'].map(rolePath);
const OPTIONS = {
  mode: 'mezzo' as const,
  minAllocatable: [{ cpus: 1 }, { mem: 1 }],
  fairnessExclude: [],
};

type Step =
  | { readonly kind: 'agent'; readonly id: (typeof AGENTS)[number]; readonly facts: AgentFacts }
  | { readonly kind: 'framework'; readonly framework: AllocatorFramework }
  | { readonly kind: 'leave'; readonly id: (typeof FRAMEWORKS)[number] }
  | { readonly kind: 'roles'; readonly specs: readonly RoleSpec[] }
  | { readonly kind: 'refuse'; readonly filter: OfferFilter }
  | { readonly kind: 'clear'; readonly id: (typeof FRAMEWORKS)[number] }
  | { readonly kind: 'wait'; readonly ms: number }
  /** What became of some offers: used, or given back with or without a refusal. */
  | { readonly kind: 'answer'; readonly how: 'use' | 'return' | 'refuse'; readonly pick: number }
  | { readonly kind: 'run'; readonly seed: number };

const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }).map(resources);
const role = fc.constantFrom(...ROLES);
const framework = fc.constantFrom(...FRAMEWORKS);
const agentName = fc.constantFrom(...AGENTS);

const allocationOn = (agent: (typeof AGENTS)[number]): fc.Arbitrary<Allocation> =>
  fc
    .record({
      framework,
      role,
      resources: amounts(4),
      revocable: amounts(2),
      kind: fc.constantFrom('task' as const, 'task' as const, 'hold' as const),
      tier: fc.constantFrom('production' as const, 'preemptible' as const, 'revocable' as const),
      isReserved: fc.boolean(),
    })
    .map(({ isReserved, ...one }) => ({
      ...one,
      agent,
      revocable: one.kind === 'hold' ? {} : one.revocable,
      ...(isReserved ? { reserved: one.resources } : {}),
    }));

const factsOf = (id: (typeof AGENTS)[number]): fc.Arbitrary<AgentFacts> =>
  fc.record({
    agent: fc.option(
      fc
        .record({
          total: amounts(14),
          revocable: fc.oneof(fc.constant({}), amounts(4)),
          owners: fc.array(fc.record({ role, resources: amounts(4) }), { maxLength: 2 }),
          schedulable: fc.nat(9).map((tenth) => tenth > 0),
          hasGpus: fc.nat(9).map((tenth) => tenth === 0),
        })
        .map(({ owners, ...one }) => ({
          ...one,
          id,
          attributes: {},
          reservations: owners.map((owner, at) => ({ ...owner, reservationId: `${id}-${at}` })),
        })),
      { nil: undefined, freq: 6 },
    ),
    allocations: fc.array(allocationOn(id), { maxLength: 3 }),
  });

const spec = (path: (typeof ROLES)[number], isLimited: boolean): fc.Arbitrary<RoleSpec> =>
  fc
    .record({
      path: fc.constant(path),
      weightMilli: fc.constantFrom(500, 1000, 2000),
      guarantees: isLimited ? fc.oneof(fc.constant({}), amounts(6)) : fc.constant({}),
      limits: isLimited
        ? (fc.record({ cpus: fc.nat(12), mem: fc.nat(12) }, { requiredKeys: [] }) as never)
        : fc.constant({}),
      tierLimits: fc.record(
        { production: amounts(8), preemptible: amounts(4), revocable: amounts(4) },
        { requiredKeys: [] },
      ),
      isRandom: fc.boolean(),
    })
    .map(({ tierLimits, isRandom, ...one }) => ({
      ...one,
      ...(isLimited ? { tierLimits } : {}),
      ...(isRandom ? { sorter: 'random' as const } : {}),
    }));

const steps = (isLimited: boolean): fc.Arbitrary<readonly Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: agentName.chain((id) =>
          factsOf(id).map((facts): Step => ({ kind: 'agent', id, facts })),
        ),
      },
      {
        weight: 3,
        arbitrary: fc
          .record({
            id: framework,
            roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
            suppressedRoles: fc.oneof(fc.constant([]), fc.array(role, { maxLength: 1 })),
            active: fc.nat(9).map((tenth) => tenth > 0),
            capabilities: fc.record({ revocable: fc.boolean(), gpu: fc.boolean() }),
          })
          .map((one): Step => ({ kind: 'framework', framework: one })),
      },
      framework.map((id): Step => ({ kind: 'leave', id })),
      {
        weight: isLimited ? 3 : 1,
        arbitrary: fc
          .subarray(ROLES)
          .chain((some) => fc.tuple(...some.map((path) => spec(path, isLimited))))
          .map((specs): Step => ({ kind: 'roles', specs })),
      },
      fc
        .record({
          framework,
          role,
          agent: agentName,
          refused: amounts(14),
          refusedRevocable: amounts(4),
          untilMs: fc.nat(4000),
        })
        .map((filter): Step => ({ kind: 'refuse', filter })),
      framework.map((id): Step => ({ kind: 'clear', id })),
      fc.nat(1500).map((ms): Step => ({ kind: 'wait', ms })),
      {
        weight: 5,
        arbitrary: fc
          .record({
            how: fc.constantFrom('use' as const, 'return' as const, 'refuse' as const),
            pick: fc.nat(7),
          })
          .map((one): Step => ({ kind: 'answer', ...one })),
      },
      { weight: 8, arbitrary: fc.nat(99).map((seed): Step => ({ kind: 'run', seed })) },
    ),
    { minLength: 1, maxLength: 60 },
  );

/** The world as it is told, and what is checked after each run. */
class Played {
  readonly driven = new DrivenAllocator(OPTIONS);
  readonly #facts = new Map<(typeof AGENTS)[number], AgentFacts>();
  readonly #frameworks = new Map<string, AllocatorFramework>();
  #roles: readonly RoleSpec[] = [];
  #counts: readonly AllocationCount[] = [];
  #nowMs = 0;
  #runs = 0;

  play(step: Step): void {
    switch (step.kind) {
      case 'agent':
        // Outstanding offers stay: nobody takes them back because something else changed.
        this.#set(step.id, {
          ...step.facts,
          allocations: [...this.#offersOn(step.id), ...step.facts.allocations],
        });
        break;
      case 'framework':
        this.#frameworks.set(step.framework.id, step.framework);
        this.#forgetCounts(step.framework.id, step.framework.roles);
        this.driven.setFramework(step.framework);
        break;
      case 'leave':
        this.#frameworks.delete(step.id);
        this.#forgetCounts(step.id, []);
        this.driven.removeFramework(step.id);
        break;
      case 'roles':
        this.#roles = step.specs;
        this.driven.setRoles(step.specs);
        break;
      case 'refuse':
        this.driven.refuse(step.filter);
        break;
      case 'clear':
        this.driven.clearRefusals(step.id);
        break;
      case 'wait':
        this.#nowMs += step.ms;
        break;
      case 'answer':
        this.#answer(step.how, step.pick);
        break;
      case 'run':
        this.#run(step.seed);
    }
  }

  /** Counts are of the frameworks and roles that take part. */
  #forgetCounts(id: string, kept: readonly string[]): void {
    this.#counts = this.#counts.filter((one) => one.framework !== id || kept.includes(one.role));
  }

  #offersOn(id: (typeof AGENTS)[number]): readonly Allocation[] {
    return (this.#facts.get(id)?.allocations ?? []).filter((one) => one.kind === 'offer');
  }

  #set(id: (typeof AGENTS)[number], facts: AgentFacts): void {
    this.#facts.set(id, facts);
    this.driven.setAgent(id, facts);
  }

  #answer(how: 'use' | 'return' | 'refuse', pick: number): void {
    const offers = [...this.#facts.values()].flatMap((one) =>
      one.allocations.filter((allocation) => allocation.kind === 'offer'),
    );
    const offer = offers[pick % Math.max(1, offers.length)];
    if (offer === undefined) return;
    const facts = this.#facts.get(offer.agent) as AgentFacts;
    const rest = facts.allocations.filter((one) => one !== offer);
    const task = { ...offer, fromHold: {}, kind: 'task' as const };
    const allocations = how === 'use' ? [...rest, task] : rest;
    this.#set(offer.agent, { ...facts, allocations });
    if (how !== 'refuse') return;
    const { framework: who, role: where, agent } = offer;
    const [refused, refusedRevocable] = [offer.resources, offer.revocable];
    const untilMs = this.#nowMs + 500;
    this.driven.refuse({ framework: who, role: where, agent, refused, refusedRevocable, untilMs });
  }

  #snapshot(): AllocatorSnapshot {
    return {
      agents: [...this.#facts.values()].flatMap((one) => one.agent ?? []),
      roles: this.#roles,
      frameworks: [...this.#frameworks.values()],
      allocations: [...this.#facts.values()].flatMap((one) => one.allocations),
      // Those whose time is over are ended by the run itself, if one has seen them.
      filters: this.driven.refusals().map((one) => ({ ...one, untilMs: Infinity })),
      counts: this.#counts,
    };
  }

  #run(seed: number): void {
    const isFull = this.#runs++ % 2 === 0 || this.#roles.some(hasQuota);
    if (isFull) this.driven.lookAtAll();
    const options = { ...OPTIONS, nowMs: this.#nowMs, seed };
    const run = this.driven.begin(options);
    const before = this.#snapshot();
    const plan = allocate(before, options);
    const offers: PlannedOffer[] = [];
    while (!run.step(2)) offers.push(...run.take());
    offers.push(...run.take());
    if (isFull) expect(sorted(offers)).toEqual(plan.offers);
    else expect(offers.length > 0).toBe(plan.offers.length > 0);
    this.#enter(offers);
    const faults = [...this.#facts.keys()].flatMap((id) => this.driven.faultOn(id) ?? []);
    expect([...faults, ...this.driven.faultsOfFrameworks()]).toEqual([]);
    const driven = this.driven.plan();
    this.#counts = driven?.counts ?? [];
    if (isFull) {
      expect(driven?.counts).toEqual(plan.counts);
      expect(driven?.shares).toEqual(plan.shares);
      expect(driven?.reasons).toEqual(plan.reasons);
    }
    if (this.#roles.some(hasQuota)) return;
    const again = allocate(this.#snapshot(), options);
    expect(again.offers).toEqual([]);
    expect(again.shares).toEqual(driven?.shares);
  }

  #enter(offers: readonly PlannedOffer[]): void {
    for (const [id, made] of Map.groupBy(offers, (one) => one.agent)) {
      const facts = this.#facts.get(id) as AgentFacts;
      const more = made.map((one) => ({ ...one, kind: 'offer' as const }));
      const now = { ...facts, allocations: [...facts.allocations, ...more] };
      const isPlain =
        made.every((one) => isEmpty(one.reserved)) &&
        facts.allocations.every((one) => one.kind !== 'hold');
      this.#facts.set(id, now);
      if (isPlain) this.driven.noteOffers(id, now);
      else this.driven.setAgent(id, now);
    }
  }
}

const hasQuota = ({ guarantees, limits }: RoleSpec): boolean =>
  Object.keys(guarantees).length + Object.keys(limits).length > 0;

const sorted = (offers: readonly PlannedOffer[]): readonly PlannedOffer[] => {
  const key = (one: PlannedOffer): string => `${one.framework} ${one.role} ${one.agent}`;
  return offers.toSorted((left, right) => (key(left) < key(right) ? -1 : 1));
};

describe('the allocator kept between cycles', () => {
  test.each([
    ['without quotas', false],
    ['with quotas', true],
  ])('plans over any history as over a snapshot of the same facts, %s', (_, isLimited) => {
    fc.assert(
      fc.property(steps(isLimited), (history) => {
        const played = new Played();
        for (const step of history) played.play(step);
      }),
      { numRuns: 400 },
    );
  });

  test('tells where the ledger is not as it was told', () => {
    const driven = new DrivenAllocator(OPTIONS);
    const id = agentId('A1');
    const agent = { id, total: { cpus: 9 }, revocable: {}, reservations: [], attributes: {} };
    const who = { framework: frameworkId('F1'), role: rolePath('a') };
    const task = { ...who, agent: id, revocable: {}, kind: 'task' as const };
    const facts = (cpus: number): AgentFacts => ({
      agent: { ...agent, schedulable: true, hasGpus: false },
      allocations: [{ ...task, resources: { cpus } }],
    });
    driven.setAgent(id, facts(3));
    expect(driven.faultOn(id)).toBeUndefined();
    expect(driven.faultsOfFrameworks()).toEqual([]);
    driven.noteOffers(id, facts(5));
    expect(driven.faultOn(id)).toBe('agent A1: what is taken, cpus: 3, not 5');
    expect(driven.faultsOfFrameworks()).toEqual(['F1 in a, cpus: 3, not 5']);
  });
});
