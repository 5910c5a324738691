import type { CancelTimer, Clock } from '../../ports/clock.ts';

/**
 * Token bucket: on average `ratePerSecond` turns, at most `burst` at once. Who comes first goes first.
 * Source: client-go `flowcontrol.NewTokenBucketRateLimiter` (QPS and Burst of rest.Config).
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #ratePerSecond: number;
  readonly #burst: number;
  readonly #waiting: Waiter[] = [];
  #tokens: number;
  #filledAtMs: number;
  #timer: CancelTimer | undefined;

  constructor(clock: Clock, ratePerSecond: number, burst: number) {
    this.#clock = clock;
    this.#ratePerSecond = ratePerSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Resolves when it is the caller's turn; rejects with the signal's reason when aborted first. */
  take(signal: AbortSignal): Promise<void> {
    this.#fill();
    if (this.#waiting.length === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return Promise.resolve();
    }
    const turn = waitIn(this.#waiting, signal);
    this.#arm();
    return turn;
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#filledAtMs) / 1000) * this.#ratePerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#filledAtMs = nowMs;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#waiting.length === 0) return;
    const lackMs = Math.max(1, Math.ceil(((1 - this.#tokens) / this.#ratePerSecond) * 1000));
    this.#timer = this.#clock.setTimer(lackMs, () => {
      this.#timer = undefined;
      this.#fill();
      while (this.#tokens >= 1) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        this.#tokens -= 1;
        next.go();
      }
      this.#arm();
    });
  }
}

/** At most `limit` holders at once; who comes first goes first. */
export class Semaphore {
  readonly #waiting: Waiter[] = [];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  /** Resolves with the function that gives the place back; rejects with the signal's reason when aborted first. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await waitIn(this.#waiting, signal);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next.go();
    };
  }
}

interface Waiter {
  readonly go: () => void;
}

/** Callers that may wait for one turn. More means that somebody sends without ever looking at the answers. */
const MOST_WAITING = 10_000;

function waitIn(waiting: Waiter[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (waiting.length >= MOST_WAITING) {
      reject(new Error(`${MOST_WAITING} requests to the API server are waiting already`));
      return;
    }
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      const index = waiting.indexOf(waiter);
      if (index >= 0) waiting.splice(index, 1);
      reject(signal.reason as Error);
    };
    const waiter: Waiter = {
      go: () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      },
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.push(waiter);
  });
}
