import type { CancelTimer, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Rng } from '../ports/rng.ts';
import { type OperatorError, REQUEUE_RULES, type RequeueRule, toOperatorError } from './errors.ts';
import { FairKeys } from './fairKeys.ts';

/** What the work on a key ended with. `awaitChange`: nothing to do until something adds the key again. */
export type WorkResult =
  | { readonly kind: 'awaitChange' }
  | { readonly kind: 'requeueAfter'; readonly delayMs: number };

export interface WorkQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly work: (key: string) => Promise<WorkResult>;
  /** Keys worked on at once. */
  readonly concurrency: number;
  /** What a failure means for the key; `failures` counts them in a row, this one included. */
  readonly onFailure?: (error: OperatorError, failures: number) => RequeueRule;
  /** Keys of one group wait for each other, groups take turns. Default: the part before the first slash. */
  readonly groupOf?: (key: string) => string;
}

/** Figures for metrics and for `/livez`. */
export interface WorkQueueStats {
  readonly ready: number;
  readonly delayed: number;
  readonly running: number;
  readonly failing: number;
  /** How long the key longest ready has waited. */
  readonly oldestReadyMs: number;
  /** How long the longest work under way has run: a stuck one shows here. */
  readonly longestRunningMs: number;
  readonly processed: number;
  readonly failed: number;
}

const FIRST_BACK_OFF_MS = 5;
const LONGEST_BACK_OFF_MS = 5 * 60_000;
/** A rule `soon` holds for this many failures in a row; then the key backs off like any other. */
const SOON_TIMES = 3;

interface Delayed {
  readonly dueMs: number;
  readonly cancel: CancelTimer;
}

/**
 * Keys to work on, each at most once at a time.
 *
 * Guarantees: a key added while it waits is worked on once; added while it runs, once more afterwards; of several
 * delayed adds the earliest counts; groups (namespaces) take turns, so a busy one cannot starve the others.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready: FairKeys;
  readonly #delayed = new Map<string, Delayed>();
  readonly #running = new Map<string, number>();
  /** Keys added again while running. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #idle: (() => void)[] = [];
  #state: 'filling' | 'working' | 'stopped' = 'filling';
  #processed = 0;
  #failed = 0;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#ready = new FairKeys(options.groupOf ?? namespaceOfKey);
  }

  /** Keys may be added before; work begins here. */
  start(): void {
    if (this.#state !== 'filling') return;
    this.#state = 'working';
    this.#pump();
  }

  add(key: string): void {
    if (this.#state === 'stopped') return;
    this.#dropDelay(key);
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#ready.push(key, this.#options.clock.monotonicMs());
    this.#pump();
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#state === 'stopped') return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    if (this.#ready.has(key) || this.#again.has(key)) return;
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    const held = this.#delayed.get(key);
    if (held !== undefined && held.dueMs <= dueMs) return;
    held?.cancel();
    const cancel = this.#options.clock.setTimer(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, cancel });
  }

  /** Starts no more work; resolves when the work under way has ended. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#again.clear();
    this.#ready.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  stats(): WorkQueueStats {
    const nowMs = this.#options.clock.monotonicMs();
    const oldest = this.#ready.oldestAddedMs();
    const firstStarted = this.#running.values().next();
    return {
      ready: this.#ready.size,
      delayed: this.#delayed.size,
      running: this.#running.size,
      failing: this.#failures.size,
      oldestReadyMs: oldest === undefined ? 0 : nowMs - oldest,
      longestRunningMs: firstStarted.done === true ? 0 : nowMs - firstStarted.value,
      processed: this.#processed,
      failed: this.#failed,
    };
  }

  #pump(): void {
    while (this.#state === 'working' && this.#running.size < this.#options.concurrency) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      this.#running.set(key, this.#options.clock.monotonicMs());
      void this.#runOne(key);
    }
  }

  async #runOne(key: string): Promise<void> {
    let requeueMs: number | undefined;
    try {
      const result = await this.#options.work(key);
      this.#failures.delete(key);
      if (result.kind === 'requeueAfter') requeueMs = result.delayMs;
    } catch (error) {
      requeueMs = this.#failedKey(key, toOperatorError(error));
    }
    this.#processed += 1;
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
    else if (requeueMs !== undefined) this.addAfter(key, requeueMs);
    if (this.#state === 'stopped' && this.#running.size === 0)
      for (const resolve of this.#idle.splice(0)) resolve();
    this.#pump();
  }

  /** How long to wait before the next attempt; undefined for none. */
  #failedKey(key: string, error: OperatorError): number | undefined {
    const { log, name, rng, onFailure = requeueByCode } = this.#options;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failed += 1;
    const rule = onFailure(error, failures);
    const level = error.code === 'bug' ? 'error' : 'info';
    log[level]('work failed', {
      queue: name,
      key,
      code: error.code,
      error: error.message,
      failures,
      next: rule.kind,
      ...(error.code === 'bug' && { stack: (error.cause as Error | undefined)?.stack }),
    });
    if (rule.kind === 'drop') {
      this.#failures.delete(key);
      return undefined;
    }
    this.#failures.set(key, failures);
    const backOffMs = keyBackOffMs(failures, rng.next());
    if (rule.kind === 'after') return Math.max(rule.delayMs, error.retryAfterMs ?? 0);
    if (rule.kind === 'soon' && failures <= SOON_TIMES) return FIRST_BACK_OFF_MS;
    return Math.max(backOffMs, error.retryAfterMs ?? 0);
  }

  #dropDelay(key: string): void {
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }
}

/** The failure policy unless another is given: the table in `errors.ts`. */
const requeueByCode = (error: OperatorError): RequeueRule => REQUEUE_RULES[error.code];

/** From 5 ms doubling to 5 minutes; `fraction` in [0, 1) takes up to a quarter off, so that keys part company. */
export function keyBackOffMs(failures: number, fraction: number): number {
  const stepMs = FIRST_BACK_OFF_MS * 2 ** Math.min(failures - 1, 30);
  return Math.ceil(Math.min(stepMs, LONGEST_BACK_OFF_MS) * (1 - fraction / 4));
}

function namespaceOfKey(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? '' : key.slice(0, slash);
}
