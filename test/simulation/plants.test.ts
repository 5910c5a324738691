import { describe, expect, test } from '@jest/globals';
import type { Oracle } from './oracles.ts';
import { PLANTS, type Plant } from './plants.ts';
import { runOne } from './runOne.ts';

/** An oracle that has never caught anything proves nothing: each planted bug must be noticed within so many seeds. */
const MOST_SEEDS = 80;
const FIRST_SEED = 500;

async function catcherOf(plant: string, caughtBy: readonly Oracle[]): Promise<Oracle | undefined> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + MOST_SEEDS; seed += 1) {
    const { violations } = await runOne({
      seed,
      plant,
      keepsHistory: false,
      checkDeterminism: false,
    });
    const found = violations.find(({ oracle }) => caughtBy.includes(oracle));
    if (found !== undefined) return found.oracle;
  }
  return undefined;
}

describe('planted bugs', () => {
  test.each(Object.entries(PLANTS) as [string, Plant][])(
    '%s is caught',
    async (name, { caughtBy }) => {
      expect(caughtBy).toContain(await catcherOf(name, caughtBy));
    },
    300_000,
  );

  test('between them they show that each oracle of a safety rule can speak', () => {
    const shown = new Set<Oracle>(Object.values(PLANTS).flatMap(({ caughtBy }: Plant) => caughtBy));
    const expected: readonly Oracle[] = [
      'instance',
      'capacity',
      'quota',
      'foreign',
      'finished',
      'unfinished',
      'lifecycle',
      'cron',
      'needless',
      'lease',
      'convergence',
      'finalizers',
    ];
    expect(expected.filter((oracle) => !shown.has(oracle))).toEqual([]);
  });
});
