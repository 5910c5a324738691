import { parentPath, pathAndAncestors } from '../../allocator/rolePaths.ts';
import type { TierUse } from '../../allocator/tierCheck.ts';
import { TIERS } from '../../model/job.ts';
import { add, amountOf, max, type Resources } from '../../model/resources.ts';
import type { QuotaObject } from '../../schema/mezzoKinds.ts';
import { formatQuantity } from '../../schema/quantity.ts';
import { type QuotaValues, quotaAsked, quotaInEffect, type RoleTable } from './roleTable.ts';

export interface JudgeInput {
  readonly table: Pick<RoleTable, 'quotaOf'>;
  /** What tasks and reservations of each role and those below it count against its quota. */
  readonly consumed: ReadonlyMap<string, Resources>;
  /** What tasks of each tier hold, by role; absent while no quota limits a tier. */
  readonly tierUse?: TierUse;
  /** What all agents have together. */
  readonly capacity: Resources;
}

export type QuotaVerdict =
  | { readonly kind: 'inEffect' }
  | { readonly kind: 'refused'; readonly reason: QuotaFault; readonly message: string };

/** Named faults, in the order in which they are looked for. */
const QUOTA_FAULTS = [
  'LimitBelowConsumption',
  'TierLimitBelowConsumption',
  'GuaranteesAboveParent',
  'BelowGuaranteesOfChildren',
  'GuaranteesAboveCapacity',
] as const;
type QuotaFault = (typeof QUOTA_FAULTS)[number];

interface Candidate {
  readonly path: string;
  readonly quota: QuotaObject;
  readonly asked: QuotaValues;
  /** What holds now in its place. */
  readonly former: QuotaValues;
  /** All quotas as they would hold together if this one were taken. */
  readonly tree: GuaranteeTree;
}

type Check = (candidate: Candidate, input: JudgeInput) => string | undefined;

/**
 * What a quota may not ask for, unless it says so with `spec.force`. Only what a new spec makes worse is a fault: a limit
 * that is raised, or a guarantee that is lowered, is never refused for what others did.
 * Source: Mesos `UPDATE_QUOTA` (limit below consumption, guarantees above capacity); the levels below are Mezzo's.
 */
const CHECKS = {
  LimitBelowConsumption: limitBelowConsumption,
  TierLimitBelowConsumption: tierLimitBelowConsumption,
  GuaranteesAboveParent: guaranteesAboveParent,
  BelowGuaranteesOfChildren: belowGuaranteesOfChildren,
  GuaranteesAboveCapacity: guaranteesAboveCapacity,
} as const satisfies Record<QuotaFault, Check>;

/**
 * Which quotas hold, by name of the object. All are judged together: what holds already comes first, then the waiting
 * ones, oldest first, so that two that do not fit beside each other are never both taken.
 */
export function judgeQuotas(input: JudgeInput): ReadonlyMap<string, QuotaVerdict> {
  const verdicts = new Map<string, QuotaVerdict>();
  const values = new Map<string, QuotaValues>();
  const waiting: QuotaObject[] = [];
  for (const [path, quota] of input.table.quotaOf) {
    if (isSettled(quota)) verdicts.set(quota.metadata.name, { kind: 'inEffect' });
    else waiting.push(quota);
    const isNew = quota.status?.inEffect === undefined && quota.spec.force !== true;
    if (!isNew) values.set(path, quotaInEffect(quota));
  }
  for (const quota of waiting.toSorted(byAge)) {
    const path = quota.spec.role;
    const asked = quotaAsked(quota);
    const tree = new GuaranteeTree(new Map(values).set(path, asked));
    const former = values.get(path) ?? { guarantees: {}, limits: {} };
    const verdict = judge({ path, quota, asked, former, tree }, input);
    verdicts.set(quota.metadata.name, verdict);
    if (verdict.kind === 'inEffect') values.set(path, asked);
  }
  return verdicts;
}

/** The spec holds; there is nothing to decide. */
export const isSettled = ({ spec, status, metadata }: QuotaObject): boolean =>
  spec.force === true ||
  (status?.inEffect !== undefined && status.inEffect.generation === (metadata.generation ?? 0));

function judge(candidate: Candidate, input: JudgeInput): QuotaVerdict {
  for (const reason of QUOTA_FAULTS) {
    const message = CHECKS[reason](candidate, input);
    if (message !== undefined) return { kind: 'refused', reason, message };
  }
  return { kind: 'inEffect' };
}

function limitBelowConsumption(
  { path, asked, former }: Candidate,
  { consumed }: JudgeInput,
): string | undefined {
  return firstFault(asked.limits, (name, limit) => {
    const has = amountOf(consumed.get(path) ?? {}, name);
    const before = former.limits[name];
    if (has <= limit || (before !== undefined && limit >= before)) return undefined;
    return (
      `limits.${name} ${format(name, limit)} is below the ${format(name, has)} that ${path} consumes; ` +
      `free ${format(name, has - limit)} first, or set spec.force to let running tasks stay and start no new ones`
    );
  });
}

function tierLimitBelowConsumption(
  { path, asked, former }: Candidate,
  { tierUse }: JudgeInput,
): string | undefined {
  for (const tier of TIERS) {
    const use = tierUse?.get(path)?.[tier] ?? {};
    const fault = firstFault(asked.tierLimits?.[tier] ?? {}, (name, limit) => {
      const has = amountOf(use, name);
      const before = former.tierLimits?.[tier]?.[name];
      if (has <= limit || (before !== undefined && limit >= before)) return undefined;
      return (
        `tierLimits of ${tier}: ${name} ${format(name, limit)} is below the ${format(name, has)} that tasks of this tier hold in ${path}; ` +
        `free ${format(name, has - limit)} first, or set spec.force to let running tasks stay and start no new ones`
      );
    });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function guaranteesAboveParent({ path, asked, former, tree }: Candidate): string | undefined {
  return firstFault(asked.guarantees, (name, guarantee) => {
    if (guarantee <= amountOf(former.guarantees, name)) return undefined;
    for (const above of pathAndAncestors(path).slice(1)) {
      const bound = tree.boundOf(above, name);
      const sum = amountOf(tree.ofChildren(above), name);
      if (bound === undefined || sum <= bound.amount) continue;
      return (
        `guarantees.${name} of the roles below ${above} come to ${format(name, sum)} with this one, ` +
        `${bound.field}.${name} of ${above} is ${format(name, bound.amount)}; ` +
        `lower this guarantee by ${format(name, sum - bound.amount)}, raise the quota of ${above}, or set spec.force`
      );
    }
    return undefined;
  });
}

function belowGuaranteesOfChildren({ path, asked, former, tree }: Candidate): string | undefined {
  const children = tree.ofChildren(path);
  return firstFault(children, (name, sum) => {
    for (const field of ['limits', 'guarantees'] as const) {
      const amount = asked[field][name];
      const before = former[field][name];
      if (amount === undefined || sum <= amount || (before !== undefined && amount >= before))
        continue;
      return (
        `${field}.${name} ${format(name, amount)} is below the ${format(name, sum)} guaranteed to the roles below ${path}; ` +
        `make it at least ${format(name, sum)}, lower their guarantees, or set spec.force`
      );
    }
    return undefined;
  });
}

function guaranteesAboveCapacity(
  { asked, former, tree }: Candidate,
  { capacity }: JudgeInput,
): string | undefined {
  const all = tree.ofAll();
  return firstFault(asked.guarantees, (name, guarantee) => {
    const [sum, has] = [amountOf(all, name), amountOf(capacity, name)];
    if (sum <= has || guarantee <= amountOf(former.guarantees, name)) return undefined;
    return (
      `guarantees.${name} of all roles come to ${format(name, sum)} with this one, all agents have ${format(name, has)}; ` +
      `lower guarantees by ${format(name, sum - has)}, add agents, or set spec.force`
    );
  });
}

function firstFault(
  amounts: Resources,
  faultOf: (name: string, amount: number) => string | undefined,
): string | undefined {
  for (const name of Object.keys(amounts).toSorted()) {
    const fault = faultOf(name, amounts[name] ?? 0);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const format = formatQuantity;

/** Guarantees over the tree of roles: a role is owed the larger of its own and those of the roles below it. */
export class GuaranteeTree {
  readonly #values: ReadonlyMap<string, QuotaValues>;
  readonly #below = new Map<string, Resources>();

  constructor(values: ReadonlyMap<string, QuotaValues>) {
    this.#values = values;
    const paths = new Set([...values.keys()].flatMap((path) => pathAndAncestors(path)));
    const deepestFirst = [...paths].toSorted((left, right) => depthOf(right) - depthOf(left));
    for (const path of deepestFirst) {
      const own = values.get(path)?.guarantees ?? {};
      const owed = max(own, this.ofChildren(path));
      const parent = parentPath(path) ?? '';
      this.#below.set(parent, add(this.#below.get(parent) ?? {}, owed));
    }
  }

  ofChildren(path: string): Resources {
    return this.#below.get(path) ?? {};
  }

  ofAll(): Resources {
    return this.ofChildren('');
  }

  /** What bounds the guarantees below a role: its own guarantee of the resource, or its limit. */
  boundOf(
    path: string,
    name: string,
  ): { readonly field: 'guarantees' | 'limits'; readonly amount: number } | undefined {
    const { guarantees, limits } = this.#values.get(path) ?? { guarantees: {}, limits: {} };
    const guarantee = guarantees[name];
    if (guarantee !== undefined) return { field: 'guarantees', amount: guarantee };
    const limit = limits[name];
    return limit === undefined ? undefined : { field: 'limits', amount: limit };
  }
}

const depthOf = (path: string): number => path.split('/').length;

function byAge(left: QuotaObject, right: QuotaObject): number {
  const keyOf = ({ metadata }: QuotaObject): string =>
    `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
  return keyOf(left) < keyOf(right) ? -1 : 1;
}
