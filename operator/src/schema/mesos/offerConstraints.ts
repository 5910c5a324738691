import { z } from 'zod';
import { optionalEnum } from './lenient.ts';

/** What a framework asks of agents before they are offered to it. Source: Mesos `scheduler.proto`, `OfferConstraints`. */

const Text = z.object({ value: z.string() });
const Pattern = z.object({ regex: z.string() });

const WireAttributeConstraint = z.object({
  selector: z.object({
    pseudoattribute_type: optionalEnum(['UNKNOWN', 'HOSTNAME', 'REGION', 'ZONE']),
    attribute_name: z.string().optional(),
  }),
  predicate: z.object({
    exists: z.object({}).optional(),
    not_exists: z.object({}).optional(),
    text_equals: Text.optional(),
    text_not_equals: Text.optional(),
    text_matches: Pattern.optional(),
    text_not_matches: Pattern.optional(),
  }),
});
export type WireAttributeConstraint = z.infer<typeof WireAttributeConstraint>;

export const OfferConstraints = z.object({
  role_constraints: z
    .record(
      z.string(),
      z.object({
        groups: z
          .array(z.object({ attribute_constraints: z.array(WireAttributeConstraint).default([]) }))
          .default([]),
      }),
    )
    .default({}),
});
export type OfferConstraints = z.infer<typeof OfferConstraints>;
