import { z } from 'zod';
import { CommandInfo } from './command.ts';
import { Double, Integer, listOf, optionalEnum } from './lenient.ts';

/** Mesos `HealthCheck` and `CheckInfo`. Source: Mesos `include/mesos/v1/mesos.proto`. */

const CHECK_TYPES = ['COMMAND', 'HTTP', 'TCP'] as const;

export const HealthCheck = z.object({
  type: optionalEnum(CHECK_TYPES),
  command: CommandInfo.optional(),
  http: z
    .object({
      scheme: z.string().optional(),
      port: Integer,
      path: z.string().optional(),
      statuses: listOf(Integer),
    })
    .optional(),
  tcp: z.object({ port: Integer }).optional(),
  delay_seconds: Double.optional(),
  interval_seconds: Double.optional(),
  timeout_seconds: Double.optional(),
  consecutive_failures: Integer.optional(),
  grace_period_seconds: Double.optional(),
});
export type HealthCheck = z.infer<typeof HealthCheck>;

export const CheckInfo = z.object({
  type: optionalEnum(CHECK_TYPES),
  command: z.object({ command: CommandInfo }).optional(),
  http: z.object({ port: Integer, path: z.string().optional() }).optional(),
  tcp: z.object({ port: Integer }).optional(),
  delay_seconds: Double.optional(),
  interval_seconds: Double.optional(),
  timeout_seconds: Double.optional(),
});
export type CheckInfo = z.infer<typeof CheckInfo>;
