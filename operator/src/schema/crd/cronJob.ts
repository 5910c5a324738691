import { z } from 'zod';
import { AdhocJobSpec } from './adhocJob.ts';
import { StatusBase } from './common.ts';

export const CronJobSpec = z.object({
  schedule: z.string().min(1).max(256),
  timeZone: z.string().min(1).max(64).optional(),
  collisionPolicy: z.enum(['CancelNew', 'KillExisting', 'Allow']).optional(),
  startingDeadlineSeconds: z.int().min(1).max(604_800).optional(),
  catchUp: z.enum(['Skip', 'Latest', 'All']).optional(),
  maxCatchUpRuns: z.int().min(1).max(100).optional(),
  suspend: z.boolean().optional(),
  historyLimits: z
    .object({
      succeeded: z.int().min(0).max(100).optional(),
      failed: z.int().min(0).max(100).optional(),
    })
    .optional(),
  jobTemplate: z.object({
    labels: z.record(z.string().max(317), z.string().max(63)).optional(),
    spec: AdhocJobSpec,
  }),
});

export const CronJobStatus = StatusBase.extend({
  lastScheduleTime: z.string().max(64).optional(),
  lastSuccessfulTime: z.string().max(64).optional(),
  nextScheduleTime: z.string().max(64).optional(),
  missed: z.int().min(0).optional(),
  active: z.array(z.string().max(253)).max(100).optional(),
});

export const CronJob = z.object({ spec: CronJobSpec, status: CronJobStatus.optional() });
