import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId, rolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import {
  type OfferPool,
  planOperation,
  type ReservationOperation,
  type ReservationStack,
  stackOf,
} from './planOperation.ts';

const object = (name: string, spec: Partial<ReservationObject['spec']>): ReservationObject => ({
  metadata: { name },
  spec: { role: 'ops', agent: 'a', resources: { cpus: '2' }, ...spec },
});
const part = (reservationId: string, cpus: number, role = 'ops') => ({
  reservationId,
  role: rolePath(role),
  resources: { cpus },
});
const OPS: ReservationStack = [{ role: 'ops', principal: 'p', labels: { disk: 'fast' } }];
const DB: ReservationStack = [...OPS, { role: 'ops/db', principal: 'p' }];
const FAST = { principal: 'p', labels: { disk: 'fast' } };

const plan = (
  pool: Partial<OfferPool>,
  operation: Partial<ReservationOperation> & { readonly cpus?: number },
  known: readonly ReservationObject[] = [],
) =>
  planOperation(
    { unreserved: {}, parts: [], ...pool },
    {
      kind: 'reserve',
      operation: 'o-1#0',
      resources: { cpus: operation.cpus ?? 1000 },
      stack: OPS,
      ...operation,
    },
    {
      framework: frameworkId('f'),
      agent: agentId('a'),
      reservations: new Map(known.map((one) => [one.metadata.name, one])),
    },
  );
const planned = (...args: Parameters<typeof plan>) => {
  const result = plan(...args);
  if (result.kind === 'refused') throw new Error(result.message);
  return result;
};
const refusal = (...args: Parameters<typeof plan>): string => {
  const result = plan(...args);
  return result.kind === 'refused' ? result.message : 'planned';
};

describe('RESERVE', () => {
  test('makes one object, named after the operation, and turns unreserved into reserved', () => {
    const { creates, pool } = planned({ unreserved: { cpus: 3000, mem: 9 } }, {});
    expect(creates).toMatchObject([
      {
        kind: 'Reservation',
        metadata: { name: expect.stringMatching(/^fw-[0-9a-z]{10}$/) },
        spec: { role: 'ops', agent: 'a', resources: { cpus: '1' }, ...FAST },
      },
    ]);
    expect(pool.unreserved).toEqual({ cpus: 2000, mem: 9 });
    expect(pool.parts).toEqual([part(creates[0]?.metadata.name ?? '', 1000)]);
  });
  test('done twice has the same name; another has another', () => {
    const nameOf = (operation: string): string | undefined =>
      planned({ unreserved: { cpus: 3000 } }, { operation }).creates[0]?.metadata.name;
    expect(nameOf('o-1#0')).toBe(nameOf('o-1#0'));
    expect(nameOf('o-1#1')).not.toBe(nameOf('o-1#0'));
  });
  test('of a stack refines what the offer holds, one object for each reservation it comes from', () => {
    const known = [object('r1', FAST), object('r2', FAST), object('other', { principal: 'q' })];
    const parts = [part('other', 9000), part('r2', 1500), part('r1', 1000)];
    const { creates, pool } = planned({ parts }, { stack: DB, cpus: 2000 }, known);
    expect(creates.map(({ spec }) => [spec.parent, spec.role, spec.resources])).toEqual([
      ['r1', 'ops/db', { cpus: '1' }],
      ['r2', 'ops/db', { cpus: '1' }],
    ]);
    expect(pool.parts.slice(0, 2)).toEqual([part('other', 9000), part('r2', 500)]);
    expect(pool.parts).toHaveLength(4);
  });
  test.each<[string, string, Parameters<typeof plan>]>([
    [
      'more than is unreserved',
      'the offers hold too little of unreserved resources: 500m cpus missing',
      [{ unreserved: { cpus: 500 }, parts: [part('r', 9000)] }, {}],
    ],
    [
      'more than the reservation to refine',
      'the offers hold too little of the reservation to refine: 1 cpus missing',
      [{ unreserved: { cpus: 500 } }, { stack: DB }],
    ],
    [
      'a stack whose roles do not go down',
      'a reservation for dev cannot refine one for ops: the role must be below it',
      [{ unreserved: { cpus: 9000 } }, { stack: [...OPS, { role: 'dev' }] }],
    ],
    ['nothing', 'the operation names no resources', [{}, { resources: {} }]],
    ['for nobody', 'the operation names no reservation', [{}, { stack: [] }]],
    [
      'on an agent that is full of them',
      'agent a has 256 reservations already, which is the most; unreserve some first',
      [
        { unreserved: { cpus: 9000 } },
        {},
        Array.from({ length: 256 }, (_, index) => object(`r${index}`, {})),
      ],
    ],
  ])('refuses %s', (_what, message, args) => {
    expect(refusal(...args)).toBe(message);
  });
});

describe('UNRESERVE', () => {
  const known = [object('r1', FAST), object('r2', FAST)];
  const back = (resources: Resources, stack = OPS): Partial<ReservationOperation> => ({
    kind: 'unreserve',
    resources,
    stack,
  });
  test('deletes what is given back whole and shrinks the last', () => {
    const parts = [part('r1', 2000), part('r2', 2000)];
    const { changes, pool } = planned({ parts }, back({ cpus: 3000 }), known);
    expect(
      changes.map(({ object: { metadata }, from, left }) => [metadata.name, from, left]),
    ).toEqual([
      ['r1', { cpus: 2000 }, {}],
      ['r2', { cpus: 2000 }, { cpus: 1000 }],
    ]);
    expect(pool).toEqual({ unreserved: { cpus: 3000 }, parts: [part('r2', 1000)] });
  });
  test('of a refinement gives back to the reservation under it', () => {
    const finer = object('f', { role: 'ops/db', principal: 'p', parent: 'r1' });
    const { changes, pool } = planned(
      { parts: [part('r1', 500), part('f', 2000, 'ops/db')] },
      back({ cpus: 2000 }, DB),
      [...known, finer],
    );
    expect(changes).toMatchObject([{ object: { metadata: { name: 'f' } }, left: {} }]);
    expect(pool).toEqual({ unreserved: {}, parts: [part('r1', 2500)] });
  });
  test.each<[string, string, Parameters<typeof plan>]>([
    [
      'of another principal',
      'the offers hold too little of that reservation: 1 cpus missing',
      [
        { parts: [part('r1', 2000)] },
        back({ cpus: 1000 }, [{ role: 'ops', principal: 'x' }]),
        known,
      ],
    ],
    [
      'with other labels',
      'the offers hold too little of that reservation: 1 cpus missing',
      [
        { parts: [part('r1', 2000)] },
        back({ cpus: 1000 }, [{ role: 'ops', principal: 'p' }]),
        known,
      ],
    ],
    [
      'made by selector',
      'reservation s was made for agents by selector; who manages the object may release it, a framework may not',
      [
        { parts: [part('s', 2000)] },
        back({ cpus: 1000 }),
        [
          {
            metadata: { name: 's' },
            spec: { role: 'ops', selector: {}, resources: { cpus: '2' }, ...FAST },
          },
        ],
      ],
    ],
  ])('refuses one %s', (_what, message, args) => {
    expect(refusal(...args)).toBe(message);
  });
});

test('a stack is told outermost first, and a circle of parents has an end', () => {
  const known = new Map([
    ['base', object('base', {})],
    ['f', object('f', { role: 'ops/db', parent: 'base' })],
    ['round', object('round', { parent: 'round' })],
  ]);
  expect(stackOf('f', known).map((step) => step.role)).toEqual(['ops', 'ops/db']);
  expect(stackOf('gone', known)).toEqual([]);
  expect(stackOf('round', known).length).toBeLessThan(20);
});
