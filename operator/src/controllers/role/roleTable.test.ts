import { describe, expect, test } from '@jest/globals';
import { rolePath } from '../../model/ids.ts';
import type { QuotaObject, RoleObject } from '../../schema/mezzoKinds.ts';
import { roleTableOf } from './roleTable.ts';

const role = (
  name: string,
  path: string,
  more: { readonly made?: string; readonly weight?: number; readonly gone?: boolean } = {},
): RoleObject => ({
  metadata: {
    name,
    creationTimestamp: more.made ?? '2026-01-01T00:00:00Z',
    ...(more.gone === true ? { deletionTimestamp: '2026-01-01T01:00:00Z' } : {}),
  },
  spec: { path, ...(more.weight === undefined ? {} : { weight: more.weight }) },
});
const quota = (name: string, path: string, limits: QuotaObject['spec']['limits']): QuotaObject => ({
  metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { role: path, limits },
});

describe('roles and quotas by path', () => {
  test('the default role is always there, with weight 1', () => {
    expect(roleTableOf([], []).specs).toEqual([
      { path: '*', weightMilli: 1000, guarantees: {}, limits: {} },
    ]);
  });
  test.each([
    [1.5, 1500],
    [0.001, 1],
    [1.001, 1001],
    [4.35, 4350],
  ])('weight %s is %s thousandths, without rounding faults', (weight, weightMilli) => {
    const { specs } = roleTableOf([role('web', 'web', { weight })], []);
    expect(specs.find((one) => one.path === 'web')?.weightMilli).toBe(weightMilli);
  });
  test('a quota joins the role of its path; a path with a quota alone counts too', () => {
    const table = roleTableOf(
      [role('web', 'eng/web', { weight: 3 })],
      [quota('q', 'eng/web', { cpus: '2', mem: '0' }), quota('r', 'research', { cpus: 4 })],
    );
    expect(table.specs).toEqual([
      { path: '*', weightMilli: 1000, guarantees: {}, limits: {} },
      { path: 'eng/web', weightMilli: 3000, guarantees: {}, limits: { cpus: 2000, mem: 0 } },
      { path: 'research', weightMilli: 1000, guarantees: {}, limits: { cpus: 4000 } },
    ]);
  });
});

describe('two objects of one path', () => {
  test.each<[string, readonly RoleObject[], string, string]>([
    [
      'the older one holds',
      [role('new', 'web', { made: '2026-01-02T00:00:00Z' }), role('old', 'web')],
      'old',
      'new',
    ],
    ['of one age, the first by name holds', [role('b', 'web'), role('a', 'web')], 'a', 'b'],
  ])('%s, and the other knows it has no effect', (_sentence, roles, winner, loser) => {
    const table = roleTableOf(roles, []);
    expect(table.roleOf.get(rolePath('web'))?.metadata.name).toBe(winner);
    expect([...table.shadowed]).toEqual([[`Role/${loser}`, winner]]);
  });
  test('one that is being deleted gives way', () => {
    const table = roleTableOf(
      [role('old', 'web', { gone: true }), role('new', 'web', { made: '2026-01-02T00:00:00Z' })],
      [],
    );
    expect(table.roleOf.get(rolePath('web'))?.metadata.name).toBe('new');
    expect(table.shadowed.size).toBe(0);
  });
  test('a Role and a Quota of one name are two objects', () => {
    const table = roleTableOf([role('x', 'web')], [quota('x', 'web', { cpus: 1 })]);
    expect(table.shadowed.size).toBe(0);
  });
});
