import { describe, expect, test } from '@jest/globals';
import { createSeededRng } from './seededRng.ts';

const draw = (seed: string, count: number): number[] => {
  const rng = createSeededRng(seed);
  return Array.from({ length: count }, () => rng.next());
};

describe('createSeededRng', () => {
  test('the same seed gives the same sequence, another seed another one', () => {
    expect(draw('cycle-1', 50)).toEqual(draw('cycle-1', 50));
    expect(draw('cycle-1', 5)).not.toEqual(draw('cycle-2', 5));
  });

  test('the sequence of a seed is fixed for ever: recorded runs must replay after an upgrade', () => {
    const rng = createSeededRng('mezzo');
    expect(Array.from({ length: 6 }, () => rng.int(1000))).toEqual(RECORDED);
  });

  test('numbers are spread evenly over [0, 1)', () => {
    const counts = Array.from({ length: 10 }, () => 0);
    const values = draw('spread', 100_000);
    expect(values.filter((value) => !(value >= 0 && value < 1))).toEqual([]);
    for (const value of values) {
      counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1;
    }
    for (const count of counts) {
      expect(count).toBeGreaterThan(9_500);
      expect(count).toBeLessThan(10_500);
    }
  });

  test('close seeds are unlike from the first number on', () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => draw(`${seed}`, 1)[0] ?? 0);
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
    expect(new Set(firsts).size).toBeGreaterThan(990);
  });

  test('int stays below its bound', () => {
    const rng = createSeededRng('bound');
    const seen = new Set(Array.from({ length: 200 }, () => rng.int(3)));
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });
});

const RECORDED: readonly number[] = [37, 728, 399, 344, 221, 556];
