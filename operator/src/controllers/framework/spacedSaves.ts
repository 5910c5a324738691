import type { CancelTimer, Clock } from '../../ports/clock.ts';

export interface SpacedSavesOptions<Id> {
  readonly clock: Clock;
  /** From the first change to the round that saves it, so no one is saved more often than this. */
  readonly intervalMs: number;
  readonly save: (id: Id) => void;
}

/** Pauses within a round, and how many slices a round has at the most. */
const SLICE_MS = 20;
const MAX_SLICES = 50;
const LEAST_AT_ONCE = 8;

/**
 * Saves what has changed, round after round. A round is cut into slices: hundreds of saves in one go would hold up
 * every call that comes meanwhile.
 */
export class SpacedSaves<Id> {
  readonly #options: SpacedSavesOptions<Id>;
  readonly #changed = new Set<Id>();
  #cancel: CancelTimer | undefined;

  constructor(options: SpacedSavesOptions<Id>) {
    this.#options = options;
  }

  /** To be saved in the next round. */
  touch(id: Id): void {
    this.#changed.add(id);
    this.#cancel ??= this.#after(this.#options.intervalMs, () => this.#startRound());
  }

  stop(): void {
    this.#cancel?.();
    this.#changed.clear();
  }

  #startRound(): void {
    const due = [...this.#changed];
    this.#changed.clear();
    this.#saveSlice(due, 0, Math.max(LEAST_AT_ONCE, Math.ceil(due.length / MAX_SLICES)));
  }

  #saveSlice(due: readonly Id[], from: number, count: number): void {
    const next = from + count;
    this.#cancel = undefined;
    if (next < due.length)
      this.#cancel = this.#after(SLICE_MS, () => this.#saveSlice(due, next, count));
    else if (this.#changed.size > 0)
      this.#cancel = this.#after(this.#options.intervalMs, () => this.#startRound());
    for (const id of due.slice(from, next)) this.#options.save(id);
  }

  #after(delayMs: number, then: () => void): CancelTimer {
    return this.#options.clock.setTimer(delayMs, then);
  }
}
