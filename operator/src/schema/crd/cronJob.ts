import { z } from 'zod';
import { AdhocJobSpec } from './adhocJob.ts';
import { bornUnobserved, StatusBase } from './common.ts';
import { celString, count, jobName, labels, patterned, seconds, text, time } from './fields.ts';
import { type CelRule, kube } from './kubeMeta.ts';

const SHORTHANDS = '^@(yearly|annually|monthly|weekly|daily|hourly)$';

/** One field of a schedule: values, ranges, steps and lists of them. */
const cronField = (value: string): string => {
  const item = `(\\*|${value}(-${value})?)(/[1-9][0-9]*)?`;
  return `^${item}(,${item})*$`;
};

const MONTHS = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC';
const DAYS = 'SUN|MON|TUE|WED|THU|FRI|SAT';

const CRON_FIELDS = [
  { name: 'minute (first field)', pattern: cronField('[0-5]?[0-9]'), allowed: '0 to 59' },
  { name: 'hour (second field)', pattern: cronField('(2[0-3]|[01]?[0-9])'), allowed: '0 to 23' },
  {
    name: 'day of the month (third field)',
    pattern: `${cronField('(3[01]|[12][0-9]|0?[1-9])')}|^L$`,
    allowed: '1 to 31, or L for the last day',
  },
  {
    name: 'month (fourth field)',
    pattern: cronField(`(1[0-2]|0?[1-9]|(?i:${MONTHS}))`),
    allowed: '1 to 12 or JAN to DEC',
  },
  {
    name: 'day of the week (fifth field)',
    pattern: cronField(`([0-7]|(?i:${DAYS}))`),
    allowed: '0 to 7 (Sunday is 0 and 7) or SUN to SAT',
  },
] as const;

const scheduleRules: readonly CelRule[] = [
  {
    rule: "!self.contains('TZ=')",
    message: 'may not name a time zone; set spec.timeZone',
  },
  {
    rule: `self.matches(${celString(SHORTHANDS)}) || self.split(' ').size() == 5`,
    message:
      'must be five fields separated by single spaces (minute, hour, day of the month, month, day of the week), ' +
      'such as 30 2 * * MON-FRI, or one of @hourly, @daily, @weekly, @monthly, @yearly',
  },
  {
    rule: "self.findAll('[0-9]+-[0-9]+').all(r, int(r.split('-')[0]) <= int(r.split('-')[1]))",
    message: 'a range must begin with the smaller value; write 50-59,0-10 for 50-10',
  },
  ...CRON_FIELDS.map(({ name, pattern, allowed }, index) => ({
    rule: `self.split(' ').size() != 5 || self.split(' ')[${index}].matches(${celString(pattern)})`,
    message: `${name} must be *, ${allowed}, a range, a step such as */5, or a list of these`,
  })),
];

export const CronJobSpec = z
  .object({
    schedule: z
      .string()
      .min(1)
      .max(256)
      .meta(
        kube({
          description:
            'When runs start: minute, hour, day of the month, month, day of the week, in timeZone.',
          rules: scheduleRules,
        }),
      ),
    timeZone: patterned(
      {
        maxLength: 64,
        pattern: /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/,
        must: 'must be the name of a time zone such as Etc/UTC or Europe/Rome',
      },
      'Time zone of the schedule, by its name in the IANA database.',
    )
      .optional()
      .meta(kube({ default: 'Etc/UTC' })),
    collisionPolicy: z
      .enum(['CancelNew', 'KillExisting', 'Allow'])
      .optional()
      .meta(
        kube({
          description:
            'What happens when a run is due and an earlier one still runs: CancelNew skips the new run, ' +
            'KillExisting stops the earlier one first, Allow runs both.',
          default: 'CancelNew',
        }),
      ),
    startingDeadlineSeconds: seconds(
      1,
      604_800,
      'A run that could not start within this time counts as missed; no limit when left out.',
    ).optional(),
    catchUp: z
      .enum(['Skip', 'Latest', 'All'])
      .optional()
      .meta(
        kube({
          description:
            'Which missed runs are made up after an outage: none, the latest, or all up to maxCatchUpRuns.',
          default: 'Latest',
        }),
      ),
    maxCatchUpRuns: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta(
        kube({
          description: 'Most missed runs that catchUp All makes up, the newest ones.',
          default: 10,
        }),
      ),
    suspend: z
      .boolean()
      .optional()
      .meta(
        kube({ description: 'True starts no more runs; those under way go on.', default: false }),
      ),
    historyLimits: z
      .object({
        succeeded: z
          .int()
          .min(0)
          .max(100)
          .optional()
          .meta(kube({ description: 'Succeeded runs that are kept.', default: 3 })),
        failed: z
          .int()
          .min(0)
          .max(100)
          .optional()
          .meta(kube({ description: 'Failed runs that are kept.', default: 3 })),
      })
      .optional()
      .meta(kube({ description: 'How many ended runs are kept.', default: {} })),
    jobTemplate: z
      .object({
        labels: labels(32, 'Labels of the AdhocJobs that are made.').optional(),
        spec: AdhocJobSpec,
      })
      .describe('The AdhocJob each run is made of.'),
  })
  .describe('When to run what.');

export const CronJobStatus = StatusBase.extend({
  lastScheduleTime: time('The scheduled start that was last acted upon.').optional(),
  lastSuccessfulTime: time('When a run last succeeded.').optional(),
  waitingScheduleTime: time(
    'A scheduled start that waits for the runs it replaces to end.',
  ).optional(),
  nextScheduleTime: time('The next scheduled start.').optional(),
  missed: count('Scheduled starts that never happened.').optional(),
  active: z
    .array(text(253, 'Name of an AdhocJob.'))
    .max(100)
    .optional()
    .meta(kube({ description: 'Runs under way.', list: 'atomic' })),
});

export const CronJob = z.object({ spec: CronJobSpec, status: bornUnobserved(CronJobStatus) }).meta(
  kube({
    description: 'Starts an AdhocJob at the times of a schedule.',
    rules: [
      jobName(
        29,
        'the names of its runs, which end in - and up to ten digits, stay within 40 characters',
      ),
    ],
  }),
);
