import type { Clock } from '../ports/clock.ts';

/** How long a reader may have more than its buffer unread, and how much more a burst may be. */
const SLOW_MS = 10_000;
const BURST_FACTOR = 8;

/**
 * Tells a reader that needs a moment from one that does not read.
 *
 * All offers of a large cluster come at once: no reader has them read in the same instant, so a burst may exceed
 * `bufferBytes` by a factor of eight. Who has more than `bufferBytes` unread for ten seconds is too slow.
 * To be asked after every write, with the bytes not yet taken by the reader.
 */
export function createReaderBound(clock: Clock, bufferBytes: number): ReaderBound {
  let slowSinceMs = clock.monotonicMs();
  return {
    isTooSlow(unreadBytes) {
      const nowMs = clock.monotonicMs();
      if (unreadBytes <= bufferBytes) slowSinceMs = nowMs;
      return nowMs - slowSinceMs > SLOW_MS || unreadBytes > bufferBytes * BURST_FACTOR;
    },
  };
}

export interface ReaderBound {
  isTooSlow(unreadBytes: number): boolean;
}
