import { describe, expect, test } from '@jest/globals';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { type BindInput, bindReservations, reservedByAgent } from './bindReservations.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);

const reservation = (
  name: string,
  spec: Partial<ReservationObject['spec']>,
  more: { readonly made?: string; readonly on?: string[] } = {},
): ReservationObject => ({
  metadata: { name, creationTimestamp: more.made ?? '2026-01-01T00:00:00Z' },
  spec: { role: 'ops', resources: { cpus: '2' }, ...spec },
  ...(more.on === undefined ? {} : { status: { agents: more.on } }),
});

const agent = (
  name: string,
  cpus: number,
  taken = 0,
  labels: Record<string, string> = {},
): BindInput['agents'][number] => ({ name, labels, total: { cpus }, taken: { cpus: taken } });

const bind = (
  reservations: readonly ReservationObject[],
  agents: readonly BindInput['agents'][number][],
) => bindReservations({ reservations, agents, nowMs: NOW_MS, parseTime: (iso) => Date.parse(iso) });

describe('where a reservation is bound', () => {
  test('on the agent it names', () => {
    expect(
      bind([reservation('r', { agent: 'b' })], [agent('a', 4000), agent('b', 4000)]).get('r'),
    ).toEqual({
      agents: ['b'],
      wanted: 1,
      expired: false,
      problem: undefined,
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
    expect(bound.get('young')).toMatchObject({
      agents: [],
      problem:
        'bound on 0 of 1 agents; 1 match, the others have too little unreserved free capacity',
    });
  });
});

describe('why it is not', () => {
  test.each<[string, Partial<ReservationObject['spec']>, string]>([
    ['the agent does not exist', { agent: 'x' }, 'spec.agent x is not an agent of this cluster'],
    ['no agent matches', { selector: { disk: 'nvme' } }, 'spec.selector matches no agent'],
    [
      'its time is over',
      { agent: 'a', ttlSeconds: 3600 },
      'its time to live (spec.ttlSeconds) is over',
    ],
  ])('%s', (_why, spec, problem) => {
    expect(bind([reservation('r', spec)], [agent('a', 4000)]).get('r')).toMatchObject({
      agents: [],
      problem,
      expired: spec.ttlSeconds !== undefined,
    });
  });
});

test('the allocator gets what is bound on each agent', () => {
  const both = [
    reservation('r', { selector: {}, count: 2 }),
    reservation('s', { agent: 'a', role: 'dev' }),
  ];
  const reserved = reservedByAgent(both, bind(both, [agent('a', 9000), agent('b', 9000)]));
  expect(
    [...reserved].map(([name, list]) => [
      name,
      list.map((one) => `${one.role} ${one.reservationId}`),
    ]),
  ).toEqual([
    ['a', ['ops r', 'dev s']],
    ['b', ['ops r']],
  ]);
});
