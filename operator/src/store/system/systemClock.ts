import type { CancelTimer, Clock } from '../../ports/clock.ts';

/** The longest delay Node's timers hold; a longer one fires after 1 ms. Source: Node.js `timers` documentation. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** What the clock needs of Node's timers; a test passes its own to see how long delays are split. */
export interface TimerFunctions {
  readonly set: (fire: () => void, delayMs: number) => unknown;
  readonly clear: (handle: unknown) => void;
}

const nodeTimers: TimerFunctions = {
  set: (fire, delayMs) => setTimeout(fire, delayMs),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** The machine's clock and Node's timers; delays longer than Node can hold are waited in pieces. */
export function createSystemClock(timers: TimerFunctions = nodeTimers): Clock {
  const setTimer = (delayMs: number, fire: () => void): CancelTimer => {
    let handle: unknown;
    let cancelled = false;
    const wait = (remainingMs: number): void => {
      const piece = Math.min(remainingMs, LONGEST_DELAY_MS);
      handle = timers.set(() => {
        if (cancelled) return;
        if (remainingMs > piece) wait(remainingMs - piece);
        else fire();
      }, piece);
    };
    wait(Math.max(0, Math.ceil(delayMs)));
    return () => {
      cancelled = true;
      timers.clear(handle);
    };
  };
  return { nowMs: () => Date.now(), monotonicMs: () => performance.now(), setTimer };
}
