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

export const ServiceJobSpec = z.object({
  role: RolePathField,
  instances: z.int().min(0).max(100_000).optional(),
  tier: Tier.optional(),
  priority: z.int().min(0).max(1_000_000).optional(),
  template: TaskTemplate,
  constraints: z.array(Constraint).max(32).optional(),
  update: z
    .object({
      batchSize: z.int().min(1).max(1000).optional(),
      watchSeconds: z.int().min(0).max(86400).optional(),
      maxPerInstanceFailures: z.int().min(0).max(100).optional(),
      maxFailedInstances: z.int().min(0).max(10000).optional(),
      rollbackOnFailure: z.boolean().optional(),
      paused: z.boolean().optional(),
      progressDeadlineSeconds: z.int().min(1).max(86400).optional(),
    })
    .optional(),
  sla: z.object({ minAvailable: z.int().min(0).max(100_000) }).optional(),
  discovery: z
    .object({ enabled: z.boolean().optional(), port: z.string().max(15).optional() })
    .optional(),
});

/** Instances by state; never one entry per instance (an etcd object is bounded, a job is not). */
export const InstanceCounts = z.object({
  desired: z.int().min(0).optional(),
  pending: z.int().min(0).optional(),
  assigned: z.int().min(0).optional(),
  starting: z.int().min(0).optional(),
  running: z.int().min(0).optional(),
  killing: z.int().min(0).optional(),
  throttled: z.int().min(0).optional(),
  updated: z.int().min(0).optional(),
  failed: z.int().min(0).optional(),
  finished: z.int().min(0).optional(),
});

export const UpdateStatus = z.object({
  state: z.enum([
    'ROLLING_FORWARD',
    'ROLLING_BACK',
    'ROLL_FORWARD_PAUSED',
    'ROLL_BACK_PAUSED',
    'ROLLED_FORWARD',
    'ROLLED_BACK',
    'ABORTED',
    'FAILED',
    'ERROR',
  ]),
  targetHash: z.string().max(63),
  previousHash: z.string().max(63).optional(),
  updatedInstances: z.int().min(0),
  startedAt: z.string().max(64),
  finishedAt: z.string().max(64).optional(),
  message: z.string().max(1024).optional(),
});

export const ServiceJobStatus = StatusBase.extend({
  /** Serialized label selector: `kubectl scale` and the autoscaler read it. */
  selector: z.string().max(1024).optional(),
  replicas: z.int().min(0).optional(),
  templateHash: z.string().max(63).optional(),
  counts: InstanceCounts.optional(),
  update: UpdateStatus.optional(),
  preemptions: z.array(PreemptionRecord).max(10).optional(),
  preempted: z.array(PreemptedRecord).max(10).optional(),
  pending: PendingExplanation.optional(),
});

export const ServiceJob = z.object({ spec: ServiceJobSpec, status: ServiceJobStatus.optional() });
