import { describe, expect, test } from '@jest/globals';
import { TierMeter } from '../../allocator/tierCheck.ts';
import { agentId, offerId, rolePath } from '../../model/ids.ts';
import type { PendingTask, TaskGroup } from '../../model/job.ts';
import { byUrgency, decideMatch, type MatchInput, type MatchOffer } from './decideMatch.ts';

const GIB = 2 ** 30;

const offer = (
  id: string,
  agent: string,
  cpus: number,
  more: Partial<MatchOffer> = {},
): MatchOffer => ({
  id: offerId(id),
  agent: agentId(agent),
  role: rolePath('web'),
  resources: { cpus, mem: 4 * GIB },
  revocable: {},
  ...more,
});

const pending = (
  name: string,
  cpus: number,
  more: Partial<TaskGroup> & { readonly sinceMs?: number; readonly instance?: number } = {},
): PendingTask => {
  const { sinceMs = 0, instance = 0, ...group } = more;
  return {
    group: {
      jobKey: `ServiceJob/apps/${name}`,
      jobUid: `uid-${name}`,
      role: rolePath('web'),
      tier: 'preemptible',
      priority: 0,
      resources: { cpus, mem: GIB },
      revocable: {},
      constraints: [],
      ...group,
    },
    instance,
    generation: 0,
    podName: `${name}-${instance}`,
    sinceMs,
  };
};

const match = (input: Partial<MatchInput>): string[] =>
  decideMatch({
    offers: [],
    pending: [],
    holds: [],
    attributesOf: (agent) => ({ hostname: agent, zone: agent.slice(0, 1) }),
    agentsOfJob: () => [],
    ...input,
  }).map((one) => `${one.task.podName} on ${one.offer}`);

describe('tiers', () => {
  const limited = [
    {
      path: rolePath('web'),
      weightMilli: 1000,
      guarantees: {},
      limits: {},
      tierLimits: { preemptible: { cpus: 3 } },
    },
  ];
  test('no more of a tier is placed than its limit has room for; other tiers go on', () => {
    const live = [
      { role: 'web', tier: 'preemptible' as const, resources: { cpus: 1 }, revocable: {} },
    ];
    const placed = match({
      offers: [offer('o', 'a1', 10)],
      pending: [
        pending('first', 1, { priority: 9 }),
        pending('large', 2, { priority: 5 }),
        pending('second', 1),
        pending('prod', 4, { tier: 'production' }),
      ],
      tiers: new TierMeter(limited, live),
    });
    expect(placed).toEqual(['prod-0 on o', 'first-0 on o', 'second-0 on o']);
  });
});

describe('who goes first', () => {
  test('production before preemptible before revocable, whatever their priority', () => {
    const order = [
      pending('lent', 1, { tier: 'revocable', priority: 9 }),
      pending('batch', 1, { priority: 5 }),
      pending('front', 1, { tier: 'production' }),
    ].toSorted(byUrgency);
    expect(order.map((one) => one.podName)).toEqual(['front-0', 'batch-0', 'lent-0']);
  });
  test('within a tier priority, then waiting time, then the name', () => {
    const order = [
      pending('late', 1, { sinceMs: 9 }),
      pending('b', 1, { sinceMs: 2 }),
      pending('a', 1, { sinceMs: 2 }),
      pending('vip', 1, { priority: 1, sinceMs: 50 }),
    ].toSorted(byUrgency);
    expect(order.map((one) => one.podName)).toEqual(['vip-0', 'a-0', 'b-0', 'late-0']);
  });
  test('the only room goes to the more urgent one', () => {
    const waiting = [pending('batch', 1000), pending('front', 1000, { tier: 'production' })];
    expect(match({ offers: [offer('o1', 'a1', 1500)], pending: waiting })).toEqual([
      'front-0 on o1',
    ]);
  });
});

describe('where', () => {
  test('on the offer it leaves least of', () => {
    const offers = [offer('big', 'a1', 8000), offer('snug', 'a2', 1200), offer('mid', 'a3', 4000)];
    expect(match({ offers, pending: [pending('one', 1000)] })).toEqual(['one-0 on snug']);
  });
  test('an offer is filled by several tasks and never beyond what it has', () => {
    const waiting = [0, 1, 2].map((instance) => pending('many', 1000, { instance }));
    expect(match({ offers: [offer('o1', 'a1', 2000)], pending: waiting })).toEqual([
      'many-0 on o1',
      'many-1 on o1',
    ]);
  });
  test('an offer of another role is not for the task', () => {
    const other = offer('o1', 'a1', 4000, { role: rolePath('batch') });
    expect(match({ offers: [other], pending: [pending('one', 1000)] })).toEqual([]);
  });
  test('a task that is too large for every offer does not keep the next from its place', () => {
    const waiting = [pending('huge', 9000, { tier: 'production' }), pending('one', 1000)];
    expect(match({ offers: [offer('o1', 'a1', 2000)], pending: waiting })).toEqual(['one-0 on o1']);
  });
  test('a revocable task needs revocable CPU and its own memory', () => {
    const lent = pending('lent', 0, {
      tier: 'revocable',
      resources: { mem: GIB },
      revocable: { cpus: 500 },
    });
    const plain = offer('plain', 'a1', 8000);
    const lends = offer('lends', 'a2', 100, { revocable: { cpus: 500 } });
    expect(match({ offers: [plain, lends], pending: [lent] })).toEqual(['lent-0 on lends']);
  });
});

describe('constraints', () => {
  const perZone = [{ attribute: 'zone', operator: 'MaxPerValue' as const, limit: 1 }];
  test('count what runs and what was just placed', () => {
    const waiting = [0, 1, 2].map((instance) =>
      pending('spread', 100, { instance, constraints: perZone }),
    );
    const offers = [offer('o1', 'a1', 4000), offer('o2', 'a2', 4000), offer('o3', 'b1', 4000)];
    expect(match({ offers, pending: waiting }).toSorted()).toEqual([
      'spread-0 on o1',
      'spread-1 on o3',
    ]);
    expect(match({ offers, pending: waiting, agentsOfJob: () => [agentId('b2')] })).toEqual([
      'spread-0 on o1',
    ]);
  });
});

describe('capacity held by a preemption', () => {
  const hold = {
    agent: agentId('a1'),
    role: rolePath('web'),
    jobKey: 'ServiceJob/apps/vip',
    instance: 1,
    resources: { cpus: 1500 },
  };
  const offers = [offer('o1', 'a1', 2000)];
  test('is given to the instance it was made for', () => {
    const vip = pending('vip', 1500, { instance: 1 });
    expect(match({ offers, pending: [vip], holds: [hold] })).toEqual(['vip-1 on o1']);
  });
  test.each([
    ['another job', pending('other', 1000)],
    ['another instance of the same job', pending('vip', 1000, { instance: 0, tier: 'production' })],
  ])('is not for %s, though it is more urgent', (_who, other) => {
    expect(match({ offers, pending: [other], holds: [hold] })).toEqual([]);
  });
  test('leaves what is beyond it to others', () => {
    expect(match({ offers, pending: [pending('other', 500)], holds: [hold] })).toEqual([
      'other-0 on o1',
    ]);
  });
  test('on another agent or for another role keeps nobody away', () => {
    const elsewhere = { ...hold, agent: agentId('a2') };
    const foreign = { ...hold, role: rolePath('batch') };
    expect(
      match({ offers, pending: [pending('other', 1000)], holds: [elsewhere, foreign] }),
    ).toEqual(['other-0 on o1']);
  });
});
