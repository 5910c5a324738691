import { z } from 'zod';

/** Shapes that several kinds share. Field names are API: renaming one is a breaking change. */

/** A Kubernetes quantity as a string (`500m`, `2`, `1Gi`); parsed by `schema/quantity.ts`. */
export const Quantity = z
  .string()
  .min(1)
  .max(32)
  .regex(/^([0-9]+(\.[0-9]{1,3})?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/);

/** Resource amounts by name: `cpus`, `mem`, `disk`, `gpus`, or an extended resource name. */
export const ResourceAmounts = z.record(z.string().max(63), Quantity);

export const RolePathField = z.string().min(1).max(253);
export const Tier = z.enum(['production', 'preemptible', 'revocable']);

export const Condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().min(0).optional(),
  lastTransitionTime: z.string().max(64),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32768),
});

export const StatusBase = z.object({
  observedGeneration: z.int().min(-1).optional(),
  conditions: z.array(Condition).max(32).optional(),
});

export const EnvVar = z.object({ name: z.string().min(1).max(256), value: z.string().max(32768) });
export const TaskPort = z.object({
  name: z.string().min(1).max(15),
  containerPort: z.int().min(1).max(65535),
});

export const HealthCheck = z.object({
  http: z.object({ path: z.string().max(1024), port: z.string().max(15) }).optional(),
  tcp: z.object({ port: z.string().max(15) }).optional(),
  command: z.array(z.string().max(4096)).max(64).optional(),
  initialDelaySeconds: z.int().min(0).max(86400).optional(),
  intervalSeconds: z.int().min(1).max(3600).optional(),
  timeoutSeconds: z.int().min(1).max(600).optional(),
  maxConsecutiveFailures: z.int().min(0).max(100).optional(),
});

/** What one task runs and needs. The first version runs one container; processes and pod templates follow. */
export const TaskTemplate = z.object({
  image: z.string().min(1).max(512),
  command: z.array(z.string().max(32768)).max(256).optional(),
  args: z.array(z.string().max(32768)).max(256).optional(),
  env: z.array(EnvVar).max(256).optional(),
  ports: z.array(TaskPort).max(64).optional(),
  resources: ResourceAmounts,
  labels: z.record(z.string().max(317), z.string().max(63)).optional(),
  health: HealthCheck.optional(),
  serviceAccountName: z.string().max(253).optional(),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  killGraceSeconds: z.int().min(0).max(3600).optional(),
});

/** A hard placement rule on agents. */
export const Constraint = z.object({
  attribute: z.string().min(1).max(317),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'MaxPerValue']),
  values: z.array(z.string().max(253)).max(64).optional(),
  limit: z.int().min(1).max(10000).optional(),
});

export const PreemptionRecord = z.object({
  id: z.string().max(253),
  phase: z.enum(['Intended', 'Evicting', 'Held', 'Completed', 'Abandoned']),
  preemptor: z.string().max(512),
  instance: z.int().min(0),
  rule: z.string().max(128),
  agent: z.string().max(253),
  victims: z
    .array(
      z.object({
        pod: z.string().max(512),
        uid: z.string().max(64),
        job: z.string().max(512),
        role: z.string().max(253),
      }),
    )
    .max(16),
  resources: ResourceAmounts,
  graceDeadline: z.string().max(64),
  startedAt: z.string().max(64),
  finishedAt: z.string().max(64).optional(),
  shareBefore: z.string().max(32).optional(),
  shareAfter: z.string().max(32).optional(),
  message: z.string().max(1024).optional(),
});

export const PreemptedRecord = z.object({
  id: z.string().max(253),
  pod: z.string().max(512),
  by: z.string().max(512),
  rule: z.string().max(128),
  at: z.string().max(64),
});

export const PendingExplanation = z.object({
  instances: z.int().min(0),
  since: z.string().max(64).optional(),
  summary: z.string().max(2048),
  heldBack: z
    .array(
      z.object({
        check: z.string().max(64),
        agents: z.int().min(0),
        nearestAgent: z.string().max(253).optional(),
        shortfall: ResourceAmounts.optional(),
      }),
    )
    .max(16)
    .optional(),
});
