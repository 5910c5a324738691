import { describe, expect, test } from '@jest/globals';
import type { RoleSpec } from '../../../operator/src/allocator/types.ts';
import { rolePath } from '../../../operator/src/model/ids.ts';
import { QuotaTree } from './quotaTree.ts';

function role(
  path: string,
  guarantees: RoleSpec['guarantees'],
  limits: RoleSpec['limits'] = {},
): RoleSpec {
  return { path: rolePath(path), weightMilli: 1000, guarantees, limits };
}

// eng (guarantee 5, limit 8) with eng/db (guarantee 3) and eng/web; ops (guarantee 2).
const TREE = [
  role('eng', { cpus: 5 }, { cpus: 8 }),
  role('eng/db', { cpus: 3 }),
  role('ops', { cpus: 2 }),
];

function tree(consumed: Readonly<Record<string, number>> = {}, mode: 'mezzo' | 'mesos' = 'mezzo') {
  const made = new QuotaTree(TREE, mode);
  for (const [path, cpus] of Object.entries(consumed)) made.consume(path, { cpus });
  return made;
}

describe('QuotaTree', () => {
  test("a role claims its own guarantee and its ancestors', less what is due to its siblings", () => {
    expect(tree().claim('eng/db')).toEqual({ cpus: 5 });
    expect(tree().claim('eng/web')).toEqual({ cpus: 2 });
    expect(tree({ 'eng/db': 3 }).claim('eng/web')).toEqual({ cpus: 2 });
    expect(tree({ 'eng/web': 5 }).claim('eng/db')).toEqual({ cpus: 3 });
    expect(tree({ 'eng/web': 5 }).claim('eng/web')).toEqual({});
  });

  test('an unmet guarantee keeps room in the limit above it from everybody but itself', () => {
    expect(tree().roomBesideGuarantees('eng/web')).toEqual({ cpus: 5 });
    expect(tree().roomBesideGuarantees('eng/db')).toEqual({ cpus: 8 });
    expect(tree().roomBesideGuarantees('eng')).toEqual({ cpus: 5 });
    expect(tree({ 'eng/db': 2 }).roomBesideGuarantees('eng/web')).toEqual({ cpus: 5 });
    expect(tree().hardRoom('eng/web')).toEqual({ cpus: 8 });
  });

  test('headroom is held for others, never from the role it is held for', () => {
    expect(tree().heldFrom('eng/db', {})).toEqual({ cpus: 2 });
    expect(tree().heldFrom('eng/web', {})).toEqual({ cpus: 5 });
    expect(tree().heldFrom('ops', {})).toEqual({ cpus: 5 });
    expect(tree().heldFrom('lab', {})).toEqual({ cpus: 7 });
  });

  test('what is guaranteed beyond a limit above is not held, since it could not be used', () => {
    const tight = new QuotaTree([role('a', {}, { cpus: 2 }), role('a/b', { cpus: 9 })], 'mezzo');
    expect(tight.heldFrom('other', {})).toEqual({ cpus: 2 });
    expect(tight.hardRoom('a/b')).toEqual({ cpus: 2 });
  });

  test('as Mesos does it, only the top level counts, and all of its unmet guarantees are held', () => {
    expect(tree({}, 'mesos').claim('eng/db')).toEqual({});
    expect(tree({}, 'mesos').roomBesideGuarantees('eng/web')).toEqual({});
    expect(tree({}, 'mesos').heldFrom('eng', { cpus: 1 })).toEqual({ cpus: 6 });
    expect(tree({ 'eng/db': 1 }, 'mesos').claim('eng')).toEqual({ cpus: 4 });
  });
});
