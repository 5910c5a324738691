import { describe, expect, test } from '@jest/globals';
import { rolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { QuotaObject } from '../../schema/mezzoKinds.ts';
import { judgeQuotas } from './judgeQuotas.ts';

interface Shape {
  readonly guarantees?: string;
  readonly limits?: string;
  readonly force?: boolean;
  /** Amounts that hold already, of an older generation; 'same': the spec itself holds. */
  readonly holds?: 'same' | { readonly guarantees?: string; readonly limits?: string };
  readonly made?: number;
}

const cpus = (amount: string | undefined) => (amount === undefined ? undefined : { cpus: amount });

function quota(role: string, shape: Shape): QuotaObject {
  const { holds, made = 0 } = shape;
  const inEffect =
    holds === 'same'
      ? { generation: 2 }
      : {
          generation: 1,
          guarantees: cpus(holds?.guarantees) ?? {},
          limits: cpus(holds?.limits) ?? {},
        };
  return {
    metadata: { name: role, generation: 2, creationTimestamp: `2026-01-01T00:00:0${made}Z` },
    spec: {
      role,
      ...(shape.guarantees === undefined ? {} : { guarantees: { cpus: shape.guarantees } }),
      ...(shape.limits === undefined ? {} : { limits: { cpus: shape.limits } }),
      ...(shape.force === undefined ? {} : { force: shape.force }),
    },
    ...(holds === undefined ? {} : { status: { inEffect } }),
  };
}

interface Situation {
  readonly quotas: { readonly [role: string]: Shape };
  readonly consumed?: { readonly [role: string]: Resources };
}

/** By role: what is wrong, or nothing. The agents have 8 CPUs. */
function faults({ quotas, consumed }: Situation): { [role: string]: string } {
  const objects = Object.entries(quotas).map(([role, shape]) => quota(role, shape));
  const verdicts = judgeQuotas({
    table: { quotaOf: new Map(objects.map((one) => [rolePath(one.spec.role), one])) },
    consumed: new Map(Object.entries(consumed ?? {})),
    capacity: { cpus: 8000 },
  });
  return Object.fromEntries(
    [...verdicts].flatMap(([name, verdict]) =>
      verdict.kind === 'refused' ? [[name, `${verdict.reason}: ${verdict.message}`]] : [],
    ),
  );
}

describe('a limit', () => {
  const consumed = { eng: { cpus: 5000 } };
  test.each<[string, Situation, { [role: string]: string }]>([
    ['at what is consumed holds', { quotas: { eng: { limits: '5' } }, consumed }, {}],
    [
      'below what is consumed does not',
      { quotas: { eng: { limits: '3' } }, consumed },
      {
        eng:
          'LimitBelowConsumption: limits.cpus 3 is below the 5 that eng consumes; free 2 first, or set spec.force to let ' +
          'running tasks stay and start no new ones',
      },
    ],
    [
      'that is raised but still below does: it makes nothing worse',
      { quotas: { eng: { limits: '3', holds: { limits: '2' } } }, consumed },
      {},
    ],
    ['that is forced does', { quotas: { eng: { limits: '3', force: true } }, consumed }, {}],
    [
      'that holds already is not judged again',
      { quotas: { eng: { limits: '3', holds: 'same' } }, consumed },
      {},
    ],
    [
      'below what is guaranteed to the roles below it does not',
      { quotas: { 'eng/web': { guarantees: '4', holds: 'same' }, eng: { limits: '3' } } },
      {
        eng:
          'BelowGuaranteesOfChildren: limits.cpus 3 is below the 4 guaranteed to the roles below eng; make it at least 4, ' +
          'lower their guarantees, or set spec.force',
      },
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(faults(given)).toEqual(expected);
  });
});

describe('a guarantee', () => {
  test.each<[string, Situation, { [role: string]: string }]>([
    ['of all there is holds', { quotas: { eng: { guarantees: '8' } } }, {}],
    [
      'above what all agents have, with those that hold already, does not',
      { quotas: { eng: { guarantees: '6' }, ops: { guarantees: '4', holds: 'same' } } },
      {
        eng:
          'GuaranteesAboveCapacity: guarantees.cpus of all roles come to 10 with this one, all agents have 8; lower ' +
          'guarantees by 2, add agents, or set spec.force',
      },
    ],
    [
      'that is lowered does, whatever the others have',
      {
        quotas: {
          eng: { guarantees: '6', holds: { guarantees: '7' } },
          ops: { guarantees: '4', force: true },
        },
      },
      {},
    ],
    [
      'inside that of its parent is not counted twice',
      { quotas: { eng: { guarantees: '8', holds: 'same' }, 'eng/web': { guarantees: '5' } } },
      {},
    ],
    [
      'above that of its parent, with its siblings, does not',
      {
        quotas: {
          eng: { guarantees: '4', limits: '8', holds: 'same' },
          'eng/a': { guarantees: '3', holds: 'same' },
          'eng/b': { guarantees: '2' },
        },
      },
      {
        'eng/b':
          'GuaranteesAboveParent: guarantees.cpus of the roles below eng come to 5 with this one, guarantees.cpus of eng is 4; ' +
          'lower this guarantee by 1, raise the quota of eng, or set spec.force',
      },
    ],
    [
      'above the limit of an ancestor does not',
      { quotas: { eng: { limits: '2', holds: 'same' }, 'eng/a/b': { guarantees: '3' } } },
      {
        'eng/a/b': expect.stringContaining(
          'GuaranteesAboveParent: guarantees.cpus of the roles below eng come to 3 with this one, limits.cpus of eng is 2;',
        ) as unknown as string,
      },
    ],
    [
      'of a parent that is below those of its children does not',
      { quotas: { eng: { guarantees: '3' }, 'eng/a': { guarantees: '4', holds: 'same' } } },
      {
        eng: expect.stringContaining(
          'BelowGuaranteesOfChildren: guarantees.cpus 3',
        ) as unknown as string,
      },
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(faults(given)).toEqual(expected);
  });

  test('of two new ones that do not fit together the older holds', () => {
    const [older, newer] = [
      { guarantees: '5', made: 1 },
      { guarantees: '5', made: 2 },
    ];
    expect(Object.keys(faults({ quotas: { a: newer, b: older } }))).toEqual(['a']);
    expect(Object.keys(faults({ quotas: { a: older, b: newer } }))).toEqual(['b']);
  });
  test('that was refused does not stand in the way of others', () => {
    const refused = { guarantees: '20', holds: {}, made: 1 };
    expect(
      Object.keys(faults({ quotas: { a: refused, b: { guarantees: '8', made: 2 } } })),
    ).toEqual(['a']);
  });
});
