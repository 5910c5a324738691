import { comparePaths } from '../rolePaths.ts';
import { TIER_RANK } from './rules.ts';
import type { RunningTask } from './types.ts';

/** What a preemption would cost. */
export interface Damage {
  readonly victims: readonly RunningTask[];
  readonly surplusPpm: number;
  readonly agent: string;
}

/**
 * Orders by damage, the least first: fewest victims; then the lowest tier and priority, comparing the highest victims
 * of both first; then the youngest, comparing the oldest first; then the smallest surplus; then names.
 * Guarantees: zero only for the same victims on the same agent.
 */
export function compareDamage(left: Damage, right: Damage): number {
  return (
    left.victims.length - right.victims.length ||
    compareLists(ranksOf(left.victims), ranksOf(right.victims)) ||
    compareLists(agesOf(left.victims), agesOf(right.victims)) ||
    left.surplusPpm - right.surplusPpm ||
    comparePaths(left.agent, right.agent) ||
    comparePaths(namesOf(left.victims), namesOf(right.victims))
  );
}

/** The better single victim first: lower tier, lower priority, younger, then by name. */
export function compareVictims(left: RunningTask, right: RunningTask): number {
  return (
    TIER_RANK[left.tier] - TIER_RANK[right.tier] ||
    left.priority - right.priority ||
    right.startedAtMs - left.startedAtMs ||
    comparePaths(left.podKey, right.podKey)
  );
}

/** Tier and priority, the highest first. */
function ranksOf(victims: readonly RunningTask[]): readonly (readonly [number, number])[] {
  return victims
    .map((task) => [TIER_RANK[task.tier], task.priority] as const)
    .toSorted((left, right) => right[0] - left[0] || right[1] - left[1]);
}

/** Negated start times, the oldest first, so that a smaller number is a younger task. */
function agesOf(victims: readonly RunningTask[]): readonly (readonly [number])[] {
  return victims
    .map((task) => [-task.startedAtMs] as const)
    .toSorted((left, right) => right[0] - left[0]);
}

function compareLists(
  left: readonly (readonly number[])[],
  right: readonly (readonly number[])[],
): number {
  for (const [index, one] of left.entries())
    for (const [field, value] of one.entries()) {
      const difference = value - (right[index]?.[field] ?? 0);
      if (difference !== 0) return difference;
    }
  return 0;
}

function namesOf(victims: readonly RunningTask[]): string {
  return victims
    .map((task) => task.podKey)
    .toSorted(comparePaths)
    .join('\n');
}
