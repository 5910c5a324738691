import { amountOf, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { QUOTAS, type QuotaObject, ROLES, type RoleObject } from '../../schema/mezzoKinds.ts';
import { formatQuantity, formatResources } from '../../schema/quantity.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import type { Amounts, RoleView } from '../views.ts';
import type { World } from '../world.ts';
import { type RoleTable, roleTableOf } from './roleTable.ts';

export interface RoleControllerOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly roleViews: () => readonly RoleView[];
  /** Total capacity of the agents, for guarantees nobody can keep. */
  readonly capacity: () => Resources;
}

/** Shares and consumption change with every task; the status follows at this pace, metrics at every scrape. */
const REFRESH_MS = 5_000;

/** Keeps the status of Role and Quota objects. Keys: `Role/<name>` and `Quota/<name>`. */
export function createRoleController(options: RoleControllerOptions): {
  reconcile(key: string): Promise<WorkResult>;
} {
  return {
    async reconcile(key) {
      const [kind = '', name = ''] = key.split('/');
      const table = roleTableOf(options.world.roles.list(), options.world.quotas.list());
      const role = options.world.roles.get({ name });
      const quota = options.world.quotas.get({ name });
      if (kind === 'Role' && role !== undefined) await writeRole(options, role, table);
      else if (kind === 'Quota' && quota !== undefined) await writeQuota(options, quota, table);
      else return { kind: 'awaitChange' };
      return { kind: 'requeueAfter', delayMs: REFRESH_MS };
    },
  };
}

async function writeRole(
  options: RoleControllerOptions,
  role: RoleObject,
  table: RoleTable,
): Promise<void> {
  const views = options.roleViews();
  const view = views.find((one) => one.role === role.spec.path);
  const tree = sumsOf(views, role.spec.path);
  const winner = table.shadowed.get(`Role/${role.metadata.name}`);
  const generation = role.metadata.generation ?? 0;
  const condition: ConditionValue =
    winner === undefined
      ? {
          type: 'Ready',
          status: 'True',
          reason: 'InEffect',
          message: 'the role takes part in allocation',
        }
      : shadowedBy('Role', 'spec.path', role.spec.path, winner);
  await writeStatus<RoleObject>(options.kube, ROLES, role, {
    observedGeneration: generation,
    conditions: withCondition(
      role.status?.conditions,
      condition,
      generation,
      isoTime(options.clock.nowMs()),
    ),
    ...(view === undefined || winner !== undefined
      ? {}
      : {
          dominantShare: `${(view.dominantSharePpm / 10_000).toFixed(1)}%`,
          guaranteed: formatResources(view.guaranteed),
          limit: formatResources(view.limit),
          reserved: formatResources(view.reserved),
          allocated: formatResources(tree.allocated),
          offered: formatResources(tree.offered),
          ...(tree.used === undefined ? {} : { used: formatResources(coarse(tree.used)) }),
          revocable: formatResources(tree.revocable),
          tasks: tree.tasks,
        }),
  });
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

async function writeQuota(
  options: RoleControllerOptions,
  quota: QuotaObject,
  table: RoleTable,
): Promise<void> {
  const spec = table.specs.find((one) => one.path === quota.spec.role);
  const consumed = options.roleViews().find((one) => one.role === quota.spec.role)?.consumed ?? {};
  const generation = quota.metadata.generation ?? 0;
  const nowIso = isoTime(options.clock.nowMs());
  const winner = table.shadowed.get(`Quota/${quota.metadata.name}`);
  const ready =
    winner === undefined
      ? inEffect(quota, table)
      : shadowedBy('Quota', 'spec.role', quota.spec.role, winner);
  const over = overCommitted(
    consumed,
    spec?.limits ?? {},
    spec?.guarantees ?? {},
    options.capacity(),
  );
  const conditions = withCondition(quota.status?.conditions, ready, generation, nowIso);
  await writeStatus<QuotaObject>(options.kube, QUOTAS, quota, {
    observedGeneration: generation,
    conditions: withCondition(conditions, over, generation, nowIso),
    ...(winner === undefined
      ? {
          consumed: formatAll({ ...spec?.limits, ...spec?.guarantees }, consumed),
          headroom: formatAll(spec?.limits ?? {}, subtract(spec?.limits ?? {}, consumed)),
        }
      : {}),
  });
}

/** Every name of `names` and of `amounts`, zeros included: nothing left is a figure too. */
function formatAll(names: Resources, amounts: Resources): { [name: string]: string } {
  const zeros = Object.keys(names).map((name) => [name, formatQuantity(name, 0)]);
  return { ...Object.fromEntries(zeros), ...formatResources(amounts) };
}

function inEffect(quota: QuotaObject, table: RoleTable): ConditionValue {
  if (
    quota.spec.role === '*' ||
    [...table.roleOf.keys()].some((path) => path === quota.spec.role)
  ) {
    return {
      type: 'Ready',
      status: 'True',
      reason: 'InEffect',
      message: 'limits and guarantees hold for the role and its sub-roles',
    };
  }
  const message = `spec.role \`${quota.spec.role}\` has no Role object; the quota holds for frameworks of that role, but no job can use it until a Role with spec.path \`${quota.spec.role}\` is made`;
  return { type: 'Ready', status: 'True', reason: 'RoleNotFound', message };
}

function overCommitted(
  consumed: Resources,
  limits: Resources,
  guarantees: Resources,
  capacity: Resources,
): ConditionValue {
  const parts: string[] = [];
  for (const name in limits) {
    const surplus = amountOf(consumed, name) - amountOf(limits, name);
    if (surplus > 0)
      parts.push(
        `${name}: consumed ${formatQuantity(name, amountOf(consumed, name))} is ${formatQuantity(name, surplus)} above the limit ${formatQuantity(name, amountOf(limits, name))}`,
      );
  }
  for (const name in guarantees) {
    const missing = amountOf(guarantees, name) - amountOf(capacity, name);
    if (missing > 0)
      parts.push(
        `${name}: guarantee ${formatQuantity(name, amountOf(guarantees, name))} is ${formatQuantity(name, missing)} more than all agents have`,
      );
  }
  if (parts.length === 0)
    return {
      type: 'OverCommitted',
      status: 'False',
      reason: 'WithinBounds',
      message: 'consumption is within the limits',
    };
  return {
    type: 'OverCommitted',
    status: 'True',
    reason: 'AboveBounds',
    message: parts.join('; '),
  };
}

function shadowedBy(kind: string, field: string, path: string, winner: string): ConditionValue {
  const message = `${field} \`${path}\` is already taken by the older ${kind} ${winner}; delete one of the two`;
  return { type: 'Ready', status: 'False', reason: 'DuplicatePath', message };
}
