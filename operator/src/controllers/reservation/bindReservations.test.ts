import { describe, expect, test } from '@jest/globals';
import { resources as amounts } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { type BindAgent, bindReservations } from './bindReservations.ts';
import { reservedByAgent } from './reservedByAgent.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);

const reservation = (
  name: string,
  spec: Partial<ReservationObject['spec']>,
  more: {
    readonly made?: string;
    readonly on?: readonly string[];
    readonly status?: ReservationObject['status'];
  } = {},
): ReservationObject => ({
  metadata: { name, creationTimestamp: more.made ?? '2026-01-01T00:00:00Z' },
  spec: { role: 'ops', resources: { cpus: '2' }, ...spec },
  ...(more.on === undefined ? {} : { status: { agents: [...more.on], ...more.status } }),
});

const agent = (
  name: string,
  cpus: number,
  taken = 0,
  labels: Record<string, string> = {},
): BindAgent => ({ name, labels, total: { cpus }, taken: amounts({ cpus: taken }) });

const bind = (
  reservations: readonly ReservationObject[],
  agents: readonly BindAgent[],
  nowMs = NOW_MS,
) => bindReservations({ reservations, agents, nowMs, parseTime: (iso) => Date.parse(iso) });

describe('where a reservation is bound', () => {
  test('on the agent it names', () => {
    expect(
      bind([reservation('r', { agent: 'b' })], [agent('a', 4000), agent('b', 4000)]).get('r'),
    ).toEqual({
      agents: ['b'],
      missing: [],
      resources: { cpus: 2000 },
      wanted: 1,
      reason: 'Bound',
      message: 'bound on b',
    });
  });
  test('on as many of the selected agents as it asks for, in order of name', () => {
    const one = reservation('r', { selector: { disk: 'ssd' }, count: 2 });
    const ssd = { disk: 'ssd' };
    const agents = [
      agent('c', 4000, 0, ssd),
      agent('a', 4000),
      agent('d', 4000, 0, ssd),
      agent('b', 4000, 0, ssd),
    ];
    expect(bind([one], agents).get('r')?.agents).toEqual(['b', 'c']);
  });
  test('not where somebody uses the capacity', () => {
    const one = reservation('r', { selector: {}, count: 1 });
    expect(bind([one], [agent('a', 4000, 2500), agent('b', 4000, 2000)]).get('r')?.agents).toEqual([
      'b',
    ]);
  });
  test('where it was before, though tasks run there now', () => {
    const one = reservation('r', { selector: {}, count: 1 }, { on: ['b'] });
    expect(bind([one], [agent('a', 4000), agent('b', 4000, 4000)]).get('r')?.agents).toEqual(['b']);
  });
  test('the older one first; together they never exceed an agent', () => {
    const young = reservation('young', { agent: 'a' }, { made: '2026-01-01T06:00:00Z' });
    const old = reservation('old', { agent: 'a' });
    const bound = bind([young, old], [agent('a', 3000)]);
    expect(bound.get('old')?.agents).toEqual(['a']);
    expect(bound.get('young')).toMatchObject({ agents: [], reason: 'NotEnoughFree' });
  });
});

describe('why it is not', () => {
  test.each<[string, Partial<ReservationObject['spec']>, string, string]>([
    [
      'the agent does not exist',
      { agent: 'x' },
      'NoAgentMatches',
      'spec.agent x is not an agent of this cluster',
    ],
    [
      'no agent matches',
      { selector: { disk: 'nvme' } },
      'NoAgentMatches',
      'spec.selector matches no agent',
    ],
    [
      'too few agents match',
      { selector: {}, count: 4 },
      'NoAgentMatches',
      'bound on 2 of 4 agents; 2 match; label more agents, or lower spec.count',
    ],
    [
      'its time is over',
      { agent: 'a', ttlSeconds: 3600 },
      'Expired',
      'its time to live (spec.ttlSeconds) is over',
    ],
    [
      'no agent is that large',
      { selector: {}, resources: { cpus: '9' } },
      'LargerThanAgents',
      'bound on 0 of 1 agents; 2 match; the nearest of the others, b, lacks 2500m cpus (has 6500m free and unreserved of 8)',
    ],
    [
      'nobody has so much free',
      { selector: {}, resources: { cpus: '7' } },
      'NotEnoughFree',
      'bound on 0 of 1 agents; 2 match; the nearest of the others, b, lacks 500m cpus (has 6500m free and unreserved of 8)',
    ],
  ])('%s', (_why, spec, reason, message) => {
    const agents = [agent('a', 4000), agent('b', 8000, 1500)];
    expect(bind([reservation('r', spec)], agents).get('r')).toMatchObject({ reason, message });
  });
});

describe('an agent that is gone', () => {
  const spec = { selector: {}, count: 1 };
  test('keeps its place for a while: nobody else is chosen', () => {
    const one = reservation('r', spec, { on: ['b'] });
    expect(bind([one], [agent('a', 4000)]).get('r')).toMatchObject({
      agents: ['b'],
      missing: [{ name: 'b', sinceMs: NOW_MS }],
      reason: 'AgentAway',
      message: 'agent b is gone; its place is kept for 10 minutes, then another is chosen',
    });
  });
  test('has lost it after ten minutes, counted from when it was first missed', () => {
    const missing = [{ name: 'b', since: '2026-01-01T12:00:00Z' }];
    const one = reservation('r', spec, { on: ['b'], status: { missing } });
    const agents = [agent('a', 4000)];
    expect(bind([one], agents, NOW_MS + 599_000).get('r')?.agents).toEqual(['b']);
    expect(bind([one], agents, NOW_MS + 600_000).get('r')).toMatchObject({
      agents: ['a'],
      missing: [],
      reason: 'Bound',
    });
  });
});

describe('amounts that change', () => {
  const grown = (on: readonly string[]) =>
    reservation(
      'r',
      { agent: 'a', resources: { cpus: '3' } },
      { on, status: { resources: { cpus: '2' } } },
    );
  test('are taken where they fit what nobody uses', () => {
    expect(bind([grown(['a'])], [agent('a', 4000, 1000)]).get('r')).toMatchObject({
      resources: { cpus: 3000 },
      reason: 'Bound',
    });
  });
  test('leave the former ones where they are when they do not', () => {
    expect(bind([grown(['a'])], [agent('a', 4000, 1500)]).get('r')).toMatchObject({
      agents: ['a'],
      resources: { cpus: 2000 },
      reason: 'NotEnoughFree',
      message:
        'spec.resources cannot be taken, the former amounts stay: bound on 0 of 1 agents; 1 match; the nearest of the ' +
        'others, a, lacks 500m cpus (has 2500m free and unreserved of 4)',
    });
  });
});

describe('a refinement', () => {
  const base = reservation('base', { agent: 'a', role: 'ops', resources: { cpus: '4' } });
  const finer = (name: string, spec: Partial<ReservationObject['spec']> = {}) =>
    reservation(name, { agent: 'a', role: 'ops/db', parent: 'base', ...spec });
  test('takes its part out of its parent, not out of the agent', () => {
    const bound = bind([finer('f'), base], [agent('a', 4000)]);
    expect([bound.get('base')?.reason, bound.get('f')?.reason]).toEqual(['Bound', 'Bound']);
  });
  test('together with others never exceeds its parent', () => {
    const bound = bind(
      [base, finer('f'), finer('g', { resources: { cpus: '3' } })],
      [agent('a', 9000)],
    );
    expect(bound.get('f')?.reason).toBe('Bound');
    expect(bound.get('g')).toMatchObject({ agents: [], reason: 'NotEnoughFree' });
  });
  test('does not take what tasks use of its parent', () => {
    const used = [{ role: 'ops', resources: { cpus: 3000 } }];
    const busy = { ...agent('a', 4000), reservedUse: used };
    expect(bind([base, finer('f')], [busy]).get('f')?.reason).toBe('NotEnoughFree');
  });
  test('lies only where its parent does', () => {
    const bound = bind([base, finer('f', { agent: 'b' })], [agent('a', 4000), agent('b', 4000)]);
    expect(bound.get('f')).toMatchObject({
      reason: 'NoAgentMatches',
      message: 'spec.agent b is not an agent of this cluster on which spec.parent base is bound',
    });
  });
  test.each<[string, Partial<ReservationObject['spec']>, string]>([
    ['of nothing', { parent: 'none' }, 'ParentMissing'],
    ['of itself', { parent: 'f' }, 'ParentMissing'],
    ['for the same role', { role: 'ops' }, 'ParentNotAbove'],
    ['for a role elsewhere', { role: 'opsy' }, 'ParentNotAbove'],
  ])('%s is not bound', (_what, spec, reason) => {
    expect(bind([base, finer('f', spec)], [agent('a', 4000)]).get('f')).toMatchObject({
      agents: [],
      reason,
    });
  });
});

describe('what the allocator gets', () => {
  const shown = (reservations: readonly ReservationObject[]) =>
    [...reservedByAgent(reservations)].map(([name, list]) => [
      name,
      list.map((one) => `${one.role} ${one.reservationId} ${one.resources['cpus']}`),
    ]);
  test('is what is bound on each agent, with the amounts that were bound', () => {
    expect(
      shown([
        reservation('r', { selector: {}, count: 2 }, { on: ['a', 'b'] }),
        reservation(
          's',
          { agent: 'a', role: 'dev' },
          { on: ['a'], status: { resources: { cpus: '1' } } },
        ),
        reservation('t', { agent: 'a' }),
      ]),
    ).toEqual([
      ['a', ['ops r 2000', 'dev s 1000']],
      ['b', ['ops r 2000']],
    ]);
  });
  test('of a refined reservation is what its refinements leave', () => {
    const parts = [
      reservation('base', { selector: {}, resources: { cpus: '4' } }, { on: ['a', 'b'] }),
      reservation('f', { selector: {}, role: 'ops/db', parent: 'base' }, { on: ['a'] }),
      reservation('g', { selector: {}, role: 'ops/x', parent: 'base' }, { on: ['a'] }),
    ];
    expect(shown(parts)).toEqual([
      ['b', ['ops base 4000']],
      ['a', ['ops/db f 2000', 'ops/x g 2000']],
    ]);
  });
});
