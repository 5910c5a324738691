import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import type { FrameworkCapability } from '../../operator/src/allocator/engine/types.ts';
import { ScenarioCluster } from './cluster.ts';
import { NotAScenario, type ParsedScenario, parseScenario } from './format.ts';
import { judgeStep } from './judge.ts';

/** One step that did not do what was expected. */
export interface Failure {
  /** `step 3 (recover)`. */
  readonly step: string;
  readonly expected: string;
  readonly got: string;
}

/** Runs files one after the other; prints a line per step that fails, then the sum. True when all passed. */
export function runFiles(files: readonly string[], print: (line: string) => void): boolean {
  let failed = 0;
  for (const file of files) {
    const failures = runScenarioFile(file);
    if (failures.length > 0) failed++;
    for (const { step, expected, got } of failures)
      print(`${file}: ${step}: expected ${expected}, got ${got}`);
  }
  print(`${files.length - failed} passed, ${failed} failed`);
  return failed === 0;
}

/** Runs one file; empty means everything held. A file that cannot be read or understood is one failure. */
export function runScenarioFile(path: string): readonly Failure[] {
  try {
    return runScenario(load(readFileSync(path, 'utf8')));
  } catch (error) {
    return [{ step: 'file', expected: 'a readable YAML file', got: textOf(error) }];
  }
}

/** Runs a parsed YAML document through the allocator, up to its end even when a step fails. */
export function runScenario(document: unknown): readonly Failure[] {
  let scenario: ParsedScenario;
  try {
    scenario = parseScenario(document);
  } catch (error) {
    if (!(error instanceof NotAScenario)) throw error;
    return [{ step: error.where, expected: 'a scenario', got: error.message }];
  }
  if (scenario.steps.every((step) => Object.keys(step.expectation).length === 0))
    return [{ step: 'file', expected: 'at least one expectation', got: 'none' }];
  return runSteps(scenario);
}

function runSteps(scenario: ParsedScenario): readonly Failure[] {
  const cluster = new ScenarioCluster(scenario.options, defaultCapabilities(scenario));
  const failures: Failure[] = [];
  for (const { where, action, expectation } of scenario.steps) {
    try {
      const verdicts = judgeStep(expectation, cluster.perform(action), cluster.engine);
      if (verdicts.length > 0)
        failures.push({
          step: where,
          expected: verdicts.map((one) => one.expected).join('; and '),
          got: verdicts.map((one) => one.got).join('; and '),
        });
    } catch (error) {
      failures.push({ step: where, expected: 'the step to be carried out', got: textOf(error) });
      break;
    }
  }
  return failures;
}

/** Off unless listed: what an ordinary framework does not ask for. */
const LISTED_ONLY: ReadonlySet<string> = new Set<FrameworkCapability>([
  'REVOCABLE_RESOURCES',
  'GPU_RESOURCES',
]);
const ALL_CAPABILITIES: readonly FrameworkCapability[] = [
  'REVOCABLE_RESOURCES',
  'GPU_RESOURCES',
  'SHARED_RESOURCES',
  'MULTI_ROLE',
  'RESERVATION_REFINEMENT',
  'REGION_AWARE',
];

/**
 * What a framework can do that lists no capabilities: all but those the scenario is about.
 * It is about revocable resources and GPUs wherever they appear, and about a further one as soon as any framework lists
 * it; MULTI_ROLE is never taken away.
 */
function defaultCapabilities(scenario: ParsedScenario): readonly FrameworkCapability[] {
  const listed = new Set(
    scenario.steps.flatMap(({ action }) =>
      action?.name === 'addFramework' || action?.name === 'updateFramework'
        ? (action.fields.capabilities ?? [])
        : [],
    ),
  );
  return ALL_CAPABILITIES.filter(
    (one) => one === 'MULTI_ROLE' || (!LISTED_ONLY.has(one) && !listed.has(one)),
  );
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
