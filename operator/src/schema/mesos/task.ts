import { z } from 'zod';
import { CheckInfo, HealthCheck } from './check.ts';
import { CommandInfo } from './command.ts';
import { ContainerInfo } from './container.ts';
import { Base64, Double, IdValue, Integer, listOf, optionalEnum } from './lenient.ts';
import { MesosResource } from './resource.ts';

/**
 * Mesos `TaskInfo`. Whatever is not named here is dropped by the parser and can therefore never reach a Pod.
 * Source: Mesos `include/mesos/v1/mesos.proto`.
 */

const DurationInfo = z.object({ nanoseconds: Integer });

export const KillPolicy = z.object({ grace_period: DurationInfo.optional() });
export type KillPolicy = z.infer<typeof KillPolicy>;

export const MesosLabels = z.object({
  labels: listOf(z.object({ key: z.string(), value: z.string().optional() })),
});

const VISIBILITIES = ['FRAMEWORK', 'CLUSTER', 'EXTERNAL'] as const;

/** Told to whoever asks about the task; nothing acts on it. */
const DiscoveryInfo = z.object({
  visibility: optionalEnum(VISIBILITIES),
  name: z.string().optional(),
  environment: z.string().optional(),
  location: z.string().optional(),
  version: z.string().optional(),
  ports: z
    .object({
      ports: listOf(
        z.object({
          number: Integer,
          name: z.string().optional(),
          protocol: z.string().optional(),
          visibility: optionalEnum(VISIBILITIES),
          labels: MesosLabels.optional(),
        }),
      ),
    })
    .optional(),
  labels: MesosLabels.optional(),
});

export const ExecutorInfo = z.object({
  type: optionalEnum(['DEFAULT', 'CUSTOM']),
  executor_id: IdValue,
  framework_id: IdValue.optional(),
  command: CommandInfo.optional(),
  container: ContainerInfo.optional(),
  resources: listOf(MesosResource),
  name: z.string().optional(),
  source: z.string().optional(),
  data: Base64.optional(),
  discovery: DiscoveryInfo.optional(),
  shutdown_grace_period: DurationInfo.optional(),
  labels: MesosLabels.optional(),
});
export type ExecutorInfo = z.infer<typeof ExecutorInfo>;

export const TaskInfo = z.object({
  name: z.string(),
  task_id: IdValue,
  agent_id: IdValue,
  resources: listOf(MesosResource),
  executor: ExecutorInfo.optional(),
  command: CommandInfo.optional(),
  container: ContainerInfo.optional(),
  health_check: HealthCheck.optional(),
  check: CheckInfo.optional(),
  kill_policy: KillPolicy.optional(),
  data: Base64.optional(),
  labels: MesosLabels.optional(),
  discovery: DiscoveryInfo.optional(),
  max_completion_time: DurationInfo.optional(),
  limits: z.record(z.string(), z.object({ value: Double })).optional(),
});
export type TaskInfo = z.infer<typeof TaskInfo>;
