import type { Clock } from '../../../operator/src/ports/clock.ts';
import type { Rng } from '../../../operator/src/ports/rng.ts';

const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 60_000;

/** Spaces out attempts after failures: doubling, jittered over the upper half, at most a minute. */
export class Backoff {
  readonly #clock: Clock;
  readonly #rng: Rng;
  #failures = 0;
  #notBeforeMs = 0;

  constructor(clock: Clock, rng: Rng) {
    this.#clock = clock;
    this.#rng = rng;
  }

  get ready(): boolean {
    return this.#failures === 0 || this.#clock.monotonicMs() >= this.#notBeforeMs;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Returns how long nothing will be tried; `wishMs` is what the other side asked for. */
  failed(wishMs: number | undefined): number {
    const doubled = FIRST_DELAY_MS * 2 ** Math.min(this.#failures, 10);
    this.#failures += 1;
    const longest = Math.min(doubled, LONGEST_DELAY_MS);
    const delayMs = Math.max(
      Math.ceil(longest * (0.5 + this.#rng.next() / 2)),
      Math.min(wishMs ?? 0, LONGEST_DELAY_MS),
    );
    this.#notBeforeMs = this.#clock.monotonicMs() + delayMs;
    return delayMs;
  }
}
