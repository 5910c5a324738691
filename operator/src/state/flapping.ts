import type { TerminalState } from './taskState.ts';

export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  /** A run shorter than this that ended on its own is a flap. */
  readonly shortRunMs: number;
}

/** Aurora's figures. */
export const DEFAULT_BACKOFF: BackoffPolicy = {
  baseMs: 30_000,
  maxMs: 300_000,
  shortRunMs: 300_000,
};

export interface EndedRun {
  readonly state: TerminalState;
  /** Absent: no container was ever started. */
  readonly startedAtMs?: number;
  readonly endedAtMs: number;
}

/**
 * True when a run was short and ended on its own.
 *
 * KILLED is exempt whoever asked for it: restart, drain, preemption or user. LOST is exempt once the task had started
 * (its node failed); before that it is a refusal of the node, which would repeat at once.
 * Source: Aurora `RescheduleCalculator`, without its quirks: the run that ended is judged itself, not its ancestor; its
 * length is measured from its start, not from its latest active event; preempted runs are exempt.
 */
export function isFlap(run: EndedRun, policy: BackoffPolicy): boolean {
  if (run.state === 'KILLED') return false;
  if (run.state === 'LOST') return run.startedAtMs === undefined;
  return run.endedAtMs - (run.startedAtMs ?? run.endedAtMs) < policy.shortRunMs;
}

/** Delay before the next run after a chain of flaps: none, base, then doubling up to the maximum. */
export function throttleMs(chain: number, policy: BackoffPolicy): number {
  if (chain <= 0) return 0;
  // 2^40 times any base is above any maximum; the exponent is bounded so that the product stays exact.
  return Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(chain - 1, 40));
}
