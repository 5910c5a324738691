import { z } from 'zod';
import { ResourceAmounts, roleAmounts } from './amounts.ts';
import { bornUnobserved, StatusBase, Tier } from './common.ts';
import { count, RolePathField, roleIsImmutable } from './fields.ts';
import { type CelRule, kube } from './kubeMeta.ts';

/** True in CEL when both amounts of `key` are there and readable, and the guarantee is the larger. */
const exceeds = (key: string): string =>
  `${key} in self.guarantees && ${key} in self.limits && isQuantity(string(self.guarantees[${key}])) && ` +
  `isQuantity(string(self.limits[${key}])) && ` +
  `quantity(string(self.guarantees[${key}])).isGreaterThan(quantity(string(self.limits[${key}])))`;

const withinLimits: readonly CelRule[] = [
  ...(['cpus', 'mem', 'disk', 'gpus'] as const).map((name) => ({
    rule: `!has(self.guarantees) || !has(self.limits) || !(${exceeds(`'${name}'`)})`,
    message: `guarantees.${name} may not exceed limits.${name}; raise the limit or lower the guarantee`,
    fieldPath: `.guarantees.${name}`,
  })),
  {
    rule:
      '!has(self.guarantees) || !has(self.limits) || ' +
      `!self.guarantees.exists(k, k.contains('/') && ${exceeds('k')})`,
    message:
      'no guarantee may exceed the limit of the same resource; raise the limit or lower the guarantee',
    fieldPath: '.guarantees',
  },
];

export const QuotaSpec = z
  .object({
    role: RolePathField.meta(
      kube({
        description: 'Path of the role the quota binds, with all roles below it.',
        rules: roleIsImmutable(
          'role',
          'create another Quota for the other role and delete this one',
        ),
      }),
    ),
    guarantees: roleAmounts('Kept free for the role, whatever others ask for.').optional(),
    limits: roleAmounts(
      'The most the role and all roles below it may hold together; a resource that is left out is not limited.',
    ).optional(),
    tierLimits: z
      .array(
        z.object({
          tier: Tier,
          limits: roleAmounts(
            'The most that tasks of this tier may hold, of the role and all roles below it: reserved and revocable ' +
              'amounts count too. Judged when a task is launched; an offer is cut to what tasks of all tiers may still take.',
          ),
        }),
      )
      .min(1)
      .max(3)
      .optional()
      .meta(kube({ description: 'Further limits, one entry per tier.', list: { keys: ['tier'] } })),
    force: z
      .boolean()
      .optional()
      .meta(
        kube({
          description:
            'True takes the quota although its limit is below what the role consumes, or the guarantees are more than ' +
            'the agents or the parent role have; the condition OverCommitted tells by how much.',
          default: false,
        }),
      ),
  })
  .meta(
    kube({
      description: 'What the role is sure of and what it may not exceed.',
      rules: [
        {
          rule: 'has(self.guarantees) || has(self.limits) || has(self.tierLimits)',
          message: 'must have at least one of guarantees, limits and tierLimits',
        },
        ...withinLimits,
      ],
    }),
  );

export const QuotaStatus = StatusBase.extend({
  inEffect: z
    .object({
      generation: count('Generation of the spec these amounts are from; 0 while none was taken.'),
      guarantees: ResourceAmounts.optional().describe('Guarantees that hold.'),
      limits: ResourceAmounts.optional().describe('Limits that hold.'),
      tierLimits: z
        .array(z.object({ tier: Tier, limits: ResourceAmounts.describe('Limits of the tier.') }))
        .max(3)
        .optional()
        .meta(kube({ description: 'Tier limits that hold.', list: { keys: ['tier'] } })),
    })
    .optional()
    .describe('What holds now. Differs from the spec while the spec is refused; Ready tells why.'),
  consumed: ResourceAmounts.optional().describe(
    'Counted against the quota: what tasks hold, and what is reserved, used or not. Offers are not counted here.',
  ),
  headroom: ResourceAmounts.optional().describe('Left below the limit.'),
  tiers: z
    .array(
      z.object({
        tier: Tier,
        consumed: ResourceAmounts.describe('What tasks of the tier hold.'),
        headroom: ResourceAmounts.describe('Left below the limit of the tier.'),
      }),
    )
    .max(3)
    .optional()
    .meta(
      kube({ description: 'The same by tier, for tiers with limits.', list: { keys: ['tier'] } }),
    ),
});

export const Quota = z
  .object({ spec: QuotaSpec, status: bornUnobserved(QuotaStatus) })
  .describe('Guarantees and limits of a role, enforced at every level of the role tree.');
