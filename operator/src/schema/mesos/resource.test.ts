import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { resources } from '../../model/resources.ts';
import {
  amountFromScalar,
  amountsFromMesos,
  MesosResource,
  resourcesToMesos,
  scalarFromAmount,
} from './resource.ts';

const scalar = (name: string, value: unknown, more: object = {}): MesosResource =>
  MesosResource.parse({ name, type: 'SCALAR', scalar: { value }, ...more });
const MB = 1_048_576;

describe('amountsFromMesos', () => {
  test.each([
    ['three decimals of cpus', [scalar('cpus', 0.1001)], { cpus: 100 }],
    ['mem in MB is bytes', [scalar('mem', 32)], { mem: 32 * MB }],
    ['entries of one name add up', [scalar('cpus', 0.1), scalar('cpus', '0.2')], { cpus: 300 }],
    ['a zero amount is no error and no entry', [scalar('disk', 0)], {}],
    [
      'an empty range is no error',
      [MesosResource.parse({ name: 'ports', type: 'RANGES', ranges: { range: [] } })],
      {},
    ],
  ])('%s', (_name, list, expected) => {
    expect(amountsFromMesos(list)).toEqual({
      ok: true,
      value: { resources: expected, revocable: {} },
    });
  });

  test('revocable entries are kept apart', () => {
    expect(amountsFromMesos([scalar('cpus', 1, { revocable: {} }), scalar('mem', 1)])).toEqual({
      ok: true,
      value: { resources: { mem: MB }, revocable: { cpus: 1000 } },
    });
  });

  test.each([
    ['a negative amount', [scalar('cpus', -1)], /cpus/],
    ['NaN', [scalar('cpus', 'NaN')], /cpus/],
    ['an amount beyond integers', [scalar('mem', 1e300)], /mem/],
    [
      'ranges',
      [
        MesosResource.parse({
          name: 'ports',
          type: 'RANGES',
          ranges: { range: { begin: 1, end: 2 } },
        }),
      ],
      /ports/,
    ],
    [
      'one name both revocable and not',
      [scalar('cpus', 1), scalar('cpus', 1, { revocable: {} })],
      /revocable/,
    ],
    ['a name that is none', [scalar('__proto__', 1)], /__proto__/],
  ])('refuses %s, naming the resource', (_name, list, message) => {
    const read = amountsFromMesos(list);
    expect(read.ok ? 'accepted' : read.refusal).toMatch(message);
  });
});

test('a framework that takes all of an offer never asks for more than was offered', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('cpus', 'mem', 'disk', 'gpus'),
      fc.integer({ min: 0, max: 2 ** 46 }),
      (name, amount) => {
        const back = amountFromScalar(name, scalarFromAmount(name, amount)) ?? -1;
        expect(back).toBeLessThanOrEqual(amount);
        expect(amount - back).toBeLessThan(name === 'mem' || name === 'disk' ? 1_050 : 1);
      },
    ),
  );
});

describe('resourcesToMesos', () => {
  const offered = {
    resources: resources({ cpus: 1500, mem: 64 * MB }),
    revocable: resources({ cpus: 250 }),
    reserved: [
      {
        resources: resources({ cpus: 500 }),
        levels: [
          {
            type: 'DYNAMIC' as const,
            role: 'eng',
            principal: 'alice',
            labels: { labels: [{ key: 'k', value: 'v' }] },
          },
        ],
      },
    ],
    role: 'eng',
  };
  const level = offered.reserved[0]?.levels[0];

  test('without capabilities: role fields, no allocation_info', () => {
    expect(resourcesToMesos(offered, { allocationInfo: false, reservations: false })).toEqual([
      { name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, role: '*' },
      { name: 'mem', type: 'SCALAR', scalar: { value: 64 }, role: '*' },
      {
        name: 'cpus',
        type: 'SCALAR',
        scalar: { value: 0.5 },
        role: 'eng',
        reservation: { principal: 'alice', labels: { labels: [{ key: 'k', value: 'v' }] } },
      },
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.25 }, role: '*', revocable: {} },
    ]);
  });

  test('with MULTI_ROLE and RESERVATION_REFINEMENT: allocation_info and reservations', () => {
    expect(resourcesToMesos(offered, { allocationInfo: true, reservations: true })).toEqual([
      { name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, allocation_info: { role: 'eng' } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 64 }, allocation_info: { role: 'eng' } },
      {
        name: 'cpus',
        type: 'SCALAR',
        scalar: { value: 0.5 },
        allocation_info: { role: 'eng' },
        reservations: [level],
      },
      {
        name: 'cpus',
        type: 'SCALAR',
        scalar: { value: 0.25 },
        allocation_info: { role: 'eng' },
        revocable: {},
      },
    ]);
  });

  test('refined reservations are for those who know them; static ones are their role alone', () => {
    const parts = {
      resources: resources({ cpus: 1000 }),
      revocable: resources({}),
      reserved: [
        { resources: resources({ cpus: 400 }), levels: [{ type: 'STATIC' as const, role: 'eng' }] },
        {
          resources: resources({ cpus: 600 }),
          levels: [
            { type: 'STATIC' as const, role: 'eng' },
            { type: 'DYNAMIC' as const, role: 'eng/web' },
          ],
        },
      ],
      role: 'eng/web',
    };
    expect(resourcesToMesos(parts, { allocationInfo: false, reservations: false })).toEqual([
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.4 }, role: 'eng' },
    ]);
    const [, refined] = resourcesToMesos(parts, { allocationInfo: false, reservations: true });
    expect(refined?.reservations?.map((one) => one.role)).toEqual(['eng', 'eng/web']);
  });
});
