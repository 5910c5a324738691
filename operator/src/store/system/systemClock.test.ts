import { describe, expect, test } from '@jest/globals';
import { createSystemClock, type TimerFunctions } from './systemClock.ts';

/** Holds timers until `fireNext`, and refuses delays Node would cut to 1 ms. */
class HandTimers implements TimerFunctions {
  readonly pending: { fire: () => void; delayMs: number }[] = [];
  readonly set = (fire: () => void, delayMs: number): unknown => {
    const timer = { fire, delayMs };
    this.pending.push(timer);
    return timer;
  };
  readonly clear = (handle: unknown): void => {
    const index = this.pending.findIndex((timer) => timer === handle);
    if (index >= 0) this.pending.splice(index, 1);
  };
  fireNext(): number {
    const timer = this.pending.shift();
    timer?.fire();
    return timer?.delayMs ?? -1;
  }
}

const YEAR_MS = 365 * 86_400_000;

describe('createSystemClock', () => {
  test('a delay of a year is waited in pieces Node can hold and fires once', () => {
    const timers = new HandTimers();
    let fired = 0;
    createSystemClock(timers).setTimer(YEAR_MS, () => {
      fired += 1;
    });
    let waitedMs = 0;
    while (timers.pending.length > 0) {
      expect(fired).toBe(0);
      const delayMs = timers.fireNext();
      expect(delayMs).toBeLessThanOrEqual(2 ** 31 - 1);
      waitedMs += delayMs;
    }
    expect(fired).toBe(1);
    expect(waitedMs).toBe(YEAR_MS);
  });

  test('cancelling between two pieces stops the rest', () => {
    const timers = new HandTimers();
    let fired = 0;
    const cancel = createSystemClock(timers).setTimer(YEAR_MS, () => {
      fired += 1;
    });
    timers.fireNext();
    cancel();
    expect(timers.pending).toHaveLength(0);
    expect(fired).toBe(0);
  });

  test('real timers fire, and never early by the monotonic clock', async () => {
    const clock = createSystemClock();
    const startMs = clock.monotonicMs();
    await new Promise<void>((resolve) => clock.setTimer(20, resolve));
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(19);
    expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(1_000);
  });
});
