import { z } from 'zod';

/** Amounts as Mesos writes them: cpus, gpus and other names in units, mem and disk in MB. */
const Amounts = z.record(z.string(), z.number().nonnegative());
const Reserved = z.array(z.strictObject({ role: z.string(), resources: Amounts }));
const Held = {
  framework: z.string(),
  role: z.string(),
  agent: z.string(),
  resources: Amounts.optional(),
  reserved: Reserved.optional(),
  revocable: Amounts.optional(),
};
const Quota = {
  guarantees: Amounts.optional(),
  limits: Amounts.optional(),
  quota: Amounts.optional(),
};
const AgentFields = {
  total: Amounts.optional(),
  reserved: Reserved.optional(),
  revocable: Amounts.optional(),
  attributes: z.union([z.record(z.string(), z.string()), z.string()]).optional(),
  used: z
    .array(
      z.strictObject({
        framework: z.string(),
        role: z.string(),
        resources: Amounts.optional(),
        reserved: Reserved.optional(),
        revocable: Amounts.optional(),
      }),
    )
    .optional(),
};
const FrameworkFields = {
  roles: z.array(z.string()).optional(),
  suppressed: z.array(z.string()).optional(),
  capabilities: z.array(z.string()).optional(),
  minAllocatable: z.array(Amounts).optional(),
  active: z.boolean().optional(),
};
const RolesOf = z.strictObject({ framework: z.string(), roles: z.array(z.string()).optional() });
const Id = z.union([z.string(), z.strictObject({ id: z.string() }).transform((one) => one.id)]);
const FrameworkId = z.union([
  Id,
  z.strictObject({ framework: z.string() }).transform((one) => one.framework),
]);
const Reservation = z.strictObject({
  agent: z.string(),
  role: z.string(),
  resources: Amounts,
  framework: z.string().optional(),
});

/** What each supported step takes. */
export const STEPS = {
  addAgent: z.strictObject({ id: z.string(), ...AgentFields }),
  updateAgent: z.strictObject({ id: z.string(), ...AgentFields }),
  removeAgent: Id,
  addFramework: z.strictObject({ id: z.string(), ...FrameworkFields }),
  updateFramework: z.strictObject({ id: z.string(), ...FrameworkFields }),
  removeFramework: FrameworkId,
  activate: FrameworkId,
  deactivate: FrameworkId,
  setQuota: z.strictObject({ role: z.string(), ...Quota }),
  removeQuota: z.union([
    z.string(),
    z.strictObject({ role: z.string() }).transform((one) => one.role),
  ]),
  setWeight: z.strictObject({ role: z.string(), weight: z.number().positive() }),
  reserve: Reservation,
  unreserve: Reservation,
  recover: z.strictObject({ ...Held, refuseSeconds: z.number().nonnegative().optional() }),
  use: z.strictObject(Held),
  suppress: RolesOf,
  revive: RolesOf,
  whitelist: z.union([
    z.array(z.string()),
    z.strictObject({ agents: z.array(z.string()) }).transform((one) => one.agents),
  ]),
  advance: z.strictObject({ seconds: z.number().nonnegative() }),
} as const;

export type StepName = keyof typeof STEPS;
export type Action = {
  [Name in StepName]: { readonly name: Name; readonly fields: z.infer<(typeof STEPS)[Name]> };
}[StepName];

export type Fields<Name extends StepName> = Extract<Action, { name: Name }>['fields'];

/** What one framework got in one role on one agent. */
export const Expected = z.strictObject({ ...Held });
export type ExpectedAllocation = z.infer<typeof Expected>;

const Expectations = {
  expect: z.array(Expected).optional(),
  expectOneOf: z.array(z.array(Expected)).optional(),
  expectError: z.string().optional(),
};
export type Expectation = {
  readonly expect?: readonly ExpectedAllocation[] | undefined;
  readonly expectOneOf?: readonly (readonly ExpectedAllocation[])[] | undefined;
  readonly expectError?: string | undefined;
};

/** Words of the format that this runner does not drive yet. */
const NOT_YET = new Set([
  'createVolume',
  'destroyVolume',
  'setUnavailability',
  'expectMetric',
  'expectInverseOffers',
  'expectRescinds',
]);

const Scenario = z.strictObject({
  name: z.string(),
  options: z
    .strictObject({
      allocationIntervalSeconds: z.number().positive().default(1),
      minAllocatable: z.array(Amounts).default([{ cpus: 0.01 }, { mem: 32 }]),
      sorter: z.literal('drf').default('drf'),
      seed: z.int().default(1),
      mode: z.enum(['mesos', 'mezzo']).default('mezzo'),
      fairnessExclude: z.array(z.string()).default([]),
      offers: z.literal('coarse').default('coarse'),
      agentOrder: z.literal('random').default('random'),
    })
    .prefault({}),
  steps: z.array(z.record(z.string(), z.unknown())),
});
export type ScenarioOptions = z.infer<typeof Scenario>['options'];

export interface ParsedScenario {
  readonly name: string;
  readonly options: ScenarioOptions;
  readonly steps: readonly {
    readonly action: Action | undefined;
    readonly expectation: Expectation;
  }[];
}

/** Reads a scenario. Throws with the step and what is wrong; words not supported yet are named, never skipped. */
export function parseScenario(document: unknown): ParsedScenario {
  const { name, options, steps } = explain('scenario', () => Scenario.parse(document));
  return {
    name,
    options,
    steps: steps.map((step, index) => parseStep(step, `step ${index + 1}`)),
  };
}

function parseStep(
  step: Readonly<Record<string, unknown>>,
  where: string,
): ParsedScenario['steps'][number] {
  const actions = Object.keys(step).filter((key) => !(key in Expectations));
  for (const key of actions)
    if (!(key in STEPS))
      throw new Error(
        `${where}: ${NOT_YET.has(key) ? `${key} is not supported yet` : `${key} is no step`}`,
      );
  if (actions.length > 1) throw new Error(`${where}: more than one step: ${actions.join(', ')}`);
  const expectation = explain(where, () =>
    z
      .strictObject(Expectations)
      .parse(Object.fromEntries(Object.entries(step).filter(([key]) => key in Expectations))),
  );
  const stepName = actions[0] as StepName | undefined;
  if (stepName === undefined) return { action: undefined, expectation };
  const fields = explain(`${where} (${stepName})`, () => STEPS[stepName].parse(step[stepName]));
  return { action: { name: stepName, fields } as Action, expectation };
}

function explain<Value>(where: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const issues = error.issues.map((issue) =>
      issue.code === 'unrecognized_keys' || issue.code === 'invalid_value'
        ? `${issue.path.join('.')}: ${issue.message}, or not supported yet`
        : `${issue.path.join('.')}: ${issue.message}`,
    );
    throw new Error(`${where}: ${issues.join('; ')}`, { cause: error });
  }
}
