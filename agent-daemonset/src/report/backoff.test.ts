import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { Backoff } from './backoff.ts';

/** Jitter as far up as it goes: delays are the full ones. */
const fullJitter = { next: () => 1, int: () => 0 };
const noJitter = { next: () => 0, int: () => 0 };

test('doubles up to a minute, and starts over after a success', () => {
  const backoff = new Backoff(new FakeClock(), fullJitter);
  const delays = Array.from({ length: 6 }, () => backoff.failed(undefined));
  expect(delays).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  backoff.succeeded();
  expect(backoff.failed(undefined)).toBe(5000);
});

test('jitter takes away at most half', () => {
  const backoff = new Backoff(new FakeClock(), noJitter);
  expect([backoff.failed(undefined), backoff.failed(undefined)]).toEqual([2500, 5000]);
});

test('is ready when the delay has passed, whatever the wall clock says', async () => {
  const clock = new FakeClock();
  const backoff = new Backoff(clock, fullJitter);
  expect(backoff.ready).toBe(true);
  backoff.failed(undefined);
  clock.stepWall(3_600_000);
  expect(backoff.ready).toBe(false);
  await clock.advance(4999);
  expect(backoff.ready).toBe(false);
  await clock.advance(1);
  expect(backoff.ready).toBe(true);
});

test('a wish to wait longer is honoured up to a minute', () => {
  const backoff = new Backoff(new FakeClock(), fullJitter);
  expect(backoff.failed(20_000)).toBe(20_000);
  expect(backoff.failed(3_600_000)).toBe(60_000);
});
