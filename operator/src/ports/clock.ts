/** Undoes a timer; calling it twice or after the timer fired does nothing. */
export type CancelTimer = () => void;

/**
 * Time, as the operator may see it. Nothing else in the operator reads a clock or starts a timer,
 * so the whole of it runs under a simulated clock.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may step backwards or forwards. For timestamps people read. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary origin. For durations, deadlines and leases. */
  monotonicMs(): number;
  /** Calls `fire` once after at least `delayMs`. Any delay is legal: the adapter splits those Node cannot hold (over 2^31-1 ms). */
  setTimer(delayMs: number, fire: () => void): CancelTimer;
}

/** Resolves after `delayMs` of the clock; rejects with the signal's reason when aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
