import type { RoleSpec, TierAmounts } from '../../allocator/types.ts';
import { type RolePath, rolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { QuotaObject, RoleObject } from '../../schema/mezzoKinds.ts';
import { parseQuantity, parseResources } from '../../schema/quantity.ts';

/** Roles and quotas joined by path: what the allocator obeys. */
export interface RoleTable {
  readonly specs: readonly RoleSpec[];
  readonly roleOf: ReadonlyMap<RolePath, RoleObject>;
  readonly quotaOf: ReadonlyMap<RolePath, QuotaObject>;
  /** Objects that lost to an older one for the same path, by name; they have no effect and say so. */
  readonly shadowed: ReadonlyMap<string, string>;
}

/** The role everybody may use: it exists without an object, with weight 1 and no quota. */
export const DEFAULT_ROLE: RolePath = rolePath('*');

/** Tables by the lists they were made from: caches hand out the same list until something changes. */
const known = new WeakMap<readonly RoleObject[], WeakMap<readonly QuotaObject[], RoleTable>>();

/** Where two objects claim one path the older one holds, and the name decides between equals. */
export function roleTableOf(
  roles: readonly RoleObject[],
  quotas: readonly QuotaObject[],
): RoleTable {
  const byQuotas = known.get(roles) ?? new WeakMap<readonly QuotaObject[], RoleTable>();
  const table = byQuotas.get(quotas) ?? joinByPath(roles, quotas);
  known.set(roles, byQuotas.set(quotas, table));
  return table;
}

function joinByPath(roles: readonly RoleObject[], quotas: readonly QuotaObject[]): RoleTable {
  const shadowed = new Map<string, string>();
  const roleOf = firstByPath(roles, (role) => role.spec.path, 'Role', shadowed);
  const quotaOf = firstByPath(quotas, (quota) => quota.spec.role, 'Quota', shadowed);
  const paths = new Set<RolePath>([DEFAULT_ROLE, ...roleOf.keys(), ...quotaOf.keys()]);
  const specs = [...paths].toSorted().map((path) => ({
    path,
    weightMilli: Math.round((roleOf.get(path)?.spec.weight ?? 1) * 1000),
    ...(roleOf.get(path)?.spec.sorter === 'random' ? { sorter: 'random' as const } : {}),
    ...quotaInEffect(quotaOf.get(path)),
  }));
  return { specs, roleOf, quotaOf, shadowed };
}

/** Amounts of a quota, as the allocator obeys them. */
export interface QuotaValues {
  readonly guarantees: Resources;
  readonly limits: Resources;
  readonly tierLimits?: TierAmounts;
}

/**
 * What of a quota holds now. A spec that was refused leaves the former one in effect, as its status records it; one
 * that nobody has judged yet does too, and where there is no former one it holds at once.
 */
export function quotaInEffect(quota: QuotaObject | undefined): QuotaValues {
  if (quota === undefined) return NO_QUOTA;
  const { spec, status, metadata } = quota;
  const judged = status?.inEffect;
  const holds =
    spec.force === true || judged === undefined || judged.generation === (metadata.generation ?? 0);
  return holds ? quotaAsked(quota) : valuesOf(judged);
}

/** What the spec of a quota asks for, in effect or not. */
export const quotaAsked = (quota: QuotaObject): QuotaValues => valuesOf(quota.spec);

const NO_QUOTA: QuotaValues = { guarantees: {}, limits: {} };

const valuesOf = ({
  guarantees,
  limits,
  tierLimits,
}: Pick<QuotaObject['spec'], 'guarantees' | 'limits' | 'tierLimits'>): QuotaValues => ({
  guarantees: parseResources(guarantees),
  limits: parseLimits(limits),
  ...(tierLimits === undefined
    ? {}
    : {
        tierLimits: Object.fromEntries(
          tierLimits.map((one) => [one.tier, parseLimits(one.limits)]),
        ),
      }),
});

function firstByPath<T extends RoleObject | QuotaObject>(
  objects: readonly T[],
  pathOf: (object: T) => string,
  kind: string,
  shadowed: Map<string, string>,
): Map<RolePath, T> {
  const winners = new Map<RolePath, T>();
  for (const object of objects.toSorted(byAge)) {
    if (object.metadata.deletionTimestamp !== undefined) continue;
    const path = rolePath(pathOf(object));
    const winner = winners.get(path);
    if (winner === undefined) winners.set(path, object);
    else shadowed.set(`${kind}/${object.metadata.name}`, winner.metadata.name);
  }
  return winners;
}

function byAge(left: RoleObject | QuotaObject, right: RoleObject | QuotaObject): number {
  const leftKey = `${left.metadata.creationTimestamp ?? ''} ${left.metadata.name}`;
  const rightKey = `${right.metadata.creationTimestamp ?? ''} ${right.metadata.name}`;
  return leftKey < rightKey ? -1 : 1;
}

/** Unlike amounts, a limit of zero means something: none of it. */
function parseLimits(limits: { readonly [name: string]: string | number } | undefined): Resources {
  const parsed: { [name: string]: number } = {};
  for (const [name, text] of Object.entries(limits ?? {})) {
    const amount = parseQuantity(name, text);
    if (amount !== undefined) parsed[name] = amount;
  }
  return parsed;
}
