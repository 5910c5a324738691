import { z } from 'zod';
import {
  Constraint,
  PendingExplanation,
  PreemptedRecord,
  PreemptionRecord,
  RolePathField,
  StatusBase,
  TaskTemplate,
  Tier,
} from './common.ts';
import { InstanceCounts } from './serviceJob.ts';

export const AdhocJobSpec = z.object({
  role: RolePathField,
  instances: z.int().min(1).max(100_000).optional(),
  parallelism: z.int().min(1).max(100_000).optional(),
  tier: Tier.optional(),
  priority: z.int().min(0).max(1_000_000).optional(),
  template: TaskTemplate,
  constraints: z.array(Constraint).max(32).optional(),
  maxRetries: z.int().min(0).max(1000).optional(),
  parameters: z
    .array(z.object({ name: z.string().min(1).max(256), value: z.string().max(32768) }))
    .max(64)
    .optional(),
  maxRunSeconds: z.int().min(1).max(31_536_000).optional(),
  ttlSecondsAfterFinished: z.int().min(0).max(31_536_000).optional(),
});

export const AdhocJobStatus = StatusBase.extend({
  counts: InstanceCounts.optional(),
  /** Finished instances as index ranges: `0-3,5`. */
  finished: z.string().max(65536).optional(),
  /** Instances that failed for good, as index ranges. */
  failed: z.string().max(65536).optional(),
  failures: z.int().min(0).optional(),
  startedAt: z.string().max(64).optional(),
  finishedAt: z.string().max(64).optional(),
  result: z.enum(['Succeeded', 'Failed']).optional(),
  preemptions: z.array(PreemptionRecord).max(10).optional(),
  preempted: z.array(PreemptedRecord).max(10).optional(),
  pending: PendingExplanation.optional(),
});

export const AdhocJob = z.object({ spec: AdhocJobSpec, status: AdhocJobStatus.optional() });
