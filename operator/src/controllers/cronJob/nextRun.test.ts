import { describe, expect, test } from '@jest/globals';
import { parseSchedule } from './nextRun.ts';

/** The first times after `from` at which a schedule fires, as ISO minutes in UTC. */
function times(schedule: string, timeZone: string, from: string, count: number): string[] {
  const parsed = parseSchedule(schedule, timeZone);
  if (!parsed.ok) throw new Error(parsed.refusal);
  const found: string[] = [];
  for (let atMs: number | undefined = Date.parse(from); found.length < count; ) {
    atMs = parsed.value(atMs);
    if (atMs === undefined) break;
    found.push(new Date(atMs).toISOString().slice(0, 16));
  }
  return found;
}

interface Row {
  readonly sentence: string;
  readonly schedule: string;
  readonly zone?: string;
  readonly from: string;
  readonly expected: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    sentence: 'the time itself is not after itself',
    schedule: '0 3 * * *',
    from: '2026-01-01T03:00:00Z',
    expected: ['2026-01-02T03:00'],
  },
  {
    sentence: 'a millisecond before it, it is',
    schedule: '0 3 * * *',
    from: '2026-01-01T02:59:59.999Z',
    expected: ['2026-01-01T03:00'],
  },
  {
    sentence: 'hours are those of the time zone',
    schedule: '30 9 * * *',
    zone: 'America/New_York',
    from: '2026-01-01T00:00:00Z',
    expected: ['2026-01-01T14:30'],
  },
  {
    sentence: 'and follow its daylight saving',
    schedule: '30 9 * * *',
    zone: 'America/New_York',
    from: '2026-07-01T00:00:00Z',
    expected: ['2026-07-01T13:30'],
  },
  {
    sentence: 'a time the clocks skip runs once, an hour later by the wall, not never',
    schedule: '30 2 * * *',
    zone: 'Europe/Zurich',
    from: '2026-03-28T12:00:00Z',
    expected: ['2026-03-29T01:30', '2026-03-30T00:30'],
  },
  {
    sentence: 'a time the clocks pass twice runs once',
    schedule: '30 2 * * *',
    zone: 'Europe/Zurich',
    from: '2026-10-24T12:00:00Z',
    expected: ['2026-10-25T00:30', '2026-10-26T01:30'],
  },
  {
    sentence: 'a frequent schedule runs in both of the hours that come twice',
    schedule: '*/30 * * * *',
    zone: 'Europe/Zurich',
    from: '2026-10-25T00:00:00Z',
    expected: ['2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30', '2026-10-25T02:00'],
  },
  {
    sentence: 'midnight where the clocks skip it is the first moment of the day',
    schedule: '0 0 * * *',
    zone: 'America/Sao_Paulo',
    from: '2018-11-03T12:00:00Z',
    expected: ['2018-11-04T03:00', '2018-11-05T02:00'],
  },
  {
    sentence: 'the 31st skips months without one',
    schedule: '0 0 31 * *',
    from: '2026-01-01T00:00:00Z',
    expected: ['2026-01-31T00:00', '2026-03-31T00:00'],
  },
  {
    sentence: '29 February comes in leap years',
    schedule: '0 0 29 2 *',
    from: '2026-01-01T00:00:00Z',
    expected: ['2028-02-29T00:00'],
  },
  {
    sentence: 'L is the last day of the month',
    schedule: '0 0 L * *',
    from: '2026-02-01T00:00:00Z',
    expected: ['2026-02-28T00:00'],
  },
  {
    sentence: 'a day of the month and a day of the week: either will do, as in every cron',
    schedule: '0 0 13 * FRI',
    from: '2026-01-10T00:00:00Z',
    expected: ['2026-01-13T00:00', '2026-01-16T00:00'],
  },
  {
    sentence: 'Sunday is 7 as well as 0',
    schedule: '0 0 * * 7',
    from: '2026-01-01T00:00:00Z',
    expected: ['2026-01-04T00:00'],
  },
  {
    sentence: 'names of days hold an H',
    schedule: '0 0 * * THU',
    from: '2026-01-02T00:00:00Z',
    expected: ['2026-01-08T00:00'],
  },
  {
    sentence: '@hourly',
    schedule: '@hourly',
    from: '2026-01-01T00:10:00Z',
    expected: ['2026-01-01T01:00'],
  },
  {
    sentence: '@daily',
    schedule: '@daily',
    from: '2026-01-01T00:10:00Z',
    expected: ['2026-01-02T00:00'],
  },
  {
    sentence: '@weekly is Sunday',
    schedule: '@weekly',
    from: '2026-01-01T00:10:00Z',
    expected: ['2026-01-04T00:00'],
  },
  {
    sentence: '@monthly',
    schedule: '@monthly',
    from: '2026-01-01T00:10:00Z',
    expected: ['2026-02-01T00:00'],
  },
  {
    sentence: '@yearly',
    schedule: '@yearly',
    from: '2026-01-01T00:10:00Z',
    expected: ['2027-01-01T00:00'],
  },
];

test.each(ROWS)('$sentence', ({ schedule, zone = 'Etc/UTC', from, expected }) => {
  expect(times(schedule, zone, from, expected.length)).toEqual(expected);
});

describe('a schedule that cannot be is refused with the field at fault', () => {
  test.each([
    [
      '* * * *',
      'Etc/UTC',
      'spec.schedule `* * * *` must have five fields: minute hour day-of-month month day-of-week',
    ],
    [
      '* * * * * *',
      'Etc/UTC',
      'spec.schedule `* * * * * *` must have five fields: minute hour day-of-month month day-of-week',
    ],
    ['H 3 * * *', 'Etc/UTC', 'spec.schedule `H 3 * * *` may not use H: write the minute you mean'],
    [
      '61 * * * *',
      'Etc/UTC',
      'spec.schedule `61 * * * *` cannot be read: Constraint error, got value 61 expected range 0-59',
    ],
    [
      '0 0 30 2 *',
      'Etc/UTC',
      'spec.schedule `0 0 30 2 *` never fires: none of its months has such a day',
    ],
    [
      '0 0 31 4,6 *',
      'Etc/UTC',
      'spec.schedule `0 0 31 4,6 *` never fires: none of its months has such a day',
    ],
    [
      '@secondly',
      'Etc/UTC',
      'spec.schedule `@secondly` must be one of @yearly, @annually, @monthly, @weekly, @daily, @hourly',
    ],
    [
      '0 3 * * *',
      'Mars/Olympus',
      'spec.timeZone `Mars/Olympus` is not a name of the time zone database, such as Europe/Zurich',
    ],
  ])('%s in %s', (schedule, timeZone, refusal) => {
    expect(parseSchedule(schedule, timeZone)).toEqual({ ok: false, refusal });
  });
});
