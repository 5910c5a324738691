import { describe, expect, test } from '@jest/globals';
import { type LendingPod, nSigmaPeak, percentileOf, predictPeakMillis } from './peak.ts';

const CONFIG = { sigmas: 3, percentile: 90, warmupSamples: 4 };

/** A Pod that used these amounts in the last samples, the newest last. */
const pod = (requestMillis: number, ...used: readonly number[]): LendingPod => ({
  requestMillis,
  cpuMillis: used.at(-1),
  history: used.map((cpuMillis, index) => ({ monotonicMs: index * 1000, cpuMillis })),
});

test.each([
  { values: [], sigmas: 3, expected: 0 },
  { values: [100, 100, 100], sigmas: 3, expected: 100 },
  // mean 150, deviation 50
  { values: [100, 200], sigmas: 2, expected: 250 },
  { values: [100, 200], sigmas: 0, expected: 150 },
])('$sigmas sigma of $values is $expected', ({ values, sigmas, expected }) => {
  expect(nSigmaPeak(values, sigmas)).toBe(expected);
});

test.each([
  { values: [], percent: 99, expected: 0 },
  { values: [30, 10, 20], percent: 100, expected: 30 },
  { values: [30, 10, 20], percent: 50, expected: 20 },
  { values: [5], percent: 1, expected: 5 },
])('percentile $percent of $values is $expected', ({ values, percent, expected }) => {
  expect(percentileOf(values, percent)).toBe(expected);
});

describe('predictPeakMillis', () => {
  test('adds up the peaks of Pods that peaked at different times', () => {
    const peak = predictPeakMillis([pod(1000, 500, 10, 10, 10), pod(1000, 10, 10, 10, 600)], {
      ...CONFIG,
      percentile: 100,
      sigmas: 0,
    });
    expect(peak).toBe(1100);
  });

  test('takes N sigma of the sum when that is more', () => {
    // Sums 0 and 200: mean 100, deviation 100, three of them: 400.
    expect(predictPeakMillis([pod(1000, 0, 200, 0, 200)], CONFIG)).toBe(400);
  });

  test('is never below what is used now, however calm the past was', () => {
    const calm = Array.from({ length: 99 }, () => 10);
    expect(predictPeakMillis([pod(2000, ...calm, 1500)], { ...CONFIG, sigmas: 1 })).toBe(1500);
  });

  test('counts a Pod at its request until its past says something', () => {
    expect(predictPeakMillis([pod(800, 10, 10, 10)], CONFIG)).toBe(800);
    expect(predictPeakMillis([pod(800, 10, 10, 10, 10)], CONFIG)).toBe(10);
  });

  test('counts a Pod that already uses more than its request at what it uses', () => {
    expect(predictPeakMillis([pod(100, 300, 300)], CONFIG)).toBe(300);
  });

  test('counts a Pod whose usage is unknown now at its request at least', () => {
    const known = pod(800, 10, 10, 10, 10, 10);
    expect(predictPeakMillis([{ ...known, cpuMillis: undefined }], CONFIG)).toBe(800);
  });

  test('no Pods need nothing', () => {
    expect(predictPeakMillis([], CONFIG)).toBe(0);
  });
});
