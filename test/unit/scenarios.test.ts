import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runFiles, runScenario, runScenarioFile } from '../scenarios/runScenario.ts';

const FOLDER = join(import.meta.dirname, '../scenarios');
const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

describe('allocator scenarios', () => {
  test('there are some', () => {
    expect(files.length).toBeGreaterThan(120);
  });

  test.each(files)('%s', (file) => {
    expect(runScenarioFile(join(FOLDER, file))).toEqual([]);
  });
});

const withSteps = (...steps: readonly object[]): object => ({ name: 'test', steps });
const AGENT = { addAgent: { id: 'A1', total: { cpus: 1 } } };
const FRAMEWORK = { addFramework: { id: 'F1', roles: ['a'] } };
const OFFERED = { framework: 'F1', role: 'a', agent: 'A1', resources: { cpus: 1 } };

/** Files that are wrong in one place each: what must be said of them. */
const WRONG_EXPECTATIONS: readonly (readonly [string, object, string, string, string])[] = [
  [
    'another amount',
    { ...FRAMEWORK, expect: [{ ...OFFERED, resources: { cpus: 2 } }] },
    'step 2 (addFramework)',
    'F1 as a on A1 {cpus 2}',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'nothing',
    { ...FRAMEWORK, expect: [] },
    'step 2 (addFramework)',
    'none',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'reserved instead of unreserved',
    {
      ...FRAMEWORK,
      expect: [
        {
          framework: 'F1',
          role: 'a',
          agent: 'A1',
          reserved: [{ role: 'a', resources: { cpus: 1 } }],
        },
      ],
    },
    'step 2 (addFramework)',
    'F1 as a on A1 {reserved to a: cpus 1}',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'revocable instead of unreserved',
    { ...FRAMEWORK, expect: [{ framework: 'F1', role: 'a', agent: 'A1', revocable: { cpus: 1 } }] },
    'step 2 (addFramework)',
    'F1 as a on A1 {revocable: cpus 1}',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'ports and a volume besides',
    {
      ...FRAMEWORK,
      expect: [{ ...OFFERED, resources: { cpus: 1, ports: '[1-2]', volumes: { v1: 5 } } }],
    },
    'step 2 (addFramework)',
    'F1 as a on A1 {cpus 1, ports [1-2], volume v1 5}',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'one of two sets that both differ',
    { ...FRAMEWORK, expectOneOf: [[], [{ ...OFFERED, agent: 'A2' }]] },
    'step 2 (addFramework)',
    'none or F1 as a on A2 {cpus 1}',
    'F1 as a on A1 {cpus 1}',
  ],
  [
    'another metric',
    { ...FRAMEWORK, expectMetric: { 'allocator/mesos/resources/cpus/total': 2 } },
    'step 2 (addFramework)',
    'allocator/mesos/resources/cpus/total 2',
    'allocator/mesos/resources/cpus/total 1',
  ],
  [
    'a metric to be absent',
    { ...FRAMEWORK, expectMetric: { 'resources/cpus/total': 'absent' } },
    'step 2 (addFramework)',
    'resources/cpus/total absent',
    'resources/cpus/total 1',
  ],
  [
    'a metric that does not exist',
    { ...FRAMEWORK, expectMetric: { 'no/such/key': 0 } },
    'step 2 (addFramework)',
    'no/such/key 0',
    'no/such/key absent',
  ],
  [
    'an inverse offer',
    { ...FRAMEWORK, expectInverseOffers: [{ framework: 'F1', agent: 'A1' }] },
    'step 2 (addFramework)',
    'inverse offers: F1 on A1',
    'inverse offers: none',
  ],
  [
    'a rescind',
    { ...FRAMEWORK, expectRescinds: [{ framework: 'F1', role: 'a', agent: 'A1' }] },
    'step 2 (addFramework)',
    'rescinds: F1 as a on A1',
    'rescinds: none',
  ],
  [
    'a refusal',
    { ...FRAMEWORK, expectError: 'because' },
    'step 2 (addFramework)',
    'a refusal that says "because"',
    'no refusal',
  ],
  [
    'another order',
    { ...FRAMEWORK, expectOrder: ['a', 'b'] },
    'step 2 (addFramework)',
    'order: a b',
    'order: a',
  ],
  [
    'another frequency',
    { ...FRAMEWORK, expectOrderFrequencies: { runs: 10, tolerance: 0.1, rows: { a: [0.5] } } },
    'step 2 (addFramework)',
    'a in place 1 with frequency 0.5',
    'a in place 1 with frequency 1',
  ],
  [
    'a condition',
    { ...FRAMEWORK, expectConditions: ['GuaranteesOverCapacity: cpus 2'] },
    'step 2 (addFramework)',
    'GuaranteesOverCapacity: cpus 2',
    'none',
  ],
  [
    'another reason',
    { ...FRAMEWORK, expectWhy: [{ framework: 'F1', role: 'a', checks: { NothingFree: 1 } }] },
    'step 2 (addFramework)',
    'F1 as a held back by NothingFree 1',
    'F1 as a held back by none',
  ],
];

describe('the scenario runner', () => {
  test.each(WRONG_EXPECTATIONS)(
    'a file that expects %s fails',
    (_, second, step, expected, got) => {
      expect(runScenario(withSteps(AGENT, second))).toEqual([{ step, expected, got }]);
    },
  );

  test('an allocation of an earlier step is not one of this step', () => {
    expect(
      runScenario(withSteps(AGENT, FRAMEWORK, { advance: { seconds: 1 }, expect: [OFFERED] })),
    ).toHaveLength(1);
  });

  test('all that one framework gets in one role on one agent is one allocation', () => {
    const parts = [0.25, 0.75].map((cpus) => ({ ...OFFERED, resources: { cpus } }));
    expect(runScenario(withSteps(AGENT, { ...FRAMEWORK, expect: parts }))).toEqual([]);
  });

  test('a framework with one role is in it where no role is named, one with two has to say', () => {
    const { role: _, ...offered } = OFFERED;
    const steps = [
      { ...FRAMEWORK, expect: [offered] },
      { recover: { ...offered, refuseSeconds: 5 } },
    ];
    expect(runScenario(withSteps(AGENT, ...steps))).toEqual([]);
    const both = { addFramework: { id: 'F1', roles: ['a', 'b'] }, expect: [offered] };
    expect(runScenario(withSteps(AGENT, both))[0]?.got).toContain('expect.0.role');
  });

  test('a step that names no amounts means all that is offered', () => {
    const holder = { framework: 'F1', role: 'a', agent: 'A1' };
    const steps = [FRAMEWORK, { recover: holder, expect: [OFFERED] }, { use: holder }];
    expect(
      runScenario(withSteps(AGENT, ...steps, { recover: OFFERED, expect: [OFFERED] })),
    ).toEqual([]);
  });

  test('a step that fails does not hide the ones after it', () => {
    const failures = runScenario(
      withSteps(
        AGENT,
        { ...FRAMEWORK, expect: [] },
        { advance: { seconds: 1 }, expect: [OFFERED] },
      ),
    );
    expect(failures.map((one) => one.step)).toEqual(['step 2 (addFramework)', 'step 3 (advance)']);
  });

  test('a refusal nobody expected fails, and one that says something else', () => {
    const recover = { recover: { ...OFFERED, resources: { cpus: 5 } } };
    expect(runScenario(withSteps(AGENT, { ...recover, expect: [] }))).toMatchObject([
      { step: 'step 2 (recover)', expected: 'no refusal' },
    ]);
    expect(runScenario(withSteps(AGENT, { ...recover, expectError: 'F1' }))).toEqual([]);
    expect(runScenario(withSteps(AGENT, { ...recover, expectError: 'zebra' }))).toMatchObject([
      { expected: 'a refusal that says "zebra"' },
    ]);
  });

  test('a file that expects nothing does not pass', () => {
    expect(runScenario(withSteps(AGENT, FRAMEWORK))).toEqual([
      { step: 'file', expected: 'at least one expectation', got: 'none' },
    ]);
  });

  test.each<readonly [object, string, string]>([
    [withSteps({ addAgnet: {} }), 'step 1', 'addAgnet is no step; allowed: addAgent, updateAgent'],
    [
      withSteps(AGENT, { addAgent: { id: 'A2', totl: {} } }),
      'step 2 (addAgent)',
      'addAgent: field totl is unknown; allowed: id, total, reserved',
    ],
    [
      withSteps({ addAgent: { id: 'A1', used: [{ framework: 'F', role: 'a', agent: 'A1' }] } }),
      'step 1 (addAgent)',
      'addAgent.used.0: field agent is unknown; allowed: framework, role, tier, resources',
    ],
    [
      withSteps({ ...AGENT, expect: [{ ...OFFERED, node: 'A1' }] }),
      'step 1 (addAgent)',
      'expect.0: field node is unknown; allowed: framework, role, agent, resources',
    ],
    [withSteps({ addAgent: { total: {} } }), 'step 1 (addAgent)', 'addAgent.id'],
    [
      withSteps({ addAgent: { id: 'A1', total: { ports: 5 } } }),
      'step 1 (addAgent)',
      'addAgent.total.ports: ports are written as ranges',
    ],
    [
      withSteps({ addAgent: { id: 'A1', total: { cpus: 'two' } } }),
      'step 1 (addAgent)',
      'addAgent.total.cpus: expected a number, got "two"',
    ],
    [withSteps({ removeAgent: { name: 'A1' } }), 'step 1 (removeAgent)', 'removeAgent'],
    [withSteps({ ...AGENT, ...FRAMEWORK }), 'step 1', 'more than one step: addAgent, addFramework'],
    [{ name: 'x', options: { sorter: 'alphabetic' }, steps: [AGENT] }, 'file', 'options.sorter'],
    [
      { name: 'x', options: { colour: 1 }, steps: [AGENT] },
      'file',
      'options: field colour is unknown; allowed: allocationIntervalSeconds',
    ],
    [
      { name: 'x', step: [] },
      'file',
      'field step is unknown; allowed: name, source, description, options, steps',
    ],
    [[], 'file', 'expected object'],
  ])('what is no scenario is told by step and field: %j', (document, step, message) => {
    const failures = runScenario(document);
    expect(failures).toHaveLength(1);
    expect(failures[0]?.step).toBe(step);
    expect(failures[0]?.got).toContain(message);
  });

  test('every word of the common format is understood', () => {
    const everything = withSteps(
      {
        addAgent: {
          id: 'A1',
          total: { cpus: 4, mem: 64, disk: 100, 'example.com/x': 2, ports: '[1-9]' },
          reserved: [{ roles: ['a', 'a/b'], resources: { disk: 50 } }],
          revocable: { cpus: 2 },
          attributes: { rack: 'r1' },
          capabilities: ['MULTI_ROLE', 'HIERARCHICAL_ROLE', 'RESERVATION_REFINEMENT'],
          region: 'r',
          zone: 'z',
          unavailability: { startSeconds: 9, durationSeconds: 9 },
          used: [{ framework: 'F1', role: 'a', resources: { cpus: 1 } }],
        },
        expect: [],
      },
      {
        addFramework: {
          id: 'F1',
          roles: ['a', 'a/b'],
          suppressed: ['a'],
          capabilities: [
            'MULTI_ROLE',
            'REVOCABLE_RESOURCES',
            'SHARED_RESOURCES',
            'REGION_AWARE',
            'RESERVATION_REFINEMENT',
          ],
          minAllocatable: [{ cpus: 0.1 }],
          constraints: { 'a/b': [[{ attribute: 'rack', exists: true }]] },
          active: false,
        },
        expect: [],
      },
      { createVolume: { agent: 'A1', role: 'a/b', id: 'v1', size: 20, shared: true } },
      { setQuota: { role: 'a', guarantees: { cpus: 1 }, limits: { cpus: 4 } } },
      { removeQuota: { role: 'a' } },
      { setWeight: { role: 'a', weight: 2 } },
      {
        activate: { id: 'F1' },
        expect: [
          {
            framework: 'F1',
            role: 'a/b',
            agent: 'A1',
            resources: { cpus: 3, mem: 64, disk: 100, 'example.com/x': 2, ports: '[1-9]' },
            reserved: [{ roles: ['a', 'a/b'], resources: { disk: 30 } }],
            revocable: { cpus: 2 },
            volumes: { v1: 20 },
          },
        ],
        expectInverseOffers: [{ framework: 'F1', agent: 'A1' }],
      },
      {
        use: {
          framework: 'F1',
          role: 'a/b',
          agent: 'A1',
          resources: { cpus: 1, ports: '[1-2]' },
          reserved: [{ roles: ['a', 'a/b'], resources: { disk: 10 } }],
          revocable: { cpus: 1 },
          volumes: { v1: 20 },
        },
      },
      { setUnavailability: { agent: 'A1', startSeconds: 60, durationSeconds: 60 } },
      {
        updateAgent: {
          id: 'A1',
          total: { cpus: 8 },
          revocable: { cpus: 3 },
          attributes: 'rack:r2',
          capabilities: ['MULTI_ROLE'],
          used: [],
        },
      },
      { updateFramework: { id: 'F1', roles: ['a', 'a/b'], constraints: {} } },
      { suppress: { framework: 'F1', roles: ['a/b'] } },
      { revive: { framework: 'F1', roles: ['a/b'] } },
      { whitelist: { agents: ['A1'] } },
      { deactivate: { id: 'F1' } },
      { advance: { seconds: 1 }, expectOneOf: [[]] },
      { removeFramework: { id: 'F1' } },
      {
        removeAgent: { id: 'A1' },
        expectMetric: { 'resources/cpus/total': 0 },
        expectRescinds: [],
      },
    );
    expect(
      runScenario({
        ...everything,
        options: {
          allocationIntervalSeconds: 1,
          minAllocatable: [{ cpus: 0.01 }, { mem: 32 }],
          sorter: 'drf',
          seed: 1,
          mode: 'mezzo',
          fairnessExclude: ['gpus'],
          offers: 'coarse',
          agentOrder: 'random',
        },
      }),
    ).toEqual([]);
  });
});

describe('scenario files', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'scenarios-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a file that cannot be read is a failure, not a crash', () => {
    expect(runScenarioFile('/nowhere.yaml')).toMatchObject([
      { step: 'file', expected: 'a readable YAML file' },
    ]);
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'name: x\nsteps: [{addAgent: {id: A1}\n');
    expect(runScenarioFile(broken)).toMatchObject([
      { step: 'file', expected: 'a readable YAML file' },
    ]);
  });

  test('a broken file fails, the others still run, and the last line sums up', () => {
    const write = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    const good = write(
      'good.yaml',
      'name: good\nsteps:\n  - addAgent: {id: A1, total: {cpus: 1}}\n    expect: []\n',
    );
    const wrong = write(
      'wrong.yaml',
      'name: wrong\nsteps:\n  - addAgent: {id: A1, colour: red}\n    expect: []\n',
    );
    const lines: string[] = [];
    expect(runFiles([wrong, good, '/nowhere.yaml'], (line) => lines.push(line))).toBe(false);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain(
      'wrong.yaml: step 1 (addAgent): expected a scenario, got addAgent: field colour',
    );
    expect(lines[1]).toContain('/nowhere.yaml: file: expected a readable YAML file');
    expect(lines[2]).toBe('1 passed, 2 failed');
    expect(runFiles([good], () => {})).toBe(true);
  });
});
