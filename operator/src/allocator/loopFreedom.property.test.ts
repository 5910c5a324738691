import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type AgentId, agentId, frameworkId, type RolePath, rolePath } from '../model/ids.ts';
import { fits, type Resources, subtract, sumOf } from '../model/resources.ts';
import { createAllocatorEngine } from './engine/allocatorEngine.ts';
import type { AllocatorEngine, AllocatorEvent } from './engine/types.ts';
import { decidePreemption } from './preemption/decidePreemption.ts';
import { TIER_RANK } from './preemption/rules.ts';
import type { PreemptionPlan, RunningTask, TaskTier } from './preemption/types.ts';

/**
 * The argument of docs/adr/0005, run: fixed demand in a tree of roles, fair shares, quotas and preemption together.
 *
 * A1  Every preemption replaces tasks by one that is strictly higher in (tier, priority), so the multiset of ranks that
 *     run only ever grows in lexicographic order.
 * A2  A launch out of an offer adds to that multiset and takes nothing from it.
 * A3  So no state comes back, and with fixed demand there are finitely many: everything comes to rest.
 */
const ROLES = ['a', 'a/b', 'a/c', 'a/b/d', 'e'].map(rolePath);
const AGENTS = ['A1', 'A2'].map(agentId);

interface Want {
  readonly key: string;
  readonly role: RolePath;
  readonly tier: Exclude<TaskTier, 'revocable'>;
  readonly priority: number;
  readonly resources: Resources;
}

interface Setting {
  readonly agents: readonly Resources[];
  readonly wants: readonly Want[];
  readonly quotas: readonly {
    readonly role: RolePath;
    readonly guarantee: number;
    readonly limit: number;
  }[];
  readonly offers: 'coarse' | 'fairShare';
}

const rankOf = (want: Pick<Want, 'tier' | 'priority'>): number =>
  TIER_RANK[want.tier] * 100 + want.priority;

const settings: fc.Arbitrary<Setting> = fc.record({
  agents: fc.array(
    fc.integer({ min: 2, max: 12 }).map((cpus) => ({ cpus })),
    {
      minLength: 1,
      maxLength: 2,
    },
  ),
  wants: fc
    .array(
      fc.record({
        role: fc.constantFrom(...ROLES),
        tier: fc.constantFrom('production' as const, 'preemptible' as const),
        priority: fc.nat(3),
        resources: fc.integer({ min: 1, max: 4 }).map((cpus) => ({ cpus })),
      }),
      { minLength: 5, maxLength: 14 },
    )
    // The lowest come first: then the later ones have somebody to take from.
    .map((all) => all.toSorted((left, right) => rankOf(left) - rankOf(right)))
    .map((all) => all.map((one, at) => ({ ...one, key: `t${at}` }))),
  quotas: fc.uniqueArray(
    fc.record({
      role: fc.constantFrom(...ROLES),
      guarantee: fc.nat(3),
      limit: fc.integer({ min: 3, max: 12 }),
    }),
    { selector: (one) => one.role, maxLength: 3 },
  ),
  offers: fc.constantFrom('coarse' as const, 'fairShare' as const),
});

class Cluster {
  readonly engine: AllocatorEngine;
  readonly #setting: Setting;
  /** What runs, and where. */
  readonly running = new Map<string, { readonly want: Want; readonly agent: AgentId }>();
  #seed = 0;
  /** How many of the wants are there yet: they come one after the other, so that late ones find it full. */
  arrived = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.engine = createAllocatorEngine({
      mode: 'mezzo',
      minAllocatable: [],
      fairnessExclude: [],
      sorter: 'drf',
      offers: setting.offers,
      agentOrder: 'random',
      allocationIntervalMs: 0,
    });
    for (const { role, guarantee, limit } of setting.quotas)
      this.#apply({
        kind: 'setQuota',
        role,
        guarantees: { cpus: guarantee },
        limits: { cpus: limit },
      });
    setting.agents.forEach((total, at) => {
      this.#apply({ kind: 'addAgent', id: AGENTS[at] as AgentId, total });
    });
    for (const role of ROLES)
      this.#apply({ kind: 'addFramework', id: frameworkId(role), roles: [role] });
  }

  /** One run; every framework launches what fits, highest rank first, and gives the rest back. */
  launchFromOffers(): number {
    let launched = 0;
    this.engine.tick();
    for (const offer of this.engine.allocate({ nowMs: 0, seed: ++this.#seed }).offers) {
      let left = offer.resources;
      for (const want of this.pending().filter((one) => one.role === offer.role)) {
        if (!fits(want.resources, left)) continue;
        left = subtract(left, want.resources);
        const holder = { framework: offer.framework, role: offer.role, agent: offer.agent };
        this.#apply({ kind: 'use', ...holder, parts: { resources: want.resources } });
        this.running.set(want.key, { want, agent: offer.agent });
        launched++;
      }
      const holder = { framework: offer.framework, role: offer.role, agent: offer.agent };
      if (Object.keys(left).length > 0)
        this.#apply({ kind: 'recover', ...holder, parts: { resources: left } });
    }
    return launched;
  }

  /** Pending wants, highest rank first. */
  pending(): readonly Want[] {
    return this.#setting.wants
      .slice(0, this.arrived)
      .filter((want) => !this.running.has(want.key))
      .toSorted((left, right) => rankOf(right) - rankOf(left) || (left.key < right.key ? -1 : 1));
  }

  /** The first preemption that anybody pending is entitled to, carried out at once. */
  preemptOnce(): PreemptionPlan | undefined {
    for (const want of this.pending()) {
      const plan = this.#decide(want);
      if (plan === undefined) continue;
      for (const victim of plan.victims) this.#end(victim.podKey);
      const role = want.role;
      const holder = { framework: frameworkId(role), role, agent: plan.agent };
      this.#apply({ kind: 'hold', ...holder, parts: { resources: want.resources } });
      this.#apply({ kind: 'unhold', ...holder });
      this.#place(want, plan.agent);
      return plan;
    }
    return undefined;
  }

  ranks(): readonly number[] {
    return [...this.running.values()].map((one) => rankOf(one.want)).sort((a, b) => b - a);
  }

  #decide(want: Want): PreemptionPlan | undefined {
    const tasks = [...this.running.values()].map((one) => this.#task(one));
    const plan = decidePreemption({
      candidate: { ...want, jobKey: want.key, instance: 0 },
      agents: this.#setting.agents.map((total, at) => {
        const id = AGENTS[at] as AgentId;
        const used = sumOf(tasks.filter((one) => one.agent === id).map((one) => one.resources));
        return { id, total, free: subtract(total, used), heldForOthers: {}, rescindable: [] };
      }),
      tasks,
      quota: {
        roles: this.#setting.quotas.map(({ role, guarantee, limit }) => ({
          path: role,
          weightMilli: 1000,
          guarantees: { cpus: guarantee },
          limits: { cpus: limit },
        })),
        consumed: new Map(this.engine.roles().map((one) => [one.role, one.consumed])),
      },
    });
    return plan.kind === 'preempt' && plan.victims.length > 0 ? plan : undefined;
  }

  #task({ want, agent }: { readonly want: Want; readonly agent: AgentId }): RunningTask {
    return {
      ...want,
      podKey: want.key,
      uid: want.key,
      agent,
      revocable: {},
      startedAtMs: 0,
      jobKey: want.key,
      terminating: false,
    };
  }

  #end(key: string): void {
    const { want, agent } = this.running.get(key) as { want: Want; agent: AgentId };
    this.running.delete(key);
    this.#apply({
      kind: 'recover',
      framework: frameworkId(want.role),
      role: want.role,
      agent,
      parts: { resources: want.resources },
    });
  }

  #place(want: Want, agent: AgentId): void {
    this.running.set(want.key, { want, agent });
    const used = { framework: frameworkId(want.role), role: want.role, resources: want.resources };
    this.#apply({ kind: 'updateAgent', id: agent, used: [used] });
  }

  #apply(event: AllocatorEvent): void {
    const applied = this.engine.apply(event, 0);
    if (applied.kind === 'refused') throw new Error(`${event.kind}: ${applied.message}`);
  }
}

/** Negative when `left` comes first in the order of A1. */
function compareRanks(left: readonly number[], right: readonly number[]): number {
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? -1) - (right[at] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** More steps than any setting of this size can take. */
const MOST_STEPS = 400;

describe('fair shares and preemption in a tree', () => {
  test('come to rest: every step is a gain in rank, and no state comes back', () => {
    let preemptions = 0;
    fc.assert(
      fc.property(settings, (setting) => {
        const cluster = new Cluster(setting);
        let ranks = cluster.ranks();
        let idleRounds = 0;
        let steps = 0;
        // Offers take turns among frameworks, so it takes a few empty rounds to know that nobody wants anything.
        while (idleRounds < 8 || cluster.arrived < setting.wants.length) {
          if (++steps > MOST_STEPS) throw new Error('it does not come to rest');
          cluster.arrived++;
          const launched = cluster.launchFromOffers();
          const plan = cluster.preemptOnce();
          if (plan !== undefined) preemptions++;
          idleRounds = launched === 0 && plan === undefined ? idleRounds + 1 : 0;
          const now = cluster.ranks();
          if (idleRounds === 0) expect(compareRanks(now, ranks)).toBeGreaterThan(0);
          ranks = now;
          expect(cluster.engine.audit()).toEqual([]);
        }
      }),
      { numRuns: 80 },
    );
    // The test means something only if preemptions happen in it.
    expect(preemptions).toBeGreaterThan(50);
  });
});

describe('guarantees', () => {
  const trees = fc
    .record({
      agents: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      guarantees: fc.array(fc.nat(6), { minLength: ROLES.length, maxLength: ROLES.length }),
      slack: fc.array(fc.nat(3), { minLength: ROLES.length, maxLength: ROLES.length }),
      seed: fc.nat(),
    })
    .map((one) => ({ ...one, quotas: consistentQuotas(one.guarantees, one.slack) }));

  test('are all met by one run whenever the cluster and the limits above have room for them', () => {
    let met = 0;
    fc.assert(
      fc.property(trees, ({ agents, quotas, seed }) => {
        const capacity = agents.reduce((sum, cpus) => sum + cpus, 0);
        const due =
          Math.max(quotas.get('a')?.guarantee ?? 0, 0) + (quotas.get('e')?.guarantee ?? 0);
        fc.pre(due <= capacity);
        const engine = createAllocatorEngine({
          mode: 'mezzo',
          minAllocatable: [],
          fairnessExclude: [],
          sorter: 'drf',
          offers: 'coarse',
          agentOrder: 'random',
          allocationIntervalMs: 0,
        });
        for (const [role, { guarantee, limit }] of quotas)
          engine.apply(
            {
              kind: 'setQuota',
              role: rolePath(role),
              guarantees: { cpus: guarantee },
              limits: { cpus: limit },
            },
            0,
          );
        // One greedy framework without any guarantee comes first.
        engine.apply({ kind: 'addFramework', id: frameworkId('0'), roles: [rolePath('0')] }, 0);
        for (const role of ROLES)
          engine.apply({ kind: 'addFramework', id: frameworkId(role), roles: [role] }, 0);
        agents.forEach((cpus, at) => {
          engine.apply({ kind: 'addAgent', id: agentId(`A${at}`), total: { cpus } }, 0);
        });
        engine.allocate({ nowMs: 0, seed });
        for (const one of engine.roles()) {
          const { guarantee = 0 } = quotas.get(one.role) ?? {};
          if (guarantee > 0) met++;
          expect(one.consumed['cpus'] ?? 0).toBeGreaterThanOrEqual(guarantee);
        }
      }),
      { numRuns: 300 },
    );
    expect(met).toBeGreaterThan(100);
  });

  /** Guarantees that fit below each other's limits: a parent's is at least the sum of its children's. */
  function consistentQuotas(
    guarantees: readonly number[],
    slack: readonly number[],
  ): ReadonlyMap<string, { readonly guarantee: number; readonly limit: number }> {
    const quotas = new Map<string, { guarantee: number; limit: number }>();
    for (const role of ROLES.toSorted((left, right) => right.length - left.length)) {
      const at = ROLES.indexOf(role);
      const children = ROLES.filter(
        (other) => other.startsWith(`${role}/`) && other.lastIndexOf('/') === role.length,
      );
      const below = children.reduce((sum, child) => sum + (quotas.get(child)?.guarantee ?? 0), 0);
      const guarantee = Math.max(guarantees[at] ?? 0, below);
      quotas.set(role, { guarantee, limit: guarantee + (slack[at] ?? 0) });
    }
    return quotas;
  }
});
