import { comparePaths } from '../rolePaths.ts';
import { NONE, ROOT, type RoleTree } from './roleTree.ts';

/**
 * Roles in a weighted random order: a role's chance is its weight among its siblings, times its parent's.
 * Source: Mesos `sorter/random/sorter.cpp` (weighted shuffle: draw u^(1/weight), largest first).
 */
export function randomOrder(
  tree: RoleTree,
  rng: { next(): number },
  includesClosed: boolean,
): readonly number[] {
  const drawn: { readonly role: number; readonly key: number }[] = [];
  const enter = (parent: number, relative: number): void => {
    const rows = [...membersOf(tree, parent, includesClosed)].sort((left, right) =>
      comparePaths(tree.shares.names[left] as string, tree.shares.names[right] as string),
    );
    let sum = 0;
    for (const row of rows) sum += tree.shares.weightMilli[row] as number;
    for (const row of rows) {
      const weight = (relative * (tree.shares.weightMilli[row] as number)) / sum;
      if (tree.isLeaf[row] === 1) drawn.push({ role: parent, key: keyOf(weight, rng) });
      else if (tree.leaf[row] === NONE) drawn.push({ role: row, key: keyOf(weight, rng) });
      else enter(row, weight);
    }
  };
  enter(ROOT, 1);
  return drawn.sort((left, right) => right.key - left.key).map((one) => one.role);
}

function* membersOf(
  tree: RoleTree,
  parent: number,
  includesClosed: boolean,
): Generator<number, void> {
  const groups = includesClosed ? [tree.open[parent], tree.closed[parent]] : [tree.open[parent]];
  for (const group of groups)
    for (let at = 0; at < (group?.size ?? 0); at++) yield group?.members[at] as number;
}

/** The logarithm of u^(1/weight): the same order, without running out of digits for small weights. */
function keyOf(weight: number, rng: { next(): number }): number {
  return Math.log(Math.max(rng.next(), Number.MIN_VALUE)) / weight;
}
