import { amountOf, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { RoleObject } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { type ConditionValue, withCondition } from '../shared/conditions.ts';
import type { Amounts, RoleView } from '../views.ts';
import { formatWithZeros, shadowedBy } from './amountsInStatus.ts';

type RoleStatus = NonNullable<RoleObject['status']>;

/** Figures that are always written, so that columns add up by eye. */
const ALWAYS: Resources = { cpus: 1, mem: 1 };

/** What a Role says of itself; amounts are those of the role and all roles below it. */
export function roleStatus(
  role: RoleObject,
  figures: {
    readonly views: readonly RoleView[];
    /** What counts against quotas, by role. */
    readonly consumed: ReadonlyMap<string, Resources>;
    readonly winner: string | undefined;
  },
  nowIso: string,
): RoleStatus {
  const { views, winner } = figures;
  const generation = role.metadata.generation ?? 0;
  const condition: ConditionValue =
    winner === undefined
      ? takesPart(role)
      : shadowedBy('Role', 'spec.path', role.spec.path, winner);
  const base = {
    observedGeneration: generation,
    conditions: withCondition(role.status?.conditions, condition, generation, nowIso),
  };
  const view = views.find((one) => one.role === role.spec.path);
  if (view === undefined || winner !== undefined) return base;
  const tree = sumsOf(views, role.spec.path);
  const consumed = figures.consumed.get(role.spec.path) ?? {};
  return {
    ...base,
    dominantShare: `${(view.dominantSharePpm / 10_000).toFixed(1)}%`,
    guaranteed: formatResources(view.guaranteed),
    limit: formatWithZeros(view.limit, view.limit),
    consumed: formatWithZeros({ ...ALWAYS, ...view.limit }, consumed),
    headroom: formatWithZeros(view.limit, subtract(view.limit, consumed)),
    reserved: formatResources(view.reserved),
    allocated: formatWithZeros(ALWAYS, tree.allocated),
    offered: formatWithZeros(ALWAYS, tree.offered),
    ...(tree.used === undefined ? {} : { used: formatResources(coarse(tree.used)) }),
    revocable: formatResources(tree.revocable),
    tasks: tree.tasks,
  };
}

function takesPart({ spec }: RoleObject): ConditionValue {
  const ready = { type: 'Ready', status: 'True' } as const;
  const turns =
    spec.sorter === 'random' ? '; its sub-roles and frameworks take turns at random by weight' : '';
  return { ...ready, reason: 'InEffect', message: `the role takes part in allocation${turns}` };
}

/** Amounts of a role with all roles below it, as its limits count them. */
function sumsOf(views: readonly RoleView[], path: string): Amounts & { readonly tasks: number } {
  const tree = views.filter((one) => one.role === path || one.role.startsWith(`${path}/`));
  const used = tree
    .map((one) => (one.tasks === 0 ? undefined : one.used))
    .filter((one) => one !== undefined);
  const tasks = tree.reduce((total, one) => total + one.tasks, 0);
  return {
    allocated: sumOf(tree.map((one) => one.allocated)),
    offered: sumOf(tree.map((one) => one.offered)),
    used: tasks > 0 && used.length === 0 ? undefined : sumOf(used),
    revocable: sumOf(tree.map((one) => one.revocable)),
    tasks,
  };
}

/** Usage in status is a hint; rounded, so that noise causes no writes. Exact figures are metrics. */
function coarse(used: Resources): Resources {
  const rounded: { [name: string]: number } = {};
  const cpus = Math.round(amountOf(used, 'cpus') / 100) * 100;
  const mem = Math.round(amountOf(used, 'mem') / 2 ** 26) * 2 ** 26;
  if (cpus > 0) rounded['cpus'] = cpus;
  if (mem > 0) rounded['mem'] = mem;
  return rounded;
}
