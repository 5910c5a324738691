import type { Clock } from '../../ports/clock.ts';

/** Computes a value at most once in `ms`. For figures people read, where half a second does not matter. */
export function rememberFor<Value>(clock: Clock, ms: number, compute: () => Value): () => Value {
  let known: { readonly value: Value; readonly untilMs: number } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (known === undefined || nowMs >= known.untilMs) {
      known = { value: compute(), untilMs: nowMs + ms };
    }
    return known.value;
  };
}
