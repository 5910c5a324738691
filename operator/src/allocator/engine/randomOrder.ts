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

/** The members of a role's open group, and of its closed one, each in the order of their shares. */
export function childrenOf(tree: RoleTree, parent: number, includesClosed: boolean): Int32Array {
  const open = tree.open[parent];
  const closed = includesClosed ? tree.closed[parent] : undefined;
  open?.settle();
  closed?.settle();
  const rows = new Int32Array((open?.size ?? 0) + (closed?.size ?? 0));
  if (open !== undefined) rows.set(open.members.subarray(0, open.size));
  if (closed !== undefined) rows.set(closed.members.subarray(0, closed.size), open?.size ?? 0);
  return rows;
}

/**
 * Draws one of the first `left` rows, each with a chance of its weight, and puts it behind the others.
 *
 * Drawing until none is left is the weighted shuffle of `randomOrder`, for one level of the tree; a walk that ends early
 * pays for what it drew only.
 */
export function drawNext(
  tree: RoleTree,
  rows: Int32Array,
  left: number,
  rng: { next(): number },
): number {
  const { weightMilli } = tree.shares;
  let sum = 0;
  for (let at = 0; at < left; at++) sum += weightMilli[rows[at] as number] as number;
  let over = rng.next() * sum;
  let at = 0;
  for (; at < left - 1; at++) {
    over -= weightMilli[rows[at] as number] as number;
    if (over < 0) break;
  }
  const drawn = rows[at] as number;
  rows[at] = rows[left - 1] as number;
  rows[left - 1] = drawn;
  return drawn;
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
