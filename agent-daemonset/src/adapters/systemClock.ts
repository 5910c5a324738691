import type { Clock } from '../../../operator/src/ports/clock.ts';

/** The machine's clock and Node's timers. The agent waits for seconds; Node holds delays of up to 24 days. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, fire) => {
    const timer = setTimeout(fire, Math.max(0, Math.ceil(delayMs)));
    return () => clearTimeout(timer);
  },
};
