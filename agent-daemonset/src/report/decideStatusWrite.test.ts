import { expect, test } from '@jest/globals';
import { decideStatusWrite, type StatusWriteReason } from './decideStatusWrite.ts';

interface Row {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly ageMs: number;
  readonly expected: StatusWriteReason | undefined;
}

const rows: readonly Row[] = [
  { name: 'the same', from: 1000, to: 1000, ageMs: 10_000, expected: undefined },
  { name: 'the same for 30 s', from: 1000, to: 1000, ageMs: 30_000, expected: 'heartbeat' },
  { name: 'zero for 30 s', from: 0, to: 0, ageMs: 30_000, expected: 'heartbeat' },
  { name: 'zero for 10 s', from: 0, to: 0, ageMs: 10_000, expected: undefined },
  { name: '5 % less', from: 1000, to: 950, ageMs: 10_000, expected: undefined },
  { name: 'a little over 5 % less', from: 1000, to: 949, ageMs: 10_000, expected: 'changed' },
  { name: 'a little over 5 % more', from: 1000, to: 1051, ageMs: 10_000, expected: 'changed' },
  { name: '100m of much', from: 10_000, to: 10_100, ageMs: 5000, expected: 'changed' },
  { name: '99m of much', from: 10_000, to: 10_099, ageMs: 5000, expected: undefined },
  { name: 'from nothing to something', from: 0, to: 1, ageMs: 5000, expected: 'changed' },
  { name: 'to zero', from: 1000, to: 0, ageMs: 5000, expected: 'withdrawn' },
  { name: 'to zero from very little', from: 1, to: 0, ageMs: 5000, expected: 'withdrawn' },
  { name: 'to zero too soon', from: 1000, to: 0, ageMs: 4999, expected: undefined },
  { name: 'a large change too soon', from: 1000, to: 5000, ageMs: 4999, expected: undefined },
];

test.each(rows)('$name: $expected', ({ from, to, ageMs, expected }) => {
  const written = { cpuMillis: from, memoryBytes: 0, monotonicMs: 77 };
  expect(decideStatusWrite(written, { cpuMillis: to, memoryBytes: 0 }, 77 + ageMs)).toBe(expected);
});

test('the first figures are always written, nothing included', () => {
  expect(decideStatusWrite(undefined, { cpuMillis: 0, memoryBytes: 0 }, 0)).toBe('first');
});

test('any change of memory is written', () => {
  const written = { cpuMillis: 0, memoryBytes: 0, monotonicMs: 0 };
  expect(decideStatusWrite(written, { cpuMillis: 0, memoryBytes: 1 }, 5000)).toBe('changed');
});
