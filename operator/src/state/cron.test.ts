import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type ActiveRun, type CronInput, decideCronRuns, MAX_TARGETS, ON_TIME_MS } from './cron.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const every = (periodMs: number) => (afterMs: number) =>
  (Math.floor(afterMs / periodMs) + 1) * periodMs;

function decide(more: Partial<CronInput>) {
  return decideCronRuns({
    nextAfter: every(HOUR),
    lastScheduleMs: 10 * HOUR,
    nowMs: 10 * HOUR,
    collision: 'CANCEL_NEW',
    catchUp: { kind: 'skip' },
    activeRuns: [],
    suspended: false,
    ...more,
  });
}
const active = (scheduledMs: number, ending = false): ActiveRun => ({
  id: `r${scheduledMs / HOUR}`,
  scheduledMs,
  ending,
});

describe('decideCronRuns', () => {
  test('nothing is due before the target, and the next one is told', () => {
    expect(decide({ nowMs: 11 * HOUR - 1 })).toEqual({
      start: [],
      kill: [],
      missed: 0,
      cancelled: 0,
      lastScheduleMs: 10 * HOUR,
      nextMs: 11 * HOUR,
    });
  });

  test('a target starts once: the recorded decision does not repeat it', () => {
    const first = decide({ nowMs: 11 * HOUR + 5 });
    expect(first).toMatchObject({ start: [11 * HOUR], missed: 0, lastScheduleMs: 11 * HOUR });
    const again = decide({ nowMs: 11 * HOUR + 6, lastScheduleMs: first.lastScheduleMs });
    expect(again.start).toEqual([]);
  });

  test('an unrecorded decision is not repeated while its run is active', () => {
    const repeated = decide({
      nowMs: 11 * HOUR + 5,
      collision: 'ALLOW',
      activeRuns: [active(11 * HOUR)],
    });
    expect(repeated).toMatchObject({ start: [], missed: 0 });
  });

  test.each([
    { name: 'skip starts none', catchUp: { kind: 'skip' as const }, start: [], missed: 4 },
    {
      name: 'latest starts the newest',
      catchUp: { kind: 'latest' as const },
      start: [14],
      missed: 3,
    },
    {
      name: 'all starts at most so many',
      catchUp: { kind: 'all' as const, most: 2 },
      start: [13, 14],
      missed: 2,
    },
  ])('after a pause of hours, $name', ({ catchUp, start, missed }) => {
    const decision = decide({ nowMs: 14 * HOUR + 5 * MINUTE, catchUp, collision: 'ALLOW' });
    expect(decision.start).toEqual(start.map((hour) => hour * HOUR));
    expect(decision).toMatchObject({ missed, lastScheduleMs: 14 * HOUR });
  });

  test('a restart of a minute is no miss', () => {
    expect(decide({ nowMs: 11 * HOUR + ON_TIME_MS }).start).toEqual([11 * HOUR]);
    expect(decide({ nowMs: 11 * HOUR + ON_TIME_MS + 1 })).toMatchObject({ start: [], missed: 1 });
  });

  test('no run starts after its deadline', () => {
    const late = { nowMs: 11 * HOUR + 10_001, catchUp: { kind: 'latest' as const } };
    expect(decide({ ...late, startingDeadlineMs: 10_000 })).toMatchObject({ start: [], missed: 1 });
    expect(decide({ ...late, startingDeadlineMs: 10_001 }).start).toEqual([11 * HOUR]);
  });

  test('CANCEL_NEW drops the new run while another is active', () => {
    const decision = decide({ nowMs: 11 * HOUR, activeRuns: [active(10 * HOUR)] });
    expect(decision).toMatchObject({ start: [], kill: [], cancelled: 1, missed: 0 });
  });

  test('KILL_EXISTING stops the old run, waits for its end, then starts, however long that took', () => {
    const killing = decide({
      nowMs: 11 * HOUR,
      collision: 'KILL_EXISTING',
      activeRuns: [active(10 * HOUR)],
    });
    expect(killing).toMatchObject({ start: [], kill: ['r10'], waitingMs: 11 * HOUR, missed: 0 });
    const later = {
      nowMs: 11 * HOUR + 10 * MINUTE,
      lastScheduleMs: killing.lastScheduleMs,
      waitingMs: 11 * HOUR,
      collision: 'KILL_EXISTING' as const,
    };
    const waiting = decide({ ...later, activeRuns: [active(10 * HOUR, true)] });
    expect(waiting).toMatchObject({ start: [], kill: [], waitingMs: 11 * HOUR, missed: 0 });
    const started = decide(later);
    expect(started).toMatchObject({ start: [11 * HOUR], missed: 0 });
    expect(started.waitingMs).toBeUndefined();
  });

  test('KILL_EXISTING: a newer target takes the place of the one that waits', () => {
    const decision = decide({
      nowMs: 12 * HOUR,
      lastScheduleMs: 11 * HOUR,
      waitingMs: 11 * HOUR,
      collision: 'KILL_EXISTING',
      activeRuns: [active(10 * HOUR, true)],
    });
    expect(decision).toMatchObject({ start: [], waitingMs: 12 * HOUR, missed: 1 });
  });

  test('while suspended targets pass by; resuming does not make them up', () => {
    const paused = decide({ nowMs: 12 * HOUR, suspended: true });
    expect(paused).toMatchObject({ start: [], missed: 2, lastScheduleMs: 12 * HOUR });
    const resumed = decide({
      nowMs: 12 * HOUR + 1,
      lastScheduleMs: paused.lastScheduleMs,
      catchUp: { kind: 'all', most: 9 },
    });
    expect(resumed.start).toEqual([]);
  });

  test('a year of missed minutes costs bounded work and still finds the newest', () => {
    let calls = 0;
    const nextAfter = (afterMs: number) => {
      calls++;
      return every(MINUTE)(afterMs);
    };
    const nowMs = 10 * HOUR + 365 * 24 * HOUR;
    const decision = decide({ nextAfter, nowMs, catchUp: { kind: 'latest' } });
    expect(decision).toMatchObject({ start: [nowMs], lastScheduleMs: nowMs });
    expect(decision.missed).toBeGreaterThan(0);
    expect(calls).toBeLessThan(3 * MAX_TARGETS);
  });

  test('a schedule that never moves forward or never comes ends the search', () => {
    expect(decide({ nextAfter: (afterMs) => afterMs, nowMs: 20 * HOUR }).start).toEqual([]);
    expect(decide({ nextAfter: () => undefined, nowMs: 20 * HOUR }).nextMs).toBeUndefined();
  });

  test('each target is started at most once, is never early, and every one is accounted for', () => {
    const steps = fc.array(
      fc.record({
        passMs: fc.nat(4 * HOUR).map((ms) => ms - HOUR),
        ends: fc.boolean(),
        suspended: fc.nat(5).map((sixth) => sixth === 0),
      }),
      { maxLength: 15 },
    );
    const policies = fc.record({
      periodMs: fc.constantFrom(HOUR, 20 * MINUTE),
      collision: fc.constantFrom('ALLOW' as const, 'CANCEL_NEW' as const, 'KILL_EXISTING' as const),
      catchUp: fc.oneof(
        fc.constant({ kind: 'skip' as const }),
        fc.constant({ kind: 'latest' as const }),
        fc.record({ kind: fc.constant('all' as const), most: fc.integer({ min: 1, max: 5 }) }),
      ),
    });
    fc.assert(
      fc.property(policies, steps, ({ periodMs, ...policy }, history) => {
        let nowMs = 10 * HOUR;
        let latestMs = nowMs;
        let state: { lastScheduleMs: number; waitingMs?: number } = { lastScheduleMs: nowMs };
        let runs: readonly ActiveRun[] = [];
        const started: number[] = [];
        let accounted = 0;
        for (const { passMs, ends, suspended } of history) {
          nowMs = Math.max(0, nowMs + passMs);
          // A target that was due before the clock went back may still start.
          latestMs = Math.max(latestMs, nowMs);
          if (ends) runs = [];
          const decision = decide({
            ...policy,
            ...state,
            nextAfter: every(periodMs),
            nowMs,
            activeRuns: runs,
            suspended,
          });
          for (const target of decision.start) expect(target).toBeLessThanOrEqual(latestMs);
          started.push(...decision.start);
          accounted += decision.start.length + decision.missed + decision.cancelled;
          runs = [...runs, ...decision.start.map((target) => active(target))].map((run) =>
            decision.kill.includes(run.id) ? { ...run, ending: true } : run,
          );
          state = {
            lastScheduleMs: decision.lastScheduleMs,
            ...(decision.waitingMs === undefined ? {} : { waitingMs: decision.waitingMs }),
          };
        }
        expect(new Set(started).size).toBe(started.length);
        const targets = Math.floor(state.lastScheduleMs / periodMs) - (10 * HOUR) / periodMs;
        expect(accounted + (state.waitingMs === undefined ? 0 : 1)).toBe(targets);
      }),
      { numRuns: 1000 },
    );
  });
});
