import type { Clock } from '../ports/clock.ts';

const BURST = 25;
const REFILL_MS = 5 * 60_000;
const MAX_SUBJECTS = 4_096;

/**
 * How many different events one object may cause: 25 at once, then one in five minutes.
 * Source: client-go `EventSourceObjectSpamFilter`.
 */
export class EventBudget {
  readonly #clock: Clock;
  readonly #spent = new Map<string, { tokens: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False: the budget of this subject is used up. */
  spend(subject: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const held = this.#spent.get(subject) ?? { tokens: BURST, atMs: nowMs };
    const tokens = Math.min(BURST, held.tokens + (nowMs - held.atMs) / REFILL_MS);
    this.#spent.delete(subject);
    this.#spent.set(subject, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#spent.size > MAX_SUBJECTS) {
      const oldest = this.#spent.keys().next();
      if (oldest.done !== true) this.#spent.delete(oldest.value);
    }
    return tokens >= 1;
  }
}
