import { z } from 'zod';
import { Tier } from './common.ts';
import { type CelRule, kube } from './kubeMeta.ts';

/** Fields and rules that service jobs and ad-hoc jobs have in common. */

export const jobTier = Tier.optional().meta(kube({ default: 'preemptible' }));

export const instancePriority = z
  .int()
  .min(0)
  .max(1_000_000)
  .optional()
  .meta(
    kube({
      description: 'Order within the role: higher goes first, and may preempt lower.',
      default: 0,
    }),
  );

/** Rules on `spec`: only CPU and memory are ever lent. */
export const revocableRules: readonly CelRule[] = [
  {
    rule: "!has(self.tier) || self.tier != 'revocable' || 'cpus' in self.template.resources",
    message: 'must name cpus when tier is revocable; revocable capacity is CPU first of all',
    fieldPath: '.template.resources',
  },
  {
    rule:
      "!has(self.tier) || self.tier != 'revocable' || " +
      "self.template.resources.all(k, k in ['cpus', 'mem'])",
    message: 'may name only cpus and mem when tier is revocable; nothing else is ever lent',
    fieldPath: '.template.resources',
  },
];
