/** Time as the client sees it; a test passes its own. */
export interface ClientClock {
  /** Calls `fire` once after `delayMs`; the result undoes it. */
  setTimer(delayMs: number, fire: () => void): () => void;
}

export const machineClock: ClientClock = {
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when the signal aborts. */
export function pause(clock: ClientClock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const over = (): void => {
      cancel();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, over);
    signal.addEventListener('abort', over);
  });
}

/** Delays that double, each drawn between half of it and all of it, so that a thousand clients do not come back at once. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #random: () => number;
  #nextMs: number;

  constructor(firstMs: number, longestMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#random = random;
    this.#nextMs = firstMs;
  }

  reset(): void {
    this.#nextMs = this.#firstMs;
  }

  nextMs(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(this.#nextMs * 2, this.#longestMs);
    return delayMs / 2 + (this.#random() * delayMs) / 2;
  }
}
