import type { Clock } from '../ports/clock.ts';

export interface RateLimitOptions {
  readonly clock: Clock;
  readonly perSecond: number;
  /** Calls that may come at once after a quiet time. */
  readonly burst: number;
  /** Clients remembered; beyond it the one unseen longest is forgotten. */
  readonly maxKeys: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Token buckets by client. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one token; false when there is none. */
  take(key: string): boolean {
    const bucket = this.#refilled(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** True when a token could be taken now. */
  hasRoom(key: string): boolean {
    return this.#refilled(key).tokens >= 1;
  }

  #refilled(key: string): Bucket {
    const { clock, perSecond, burst, maxKeys } = this.#options;
    const nowMs = clock.monotonicMs();
    const known = this.#buckets.get(key);
    const bucket = known ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    // Which client was heard last matters only when room runs out.
    if (known !== undefined && this.#buckets.size < maxKeys / 2) return bucket;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxKeys) {
      const oldest = this.#buckets.keys().next();
      if (!oldest.done) this.#buckets.delete(oldest.value);
    }
    return bucket;
  }
}
