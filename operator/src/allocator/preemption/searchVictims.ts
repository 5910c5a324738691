import { amountOf, equal, type Resources, sumOf } from '../../model/resources.ts';
import { compareVictims, type Damage } from './damage.ts';
import type { RunningTask } from './types.ts';

/** More victims than this for one instance is never worth it. */
export const MAX_VICTIMS = 8;

/** Partial sets looked at per agent before the search settles for a good set instead of the best. */
const MAX_STEPS = 20_000;

export interface VictimSearch {
  readonly eligible: readonly RunningTask[];
  /** What one victim gives back for the candidate. */
  readonly reclaimed: (task: RunningTask) => Resources;
  /** Amounts that must be reclaimed before the candidate can fit; necessary, `suffices` decides. */
  readonly deficit: Resources;
  readonly suffices: (victims: readonly RunningTask[]) => boolean;
  readonly damageOf: (victims: readonly RunningTask[]) => Damage;
  readonly compare: (left: Damage, right: Damage) => number;
  /** Sets larger than this are not looked for. */
  readonly maxVictims: number;
}

interface SearchState {
  readonly search: VictimSearch;
  readonly ordered: readonly RunningTask[];
  /** Per deficient name, for each position, the amounts from there on, largest first, summed up. */
  readonly bounds: ReadonlyMap<string, readonly (readonly number[])[]>;
  best: Damage | undefined;
  steps: number;
}

/**
 * The least damaging set of victims on one agent, or undefined when no set of at most `maxVictims` suffices.
 *
 * Sizes are tried upwards, so the first size that works is the smallest. Of tasks that are alike but for age and name
 * only the better ones are tried first, and a branch ends where even the largest remaining tasks would not do.
 * Guarantees: the least damage by `compare`, except when the search is cut off after a bounded number of steps; then
 * some set that suffices, if the greedy choice finds one.
 */
export function searchVictims(search: VictimSearch): Damage | undefined {
  const ordered = groupAlike(search.eligible.toSorted(compareVictims), search);
  const state: SearchState = {
    search,
    ordered,
    bounds: boundsOf(ordered, search),
    best: undefined,
    steps: 0,
  };
  const most = Math.min(search.maxVictims, ordered.length);
  for (let size = 1; size <= most; size++) {
    choose(state, 0, size, []);
    if (state.best !== undefined) return state.best;
    if (state.steps >= MAX_STEPS) return greedy(state, most);
  }
  return undefined;
}

/** Tasks alike in all that matters but age stand together, the best of them first. */
function groupAlike(sorted: readonly RunningTask[], search: VictimSearch): readonly RunningTask[] {
  const groups: RunningTask[][] = [];
  for (const task of sorted) {
    const group = groups.find((one) => isAlike(one[0], task, search));
    if (group === undefined) groups.push([task]);
    else group.push(task);
  }
  return groups.flat();
}

function isAlike(left: RunningTask | undefined, right: RunningTask, search: VictimSearch): boolean {
  return (
    left !== undefined &&
    left.tier === right.tier &&
    left.priority === right.priority &&
    left.role === right.role &&
    equal(left.resources, right.resources) &&
    equal(left.reserved ?? {}, right.reserved ?? {}) &&
    equal(search.reclaimed(left), search.reclaimed(right))
  );
}

function choose(
  state: SearchState,
  from: number,
  left: number,
  chosen: readonly RunningTask[],
): void {
  if (state.steps >= MAX_STEPS) return;
  state.steps++;
  if (left === 0) {
    if (!state.search.suffices(chosen)) return;
    const damage = state.search.damageOf(chosen);
    if (state.best === undefined || state.search.compare(damage, state.best) < 0)
      state.best = damage;
    return;
  }
  if (!isReachable(state, from, left, chosen)) return;
  for (let at = from; at + left <= state.ordered.length; at++) {
    const task = state.ordered[at];
    if (task === undefined) return;
    // A like task before it was passed over: taking this one instead can only be worse.
    if (at > from && isAlike(state.ordered[at - 1], task, state.search)) continue;
    choose(state, at + 1, left - 1, [...chosen, task]);
  }
}

/** False when even the `left` largest tasks from `from` on would not cover the deficit. */
function isReachable(
  state: SearchState,
  from: number,
  left: number,
  chosen: readonly RunningTask[],
): boolean {
  const have = sumOf(chosen.map(state.search.reclaimed));
  for (const name in state.search.deficit) {
    const most = state.bounds.get(name)?.[from]?.[left - 1] ?? 0;
    if (amountOf(have, name) + most < amountOf(state.search.deficit, name)) return false;
  }
  return true;
}

function boundsOf(ordered: readonly RunningTask[], search: VictimSearch): SearchState['bounds'] {
  const bounds = new Map<string, readonly (readonly number[])[]>();
  for (const name in search.deficit) {
    const rows = ordered.map((_task, from) => {
      let sum = 0;
      return ordered
        .slice(from)
        .map((task) => amountOf(search.reclaimed(task), name))
        .toSorted((left, right) => right - left)
        .slice(0, search.maxVictims)
        .map((amount) => (sum += amount));
    });
    bounds.set(name, rows);
  }
  return bounds;
}

/** Takes the largest helpers until it suffices, then gives back whoever is not needed. */
function greedy(state: SearchState, most: number): Damage | undefined {
  const { search, ordered } = state;
  const helpOf = (task: RunningTask): number => {
    const reclaimed = search.reclaimed(task);
    let help = 0;
    for (const name in search.deficit)
      help += Math.min(1, amountOf(reclaimed, name) / amountOf(search.deficit, name));
    return help;
  };
  let chosen: readonly RunningTask[] = [];
  for (const task of ordered.toSorted((left, right) => helpOf(right) - helpOf(left))) {
    if (search.suffices(chosen)) break;
    chosen = [...chosen, task];
  }
  for (const task of chosen.toSorted((left, right) => compareVictims(right, left))) {
    const without = chosen.filter((one) => one !== task);
    if (search.suffices(without)) chosen = without;
  }
  return search.suffices(chosen) && chosen.length <= most ? search.damageOf(chosen) : undefined;
}
