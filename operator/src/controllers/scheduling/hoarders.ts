import type { FrameworkId } from '../../model/ids.ts';

/** How a framework deals with offers, as far as patience goes; times are monotonic milliseconds. */
interface Record {
  /** Time-outs in a row without an answer to any offer between them. */
  readonly silences: number;
  readonly answeredAtMs: number;
  readonly untilMs: number;
}

export interface BackOff {
  readonly framework: FrameworkId;
  readonly silences: number;
  readonly forMs: number;
}

/** However patient a cluster is, a framework is asked again after this time. */
const LONGEST_MS = 15 * 60_000;
/** One time-out may be a pause of the framework; the second in a row is a habit. */
const TOLERATED = 1;

const FRESH: Record = {
  silences: 0,
  answeredAtMs: Number.NEGATIVE_INFINITY,
  untilMs: Number.NEGATIVE_INFINITY,
};

/**
 * Keeps offers from frameworks that sit on them until the time-out, again and again: each further silence doubles the
 * wait. Any answer, a decline too, ends it.
 */
export class Hoarders {
  readonly #records = new Map<FrameworkId, Record>();
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  answered(framework: FrameworkId, nowMs: number): void {
    this.#records.set(framework, { ...FRESH, answeredAtMs: nowMs });
  }

  /** Offers of a framework ran out of time, the oldest of them issued at `issuedAtMs`. */
  timedOut(framework: FrameworkId, issuedAtMs: number, nowMs: number): BackOff | undefined {
    const record = this.#records.get(framework) ?? FRESH;
    if (record.answeredAtMs >= issuedAtMs) return undefined;
    const silences = record.silences + 1;
    const excess = silences - TOLERATED;
    const forMs = excess <= 0 ? 0 : Math.min(this.#timeoutMs * 2 ** (excess - 1), LONGEST_MS);
    this.#records.set(framework, { ...record, silences, untilMs: nowMs + forMs });
    return forMs === 0 ? undefined : { framework, silences, forMs };
  }

  isBackedOff(framework: FrameworkId, nowMs: number): boolean {
    return (this.#records.get(framework) ?? FRESH).untilMs > nowMs;
  }

  /** When the next wait ends; infinite without any. */
  firstEndMs(nowMs: number): number {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#records.values())
      if (untilMs > nowMs) firstMs = Math.min(firstMs, untilMs);
    return firstMs;
  }

  forget(framework: FrameworkId): void {
    this.#records.delete(framework);
  }
}
