import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { createReaderBound } from './readerBound.ts';

describe('the bound of a reader', () => {
  const bound = (): { clock: FakeClock; isTooSlow: (unreadBytes: number) => boolean } => {
    const clock = new FakeClock();
    const reader = createReaderBound(clock, 100);
    return { clock, isTooSlow: (unreadBytes) => reader.isTooSlow(unreadBytes) };
  };

  test('a burst of eight buffers is waited for, one byte more is not', () => {
    const { isTooSlow } = bound();
    expect(isTooSlow(800)).toBe(false);
    expect(isTooSlow(801)).toBe(true);
  });

  test('more than the buffer for over ten seconds is too slow', async () => {
    const { clock, isTooSlow } = bound();
    expect(isTooSlow(101)).toBe(false);
    await clock.advance(10_000);
    expect(isTooSlow(101)).toBe(false);
    await clock.advance(1);
    expect(isTooSlow(101)).toBe(true);
  });

  test('who catches up in between starts anew', async () => {
    const { clock, isTooSlow } = bound();
    expect(isTooSlow(500)).toBe(false);
    await clock.advance(9_000);
    expect(isTooSlow(100)).toBe(false);
    await clock.advance(9_000);
    expect(isTooSlow(500)).toBe(false);
  });
});
