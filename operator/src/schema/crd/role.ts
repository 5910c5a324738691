import { z } from 'zod';
import { ResourceAmounts, RolePathField, StatusBase, Tier } from './common.ts';

export const RoleSpec = z.object({
  path: RolePathField,
  weight: z.int().min(1).max(1_000_000).optional(),
  tiers: z.array(Tier).max(3).optional(),
  namespaces: z.array(z.string().max(253)).max(256).optional(),
  sorter: z.enum(['drf', 'random']).optional(),
  preemption: z
    .object({ enabled: z.boolean().optional(), delaySeconds: z.int().min(0).max(86400).optional() })
    .optional(),
});

export const RoleStatus = StatusBase.extend({
  dominantShare: z.string().max(32).optional(),
  guaranteed: ResourceAmounts.optional(),
  limit: ResourceAmounts.optional(),
  reserved: ResourceAmounts.optional(),
  allocated: ResourceAmounts.optional(),
  offered: ResourceAmounts.optional(),
  used: ResourceAmounts.optional(),
  revocable: ResourceAmounts.optional(),
  tasks: z.int().min(0).optional(),
});

export const Role = z.object({ spec: RoleSpec, status: RoleStatus.optional() });
