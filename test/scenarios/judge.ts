import type {
  AllocatorEngine,
  LedgerCondition,
} from '../../operator/src/allocator/engine/types.ts';
import { frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import { describeAmounts, NO_AMOUNTS } from './amounts.ts';
import type { StepResult } from './cluster.ts';
import { linesOfExpected, linesOfOffers, sortedLines } from './lines.ts';
import type { Expectation } from './steps.ts';

/** An expectation that did not hold. */
export interface Verdict {
  readonly expected: string;
  readonly got: string;
}

/** Shares and the like are quotients: three decimals, as in the amounts. */
const METRIC_TOLERANCE = 0.0005;
const METRIC_PREFIX = 'allocator/mesos/';

/** Compares what a step brought with what was asked; one verdict per expectation that does not hold. */
export function judgeStep(
  expectation: Expectation,
  result: StepResult,
  engine: AllocatorEngine,
): readonly Verdict[] {
  const wanted = expectation.expectError;
  if (result.refusal !== undefined || wanted !== undefined) {
    if (result.refusal === undefined)
      return [{ expected: `a refusal that says "${wanted}"`, got: 'no refusal' }];
    if (wanted === undefined) return [{ expected: 'no refusal', got: result.refusal }];
    if (!result.refusal.toLowerCase().includes(wanted.toLowerCase()))
      return [{ expected: `a refusal that says "${wanted}"`, got: result.refusal }];
  }
  return [
    ...judgeAllocations(expectation, result),
    ...judgeSets(expectation, result),
    ...(expectation.expectMetric === undefined
      ? []
      : judgeMetrics(expectation.expectMetric, engine.metrics())),
    ...judgeOrder(expectation, engine),
    ...judgeFrequencies(expectation, engine),
    ...judgeExplanations(expectation, engine),
  ];
}

function judgeAllocations(expectation: Expectation, result: StepResult): readonly Verdict[] {
  const got = sortedLines(linesOfOffers(result.offers));
  const linesOf = (set: NonNullable<Expectation['expect']>) => sortedLines(linesOfExpected(set));
  const verdicts: Verdict[] = [];
  if (expectation.expect !== undefined) {
    const expected = linesOf(expectation.expect);
    if (got !== expected) verdicts.push({ expected, got });
  }
  if (expectation.expectOneOf !== undefined) {
    const sets = expectation.expectOneOf.map(linesOf);
    if (!sets.includes(got)) verdicts.push({ expected: sets.join(' or '), got });
  }
  return verdicts;
}

function judgeSets(expectation: Expectation, result: StepResult): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  const compare = (word: string, expected: readonly string[], got: readonly string[]): void => {
    const [left, right] = [sortedLines([...new Set(expected)]), sortedLines([...new Set(got)])];
    if (left !== right) verdicts.push({ expected: `${word}: ${left}`, got: `${word}: ${right}` });
  };
  if (expectation.expectInverseOffers !== undefined) {
    const words = (one: { readonly framework: string; readonly agent: string }) =>
      `${one.framework} on ${one.agent}`;
    compare(
      'inverse offers',
      expectation.expectInverseOffers.map(words),
      result.inverseOffers.map(words),
    );
  }
  if (expectation.expectRescinds !== undefined) {
    const words = (one: {
      readonly framework: string;
      readonly role: string;
      readonly agent: string;
    }) => `${one.framework} as ${one.role} on ${one.agent}`;
    compare('rescinds', expectation.expectRescinds.map(words), result.rescinds.map(words));
  }
  return verdicts;
}

function judgeMetrics(
  asked: NonNullable<Expectation['expectMetric']>,
  metrics: Readonly<Record<string, number>>,
): readonly Verdict[] {
  return Object.entries(asked).flatMap(([name, expected]) => {
    const got = metricOf(metrics, name);
    const holds =
      expected === 'absent'
        ? got === undefined
        : got !== undefined && Math.abs(got - expected) <= METRIC_TOLERANCE;
    return holds ? [] : [{ expected: `${name} ${expected}`, got: `${name} ${got ?? 'absent'}` }];
  });
}

/** By its full key, without `allocator/mesos/`, or by the end of a key when only one ends so. */
function metricOf(metrics: Readonly<Record<string, number>>, name: string): number | undefined {
  const exact = metrics[name] ?? metrics[`${METRIC_PREFIX}${name}`];
  if (exact !== undefined) return exact;
  const ending = Object.keys(metrics).filter((key) => key.endsWith(`/${name}`));
  return ending.length === 1 ? metrics[ending[0] ?? ''] : undefined;
}

function judgeOrder(expectation: Expectation, engine: AllocatorEngine): readonly Verdict[] {
  const asked = expectation.expectOrder;
  if (asked === undefined) return [];
  const [role, wanted] = Array.isArray(asked)
    ? [undefined, asked]
    : [rolePath(asked.role), asked.frameworks];
  const expected = `order: ${wanted.join(' ')}`;
  const got = `order: ${engine.order(role, 1).join(' ')}`;
  return got === expected ? [] : [{ expected, got }];
}

/** How often each role stands at each place, over as many draws as asked. */
function judgeFrequencies(expectation: Expectation, engine: AllocatorEngine): readonly Verdict[] {
  const asked = expectation.expectOrderFrequencies;
  if (asked === undefined) return [];
  const counts = new Map<string, number>();
  for (let run = 0; run < asked.runs; run++)
    for (const [place, role] of engine.order(undefined, run).entries())
      counts.set(`${role} ${place}`, (counts.get(`${role} ${place}`) ?? 0) + 1);
  return Object.entries(asked.rows).flatMap(([role, row]) =>
    row.flatMap((expected, place) => {
      const got = (counts.get(`${role} ${place}`) ?? 0) / asked.runs;
      if (Math.abs(got - expected) <= asked.tolerance) return [];
      const what = `${role} in place ${place + 1} with frequency`;
      return [{ expected: `${what} ${expected}`, got: `${what} ${got}` }];
    }),
  );
}

function judgeExplanations(expectation: Expectation, engine: AllocatorEngine): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  if (expectation.expectConditions !== undefined) {
    const expected = sortedLines(expectation.expectConditions);
    const got = sortedLines(engine.conditions().map(lineOfCondition));
    if (got !== expected) verdicts.push({ expected, got });
  }
  for (const { framework, role, checks } of expectation.expectWhy ?? []) {
    const words = (all: readonly string[]) =>
      `${framework} as ${role} held back by ${sortedLines(all)}`;
    const asked = Object.entries(checks);
    const reasons = engine.why(frameworkId(framework), rolePath(role));
    const expected = words(
      asked.map(([check, { agents, nearest }]) =>
        nearest === undefined
          ? `${check} ${agents}`
          : `${check} ${agents} (${nearest.agent} lacks ${describeAmounts(nearest.lacks)})`,
      ),
    );
    const got = words(
      reasons.map(({ check, agents, nearest }) =>
        nearest === undefined || checks[check]?.nearest === undefined
          ? `${check} ${agents}`
          : `${check} ${agents} (${nearest.agent} lacks ${describeAmounts({ ...NO_AMOUNTS, scalars: nearest.shortfall })})`,
      ),
    );
    if (got !== expected) verdicts.push({ expected, got });
  }
  return verdicts;
}

function lineOfCondition(condition: LedgerCondition): string {
  const over = describeAmounts({ ...NO_AMOUNTS, scalars: condition.over });
  switch (condition.kind) {
    case 'AgentOverAllocated':
      return `${condition.kind} ${condition.agent}: ${over}`;
    case 'GuaranteesOverCapacity':
      return `${condition.kind}: ${over}`;
    case 'LimitExceeded':
      return `${condition.kind} ${condition.role}${condition.tier === undefined ? '' : ` ${condition.tier}`}: ${over}`;
  }
}
