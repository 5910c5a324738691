import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { runScenario, runScenarioFile } from '../scenarios/runScenario.ts';

const FOLDER = join(import.meta.dirname, '../scenarios');
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

const withSteps = (...steps: readonly object[]): object => ({ name: 'test', steps });
const AGENT = { addAgent: { id: 'A1', total: { cpus: 1 } } };
const FRAMEWORK = { addFramework: { id: 'F1', roles: ['a'] } };
const OFFERED = { framework: 'F1', role: 'a', agent: 'A1', resources: { cpus: 1 } };

describe('allocator scenarios', () => {
  test('there are some', () => {
    expect(files.length).toBeGreaterThan(30);
  });

  test.each(files)('%s', (file) => {
    expect(runScenarioFile(join(FOLDER, file))).toEqual([]);
  });
});

describe('the scenario runner', () => {
  test('tells step, expected and got when an expectation does not hold', () => {
    const document = withSteps(AGENT, {
      ...FRAMEWORK,
      expect: [{ ...OFFERED, resources: { cpus: 2 } }],
    });
    expect(runScenario(document)).toEqual([
      {
        step: 'step 2 (addFramework)',
        expected: 'F1 as a on A1 {cpus 2}',
        got: 'F1 as a on A1 {cpus 1}',
      },
    ]);
  });

  test('an allocation nobody expected fails, and so does one that did not come', () => {
    expect(runScenario(withSteps(AGENT, { ...FRAMEWORK, expect: [] }))).toHaveLength(1);
    expect(
      runScenario(withSteps(AGENT, FRAMEWORK, { advance: { seconds: 1 }, expect: [OFFERED] })),
    ).toHaveLength(1);
  });

  test('expectOneOf accepts any of its sets and nothing else', () => {
    const one = (expectOneOf: object) =>
      runScenario(withSteps(AGENT, { ...FRAMEWORK, expectOneOf }));
    expect(one([[], [OFFERED]])).toEqual([]);
    expect(one([[], [{ ...OFFERED, agent: 'A2' }]])).toHaveLength(1);
  });

  test('a refusal must be expected, and an expected one must come', () => {
    const recover = { recover: { ...OFFERED, resources: { cpus: 5 } } };
    expect(runScenario(withSteps(AGENT, recover))[0]?.got).toContain('cpus 5 more than is held');
    expect(runScenario(withSteps(AGENT, { ...recover, expectError: 'held by F1' }))).toEqual([]);
    expect(runScenario(withSteps({ ...AGENT, expectError: 'x' }))).toHaveLength(1);
  });

  test('a file that expects nothing does not pass', () => {
    expect(runScenario(withSteps(AGENT, FRAMEWORK))).toHaveLength(1);
  });

  test.each([
    [withSteps({ createVolume: {} }), 'step 1: createVolume is not supported yet'],
    [withSteps({ ...AGENT, expectMetric: {} }), 'step 1: expectMetric is not supported yet'],
    [withSteps({ addAgnet: {} }), 'step 1: addAgnet is no step'],
    [withSteps({ addAgent: { id: 'A1', region: 'eu' } }), 'not supported yet'],
    [withSteps({ addAgent: { id: 'A1', total: { ports: '[1-2]' } } }), 'expected number'],
    [{ name: 'x', options: { sorter: 'random' }, steps: [] }, 'not supported yet'],
    [{ name: 'x', steps: [{ ...AGENT, ...FRAMEWORK }] }, 'more than one step'],
  ])('what it cannot drive is refused by name: %j', (document, message) => {
    expect(() => runScenario(document)).toThrow(message);
  });

  test('a file that is no scenario is a failure, not a crash', () => {
    expect(runScenarioFile('/nowhere.yaml')).toHaveLength(1);
  });
});
