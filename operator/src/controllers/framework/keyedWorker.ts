import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Rng } from '../../ports/rng.ts';
import { REQUEUE_RULES, toOperatorError } from '../../runtime/errors.ts';

export interface KeyedWorkerOptions {
  readonly name: string;
  /** Brings the world to the wish of this key as it is when called; throws to be called again later. */
  readonly work: (key: string) => Promise<void>;
  readonly concurrency: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 30_000;
/** Failures in a row of one key that are not worth a line each. */
const QUIET_FAILURES = 3;

/**
 * Runs level-triggered work by key: one at a time per key, `concurrency` at a time over all, again with growing delays
 * until it succeeds. Pokes while a key is at work are merged into one more run.
 */
export class KeyedWorker {
  readonly #options: KeyedWorkerOptions;
  readonly #queue = new Set<string>();
  readonly #running = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #waiting = new Map<string, CancelTimer>();
  #stopped = false;

  constructor(options: KeyedWorkerOptions) {
    this.#options = options;
  }

  /** Keys that are queued, at work or waiting to be tried again. */
  get size(): number {
    return new Set([...this.#queue, ...this.#running, ...this.#waiting.keys()]).size;
  }

  poke(key: string): void {
    if (this.#stopped || this.#waiting.has(key)) return;
    this.#queue.add(key);
    this.#pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  #pump(): void {
    for (const key of this.#queue) {
      if (this.#running.size >= this.#options.concurrency) return;
      if (this.#running.has(key)) continue;
      this.#queue.delete(key);
      this.#running.add(key);
      this.#options.work(key).then(
        () => this.#settle(key, undefined),
        (error: unknown) => this.#settle(key, error),
      );
    }
  }

  #settle(key: string, error: unknown): void {
    this.#running.delete(key);
    if (error === undefined) this.#failures.delete(key);
    else this.#fail(key, error);
    if (!this.#stopped) this.#pump();
  }

  #fail(key: string, error: unknown): void {
    const { clock, log, name, rng } = this.#options;
    const known = toOperatorError(error);
    const rule = REQUEUE_RULES[known.code];
    if (this.#stopped || rule.kind === 'drop') return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const ceilingMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
    const delayMs = Math.round(ceilingMs * (0.5 + rng.next() / 2));
    if (failures === 1 || failures > QUIET_FAILURES)
      log.warn('write failed, will be tried again', {
        worker: name,
        key,
        failures,
        delayMs,
        error,
      });
    this.#queue.delete(key);
    this.#waiting.set(
      key,
      clock.setTimer(delayMs, () => {
        this.#waiting.delete(key);
        this.poke(key);
      }),
    );
  }
}
