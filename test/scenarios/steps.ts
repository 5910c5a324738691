import { z } from 'zod';
import { AmountsText, bytesOfMb, NO_AMOUNTS, VolumeSizes } from './amounts.ts';
import { Constraints } from './constraints.ts';

const Name = z.string().min(1);

/** A reservation; `roles` is a stack for refinement, outermost first. */
const Reservation = z
  .strictObject({
    role: Name.optional(),
    roles: z.array(Name).min(1).optional(),
    resources: AmountsText,
  })
  .refine((one) => (one.role === undefined) !== (one.roles === undefined), {
    message: 'expected either role or roles (a stack)',
  })
  .transform((one) => ({ roles: one.roles ?? [one.role ?? ''], resources: one.resources }));

const Tier = z.enum(['production', 'preemptible', 'revocable']);

const HELD_AMOUNTS = {
  resources: AmountsText.default(NO_AMOUNTS),
  reserved: z.array(Reservation).default([]),
  revocable: AmountsText.default(NO_AMOUNTS),
  volumes: VolumeSizes.default({}),
};

/** Amounts of one framework in one role on one agent. */
export const Held = z.strictObject({ framework: Name, role: Name, agent: Name, ...HELD_AMOUNTS });
export type Held = z.infer<typeof Held>;

/** A text attribute, a number (SCALAR), or Mesos's text for a range `[1-2]` or a set `{a,b}`. */
const Attribute = z.union([z.string(), z.number(), z.boolean().transform(String)]);
const Attributes = z.union([z.record(z.string(), Attribute), z.string()]);

const Window = {
  startSeconds: z.number().optional(),
  durationSeconds: z.number().nonnegative().optional(),
};

const AgentFields = {
  total: AmountsText.optional(),
  reserved: z.array(Reservation).optional(),
  revocable: AmountsText.optional(),
  attributes: Attributes.optional(),
  capabilities: z.array(Name).optional(),
  region: Name.optional(),
  zone: Name.optional(),
  unavailability: z.strictObject(Window).optional(),
  used: z
    .array(z.strictObject({ framework: Name, role: Name, tier: Tier.optional(), ...HELD_AMOUNTS }))
    .optional(),
};

const MinAllocatable = z.array(AmountsText);

const FrameworkFields = {
  roles: z.array(z.string()).optional(),
  suppressed: z.union([z.array(z.string()), z.boolean()]).optional(),
  tiers: z.array(Tier).optional(),
  capabilities: z.array(Name).optional(),
  /** For all its roles, or per role. */
  minAllocatable: z.union([MinAllocatable, z.record(z.string(), MinAllocatable)]).optional(),
  constraints: Constraints.optional(),
  active: z.boolean().optional(),
};

const agentName = z.union([
  Name,
  z.strictObject({ id: Name }).transform((one) => one.id),
  z.strictObject({ agent: Name }).transform((one) => one.agent),
]);
const frameworkName = z.union([
  Name,
  z.strictObject({ id: Name }).transform((one) => one.id),
  z.strictObject({ framework: Name }).transform((one) => one.framework),
]);
const RolesOf = z.union([
  Name.transform((framework) => ({ framework, roles: undefined })),
  z.strictObject({ framework: Name, roles: z.array(Name).optional() }),
]);
const OperatorReservation = z.strictObject({
  agent: Name,
  role: Name.optional(),
  roles: z.array(Name).min(1).optional(),
  resources: AmountsText,
  framework: Name.optional(),
});
const SizeMb = z.number().transform(bytesOfMb);
const VolumePlace = { agent: Name, role: Name, id: Name, framework: Name.optional() };

/** What each step takes. Bad values that the allocator has to refuse (weight 0) pass; unknown fields do not. */
export const STEPS = {
  addAgent: z.strictObject({ id: Name, ...AgentFields }),
  updateAgent: z.strictObject({ id: Name, ...AgentFields }),
  removeAgent: agentName,
  addFramework: z.strictObject({ id: Name, ...FrameworkFields }),
  updateFramework: z.strictObject({ id: Name, ...FrameworkFields }),
  removeFramework: frameworkName,
  activate: frameworkName,
  deactivate: frameworkName,
  setQuota: z.strictObject({
    role: Name,
    guarantees: AmountsText.optional(),
    limits: AmountsText.optional(),
    quota: AmountsText.optional(),
    tierLimits: z.partialRecord(Tier, AmountsText).optional(),
    force: z.boolean().optional(),
  }),
  removeQuota: z.union([Name, z.strictObject({ role: Name }).transform((one) => one.role)]),
  setWeight: z.strictObject({ role: Name, weight: z.number() }),
  setSorter: z.strictObject({ role: Name, sorter: z.enum(['drf', 'random']) }),
  reserve: OperatorReservation,
  unreserve: OperatorReservation,
  createVolume: z.strictObject({
    ...VolumePlace,
    size: SizeMb,
    shared: z.boolean().default(false),
  }),
  destroyVolume: z.strictObject({
    ...VolumePlace,
    role: Name.optional(),
    size: SizeMb.optional(),
    shared: z.boolean().optional(),
  }),
  recover: z.strictObject({
    ...Held.shape,
    refuseSeconds: z.number().optional(),
    tier: Tier.optional(),
  }),
  use: z.strictObject({ ...Held.shape, tier: Tier.optional() }),
  suppress: RolesOf,
  revive: RolesOf,
  setUnavailability: z.strictObject({ agent: Name, ...Window }),
  whitelist: z.union([
    z.array(Name),
    z.strictObject({ agents: z.array(Name) }).transform((one) => one.agents),
  ]),
  advance: z.union([
    z
      .number()
      .nonnegative()
      .transform((seconds) => ({ seconds })),
    z.strictObject({ seconds: z.number().nonnegative() }),
  ]),
} as const;

export type StepName = keyof typeof STEPS;
export type Action = {
  [Name in StepName]: { readonly name: Name; readonly fields: z.infer<(typeof STEPS)[Name]> };
}[StepName];
export type Fields<Name extends StepName> = Extract<Action, { name: Name }>['fields'];

const HeldBack = z.union([
  z.int().transform((agents) => ({ agents, nearest: undefined })),
  z.strictObject({
    agents: z.int(),
    nearest: z.strictObject({ agent: Name, lacks: AmountsText }).optional(),
  }),
]);
const Place = z.strictObject({ framework: Name, agent: Name });

/** What may be asked after any step; those from `expectOrder` on go beyond the common format (README.md beside this file). */
export const EXPECTATIONS = {
  expect: z.array(Held),
  expectOneOf: z.array(z.array(Held)),
  expectMetric: z.record(z.string(), z.union([z.number(), z.literal('absent')])),
  expectInverseOffers: z.array(Place),
  expectRescinds: z.array(z.strictObject({ ...Place.shape, role: Name })),
  /** In any case of letters; `true` is any refusal. */
  expectError: z.union([z.string(), z.literal(true).transform(() => '')]),
  expectOrder: z.union([z.array(Name), z.strictObject({ role: Name, frameworks: z.array(Name) })]),
  expectOrderFrequencies: z.strictObject({
    runs: z.int().positive(),
    tolerance: z.number().positive(),
    /** Per role, how often it comes first, second, …; fewer columns than roles leave the rest open. */
    rows: z.record(z.string(), z.array(z.number())),
  }),
  /** The exact set of the ledger's conditions, like `AgentOverAllocated A1: cpus 3`. */
  expectConditions: z.array(z.string()),
  /** Per framework and role exactly the checks that held agents back, with how many and what the nearest lacks. */
  expectWhy: z.array(
    z.strictObject({ framework: Name, role: Name, checks: z.record(z.string(), HeldBack) }),
  ),
} as const;

export type Expectation = {
  readonly [Name in keyof typeof EXPECTATIONS]?: z.infer<(typeof EXPECTATIONS)[Name]>;
};
