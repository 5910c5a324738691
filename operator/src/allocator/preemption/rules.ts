import { type Resources, subtract } from '../../model/resources.ts';
import type { PreemptionCandidate, PreemptionRule, RunningTask, TaskTier } from './types.ts';

/** A preemption goes strictly downwards in (tier rank, priority), so no chain of preemptions can close a loop. */
export const TIER_RANK = {
  production: 2,
  preemptible: 1,
  revocable: 0,
} as const satisfies Record<TaskTier, number>;

/**
 * The rule by which the candidate may take the task's place, if any.
 *
 * A production candidate may take from any lower tier, whatever the role. Within one tier: only in the same role, and
 * only from a strictly lower priority. A preemptible candidate never takes a production task; a revocable one takes
 * nothing, since it only borrows.
 * Source: Aurora `PreemptionVictimFilter`.
 */
export function ruleFor(
  candidate: PreemptionCandidate,
  task: RunningTask,
): PreemptionRule | undefined {
  if (task.terminating || task.jobKey === candidate.jobKey) return undefined;
  if (candidate.tier === 'revocable') return undefined;
  if (candidate.tier === 'production' && task.tier !== 'production') return 'TierAboveVictims';
  if (candidate.tier !== task.tier || candidate.role !== task.role) return undefined;
  return task.priority < candidate.priority ? 'PriorityWithinRole' : undefined;
}

/** What the end of a task gives to the candidate: not its revocable part, and reserved parts only within the role. */
export function reclaimedFrom(candidate: PreemptionCandidate, task: RunningTask): Resources {
  return task.role === candidate.role
    ? task.resources
    : subtract(task.resources, task.reserved ?? {});
}
