import type { Rng } from '../../../operator/src/ports/rng.ts';
import type { FakeClock, ProcessClock } from '../fakeClock.ts';

/** Chances per call, 0 to 1; whatever is left over goes well. */
export interface CallFaults {
  /** Lost before the server: refused at once, or swallowed until the deadline. */
  readonly requestLost: number;
  /** Carried out, but the reply never comes. */
  readonly replyLost: number;
  /** Takes up to `SLOWEST_REQUEST_MS` to arrive; the caller may have given up long before. */
  readonly slow: number;
  readonly tooManyRequests: number;
  readonly unavailable: number;
}

/** Chances per watch, drawn when it opens, each at a random moment of its life. */
export interface WatchFaults {
  readonly reset: number;
  readonly closed: number;
  readonly expired: number;
  /** Stays open and says nothing more, not even its end. */
  readonly silent: number;
  /** Each batch of events waits up to this long. */
  readonly maxEventDelayMs: number;
}

export interface NetworkConditions {
  readonly calls: CallFaults;
  readonly watches: WatchFaults;
  /** Cached reads lag up to this many revisions. */
  readonly maxReplicaLag: number;
}

export const FAIR_WEATHER: NetworkConditions = {
  calls: { requestLost: 0, replyLost: 0, slow: 0, tooManyRequests: 0, unavailable: 0 },
  watches: { reset: 0, closed: 0, expired: 0, silent: 0, maxEventDelayMs: 0 },
  maxReplicaLag: 0,
};

export interface NetworkOptions {
  readonly world: FakeClock;
  readonly process: ProcessClock;
  readonly rng: Rng;
  /** Asked for at every call, so that the weather can change. */
  readonly conditions: () => NetworkConditions;
  /** After this long the client gives a call up. */
  readonly deadlineMs?: number;
}
