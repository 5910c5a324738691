/** What to do when a run is due while an earlier one is still active. */
export type CollisionPolicy = 'CANCEL_NEW' | 'KILL_EXISTING' | 'ALLOW';

/** What to do with targets that passed while nobody was looking. */
export type CatchUp =
  | { readonly kind: 'skip' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'all'; readonly most: number };

export interface ActiveRun {
  readonly id: string;
  readonly scheduledMs: number;
  /** Already told to stop. */
  readonly ending: boolean;
}

export interface CronInput {
  /** The first target strictly after a time, undefined when there is none; the schedule and its time zone are in it. */
  readonly nextAfter: (afterMs: number) => number | undefined;
  /** Targets up to and including this time have been decided on; at first the creation time of the object. */
  readonly lastScheduleMs: number;
  /** A target that waits for killed runs to end, from the former decision. */
  readonly waitingMs?: number;
  readonly nowMs: number;
  /** How late a run may start; absent: any time. */
  readonly startingDeadlineMs?: number;
  readonly collision: CollisionPolicy;
  readonly catchUp: CatchUp;
  readonly activeRuns: readonly ActiveRun[];
  readonly suspended: boolean;
}

export interface CronDecision {
  /** Targets to start a run for now, the oldest first. */
  readonly start: readonly number[];
  /** Ids of active runs to stop. */
  readonly kill: readonly string[];
  /** Targets given up in this decision: too late, superseded, or suspended. */
  readonly missed: number;
  /** Targets dropped because another run was active. */
  readonly cancelled: number;
  /** To be recorded with the decision, before any run is created. */
  readonly lastScheduleMs: number;
  readonly waitingMs?: number;
  readonly nextMs?: number;
}

/** A target is on time while it is at most this late: an operator restart or a leader change is no miss. */
export const ON_TIME_MS = 60_000;

/** Targets looked at in one decision; older ones are given up, and `missed` then says "at least". */
export const MAX_TARGETS = 1000;

/** Most runs one decision starts, whatever `catchUp` says. */
export const MAX_STARTS = 100;

/**
 * Which targets of a schedule to start runs for.
 *
 * Guarantees: a target is decided on once, provided `lastScheduleMs` and `waitingMs` of the decision are recorded; should
 * that fail, a run that already exists for the target is not started again, and its name (made of the target) is taken.
 * A jump of the clock backwards starts nothing twice. Work is bounded, however long the pause and dense the schedule.
 * Source: Aurora `docs/features/cron-jobs.md` for the collision policies; Kubernetes CronJob for the starting deadline.
 */
export function decideCronRuns(input: CronInput): CronDecision {
  const due = dueTargets(input);
  const next = input.nextAfter(Math.max(input.nowMs, input.lastScheduleMs));
  const lastScheduleMs = Math.max(input.lastScheduleMs, due.targets.at(-1) ?? 0);
  const nextPart = next === undefined ? {} : { nextMs: next };
  const waiting = input.waitingMs === undefined ? [] : [input.waitingMs];
  if (input.suspended) {
    const missed = due.skipped + due.targets.length + waiting.length;
    return { start: [], kill: [], missed, cancelled: 0, lastScheduleMs, ...nextPart };
  }
  const known = new Set(input.activeRuns.map((run) => run.scheduledMs));
  const isNew = (target: number): boolean => !known.has(target);
  const candidates = [...waiting.filter(isNew), ...chosenTargets(input, due.targets.filter(isNew))];
  const inTime = candidates.filter((target) => isBeforeDeadline(input, target));
  const outcome = resolveCollision(input, inTime);
  const considered = due.targets.filter(isNew).length + waiting.filter(isNew).length;
  const kept = outcome.start.length + outcome.cancelled + (outcome.waitingMs === undefined ? 0 : 1);
  return {
    ...outcome,
    missed: due.skipped + considered - kept,
    lastScheduleMs,
    ...nextPart,
  };
}

/** Targets after the last decision up to now, the oldest first; at most `MAX_TARGETS`, the newest of them. */
function dueTargets(input: CronInput): {
  readonly targets: readonly number[];
  readonly skipped: number;
} {
  const first = walk(input, input.lastScheduleMs);
  if (first.length < MAX_TARGETS) return { targets: first, skipped: 0 };
  // Too many to walk: look back from now in doubling steps for a window that has targets.
  let windowMs = ON_TIME_MS;
  const pauseMs = input.nowMs - input.lastScheduleMs;
  while (windowMs < pauseMs && walk(input, input.nowMs - windowMs, 1).length === 0) windowMs *= 2;
  const targets = walk(input, Math.max(input.lastScheduleMs, input.nowMs - windowMs));
  return { targets, skipped: first.filter((target) => target < (targets[0] ?? 0)).length };
}

function walk(input: CronInput, fromMs: number, most = MAX_TARGETS): readonly number[] {
  const targets: number[] = [];
  let atMs = fromMs;
  while (targets.length < most) {
    const next = input.nextAfter(atMs);
    // A schedule that does not move forward would never end.
    if (next === undefined || next <= atMs || next > input.nowMs) break;
    targets.push(next);
    atMs = next;
  }
  return targets;
}

function chosenTargets(input: CronInput, targets: readonly number[]): readonly number[] {
  const latest = targets.slice(-1);
  switch (input.catchUp.kind) {
    case 'skip':
      return latest.filter((target) => input.nowMs - target <= ON_TIME_MS);
    case 'latest':
      return latest;
    case 'all':
      return targets.slice(-Math.min(MAX_STARTS, Math.max(1, input.catchUp.most)));
  }
}

function isBeforeDeadline(input: CronInput, target: number): boolean {
  return input.startingDeadlineMs === undefined || input.nowMs - target <= input.startingDeadlineMs;
}

/** `candidates`: the oldest first. */
function resolveCollision(
  input: CronInput,
  candidates: readonly number[],
): Pick<CronDecision, 'start' | 'kill' | 'cancelled' | 'waitingMs'> {
  const isBusy = input.activeRuns.length > 0;
  const latest = candidates.slice(-1);
  const [waitingMs] = latest;
  switch (input.collision) {
    case 'ALLOW':
      return { start: candidates, kill: [], cancelled: 0 };
    case 'CANCEL_NEW': {
      // The first of several that are due together is active when the others would start.
      const start = isBusy ? [] : candidates.slice(0, 1);
      return { start, kill: [], cancelled: candidates.length - start.length };
    }
    case 'KILL_EXISTING':
      if (waitingMs === undefined || !isBusy) return { start: latest, kill: [], cancelled: 0 };
      return {
        start: [],
        kill: input.activeRuns.filter((run) => !run.ending).map((run) => run.id),
        cancelled: 0,
        waitingMs,
      };
  }
}
