import { z } from 'zod';
import { ResourceAmounts, RolePathField, StatusBase, Tier } from './common.ts';

export const QuotaSpec = z.object({
  role: RolePathField,
  guarantees: ResourceAmounts.optional(),
  limits: ResourceAmounts.optional(),
  tierLimits: z
    .array(z.object({ tier: Tier, limits: ResourceAmounts }))
    .max(3)
    .optional(),
  force: z.boolean().optional(),
});

export const QuotaStatus = StatusBase.extend({
  consumed: ResourceAmounts.optional(),
  headroom: ResourceAmounts.optional(),
});

export const Quota = z.object({ spec: QuotaSpec, status: QuotaStatus.optional() });
