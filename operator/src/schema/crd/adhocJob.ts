import { z } from 'zod';
import {
  bornUnobserved,
  Constraints,
  PendingExplanation,
  Preempted,
  Preemptions,
  StatusBase,
  TaskTemplate,
} from './common.ts';
import { count, jobName, patterned, RolePathField, seconds, text, time } from './fields.ts';
import { instancePriority, jobTier, revocableRules } from './jobFields.ts';
import { immutable, kube } from './kubeMeta.ts';
import { InstanceCounts } from './serviceJob.ts';

const Parameter = z.object({
  name: patterned(
    {
      maxLength: 256,
      pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
      must: 'must be letters, digits and _, not starting with a digit, as it becomes an environment variable',
    },
    'Name of the parameter, and of the environment variable that holds it.',
  ),
  value: text(32768, 'Value of the parameter.'),
});

export const AdhocJobSpec = z
  .object({
    role: RolePathField.describe('Role that pays for the job: its quota and share count.'),
    instances: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .meta(kube({ description: 'Instances that must finish.', default: 1 })),
    parallelism: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('Most instances that run at the same time; all of them when left out.'),
    tier: jobTier,
    priority: instancePriority,
    template: TaskTemplate,
    constraints: Constraints,
    maxRetries: z
      .int()
      .min(0)
      .max(1000)
      .optional()
      .meta(kube({ description: 'Times a failed instance is tried again.', default: 0 })),
    parameters: z
      .array(Parameter)
      .max(64)
      .optional()
      .meta(
        kube({
          description: 'Values given to every instance as environment variables.',
          list: { keys: ['name'] },
        }),
      ),
    maxRunSeconds: seconds(
      1,
      31_536_000,
      'The job has failed when it takes longer; no limit when left out.',
    ).optional(),
    ttlSecondsAfterFinished: seconds(
      0,
      31_536_000,
      'The job is deleted this long after its end; it is kept when left out.',
    ).optional(),
  })
  .meta(kube({ description: 'What should run to its end.', rules: revocableRules }));

export const AdhocJobStatus = StatusBase.extend({
  counts: InstanceCounts.optional(),
  finished: text(65536, 'Instances that finished, as ranges: 0-3,5.').optional(),
  failed: text(65536, 'Instances that failed for good, as ranges.').optional(),
  failures: count('Failed attempts of all instances so far.').optional(),
  settledFailures: count(
    'Those of the failed attempts that belong to instances in finished or failed.',
  ).optional(),
  startedAt: time('When the first instance started.').optional(),
  finishedAt: time('When the job ended.').optional(),
  result: z.enum(['Succeeded', 'Failed']).optional().describe('How the job ended.'),
  preemptions: Preemptions,
  preempted: Preempted,
  pending: PendingExplanation.optional(),
});

const REMEDY = 'delete the job and create another';

/** Bounded work is not rolled out anew: what it runs is settled when it is created. A CronJob's template is free. */
const SettledSpec = AdhocJobSpec.meta(
  kube({
    rules: [
      ...revocableRules,
      ...(['role', 'instances', 'template'] as const).map((field) => ({
        ...immutable(`spec.${field}`, REMEDY),
        rule: `self.${field} == oldSelf.${field}`,
        fieldPath: `.${field}`,
      })),
    ],
  }),
);

export const AdhocJob = z
  .object({ spec: SettledSpec, status: bornUnobserved(AdhocJobStatus) })
  .meta(
    kube({
      description:
        'Runs a number of instances of one task to their end, retries those that fail, and reports the result.',
      rules: [jobName(40, 'the names of its tasks stay within 63 characters')],
    }),
  );
