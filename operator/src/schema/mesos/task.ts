import { z } from 'zod';
import { Base64, Double, IdValue, Integer, listOf, optionalEnum } from './lenient.ts';
import { MesosResource } from './resource.ts';

/**
 * Mesos `TaskInfo` and its parts, as far as Mezzo translates or refuses them. Whatever is not named here is
 * dropped by the parser and can therefore never reach a Pod.
 * Source: Mesos `include/mesos/v1/mesos.proto`.
 */

export const Environment = z.object({
  variables: listOf(
    z.object({
      name: z.string(),
      type: optionalEnum(['VALUE', 'SECRET']),
      value: z.string().optional(),
      secret: z.object({}).optional(),
    }),
  ),
});

export const CommandInfo = z.object({
  value: z.string().optional(),
  shell: z.boolean().optional(),
  arguments: listOf(z.string()),
  environment: Environment.optional(),
  uris: listOf(z.object({ value: z.string() })),
  user: z.string().optional(),
});
export type CommandInfo = z.infer<typeof CommandInfo>;

/** Something whose presence alone matters. */
const Present = z.object({});

export const ContainerInfo = z.object({
  type: optionalEnum(['DOCKER', 'MESOS']),
  docker: z
    .object({
      image: z.string(),
      network: optionalEnum(['HOST', 'BRIDGE', 'NONE', 'USER']),
      port_mappings: listOf(Present),
      privileged: z.boolean().optional(),
      parameters: listOf(z.object({ key: z.string(), value: z.string().optional() })),
      force_pull_image: z.boolean().optional(),
    })
    .optional(),
  mesos: z
    .object({
      image: z
        .object({
          type: optionalEnum(['APPC', 'DOCKER']),
          docker: z.object({ name: z.string() }).optional(),
        })
        .optional(),
    })
    .optional(),
  volumes: listOf(Present),
  linux_info: Present.optional(),
  rlimit_info: Present.optional(),
});
export type ContainerInfo = z.infer<typeof ContainerInfo>;

export const KillPolicy = z.object({
  grace_period: z.object({ nanoseconds: Integer }).optional(),
});
export type KillPolicy = z.infer<typeof KillPolicy>;

export const MesosLabels = z.object({
  labels: listOf(z.object({ key: z.string(), value: z.string().optional() })),
});

export const ExecutorInfo = z.object({
  type: optionalEnum(['DEFAULT', 'CUSTOM']),
  executor_id: IdValue.optional(),
});

export const TaskInfo = z.object({
  name: z.string(),
  task_id: IdValue,
  agent_id: IdValue,
  resources: listOf(MesosResource),
  executor: ExecutorInfo.optional(),
  command: CommandInfo.optional(),
  container: ContainerInfo.optional(),
  health_check: Present.optional(),
  check: Present.optional(),
  kill_policy: KillPolicy.optional(),
  data: Base64.optional(),
  labels: MesosLabels.optional(),
  limits: z.record(z.string(), z.object({ value: Double.optional() })).optional(),
  max_completion_time: z.object({ nanoseconds: Integer }).optional(),
});
export type TaskInfo = z.infer<typeof TaskInfo>;
