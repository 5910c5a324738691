import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { slowAllocate } from '../../../../test/support/slowAllocator/slowAllocate.ts';
import { agentId, frameworkId, rolePath } from '../../model/ids.ts';
import type { Tier } from '../../model/job.ts';
import { add, type Resources, resources, sumOf } from '../../model/resources.ts';
import type { Allocation, AllocatorSnapshot } from '../types.ts';
import { createAllocatorEngine } from './allocatorEngine.ts';
import type {
  AllocatorEngine,
  AllocatorEvent,
  EngineOffer,
  EngineOptions,
  Parts,
  ReservedPart,
} from './types.ts';

const AGENTS = ['A1', 'A2', 'A3'].map(agentId);
const FRAMEWORKS = ['F1', 'F2', 'F3'].map(frameworkId);
const ROLES = ['a', 'a/b', 'a/b/c', 'a/d', 'e', '*'].map(rolePath);
const OPTIONS: EngineOptions = {
  mode: 'mezzo',
  minAllocatable: [{ cpus: 1 }, { mem: 1 }],
  fairnessExclude: [],
  sorter: 'drf',
  offers: 'coarse',
  agentOrder: 'random',
  allocationIntervalMs: 1000,
  hoardAfterMs: 20_000,
};

/** What a history is made of: an event, or time that passes, or an answer to whatever is out. */
type Step =
  | { readonly kind: 'event'; readonly event: AllocatorEvent }
  | { readonly kind: 'advance'; readonly ms: number }
  | {
      readonly kind: 'answer';
      readonly pick: number;
      readonly how: 'use' | 'decline' | 'half';
      readonly tier: Tier;
    }
  | { readonly kind: 'finish'; readonly pick: number }
  | { readonly kind: 'hold'; readonly pick: number };

const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }).map(resources);
const agent = fc.constantFrom(...AGENTS);
const framework = fc.constantFrom(...FRAMEWORKS);
const role = fc.constantFrom(...ROLES);
const owner = fc.constantFrom('a', 'a/b', 'e').map(rolePath);
const ports = fc.constantFrom([], [[1, 9]] as const, [[3, 5]] as const);
const reserved = fc.array(fc.record({ stack: owner.map((one) => [one]), resources: amounts(5) }), {
  maxLength: 2,
});

/** Also of reservations that are not there: then the agent must not be either. */
const someUse = fc.array(
  fc.record({
    framework,
    role: owner,
    resources: amounts(3),
    reserved: fc.array(fc.record({ stack: owner.map((one) => [one]), resources: amounts(2) }), {
      maxLength: 1,
    }),
    tier: fc.constantFrom('production', 'preemptible', 'revocable'),
  }),
  { maxLength: 1 },
);

const tier = fc.constantFrom('production', 'preemptible', 'revocable');
const tierLimits = fc.record(
  {
    production: fc.record({ cpus: fc.nat(6) }),
    preemptible: fc.record({ cpus: fc.nat(6), mem: fc.nat(6) }),
    revocable: fc.record({ cpus: fc.nat(3) }),
  },
  { requiredKeys: [] },
);

const event: fc.Arbitrary<AllocatorEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('addAgent' as const),
      id: agent,
      total: amounts(12),
      revocable: amounts(4),
      reserved,
      ports,
      volumes: fc.constantFrom([], [{ id: 'm1', sizeBytes: 2 }]),
      used: someUse,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('addFramework' as const),
      id: framework,
      roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
      capabilities: fc.subarray([
        'REVOCABLE_RESOURCES',
        'SHARED_RESOURCES',
        'MULTI_ROLE',
        'RESERVATION_REFINEMENT',
        'GPU_RESOURCES',
      ]),
    }),
  },
  fc.record({
    kind: fc.constant('updateAgent' as const),
    id: agent,
    total: amounts(12),
    revocable: amounts(4),
  }),
  fc.record({ kind: fc.constant('updateAgent' as const), id: agent, schedulable: fc.boolean() }),
  fc.record({ kind: fc.constant('removeAgent' as const), id: agent }),
  fc.record({ kind: fc.constant('removeFramework' as const), id: framework }),
  fc.record({ kind: fc.constantFrom('activate' as const, 'deactivate' as const), id: framework }),
  fc.record({ kind: fc.constant('suppress' as const), framework }),
  fc.record({ kind: fc.constant('revive' as const), framework }),
  fc.record({
    kind: fc.constant('updateFramework' as const),
    id: framework,
    roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('setQuota' as const),
      role,
      guarantees: fc.oneof(fc.constant({}), amounts(6)),
      limits: fc.record({ cpus: fc.nat(10), mem: fc.nat(10) }, { requiredKeys: [] }),
      tierLimits,
      force: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constant('removeQuota' as const), role }),
  fc.record({
    kind: fc.constant('setWeight' as const),
    role,
    weightMilli: fc.constantFrom(0, 500, 1000, 3000),
  }),
  fc.record({
    kind: fc.constant('setSorter' as const),
    role,
    sorter: fc.constantFrom('drf' as const, 'random' as const),
  }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('reserve' as const, 'unreserve' as const),
      agent,
      stack: owner.map((one) => [one]),
      resources: amounts(4),
    }),
  },
  fc.record({
    kind: fc.constantFrom('reserve' as const, 'unreserve' as const),
    agent,
    framework,
    role: owner,
    stack: owner.map((one) => [one]),
    resources: amounts(4),
  }),
  fc.record({
    kind: fc.constant('createVolume' as const),
    agent,
    id: fc.constantFrom('v1', 'v2'),
    sizeBytes: fc.constant(1),
    shared: fc.boolean(),
    stack: fc.oneof(
      fc.constant([]),
      owner.map((one) => [one]),
    ),
  }),
  fc.record({
    kind: fc.constant('destroyVolume' as const),
    agent,
    id: fc.constantFrom('v1', 'v2'),
  }),
  fc.record({
    kind: fc.constant('hold' as const),
    framework,
    role,
    agent,
    parts: amounts(4).map((one) => ({ resources: one })),
  }),
  fc.record({ kind: fc.constant('unhold' as const), framework, role, agent }),
  fc.record({
    kind: fc.constant('whitelist' as const),
    agents: fc.subarray(AGENTS, { minLength: 1 }),
  }),
  fc.record({ kind: fc.constant('expire' as const), framework, role, agent }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: event.map((one) => ({ kind: 'event' as const, event: one })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(10, 1000, 5000).map((ms) => ({ kind: 'advance' as const, ms })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      pick: fc.nat(20),
      how: fc.constantFrom('use' as const, 'decline' as const, 'half' as const),
      tier,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('finish' as const, 'hold' as const),
      pick: fc.nat(20),
    }),
  },
);
const histories = fc.array(step, { minLength: 5, maxLength: 40 });
const variants = fc.record({
  mode: fc.constantFrom('mezzo' as const, 'mesos' as const),
  offers: fc.constantFrom('coarse' as const, 'fairShare' as const),
  agentOrder: fc.constantFrom('random' as const, 'bestFit' as const),
  sorter: fc.constantFrom('drf' as const, 'random' as const),
});

/** Every pair of framework and role on every agent. */
const HOLDERS = AGENTS.flatMap((on) =>
  FRAMEWORKS.flatMap((by) => ROLES.map((path) => ({ framework: by, role: path, agent: on }))),
);

function isNothing(parts: Parts): boolean {
  return Object.keys(parts).length === 0;
}

/** Replays histories and remembers what an engine said, for comparison with another. */
class Replay {
  readonly engine: AllocatorEngine;
  readonly said: unknown[] = [];
  nowMs = 0;
  #seed = 0;

  constructor(options: EngineOptions) {
    this.engine = createAllocatorEngine(options);
  }

  /** Carries out one step; returns the event it came to, if any. */
  perform(one: Step): AllocatorEvent | undefined {
    if (one.kind === 'advance') {
      this.nowMs += one.ms;
      this.engine.tick();
      return undefined;
    }
    const chosen = one.kind === 'event' ? one.event : this.#chosen(one);
    if (chosen !== undefined) this.said.push(this.engine.apply(chosen, this.nowMs));
    return chosen;
  }

  run(): readonly EngineOffer[] {
    const { offers } = this.engine.allocate({ nowMs: this.nowMs, seed: ++this.#seed });
    this.said.push(offers);
    return offers;
  }

  #chosen(one: Extract<Step, { kind: 'answer' | 'finish' | 'hold' }>): AllocatorEvent | undefined {
    const what = one.kind === 'finish' ? 'used' : 'offered';
    const out = HOLDERS.filter((holder) => !isNothing(this.engine.held(holder)[what]));
    const holder = out[one.pick % Math.max(1, out.length)];
    if (holder === undefined) return undefined;
    const parts = this.engine.held(holder)[what];
    if (one.kind === 'finish') return { kind: 'recover', ...holder, parts };
    // On an agent it was offered: so holds are offered, answered and ended.
    if (one.kind === 'hold') return { kind: 'hold', ...holder, parts: { resources: { cpus: 2 } } };
    if (one.how === 'use') return { kind: 'use', ...holder, tier: one.tier };
    if (one.how === 'decline') return { kind: 'recover', ...holder, refuseMs: 3000 };
    return { kind: 'recover', ...holder, parts: { resources: halved(parts.resources ?? {}) } };
  }
}

function halved(of: Resources): Resources {
  return resources(
    Object.fromEntries(Object.entries(of).map(([name, it]) => [name, Math.floor(it / 2)])),
  );
}

/** By how much agents and limits are exceeded, as one flat map. */
function excess(engine: AllocatorEngine): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const one of engine.conditions()) {
    if (one.kind === 'GuaranteesOverCapacity') continue;
    const of = one.kind === 'LimitExceeded' ? `${one.role} ${one.tier ?? ''}` : one.agent;
    for (const name in one.over) all.set(`${one.kind} ${of} ${name}`, one.over[name] ?? 0);
  }
  return all;
}

const figures = (engine: AllocatorEngine): string =>
  JSON.stringify([
    engine.roles(),
    engine.conditions(),
    HOLDERS.map((holder) => engine.held(holder)),
  ]);

describe('the engine over random histories', () => {
  test('stays exact: every derived figure equals what is counted anew', () => {
    fc.assert(
      fc.property(histories, variants, (history, variant) => {
        const replay = new Replay({ ...OPTIONS, ...variant });
        for (const one of history) {
          replay.perform(one);
          expect(replay.engine.audit()).toEqual([]);
          if (replay.engine.isDue()) replay.run();
          expect(replay.engine.audit()).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a run never takes an agent above its total, nor (mezzo) a role above a limit at any level', () => {
    fc.assert(
      fc.property(histories, variants, (history, variant) => {
        const replay = new Replay({ ...OPTIONS, ...variant });
        for (const one of history) {
          replay.perform(one);
          const before = excess(replay.engine);
          replay.run();
          for (const [what, over] of excess(replay.engine)) {
            if (variant.mode === 'mesos' && what.startsWith('LimitExceeded')) continue;
            expect([what, over]).toEqual([what, Math.min(over, before.get(what) ?? 0)]);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('no launch takes the tasks of a tier above a limit, at any level', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const replay = new Replay(OPTIONS);
        for (const one of history) {
          const before = excess(replay.engine);
          const happened = replay.perform(one);
          for (const [what, over] of excess(replay.engine))
            if (happened?.kind === 'use')
              expect([what, over]).toEqual([what, Math.min(over, before.get(what) ?? 0)]);
          if (replay.engine.isDue()) replay.run();
        }
      }),
      { numRuns: 200 },
    );
  });

  test('a refused event changes nothing', () => {
    fc.assert(
      fc.property(histories, variants, (history, variant) => {
        const replay = new Replay({ ...OPTIONS, ...variant });
        for (const one of history) {
          const before = figures(replay.engine);
          const isRefused =
            replay.perform(one) !== undefined &&
            (replay.said.at(-1) as { kind: string }).kind === 'refused';
          if (isRefused) expect(figures(replay.engine)).toBe(before);
          if (replay.engine.isDue()) replay.run();
        }
      }),
      { numRuns: 100 },
    );
  });

  test('the same history and seeds give the same answers, also in slices', () => {
    fc.assert(
      fc.property(histories, variants, (history, variant) => {
        const whole = new Replay({ ...OPTIONS, ...variant });
        const sliced = new Replay({ ...OPTIONS, ...variant });
        let seed = 0;
        for (const one of history) {
          whole.perform(one);
          sliced.perform(one);
          const offers = whole.run();
          seed++;
          const progress = sliced.engine.begin({ nowMs: sliced.nowMs, seed });
          while (!progress.step(1));
          expect(progress.plan().offers).toEqual(offers);
          expect(sliced.engine.isDue()).toBe(false);
        }
        expect(figures(sliced.engine)).toBe(figures(whole.engine));
      }),
      { numRuns: 60 },
    );
  });

  test('what was never offered is never lost: all agents and frameworks gone, nothing is left', () => {
    fc.assert(
      fc.property(histories, variants, (history, variant) => {
        const replay = new Replay({ ...OPTIONS, ...variant });
        for (const one of history) {
          replay.perform(one);
          if (replay.engine.isDue()) replay.run();
        }
        for (const id of FRAMEWORKS) replay.engine.apply({ kind: 'removeFramework', id }, 0);
        for (const id of AGENTS) replay.engine.apply({ kind: 'removeAgent', id }, 0);
        for (const path of ROLES) replay.engine.apply({ kind: 'removeQuota', role: path }, 0);
        expect(replay.engine.audit()).toEqual([]);
        for (const one of replay.engine.roles())
          expect({ ...one.consumed, ...one.allocated, ...one.reserved, ...one.revocable }).toEqual(
            {},
          );
        expect(replay.engine.metrics()['allocator/mesos/resources/cpus/total']).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});

type Outstanding = (typeof HOLDERS)[number] & { readonly parts: Parts };

function outstanding(engine: AllocatorEngine): readonly Outstanding[] {
  return HOLDERS.map((holder) => ({ ...holder, parts: engine.held(holder).offered }));
}

/**
 * Without tier limits and whole disks, which the plain allocator does not know, and without use, which it does not count
 * as allocated before; with refusals also without reservations, since it remembers refusals as sums and the engine by
 * reservation.
 */
function plainStep(one: Step, hasFilters: boolean): Step {
  if (one.kind !== 'event') return one;
  if (one.event.kind === 'setQuota') {
    const { tierLimits: _, ...quota } = one.event;
    return { kind: 'event', event: quota };
  }
  if (one.event.kind !== 'addAgent') return one;
  const kept = hasFilters ? [] : (one.event.reserved ?? []);
  return { kind: 'event', event: { ...one.event, used: [], volumes: [], reserved: kept } };
}

/** Parts as the snapshot knows them. */
function allocation(
  holder: (typeof HOLDERS)[number],
  parts: Parts,
  kind: Allocation['kind'],
): Allocation {
  const inReservations = sumOf((parts.reserved ?? []).map((one) => one.resources));
  return {
    ...holder,
    kind,
    resources: add(parts.resources ?? {}, inReservations),
    revocable: parts.revocable ?? {},
    reserved: inReservations,
  };
}

describe('the engine and the plain allocator', () => {
  const plainEvents = new Set<AllocatorEvent['kind']>([
    'addAgent',
    'removeAgent',
    'addFramework',
    'removeFramework',
    'activate',
    'deactivate',
    'suppress',
    'revive',
    'setQuota',
    'removeQuota',
    'setWeight',
  ]);

  test('decide the same at every tick of a long history', () => {
    fc.assert(
      fc.property(histories, fc.boolean(), (drawn, hasFilters) => {
        // Either refusals or reservations.
        const history = drawn
          .filter((one) => hasFilters || one.kind !== 'answer' || one.how !== 'decline')
          .map((one) => plainStep(one, hasFilters));
        const replay = new Replay({ ...OPTIONS, mode: 'mesos', hoardAfterMs: 1e12 });
        const world = new World();
        let seed = 0;
        for (const one of history) {
          if (one.kind === 'event' && !plainEvents.has(one.event.kind)) continue;
          if (one.kind === 'hold') continue;
          const before = outstanding(replay.engine);
          const happened = replay.perform(one);
          const said = replay.said.at(-1) as { kind?: string } | undefined;
          if (happened !== undefined && said?.kind === 'ok')
            world.note(happened, before, replay.nowMs);
          const snapshot = world.snapshot(replay.engine);
          replay.engine.tick();
          seed++;
          const slow = slowAllocate(snapshot, {
            nowMs: replay.nowMs,
            seed,
            minAllocatable: OPTIONS.minAllocatable,
            mode: 'mesos',
            fairnessExclude: [],
          });
          const offers = replay.run().map((offer) => ({
            where: `${offer.framework} ${offer.role} ${offer.agent}`,
            resources: add(offer.resources, sumOf(offer.reserved.map((part) => part.resources))),
            revocable: offer.revocable,
          }));
          const expected = slow.offers.map((offer) => ({
            where: `${offer.framework} ${offer.role} ${offer.agent}`,
            resources: offer.resources,
            revocable: offer.revocable,
          }));
          const order = (left: { where: string }, right: { where: string }): number =>
            left.where < right.where ? -1 : 1;
          expect(offers.sort(order)).toEqual(expected.sort(order));
          world.counts(
            offers.map((offer) => offer.where),
            slow,
          );
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** The state of a history as a snapshot, kept by the test and not by the engine. */
class World {
  readonly #agents = new Map<string, Extract<AllocatorEvent, { kind: 'addAgent' }>>();
  readonly #frameworks = new Map<string, AllocatorSnapshot['frameworks'][number]>();
  readonly #roles = new Map<string, AllocatorSnapshot['roles'][number]>();
  #counts: AllocatorSnapshot['counts'] = [];
  #filters: AllocatorSnapshot['filters'][number][] = [];

  counts(
    _granted: readonly string[],
    slow: { readonly counts: AllocatorSnapshot['counts'] },
  ): void {
    this.#counts = slow.counts;
  }

  note(happened: AllocatorEvent, before: readonly Outstanding[], nowMs: number): void {
    this.#noteFilters(happened, before, nowMs);
    switch (happened.kind) {
      case 'addAgent':
        this.#agents.set(happened.id, happened);
        break;
      case 'removeAgent':
        this.#agents.delete(happened.id);
        break;
      case 'addFramework':
        this.#frameworks.set(happened.id, {
          id: happened.id,
          roles: happened.roles ?? [],
          suppressedRoles: [],
          active: true,
          capabilities: {
            revocable: happened.capabilities?.includes('REVOCABLE_RESOURCES') ?? false,
            gpu: true,
          },
        });
        break;
      case 'removeFramework':
        this.#frameworks.delete(happened.id);
        this.#counts = this.#counts?.filter((one) => one.framework !== happened.id);
        break;
      case 'activate':
      case 'deactivate':
        this.#patch(happened.id, { active: happened.kind === 'activate' });
        break;
      case 'suppress':
      case 'revive': {
        const roles = this.#frameworks.get(happened.framework)?.roles ?? [];
        this.#patch(happened.framework, {
          suppressedRoles: happened.kind === 'suppress' ? roles : [],
        });
        break;
      }
      case 'setQuota':
        this.#role(happened.role, { guarantees: happened.guarantees, limits: happened.limits });
        break;
      case 'removeQuota':
        this.#role(happened.role, { guarantees: {}, limits: {} });
        break;
      case 'setWeight':
        this.#role(happened.role, { weightMilli: happened.weightMilli });
        break;
      default:
    }
  }

  snapshot(engine: AllocatorEngine): AllocatorSnapshot {
    const held = HOLDERS.flatMap((holder) => {
      const { offered, used } = engine.held(holder);
      return [allocation(holder, offered, 'offer'), allocation(holder, used, 'task')];
    });
    return {
      agents: [...this.#agents.values()].map((one) => ({
        id: one.id,
        total: sumOf([one.total ?? {}, ...(one.reserved ?? []).map((part) => part.resources)]),
        revocable: one.revocable ?? {},
        reservations: joined(one.reserved ?? []),
        attributes: {},
        schedulable: true,
        hasGpus: false,
      })),
      roles: [...this.#roles.values()],
      frameworks: [...this.#frameworks.values()],
      allocations: held.filter(
        (one) => Object.keys(one.resources).length + Object.keys(one.revocable).length > 0,
      ),
      filters: this.#filters,
      counts: this.#counts ?? [],
    };
  }

  /** Refusals of what was offered; activation, revival and removal end them. */
  #noteFilters(happened: AllocatorEvent, before: readonly Outstanding[], nowMs: number): void {
    if (happened.kind === 'recover' && (happened.refuseMs ?? 0) > 0) {
      const { framework: by, role: path, agent: on } = happened;
      const offer = before.find(
        (one) => one.framework === by && one.role === path && one.agent === on,
      );
      if (offer !== undefined)
        this.#filters.push({
          framework: by,
          role: path,
          agent: on,
          refused: offer.parts.resources ?? {},
          refusedRevocable: offer.parts.revocable ?? {},
          untilMs: nowMs + (happened.refuseMs ?? 0),
        });
    }
    const ended = (one: { framework: string; agent: string }): boolean =>
      ((happened.kind === 'deactivate' || happened.kind === 'removeFramework') &&
        happened.id === one.framework) ||
      (happened.kind === 'revive' && happened.framework === one.framework) ||
      (happened.kind === 'removeAgent' && happened.id === one.agent);
    this.#filters = this.#filters.filter((one) => !ended(one));
  }

  #patch(id: string, patch: Partial<AllocatorSnapshot['frameworks'][number]>): void {
    const before = this.#frameworks.get(id);
    if (before !== undefined) this.#frameworks.set(id, { ...before, ...patch });
  }

  #role(path: (typeof ROLES)[number], patch: Partial<AllocatorSnapshot['roles'][number]>): void {
    const before = this.#roles.get(path) ?? { path, weightMilli: 1000, guarantees: {}, limits: {} };
    this.#roles.set(path, { ...before, ...patch });
  }
}

/** Reservations of one role on one agent are one in the engine. */
function joined(
  parts: readonly ReservedPart[],
): AllocatorSnapshot['agents'][number]['reservations'] {
  const byRole = Map.groupBy(parts, (part) => part.stack[0] as (typeof ROLES)[number]);
  return [...byRole].map(([path, same]) => ({
    role: path,
    resources: sumOf(same.map((part) => part.resources)),
    reservationId: path,
  }));
}
