import { amountOf, type Resources, sumOf } from '../../model/resources.ts';
import { ok, type Result } from '../../model/result.ts';
import { printable, roleFault } from '../../schema/mesos/framework.ts';
import type { OperatorCallOf, QuotaConfig } from '../../schema/mesos/operatorCall.ts';
import { amountFromScalar } from '../../schema/mesos/resource.ts';
import { QUOTAS } from '../../schema/mezzoKinds.ts';
import { formatQuantity, formatResources } from '../../schema/quantity.ts';
import type { ClusterView, ViewedRole } from '../clusterView/types.ts';
import { creation, objectNameFor, refuseAs } from './planning.ts';
import type { CallPlan, CallRefusal, PlannedWrite } from './types.ts';

/** Source: Mesos `src/master/quota.cpp`, `validate`: a larger number is a slip of the unit. */
const MOST = 1e12;

interface WantedQuota {
  readonly role: string;
  readonly guarantees: Resources;
  readonly limits: Resources;
}

/**
 * UPDATE_QUOTA: the Quota object of each role, all of them or none. Without guarantees and limits the object goes.
 * Unlike in Mesos nested roles have quotas too. Source: Mesos `src/master/quota_handler.cpp`, `update`.
 */
export function decideQuota(
  { force, quota_configs }: OperatorCallOf<'UPDATE_QUOTA'>['body'],
  view: ClusterView,
): CallPlan {
  const wanted: WantedQuota[] = [];
  for (const config of quota_configs) {
    const read = readConfig(config);
    if (!read.ok) return read;
    if (wanted.some((one) => one.role === config.role))
      return refuseAs('badRequest', `Invalid QuotaConfig: role '${config.role}' is given twice`);
    wanted.push(read.value);
  }
  if (!force) {
    const fault = consumptionFault(wanted, view) ?? overcommitFault(wanted, view);
    if (fault !== undefined) return refuseAs('badRequest', `Invalid QuotaConfig: ${fault}`);
  }
  return ok(wanted.flatMap((one) => quotaWrite(one, view, force)));
}

function readConfig(config: QuotaConfig): Result<WantedQuota, CallRefusal> {
  const { role } = config;
  const fault = roleFault(role);
  if (fault !== undefined)
    return refuseAs('badRequest', `Invalid QuotaConfig: role '${printable(role)}': ${fault}`);
  const guarantees = readAmounts(role, 'guarantees', config.guarantees);
  if (!guarantees.ok) return guarantees;
  const limits = readAmounts(role, 'limits', config.limits);
  if (!limits.ok) return limits;
  for (const [name, limit] of Object.entries(limits.value)) {
    const guarantee = amountOf(guarantees.value, name);
    if (guarantee > limit)
      return refuseAs(
        'badRequest',
        `Invalid QuotaConfig: role '${role}': the guarantee of ${name} (${formatQuantity(name, guarantee)}) exceeds its limit (${formatQuantity(name, limit)})`,
      );
  }
  return ok({ role, guarantees: guarantees.value, limits: limits.value });
}

function readAmounts(
  role: string,
  field: 'guarantees' | 'limits',
  map: QuotaConfig['limits'],
): Result<Resources, CallRefusal> {
  const amounts: { [name: string]: number } = {};
  for (const [name, { value }] of Object.entries(map)) {
    const amount = value <= MOST ? amountFromScalar(name, value) : undefined;
    if (amount === undefined)
      return refuseAs(
        'badRequest',
        `Invalid QuotaConfig: role '${role}': ${field}.${printable(name)} is ${value}; expected a number from 0 to ${MOST}`,
      );
    // A limit of zero forbids the resource; a guarantee of zero says nothing.
    if (amount > 0 || field === 'limits') amounts[name] = amount;
  }
  return ok(amounts);
}

function consumptionFault(wanted: readonly WantedQuota[], view: ClusterView): string | undefined {
  for (const { role, limits } of wanted) {
    const consumed = view.roles.find((one) => one.role === role)?.consumed ?? {};
    for (const [name, limit] of Object.entries(limits)) {
      const used = amountOf(consumed, name);
      if (used > limit)
        return `role '${role}' consumes ${formatQuantity(name, used)} of ${name}, more than the limit of ${formatQuantity(name, limit)}; free some of it, or set 'force'`;
    }
  }
  return undefined;
}

function overcommitFault(wanted: readonly WantedQuota[], view: ClusterView): string | undefined {
  const capacity = sumOf(view.agents.map((one) => one.total.resources));
  const all = new Map<string, Resources>(view.roles.map((one) => [one.role, one.guarantees]));
  const before = guaranteedAtTheTop(all);
  for (const { role, guarantees } of wanted) all.set(role, guarantees);
  const total = guaranteedAtTheTop(all);
  for (const [name, sum] of Object.entries(total)) {
    const most = amountOf(capacity, name);
    // What was over-committed before does not keep anybody from lowering it.
    if (sum > most && sum > amountOf(before, name))
      return `all guarantees of ${name} together would be ${formatQuantity(name, sum)}, more than the ${formatQuantity(name, most)} of all agents; lower them, or set 'force'`;
  }
  return undefined;
}

/** A role needs the larger of its own guarantee and those of its children together. */
function guaranteedAtTheTop(guarantees: ReadonlyMap<string, Resources>): Resources {
  const children = new Map<string, Set<string>>();
  for (const role of guarantees.keys()) {
    const parts = role.split('/');
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const parent = parts.slice(0, depth - 1).join('/');
      const child = parts.slice(0, depth).join('/');
      children.set(parent, (children.get(parent) ?? new Set()).add(child));
    }
  }
  const neededBy = (role: string): Resources => {
    const below = sumOf([...(children.get(role) ?? [])].map(neededBy));
    const own = guarantees.get(role) ?? {};
    const needed: { [name: string]: number } = { ...below };
    for (const name in own) needed[name] = Math.max(amountOf(own, name), amountOf(below, name));
    return needed;
  };
  return neededBy('');
}

function quotaWrite(
  { role, guarantees, limits }: WantedQuota,
  view: ClusterView,
  force: boolean,
): readonly PlannedWrite[] {
  const known = view.roles.find((one) => one.role === role);
  const name = known?.quotaObject;
  const isEmpty = Object.keys(guarantees).length === 0 && Object.keys(limits).length === 0;
  if (isEmpty) return name === undefined ? [] : [{ verb: 'delete', ref: QUOTAS, name }];
  const spec = {
    ...unlessEmpty('guarantees', guarantees),
    ...unlessEmpty('limits', limits),
    force,
  };
  if (known === undefined || name === undefined)
    return [creation(QUOTAS, objectNameFor(role), { role, ...spec })];
  const patch = {
    spec: {
      guarantees: replaced(known.guarantees, guarantees),
      limits: replaced(known.limits, limits),
      force,
    },
  };
  return [{ verb: 'patch', ref: QUOTAS, name, patch }];
}

/** An object may not have an empty map of amounts. */
const unlessEmpty = (field: string, of: Resources): object =>
  Object.keys(of).length === 0 ? {} : { [field]: formatResources(of) };

/** In a merge patch what is not named stays: names that go are set to null, and so is a map of which nothing stays. */
function replaced(
  before: ViewedRole['limits'],
  after: Resources,
): { readonly [name: string]: string | null } | null {
  if (Object.keys(after).length === 0) return null;
  const gone = Object.keys(before).filter((name) => after[name] === undefined);
  return { ...Object.fromEntries(gone.map((name) => [name, null])), ...formatResources(after) };
}

/** SET_QUOTA, which Mesos has long deprecated: guarantee and limit are the same. */
export function decideSetQuota(
  { quota_request }: OperatorCallOf<'SET_QUOTA'>['body'],
  view: ClusterView,
): CallPlan {
  const { role, guarantee, force } = quota_request;
  if (role === undefined)
    return refuseAs('badRequest', "Expecting 'quota_request.role' to be present");
  if (view.roles.some((one) => one.role === role && one.quotaObject !== undefined))
    return refuseAs('badRequest', `Cannot set quota for role '${role}', which already has quota`);
  const amounts: { [name: string]: { value: number } } = {};
  for (const { name, scalar } of guarantee) {
    if (scalar === undefined || amounts[name] !== undefined)
      return refuseAs(
        'badRequest',
        `quota_request.guarantee: '${printable(name)}' must be given once, as a scalar`,
      );
    amounts[name] = scalar;
  }
  const plan = decideQuota(
    { force, quota_configs: [{ role, guarantees: amounts, limits: amounts }] },
    view,
  );
  return !plan.ok && plan.refusal.message.includes('all guarantees')
    ? refuseAs('conflict', plan.refusal.message)
    : plan;
}

export function decideRemoveQuota(
  { role }: OperatorCallOf<'REMOVE_QUOTA'>['body'],
  view: ClusterView,
): CallPlan {
  const name = view.roles.find((one) => one.role === role)?.quotaObject;
  return name === undefined
    ? refuseAs('badRequest', `Cannot remove quota of role '${printable(role)}': it has none`)
    : ok([{ verb: 'delete', ref: QUOTAS, name }]);
}
