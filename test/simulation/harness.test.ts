import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseCliOptions } from './cliOptions.ts';
import { runOne } from './runOne.ts';
import { referenceController } from './testdata/referenceController.ts';
import { runSeed } from './world.ts';

const SEEDS = 250;

/** Rules the reference controller breaks, one per seed; with random names the first one is enough. */
async function failures(names: 'deterministic' | 'random'): Promise<readonly string[]> {
  const launch = referenceController({ names });
  const found: string[] = [];
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const { violations } = await runSeed({ seed: String(seed), launch, only: 'services' });
    if (violations[0] !== undefined) found.push(violations[0].oracle);
    if (names === 'random' && found.length > 0) break;
  }
  return found;
}

describe('the harness, tried on a small controller', () => {
  test('finds doubles when Pods have random names', async () => {
    expect(await failures('random')).toContain('instance');
  }, 120_000);

  test('finds nothing wrong when names are made of the decision', async () => {
    expect(await failures('deterministic')).toEqual([]);
  }, 120_000);
});

describe('a seed', () => {
  test('has one history, whatever ran before it', async () => {
    const run = async (seed: number): Promise<string> =>
      (await runOne({ seed, plant: undefined, keepsHistory: false, checkDeterminism: false })).hash;
    const first = await run(3);
    const other = await run(4);
    expect(await run(3)).toBe(first);
    expect(other).not.toBe(first);
  }, 60_000);

  test('shows its history when asked, and only then', async () => {
    const request = { seed: 5, plant: undefined, checkDeterminism: false };
    const shown = await runOne({ ...request, keepsHistory: true });
    const hidden = await runOne({ ...request, keepsHistory: false });
    expect(shown.history.length).toBeGreaterThan(100);
    expect(hidden.history).toEqual([]);
    expect(hidden.hash).toBe(shown.hash);
  }, 60_000);
});

describe('the command line', () => {
  const run = promisify(execFile);
  const cli = join(import.meta.dirname, 'cli.ts');

  test('a failing seed is named with the command that replays it, and the exit code is 1', async () => {
    const failed = run(process.execPath, [
      cli,
      '--seeds',
      '2',
      '--from',
      '500',
      '--plant',
      'deafAfterStart',
    ]);
    const { code, stdout } = (await failed.catch((error: unknown) => error)) as {
      code: number;
      stdout: string;
    };
    expect(code).toBe(1);
    expect(stdout).toContain('replay: npm run sim -- --seed 500 --plant deafAfterStart --verbose');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 2 failed');
  }, 120_000);

  test('refuses what it does not understand, naming it', () => {
    expect(() => parseCliOptions(['--seeds', 'many'])).toThrow('--seeds must be a whole number');
    expect(() => parseCliOptions(['--plant', 'nothing'])).toThrow('--plant nothing: choose one of');
    expect(() => parseCliOptions(['--sed', '1'])).toThrow("'--sed'");
    const options = parseCliOptions(['--seeds', '3', '--from', '7']);
    expect(options).toMatchObject({ seeds: [7, 8, 9], isReplay: false });
    expect(parseCliOptions(['--seed', '9'])).toMatchObject({ seeds: [9], isReplay: true });
  });
});
