import { CronExpressionParser } from 'cron-parser';
import { ok, type Result, refuse } from '../../model/result.ts';

/** First time after `afterMs` (exclusive) at which a schedule fires; undefined when it never does again. */
export type NextRun = (afterMs: number) => number | undefined;

/**
 * Reads a five-field cron expression in a time zone.
 * Errors: a sentence that names the field at fault, for the job's condition.
 * Source: cron-parser; fields with seconds and `H` are refused, since Kubernetes and Aurora know neither.
 */
export function parseSchedule(schedule: string, timeZone: string): Result<NextRun, string> {
  const key = `${timeZone} ${schedule}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const result = readSchedule(schedule, timeZone);
  const oldest = parsed.keys().next().value;
  if (parsed.size >= MOST_PARSED && oldest !== undefined) parsed.delete(oldest);
  parsed.set(key, result);
  return result;
}

/** The verdict on a text never changes, and loading a time zone costs more than everything else here. */
const parsed = new Map<string, Result<NextRun, string>>();
const MOST_PARSED = 10_000;

function readSchedule(schedule: string, timeZone: string): Result<NextRun, string> {
  if (schedule.startsWith('@') && !SHORTHANDS.includes(schedule)) {
    return refuse(`spec.schedule \`${schedule}\` must be one of ${SHORTHANDS.join(', ')}`);
  }
  if (!schedule.startsWith('@') && schedule.trim().split(/\s+/).length !== 5) {
    return refuse(
      `spec.schedule \`${schedule}\` must have five fields: minute hour day-of-month month day-of-week`,
    );
  }
  if (!schedule.startsWith('@') && /[Hh](?![a-zA-Z])/.test(schedule)) {
    return refuse(`spec.schedule \`${schedule}\` may not use H: write the minute you mean`);
  }
  if (!isTimeZone(timeZone)) {
    return refuse(
      `spec.timeZone \`${timeZone}\` is not a name of the time zone database, such as Europe/Zurich`,
    );
  }
  try {
    CronExpressionParser.parse(schedule, { tz: timeZone, currentDate: 0 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refuse(
      NO_SUCH_DAY.test(why)
        ? `spec.schedule \`${schedule}\` never fires: none of its months has such a day`
        : `spec.schedule \`${schedule}\` cannot be read: ${why}`,
    );
  }
  return ok(remembering((afterMs) => nextAfter(schedule, timeZone, afterMs)));
}

/** Up to the next target the answer stays the same, and a schedule is asked far more often than it fires. */
function remembering(find: NextRun): NextRun {
  let fromMs = 0;
  let nextMs: number | undefined;
  return (afterMs) => {
    if (nextMs !== undefined && fromMs <= afterMs && afterMs < nextMs) return nextMs;
    fromMs = afterMs;
    nextMs = find(afterMs);
    return nextMs;
  };
}

/** The library knows more, down to the second; runs are named by the minute. */
const SHORTHANDS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly'];
/** What cron-parser says of 30 February. */
const NO_SUCH_DAY = /explicit day of month/;

function nextAfter(schedule: string, timeZone: string, afterMs: number): number | undefined {
  try {
    return CronExpressionParser.parse(schedule, { tz: timeZone, currentDate: afterMs })
      .next()
      .getTime();
  } catch {
    // The library gives up on schedules that never fire (30 February).
    return undefined;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
