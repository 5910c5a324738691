import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import type { AgentReservation, PlannedOffer } from '../../operator/src/allocator/types.ts';
import {
  add,
  isEmpty,
  type Resources,
  resources,
  subtract,
} from '../../operator/src/model/resources.ts';
import { describeAmounts, toModel } from './amounts.ts';
import { type Expectation, type ExpectedAllocation, parseScenario } from './format.ts';
import { StepRefused } from './records.ts';
import { Simulator } from './simulator.ts';

/** One expectation that did not hold. */
export interface Failure {
  /** `step 3 (recover)`. */
  readonly step: string;
  readonly expected: string;
  readonly got: string;
}

/** Runs one file; empty means everything held. A file that cannot be read or understood is one failure. */
export function runScenarioFile(path: string): readonly Failure[] {
  try {
    return runScenario(load(readFileSync(path, 'utf8')));
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    return [{ step: 'file', expected: 'a scenario', got }];
  }
}

/** Runs a parsed YAML document through the simulator, up to its end even when a step fails. */
export function runScenario(document: unknown): readonly Failure[] {
  const scenario = parseScenario(document);
  const simulator = new Simulator(scenario.options);
  const failures: Failure[] = [];
  let allocated: readonly PlannedOffer[] = [];
  let checks = 0;
  for (const [index, { action, expectation }] of scenario.steps.entries()) {
    const step = `step ${index + 1}${action === undefined ? '' : ` (${action.name})`}`;
    let refusal: string | undefined;
    try {
      if (action !== undefined) allocated = simulator.perform(action);
    } catch (error) {
      if (!(error instanceof StepRefused)) throw error;
      allocated = [];
      refusal = error.message;
    }
    checks += Object.keys(expectation).length;
    const failure = judgeStep(expectation, allocated, refusal);
    if (failure !== undefined) failures.push({ step, ...failure });
  }
  if (checks === 0)
    failures.push({ step: 'file', expected: 'at least one expectation', got: 'none' });
  return failures;
}

function judgeStep(
  expectation: Expectation,
  allocated: readonly PlannedOffer[],
  refusal: string | undefined,
): Omit<Failure, 'step'> | undefined {
  const wanted = expectation.expectError;
  if (refusal !== undefined || wanted !== undefined) {
    if (refusal !== undefined && wanted !== undefined && refusal.includes(wanted)) return undefined;
    const expected = wanted === undefined ? 'no refusal' : `a refusal that says "${wanted}"`;
    return { expected, got: refusal ?? 'no refusal' };
  }
  const got = sortedLines(allocated.map(lineOfOffer));
  const sets = [
    ...(expectation.expect === undefined ? [] : [expectation.expect]),
    ...(expectation.expectOneOf ?? []),
  ].map((set) => sortedLines(set.map(lineOfExpected)));
  if (sets.length === 0 || sets.includes(got)) return undefined;
  return { expected: sets.join(' or '), got };
}

function sortedLines(lines: readonly string[]): string {
  return lines.length === 0 ? 'none' : lines.toSorted().join('; ');
}

function lineOfOffer(offer: PlannedOffer): string {
  const unreserved = subtract(offer.resources, offer.reserved);
  return line(offer, unreserved, offer.reservedBy, offer.revocable);
}

function lineOfExpected(expected: ExpectedAllocation): string {
  return line(
    expected,
    resources(toModel(expected.resources)),
    (expected.reserved ?? []).map((one) => ({ role: one.role, resources: toModel(one.resources) })),
    resources(toModel(expected.revocable)),
  );
}

function line(
  who: { readonly framework: string; readonly role: string; readonly agent: string },
  unreserved: Resources,
  reserved: readonly { readonly role: string; readonly resources: AgentReservation['resources'] }[],
  revocable: Resources,
): string {
  const byRole = new Map<string, Resources>();
  for (const one of reserved) byRole.set(one.role, add(byRole.get(one.role) ?? {}, one.resources));
  const parts = [
    describeAmounts(unreserved),
    ...[...byRole]
      .filter(([, amounts]) => !isEmpty(amounts))
      .map(([role, amounts]) => `reserved to ${role}: ${describeAmounts(amounts)}`)
      .toSorted(),
    isEmpty(revocable) ? '' : `revocable: ${describeAmounts(revocable)}`,
  ];
  const amounts = parts.filter((part) => part !== '').join(', ');
  return `${who.framework} as ${who.role} on ${who.agent} {${amounts}}`;
}
