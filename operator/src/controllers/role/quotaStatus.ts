import type { TierUse } from '../../allocator/tierCheck.ts';
import type { TierAmounts } from '../../allocator/types.ts';
import { TIERS } from '../../model/job.ts';
import { amountOf, type Resources, subtract } from '../../model/resources.ts';
import type { QuotaObject } from '../../schema/mezzoKinds.ts';
import { formatQuantity, formatResources } from '../../schema/quantity.ts';
import { type ConditionValue, withCondition } from '../shared/conditions.ts';
import { formatWithZeros, shadowedBy } from './amountsInStatus.ts';
import { GuaranteeTree, type QuotaVerdict } from './judgeQuotas.ts';
import { type QuotaValues, quotaAsked, quotaInEffect, type RoleTable } from './roleTable.ts';

export interface QuotaFigures {
  readonly table: RoleTable;
  readonly consumed: ReadonlyMap<string, Resources>;
  /** What tasks of each tier hold, by role. */
  readonly tierUse?: TierUse;
  readonly capacity: Resources;
}

type QuotaStatus = NonNullable<QuotaObject['status']>;

/** What a Quota says of itself. `verdict`: undefined for one that lost its role to an older one. */
export function quotaStatus(
  quota: QuotaObject,
  figures: QuotaFigures,
  verdict: QuotaVerdict | undefined,
  nowIso: string,
): QuotaStatus {
  const { table } = figures;
  const generation = quota.metadata.generation ?? 0;
  const winner = table.shadowed.get(`Quota/${quota.metadata.name}`);
  if (winner !== undefined || verdict === undefined) {
    const lost = shadowedBy('Quota', 'spec.role', quota.spec.role, winner ?? 'another');
    return {
      observedGeneration: generation,
      conditions: withCondition(quota.status?.conditions, lost, generation, nowIso),
    };
  }
  const inEffect = effectAfter(quota, verdict);
  const settled = { ...quota, status: { ...quota.status, inEffect } };
  const values = quotaInEffect(settled);
  const consumed = figures.consumed.get(quota.spec.role) ?? {};
  const ready =
    verdict.kind === 'inEffect' ? readyCondition(quota, table) : refusal(verdict, inEffect);
  const conditions = withCondition(quota.status?.conditions, ready, generation, nowIso);
  const tierUse = figures.tierUse?.get(quota.spec.role) ?? {};
  const tree = treeWith(table, settled);
  const over = overCommitted(values, { consumed, tierUse }, tree, figures.capacity);
  return {
    observedGeneration: generation,
    conditions: withCondition(conditions, over, generation, nowIso),
    inEffect,
    consumed: formatWithZeros({ ...values.limits, ...values.guarantees }, consumed),
    headroom: formatWithZeros(values.limits, subtract(values.limits, consumed)),
    ...(values.tierLimits === undefined ? {} : { tiers: tierRows(values.tierLimits, tierUse) }),
  };
}

function tierRows(limits: TierAmounts, use: TierAmounts): NonNullable<QuotaStatus['tiers']> {
  return TIERS.flatMap((tier) => {
    const most = limits[tier];
    if (most === undefined) return [];
    const has = use[tier] ?? {};
    return [
      {
        tier,
        consumed: formatWithZeros(most, has),
        headroom: formatWithZeros(most, subtract(most, has)),
      },
    ];
  });
}

function effectAfter(
  quota: QuotaObject,
  verdict: QuotaVerdict,
): NonNullable<QuotaStatus['inEffect']> {
  if (verdict.kind === 'refused') return quota.status?.inEffect ?? { generation: 0 };
  const { guarantees, limits, tierLimits } = quotaAsked(quota);
  return {
    generation: quota.metadata.generation ?? 0,
    guarantees: formatResources(guarantees),
    // A limit of zero means something: none of it.
    limits: formatWithZeros(limits, limits),
    ...(tierLimits === undefined
      ? {}
      : {
          tierLimits: TIERS.flatMap((tier) => {
            const most = tierLimits[tier];
            return most === undefined ? [] : [{ tier, limits: formatWithZeros(most, most) }];
          }),
        }),
  };
}

function treeWith(table: RoleTable, settled: QuotaObject): GuaranteeTree {
  const values = new Map<string, QuotaValues>(
    [...table.quotaOf].map(([path, quota]) => [path, quotaInEffect(quota)]),
  );
  return new GuaranteeTree(values.set(settled.spec.role, quotaInEffect(settled)));
}

function refusal(
  { reason, message }: Extract<QuotaVerdict, { kind: 'refused' }>,
  { generation }: { readonly generation: number },
): ConditionValue {
  const meanwhile =
    generation === 0
      ? 'Until then the quota has no effect.'
      : `Until then generation ${generation} stays in effect (status.inEffect).`;
  return { type: 'Ready', status: 'False', reason, message: `${message}. ${meanwhile}` };
}

function readyCondition(quota: QuotaObject, { roleOf }: RoleTable): ConditionValue {
  const { role } = quota.spec;
  if (role === '*' || [...roleOf.keys()].some((path) => path === role)) {
    return {
      type: 'Ready',
      status: 'True',
      reason: 'InEffect',
      message: 'limits and guarantees hold for the role and its sub-roles',
    };
  }
  const message = `spec.role \`${role}\` has no Role object; the quota holds for frameworks of that role, but no job can use it until a Role with spec.path \`${role}\` is made`;
  return { type: 'Ready', status: 'True', reason: 'RoleNotFound', message };
}

/** A quota in effect that the cluster does not live up to: forced, or agents went since. */
function overCommitted(
  { limits, guarantees, tierLimits }: QuotaValues,
  { consumed, tierUse }: { readonly consumed: Resources; readonly tierUse: TierAmounts },
  tree: GuaranteeTree,
  capacity: Resources,
): ConditionValue {
  const parts = [
    ...aboveLimits(limits, consumed, ''),
    ...TIERS.flatMap((tier) =>
      aboveLimits(tierLimits?.[tier] ?? {}, tierUse[tier] ?? {}, ` of tier ${tier}`),
    ),
  ];
  const all = tree.ofAll();
  for (const name of Object.keys(guarantees).toSorted()) {
    const missing = amountOf(all, name) - amountOf(capacity, name);
    if (missing > 0)
      parts.push(
        `${name}: guarantees of all roles come to ${formatQuantity(name, amountOf(all, name))}, ${formatQuantity(name, missing)} more than all agents have`,
      );
  }
  if (parts.length > 0)
    return {
      type: 'OverCommitted',
      status: 'True',
      reason: 'AboveBounds',
      message: parts.join('; '),
    };
  return {
    type: 'OverCommitted',
    status: 'False',
    reason: 'WithinBounds',
    message: 'consumption is within the limits',
  };
}

function aboveLimits(limits: Resources, consumed: Resources, of: string): readonly string[] {
  return Object.keys(limits)
    .toSorted()
    .flatMap((name) => {
      const [limit, has] = [amountOf(limits, name), amountOf(consumed, name)];
      if (has <= limit) return [];
      const over = formatQuantity(name, has - limit);
      return [
        `${name}: consumed ${formatQuantity(name, has)} is ${over} above the limit ${formatQuantity(name, limit)}${of}`,
      ];
    });
}
