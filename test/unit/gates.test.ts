import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { runStep } from '../gates/runStep.ts';
import { STEPS, type Step } from '../gates/steps.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const bin = (name: string): string => join(REPOSITORY, 'node_modules/.bin', name);

/** Files of a tree in which every rule is broken once. */
type Tree = { readonly [path: string]: string };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mezzo-gates-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function plant(name: string, tree: Tree): string {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function run(cwd: string, program: string, ...args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(bin(program), args, { cwd, encoding: 'utf8' });
  return { code: status, output: `${stdout}${stderr}` };
}

describe('the layer rule', () => {
  /** From a file that breaks the rule to the file it must not reach. */
  const BREACHES: readonly { rule: string; from: string; to: string }[] = [
    {
      rule: 'model-imports-only-itself',
      from: 'operator/src/model/a.ts',
      to: 'operator/src/state/x.ts',
    },
    {
      rule: 'allocator-and-state-import-model',
      from: 'operator/src/allocator/a.ts',
      to: 'operator/src/state/x.ts',
    },
    { rule: 'ports-import-model', from: 'operator/src/ports/a.ts', to: 'operator/src/schema/x.ts' },
    {
      rule: 'schema-imports-model-ports-types-and-zod',
      from: 'operator/src/schema/a.ts',
      to: 'operator/src/runtime/x.ts',
    },
    {
      rule: 'decisions-do-no-io',
      from: 'operator/src/controllers/job/decideA.ts',
      to: 'operator/src/runtime/x.ts',
    },
    {
      rule: 'adapters-are-constructed-in-main',
      from: 'operator/src/controllers/job/a.ts',
      to: 'operator/src/store/x.ts',
    },
    {
      rule: 'controllers-know-no-server',
      from: 'operator/src/controllers/job/b.ts',
      to: 'operator/src/api/x.ts',
    },
    {
      rule: 'agent-shares-model-schema-ports',
      from: 'agent-daemonset/src/a.ts',
      to: 'operator/src/runtime/x.ts',
    },
    {
      rule: 'client-shares-model-and-schema',
      from: 'client/src/a.ts',
      to: 'operator/src/api/x.ts',
    },
    { rule: 'product-knows-no-tests', from: 'operator/src/api/a.ts', to: 'test/support/x.ts' },
    {
      rule: 'no-cycles',
      from: 'operator/src/runtime/ring1.ts',
      to: 'operator/src/runtime/ring2.ts',
    },
  ];
  const up = (path: string): string => '../'.repeat(path.split('/').length - 1);
  const importOf = (from: string, to: string): string =>
    `import { x } from '${up(from)}${to}';\nexport const y = x;\n`;
  const targets = Object.fromEntries(BREACHES.map(({ to }) => [to, 'export const x = 1;\n']));
  const broken: Tree = {
    ...targets,
    ...Object.fromEntries(BREACHES.map(({ from, to }) => [from, importOf(from, to)])),
    'operator/src/runtime/ring2.ts': "import { y } from './ring1.ts';\nexport const x = () => y;\n",
    'local-cluster/a.ts': 'export const a = 1;\n',
    'images/a.ts': 'export const a = 1;\n',
    'charts/a.ts': 'export const a = 1;\n',
    'examples/a.ts': 'export const a = 1;\n',
  };
  const layers = STEPS.find((step) => step.name === 'layers')?.command ?? [];
  const cruise = (root: string, ...more: readonly string[]): Ran => {
    const [program = '', ...args] = layers.map((word) =>
      word.startsWith('.dep') ? join(REPOSITORY, word) : word,
    );
    return run(root, program, ...args, ...more);
  };
  let breached: Ran;
  beforeAll(() => {
    breached = cruise(plant('layers', broken));
  });

  test.each(BREACHES)('$rule: $from may not import $to', ({ rule, from, to }) => {
    expect(breached.code).not.toBe(0);
    const plain = breached.output
      .replaceAll(String.fromCodePoint(27), '')
      .replaceAll(/\[[0-9;]*m/g, '');
    const line = plain.split('\n').find((one) => one.includes(rule) && one.includes(from));
    expect(line).toBeDefined();
    if (rule !== 'no-cycles') expect(line).toContain(to);
  });
  test('a tree that keeps the rules passes, and something was looked at', () => {
    const root = plant('clean', {
      ...broken,
      ...Object.fromEntries(BREACHES.map(({ from }) => [from, 'export const y = 1;\n'])),
      'operator/src/runtime/ring2.ts': '',
    });
    const { code, output } = cruise(root);
    expect(output).toMatch(/no dependency violations found \((?!0 modules)\d+ modules/);
    expect(code).toBe(0);
  });
  test('the real sources are looked at: an unread .ts would pass every rule', () => {
    const { output } = run(
      REPOSITORY,
      'depcruise',
      'operator/src/model',
      'operator/src/state',
      '--config',
      '.dependency-cruiser.mjs',
      '--output-type',
      'json',
    );
    const { summary } = JSON.parse(output) as {
      summary: { totalCruised: number; totalDependenciesCruised: number };
    };
    expect(summary.totalCruised).toBeGreaterThan(15);
    expect(summary.totalDependenciesCruised).toBeGreaterThan(15);
  });
});

describe('the purity rule', () => {
  const IMPURE: readonly { what: string; line: string; rule: RegExp }[] = [
    {
      what: 'the wall clock',
      line: 'export const a = () => Date.now();',
      rule: /Unexpected use of 'Date'/,
    },
    {
      what: 'randomness',
      line: 'export const a = () => Math.random();',
      rule: /'Math\.random' is restricted/,
    },
    {
      what: 'a timer',
      line: 'export const a = () => setTimeout(() => undefined, 1);',
      rule: /setTimeout/,
    },
    {
      what: 'a Node module',
      line: "import { readFileSync } from 'node:fs';\nexport const a = readFileSync;",
      rule: /'node:fs' import is restricted/,
    },
    { what: 'the console', line: "export const a = () => console.log('x');", rule: /no-console/ },
    { what: 'the process', line: 'export const a = () => process.pid;', rule: /process/ },
  ];
  const PURE = ['model', 'allocator', 'state', 'controllers/job'] as const;
  const fileIn = (place: string, index: number): string =>
    place.startsWith('controllers')
      ? `operator/src/${place}/decide${index}.ts`
      : `operator/src/${place}/a${index}.ts`;

  function lint(name: string, tree: Tree): Ran {
    const root = plant(name, tree);
    copyFileSync(join(REPOSITORY, '.oxlintrc.json'), join(root, '.oxlintrc.json'));
    return run(root, 'oxlint', '--format', 'unix', 'operator');
  }
  let found: Ran;
  beforeAll(() => {
    const files = PURE.flatMap((place) =>
      IMPURE.map(({ line }, index) => [fileIn(place, index), `${line}\n`] as const),
    );
    found = lint('impure', Object.fromEntries(files));
  });

  test.each(PURE.flatMap((place) => IMPURE.map((row, index) => ({ ...row, place, index }))))(
    '$what is refused in $place',
    ({ place, index, rule }) => {
      expect(found.code).not.toBe(0);
      const lines = found.output.split('\n').filter((line) => line.includes(fileIn(place, index)));
      expect(lines.join('\n')).toMatch(rule);
    },
  );
  test('an adapter may do all of it, and a pure file that is pure passes', () => {
    const adapters = IMPURE.map(
      ({ line }, index) => [`operator/src/store/a${index}.ts`, `${line}\n`] as const,
    );
    const pure = [
      [
        'operator/src/model/pure.ts',
        'export const twice = (value: number): number => value * 2;\n',
      ] as const,
    ];
    const { code, output } = lint('adapters', Object.fromEntries([...adapters, ...pure]));
    expect(output).not.toMatch(/error/i);
    expect(code).toBe(0);
  });
  test('a decision waits for nobody: controllers have no timers and no dice either', () => {
    const { output, code } = lint('shell', {
      'operator/src/controllers/job/shell.ts':
        'export const a = () => [Date.now(), Math.random(), setTimeout(() => undefined, 1)];\n',
    });
    expect(code).not.toBe(0);
    for (const message of [
      /'Date\.now' is restricted/,
      /'Math\.random' is restricted/,
      /setTimeout/,
    ])
      expect(output).toMatch(message);
  });
});

describe('a step of npm test', () => {
  beforeAll(() => {
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  });
  afterAll(() => {
    jest.restoreAllMocks();
  });
  const step = (counts: Step['counts'], ...command: readonly string[]): Step => ({
    tier: 'gates',
    name: 'planted',
    command,
    counts,
    timeoutMinutes: 1,
  });
  const script = (code: string): readonly string[] => [process.execPath, '-e', code, '--'];
  /** Behaves like jest with this result: writes it where `--outputFile` says. */
  const jestWith = (result: object, exit = 0): readonly string[] =>
    script(
      `const at = process.argv.indexOf('--outputFile');` +
        `require('fs').writeFileSync(process.argv[at + 1], ${JSON.stringify(JSON.stringify(result))});` +
        `process.exitCode = ${exit};`,
    );
  const NOTHING = {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numRuntimeErrorTestSuites: 0,
    testResults: [],
  };
  const skipped = { assertionResults: [{ status: 'pending', fullName: 'needs root' }] };

  const ROWS: readonly {
    sentence: string;
    step: Step;
    passed: number;
    failed: number;
    skipped?: number;
  }[] = [
    {
      sentence: 'a gate that ends with 0 passes',
      step: step('gate', ...script('')),
      passed: 1,
      failed: 0,
    },
    {
      sentence: 'a gate that ends with 1 fails',
      step: step('gate', ...script('process.exitCode = 1')),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'a program that is not there fails',
      step: step('gate', 'mezzo-no-such-program'),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'jest counts what it ran',
      step: step('jest', ...jestWith({ ...NOTHING, numPassedTests: 7 })),
      passed: 7,
      failed: 0,
    },
    {
      sentence: 'a jest that ran nothing fails, though it ends with 0',
      step: step('jest', ...jestWith(NOTHING)),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'a jest that wrote no result fails',
      step: step('jest', ...script('')),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'a suite that does not load fails',
      step: step(
        'jest',
        ...jestWith({ ...NOTHING, numPassedTests: 3, numRuntimeErrorTestSuites: 1 }, 1),
      ),
      passed: 3,
      failed: 1,
    },
    {
      sentence: 'an exit code nobody can explain fails',
      step: step('jest', ...jestWith({ ...NOTHING, numPassedTests: 3 }, 1)),
      passed: 3,
      failed: 1,
    },
    {
      sentence: 'what was skipped is told, not counted as passed',
      step: step('jest', ...jestWith({ ...NOTHING, numPendingTests: 1, testResults: [skipped] })),
      passed: 0,
      failed: 0,
      skipped: 1,
    },
    {
      sentence: 'a last line with figures is counted',
      step: step('lastLine', ...script("console.log('x\\n12 passed, 0 failed')")),
      passed: 12,
      failed: 0,
    },
    {
      sentence: 'a last line with failures fails',
      step: step('lastLine', ...script("console.log('10 passed, 2 failed'); process.exitCode = 1")),
      passed: 10,
      failed: 2,
    },
    {
      sentence: 'no last line fails',
      step: step('lastLine', ...script("console.log('all is well')")),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'figures that are not the last line fail',
      step: step('lastLine', ...script("console.log('12 passed, 0 failed\\nand then it broke')")),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'nothing passed and nothing failed fails',
      step: step('lastLine', ...script("console.log('0 passed, 0 failed')")),
      passed: 0,
      failed: 1,
    },
    {
      sentence: 'a crash after good figures fails',
      step: step('lastLine', ...script("console.log('3 passed, 0 failed'); process.exitCode = 1")),
      passed: 3,
      failed: 1,
    },
    {
      sentence: 'a step that takes too long is ended and fails',
      step: {
        ...step('gate', ...script('setInterval(() => undefined, 1000)')),
        timeoutMinutes: 0.005,
      },
      passed: 0,
      failed: 1,
    },
  ];
  test.each(ROWS)('$sentence', async ({ sentence: _sentence, step: given, ...expected }) => {
    const outcome = await runStep(given);
    expect(outcome).toMatchObject({ skipped: 0, ...expected });
    if (expected.skipped !== undefined) expect(outcome.skipReasons).toEqual(['needs root']);
  });

  test('the real jest with no test to run fails as a step', async () => {
    const none = step(
      'jest',
      bin('jest'),
      '--rootDir',
      plant('empty', { 'jest.config.json': '{"testEnvironment":"node"}' }),
      '--passWithNoTests',
    );
    expect(await runStep(none)).toMatchObject({ passed: 0, failed: 1 });
  });
});
