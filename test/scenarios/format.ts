import { z } from 'zod';
import { AmountsText } from './amounts.ts';
import { withRoles } from './roles.ts';
import { type Action, EXPECTATIONS, type Expectation, STEPS, type StepName } from './steps.ts';

const Options = z.strictObject({
  allocationIntervalSeconds: z.number().positive().default(1),
  minAllocatable: z.array(AmountsText).prefault([{ cpus: 0.01 }, { mem: 32 }]),
  sorter: z.enum(['drf', 'random']).default('drf'),
  seed: z.int().default(1),
  mode: z.enum(['mesos', 'mezzo']).default('mezzo'),
  fairnessExclude: z.array(z.string()).default([]),
  offers: z.enum(['coarse', 'fairShare']).default('coarse'),
  agentOrder: z.enum(['random', 'bestFit']).default('random'),
  /** The masters' own region. This and the next go beyond the common format. */
  region: z.string().optional(),
  /** An offer unanswered for so long ends new ones to its framework. */
  hoardAfterSeconds: z.number().positive().optional(),
});
export type ScenarioOptions = z.infer<typeof Options>;

const Scenario = z.strictObject({
  name: z.string(),
  /** Where the expectations come from, when the comment at the top does not say it. */
  source: z.string().optional(),
  description: z.string().optional(),
  options: Options.nullish().transform((options) => options ?? Options.parse({})),
  steps: z.array(z.record(z.string(), z.unknown())).min(1),
});

export interface ParsedStep {
  /** `step 3 (recover)`. */
  readonly where: string;
  readonly action: Action | undefined;
  readonly expectation: Expectation;
}

export interface ParsedScenario {
  readonly name: string;
  readonly options: ScenarioOptions;
  readonly steps: readonly ParsedStep[];
}

/** A document that is no scenario; the message names step, field and what is allowed. */
export class NotAScenario extends Error {
  readonly where: string;

  constructor(where: string, message: string) {
    super(message);
    this.where = where;
  }
}

/** Reads a scenario. Errors: NotAScenario. Nothing unknown is ever skipped. */
export function parseScenario(document: unknown): ParsedScenario {
  const { name, options, steps } = parse('file', Scenario, document);
  return { name, options, steps: withRoles(steps).map(parseStep) };
}

function parseStep(step: Readonly<Record<string, unknown>>, index: number): ParsedStep {
  const number = `step ${index + 1}`;
  const actions = Object.keys(step).filter((key) => !Object.hasOwn(EXPECTATIONS, key));
  const unknown = actions.find((key) => !Object.hasOwn(STEPS, key));
  if (unknown !== undefined)
    throw new NotAScenario(
      number,
      `${unknown} is no step; allowed: ${[...Object.keys(STEPS), ...Object.keys(EXPECTATIONS)].join(', ')}`,
    );
  if (actions.length > 1)
    throw new NotAScenario(number, `more than one step: ${actions.join(', ')}`);
  const stepName = actions[0] as StepName | undefined;
  const where = stepName === undefined ? number : `${number} (${stepName})`;
  const asked = Object.entries(step).filter(([key]) => Object.hasOwn(EXPECTATIONS, key));
  const expectation = Object.fromEntries(
    asked.map(([key, value]) => [
      key,
      parse<unknown>(where, EXPECTATIONS[key as keyof typeof EXPECTATIONS], value, [key]),
    ]),
  ) as Expectation;
  if (stepName === undefined) return { where, action: undefined, expectation };
  const fields = parse<unknown>(where, STEPS[stepName], step[stepName], [stepName]);
  return { where, action: { name: stepName, fields } as Action, expectation };
}

function parse<Value>(
  where: string,
  schema: z.ZodType<Value>,
  value: unknown,
  prefix: readonly string[] = [],
): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const messages = parsed.error.issues.flatMap((issue) => messagesOf(issue, schema, prefix));
  throw new NotAScenario(where, [...new Set(messages)].join('; '));
}

/** One message per fault; of a union, what the alternative that came nearest complains about. */
function messagesOf(
  issue: z.core.$ZodIssue,
  schema: z.core.$ZodType,
  prefix: readonly PropertyKey[],
): readonly string[] {
  const path = [...prefix, ...issue.path].map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const allowed = fieldsAt(schema, issue.path);
    return issue.keys.map(
      (key) => `${path}: field ${key} is unknown; allowed: ${allowed.join(', ')}`,
    );
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const at = schemaAt(schema, issue.path);
    const branches = alternativesOf(at).map((branch, index) => ({
      branch,
      issues: issue.errors[index] ?? [],
    }));
    const nearest = branches.find(({ issues }) => issues.every((one) => !isWrongType(one)));
    if (nearest === undefined)
      return [`${path}: expected ${branches.map(({ branch }) => wordFor(branch)).join(' or ')}`];
    return nearest.issues.flatMap((one) =>
      messagesOf(one, nearest.branch, [...prefix, ...issue.path]),
    );
  }
  return [`${path === '' ? '' : `${path}: `}${issue.message}`];
}

/** The alternative is another kind of value altogether, so its complaint helps nobody. */
function isWrongType(issue: z.core.$ZodIssue): boolean {
  return (
    issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
  );
}

function wordFor(schema: z.core.$ZodType): string {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) return `{${Object.keys(inner.shape).join(', ')}}`;
  if (inner instanceof z.ZodLiteral) return [...inner.values].join(' or ');
  if (inner instanceof z.ZodRecord) return 'a map';
  if (inner instanceof z.ZodArray) return 'a list';
  return inner._zod.def.type;
}

function fieldsAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): readonly string[] {
  const at = unwrapped(schemaAt(schema, path));
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType {
  let at = unwrapped(schema);
  for (const key of path) {
    let next: z.core.$ZodType | undefined;
    if (at instanceof z.ZodObject) next = at.shape[String(key)] as z.core.$ZodType | undefined;
    else if (at instanceof z.ZodArray) next = at.element;
    else if (at instanceof z.ZodRecord) next = at.valueType;
    if (next === undefined) return at;
    at = unwrapped(next);
  }
  return at;
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    return unwrapped(schema.unwrap());
  return schema;
}

function alternativesOf(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  return schema instanceof z.ZodUnion ? schema.options : [schema];
}
