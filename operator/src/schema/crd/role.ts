import { z } from 'zod';
import { ResourceAmounts } from './amounts.ts';
import { bornUnobserved, StatusBase, Tier } from './common.ts';
import { count, patterned, RolePathField, roleIsImmutable, seconds, text } from './fields.ts';
import { kube } from './kubeMeta.ts';

/** Bounds of a weight; Mesos knows none, but thousandths must stay exact. */
export const MIN_WEIGHT = 0.001;
export const MAX_WEIGHT = 1_000_000;
const WEIGHT_MUST = 'weight must have at most three decimal places, such as 2, 1.5 or 0.125';

/** True when a weight can be kept in thousandths without rounding. */
export const isWholeThousandths = (weight: number): boolean =>
  Math.round(weight * 1000) / 1000 === weight;

export const RoleSpec = z
  .object({
    path: RolePathField.meta(
      kube({
        description: 'Place of the role in the role tree: eng/web is a child of eng.',
        rules: roleIsImmutable(
          'path',
          'create another Role with the other path and delete this one',
        ),
      }),
    ),
    weight: z
      .number()
      .min(MIN_WEIGHT)
      .max(MAX_WEIGHT)
      .refine(isWholeThousandths, WEIGHT_MUST)
      .optional()
      .meta(
        kube({
          description:
            'Share of the role among its siblings, whole or with up to three decimal places; 1 is normal, a role of ' +
            'weight 1.5 is due half as much again.',
          default: 1,
          rules: [
            // The API server compares a whole number with the bound cut to a whole one, so 0 would pass.
            { rule: 'self >= 0.001', message: 'weight must be above zero: at least 0.001' },
            // The division is what reads `1.001`: anything else than the nearest double has more places.
            { rule: 'double(int(self * 1000.0 + 0.5)) / 1000.0 == self', message: WEIGHT_MUST },
          ],
        }),
      ),
    tiers: z
      .array(Tier)
      .min(1)
      .max(3)
      .optional()
      .meta(
        kube({
          description: 'Tiers that jobs of the role may have.',
          default: ['production', 'preemptible', 'revocable'],
          list: 'set',
        }),
      ),
    namespaces: z
      .array(
        patterned(
          {
            maxLength: 63,
            pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
            must: 'must be the name of a namespace',
          },
          'Name of a namespace.',
        ),
      )
      .min(1)
      .max(256)
      .optional()
      .meta(
        kube({
          description: 'Namespaces whose jobs may use the role; all of them when left out.',
          list: 'set',
        }),
      ),
    sorter: z
      .enum(['drf', 'random'])
      .optional()
      .meta(
        kube({
          description:
            'How the roles right below the role, and its own frameworks, take turns: least dominant share first, or at ' +
            'random by weight. Roles further down keep their own way.',
          default: 'drf',
        }),
      ),
    preemption: z
      .object({
        enabled: z
          .boolean()
          .optional()
          .meta(kube({ description: 'Jobs of the role may preempt others.', default: true })),
        delaySeconds: seconds(
          0,
          86400,
          'How long an instance must be pending before it may preempt.',
        )
          .optional()
          .meta(kube({ default: 0 })),
      })
      .optional()
      .meta(
        kube({
          description: 'Whether jobs of the role may take the place of others.',
          default: {},
        }),
      ),
  })
  .describe('What the role may do.');

export const RoleStatus = StatusBase.extend({
  dominantShare: text(
    32,
    'The largest of its shares of the cluster, over all resources.',
  ).optional(),
  guaranteed: ResourceAmounts.optional().describe('Kept for the role by quota.'),
  limit: ResourceAmounts.optional().describe('The role may hold at most this, by its own quota.'),
  consumed: ResourceAmounts.optional().describe(
    'Counted against its quota: what tasks hold, and what is reserved, used or not.',
  ),
  headroom: ResourceAmounts.optional().describe('Left below its own limit.'),
  reserved: ResourceAmounts.optional().describe('Reserved to the role and to the roles below.'),
  allocated: ResourceAmounts.optional().describe(
    'Allocated to tasks of the role and of the roles below.',
  ),
  offered: ResourceAmounts.optional().describe('In offers that are not answered yet.'),
  used: ResourceAmounts.optional().describe('What those tasks really use, measured now and then.'),
  revocable: ResourceAmounts.optional().describe('Revocable part of what is allocated.'),
  tasks: count('Live tasks of the role and of the roles below.').optional(),
});

export const Role = z
  .object({ spec: RoleSpec, status: bornUnobserved(RoleStatus) })
  .describe('A place in the role tree: who is offered what, and by which weight.');
