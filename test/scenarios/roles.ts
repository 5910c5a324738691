type Raw = Readonly<Record<string, unknown>>;

/** Where an entry names a framework and the role it is in. */
const IN_A_ROLE: ReadonlySet<string> = new Set([
  'recover',
  'use',
  'used',
  'reserve',
  'unreserve',
  'createVolume',
  'destroyVolume',
  'expect',
  'expectOneOf',
  'expectRescinds',
]);

/**
 * Puts in the roles that a scenario leaves out: a framework with one role is in that one.
 *
 * With several roles, or none known, the entry stays as it is and is refused for want of a role.
 */
export function withRoles(steps: readonly Raw[]): readonly Raw[] {
  const roles = new Map<string, readonly unknown[]>();
  // What runs on an agent may be of a framework that comes later.
  for (const step of steps.toReversed()) noteRoles(step, roles);
  return steps.map((step) => {
    noteRoles(step, roles);
    return filled(step, roles, false) as Raw;
  });
}

function noteRoles(step: Raw, roles: Map<string, readonly unknown[]>): void {
  for (const key of ['addFramework', 'updateFramework']) {
    const fields = step[key];
    if (!isRaw(fields) || typeof fields['id'] !== 'string') continue;
    if (Array.isArray(fields['roles'])) roles.set(fields['id'], fields['roles']);
  }
}

function filled(
  value: unknown,
  roles: ReadonlyMap<string, readonly unknown[]>,
  isInARole: boolean,
): unknown {
  if (Array.isArray(value)) return value.map((one) => filled(one, roles, isInARole));
  if (!isRaw(value)) return value;
  const inner = Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      filled(one, roles, isInARole || IN_A_ROLE.has(key)),
    ]),
  );
  const { framework } = value;
  if (!isInARole || typeof framework !== 'string' || 'role' in value || 'roles' in value)
    return inner;
  const [role, ...others] = roles.get(framework) ?? [];
  return role === undefined || others.length > 0 ? inner : { ...inner, role };
}

function isRaw(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
