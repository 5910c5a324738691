import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ALL_RULES } from '../../conformance/allRules.ts';
import { type Rule, sectionOf } from '../../conformance/rule.ts';
import { missingRoom, type Outcome, runSuite } from '../../conformance/runSuite.ts';
import { eventually, OperatorCluster, type OperatorProcess } from '../operator/operatorCluster.ts';

const ROLES = join(import.meta.dirname, '../../conformance/roles.yaml');

/** Slow in both encodings, and about time only. */
const TIMED =
  /^1\.8\/(resent|not-resent|in-order)|^1\.9\/(suppress|revive|subscribed)|^1\.11\/(default|zero|negative|seconds|accept|min)/;

/**
 * Puts these rules to one operator on a real API server with fake nodes. Rules whose subject is waiting (a filter that runs
 * out, an update that comes again) run in JSON alone: the encoding does not change how long they take.
 */
export function keepsTheRules(name: string, rules: readonly Rule[]): void {
  let all: OperatorCluster;
  let operator: OperatorProcess;

  beforeAll(async () => {
    all = await OperatorCluster.start({ fakeNodes: 3 });
    await all.cluster.apply(await readFile(ROLES, 'utf8'));
    operator = await all.startOperator();
    await eventually('the operator to lead', async () => (await operator.isLeading()) || undefined);
  }, 240_000);
  afterAll(() => all?.stop(), 60_000);

  test(name, async () => {
    const settings = {
      target: { url: new URL(operator.url), authorization: undefined },
      roles: ['*', 'conformance/a', 'conformance/b'] as const,
    };
    // A leader that has just been elected answers 503 until it has seen everything.
    await eventually('room for tasks', async () => {
      const missing = await missingRoom(settings);
      if (missing !== undefined) throw new Error(missing);
      return true;
    });
    const wired = rules.map((rule) =>
      TIMED.test(rule.id) ? { ...rule, wires: ['json' as const] } : rule,
    );
    const outcomes = await runSuite({ ...settings, rules: wired, agentsPretend: true });
    const told = outcomes.filter((one) => one.kind === 'failed').map(lineOf);
    expect(told).toEqual([]);
    expect(outcomes.filter((one) => one.kind === 'passed').length).toBeGreaterThan(rules.length);
    const skipped = outcomes.filter((one) => one.kind === 'skipped').map((one) => one.rule);
    // No command runs on fake nodes, and this listener knows no credentials: see access.test.ts and the e2e tier.
    expect(new Set(skipped)).toEqual(
      new Set(rules.filter((rule) => rule.needs !== undefined).map((rule) => rule.id)),
    );
  }, 900_000);
}

/** The suite in parts of about the same length, for as many workers: sections by number. */
const PARTS = {
  /** How calls come and are answered, and who may subscribe. */
  connection: ['1.1', '1.2', '1.3', '1.4', '1.5', '1.6', '1.7'],
  /** What becomes of tasks, and who watches from outside. */
  tasks: ['1.8', '1.9', '1.10', '2.13'],
  /** What is offered, and what is done with offers. */
  offers: ['1.11', '1.12'],
} as const;

export function rulesOf(part: keyof typeof PARTS): readonly Rule[] {
  const sections: readonly string[] = PARTS[part];
  return ALL_RULES.filter((rule) => sections.includes(sectionOf(rule)));
}

const lineOf = (one: Outcome): string =>
  `${one.rule} [${one.wire}] ${one.section}: expected ${one.expected}; got ${one.got}`;
