import { z } from 'zod';
import { type RolePath, rolePath } from '../../model/ids.ts';
import { Double, IdValue, listOf, optionalEnum } from './lenient.ts';

export const MESOS_CAPABILITIES = [
  'REVOCABLE_RESOURCES',
  'TASK_KILLING_STATE',
  'GPU_RESOURCES',
  'SHARED_RESOURCES',
  'PARTITION_AWARE',
  'MULTI_ROLE',
  'RESERVATION_REFINEMENT',
  'REGION_AWARE',
] as const;
export type MesosCapability = (typeof MESOS_CAPABILITIES)[number];

/** Mesos `FrameworkInfo`. Source: Mesos `include/mesos/v1/mesos.proto`. */
export const FrameworkInfo = z.object({
  user: z.string(),
  name: z.string(),
  id: IdValue.optional(),
  failover_timeout: Double.optional(),
  checkpoint: z.boolean().optional(),
  role: z.string().optional(),
  roles: listOf(z.string()),
  hostname: z.string().optional(),
  principal: z.string().optional(),
  webui_url: z.string().optional(),
  capabilities: listOf(z.object({ type: optionalEnum(MESOS_CAPABILITIES) })),
  offer_filters: z
    .record(
      z.string(),
      z.object({
        min_allocatable_resources: z
          .object({
            quantities: listOf(
              z.object({
                quantities: z.record(z.string(), z.object({ value: Double })).default({}),
              }),
            ),
          })
          .optional(),
      }),
    )
    .optional(),
});
export type FrameworkInfo = z.infer<typeof FrameworkInfo>;

export const DEFAULT_ROLE: RolePath = rolePath('*');

const MAX_NAME_LENGTH = 255;
/** A longer failover time-out than a century is a mistake; Mesos refuses what its `Duration` cannot hold (292 years). */
const MAX_FAILOVER_SECONDS = 9_223_372_036;

export function capabilitiesOf(info: FrameworkInfo): ReadonlySet<MesosCapability> {
  return new Set(info.capabilities.flatMap((one) => (one.type === undefined ? [] : [one.type])));
}

/** The roles a framework subscribes to: `roles` with MULTI_ROLE, else `role`, by default `*`. */
export function rolesOf(info: FrameworkInfo): readonly RolePath[] {
  if (capabilitiesOf(info).has('MULTI_ROLE')) return info.roles.map(rolePath);
  return [rolePath(info.role ?? DEFAULT_ROLE)];
}

/**
 * Why the framework may not subscribe, naming the field; undefined when nothing is wrong.
 * Source: Mesos `src/master/validation.cpp`, `framework::validate`.
 */
export function frameworkInfoFault(info: FrameworkInfo): string | undefined {
  const multiRole = capabilitiesOf(info).has('MULTI_ROLE');
  if (multiRole && info.role !== undefined)
    return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable; use 'roles'";
  if (!multiRole && info.roles.length > 0)
    return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable; use 'role'";
  if (new Set(info.roles).size !== info.roles.length)
    return `'FrameworkInfo.roles' contains a duplicate: ${info.roles.join(', ')}`;
  for (const role of rolesOf(info)) {
    const fault = roleFault(role);
    if (fault !== undefined)
      return `'FrameworkInfo.role${multiRole ? 's' : ''}' is not a valid role: ${fault}`;
  }
  if (info.id !== undefined) {
    const fault = idFault(info.id.value);
    if (fault !== undefined) return `'FrameworkInfo.id' is not a valid id: ${fault}`;
  }
  const seconds = info.failover_timeout ?? 0;
  if (!(Math.abs(seconds) <= MAX_FAILOVER_SECONDS))
    return `The framework failover_timeout (${seconds}) is invalid: it must be a number of seconds`;
  if (info.name.length > MAX_NAME_LENGTH || info.user.length > MAX_NAME_LENGTH)
    return `'FrameworkInfo.name' and 'user' must have at most ${MAX_NAME_LENGTH} characters`;
  return undefined;
}

/** Longest id of Mesos, in characters. Source: Mesos `src/common/validation.cpp`, `validateID`. */
const MAX_ID_LENGTH = 255;

/** Why a text is no Mesos id (framework, task, executor); undefined when it is one. */
export function idFault(id: string): string | undefined {
  if (id === '') return 'it must not be empty';
  if (id.length > MAX_ID_LENGTH) return `it must not have more than ${MAX_ID_LENGTH} characters`;
  if (id === '.' || id === '..') return `'${id}' is disallowed`;
  for (const character of id) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f || character === '/' || character === '\\')
      return `'${printable(id)}' contains a disallowed character (control characters, '/' and '\\')`;
  }
  return undefined;
}

/** Why a text is no role; undefined when it is one. Source: Mesos `src/common/roles.cpp`. */
export function roleFault(role: string): string | undefined {
  if (role === DEFAULT_ROLE) return undefined;
  if (role === '') return 'it must not be empty';
  if (role.length > 253) return 'it must not have more than 253 characters';
  for (const part of role.split('/')) {
    if (part === '')
      return `'${printable(role)}' has an empty component: no leading, trailing or double slash`;
    if (part === '.' || part === '..' || part === '*')
      return `'${printable(role)}' has the component '${part}'`;
    if (part.startsWith('-')) return `'${printable(role)}' has a component that starts with '-'`;
    // oxlint-disable-next-line no-control-regex
    if (/[\s\u0000-\u001f\u007f]/u.test(part))
      return `'${printable(role)}' contains white space or a control character`;
  }
  return undefined;
}

/** Input quoted in a message: control characters shown, length bounded. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 128).replaceAll(/[\u0000-\u001f\u007f]/gu, '?');
}
