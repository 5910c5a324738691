import { z } from 'zod';
import { Base64, listOf, optionalEnum } from './lenient.ts';

/** Mesos `CommandInfo` and what it is made of. Source: Mesos `include/mesos/v1/mesos.proto`. */

/** A value that is kept elsewhere (`reference`) or is sent along (`value`). */
export const Secret = z.object({
  type: optionalEnum(['REFERENCE', 'VALUE']),
  reference: z.object({ name: z.string(), key: z.string().optional() }).optional(),
  value: z.object({ data: Base64 }).optional(),
});
export type Secret = z.infer<typeof Secret>;

const Environment = z.object({
  variables: listOf(
    z.object({
      name: z.string(),
      type: optionalEnum(['VALUE', 'SECRET']),
      value: z.string().optional(),
      secret: Secret.optional(),
    }),
  ),
});
export type EnvironmentVariable = z.infer<typeof Environment>['variables'][number];

/** A file the task finds in its sandbox when it starts. */
const CommandUri = z.object({
  value: z.string(),
  executable: z.boolean().optional(),
  extract: z.boolean().optional(),
  cache: z.boolean().optional(),
  output_file: z.string().optional(),
});
export type CommandUri = z.infer<typeof CommandUri>;

export const CommandInfo = z.object({
  value: z.string().optional(),
  shell: z.boolean().optional(),
  arguments: listOf(z.string()),
  environment: Environment.optional(),
  uris: listOf(CommandUri),
  user: z.string().optional(),
});
export type CommandInfo = z.infer<typeof CommandInfo>;
