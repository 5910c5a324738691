import type { KubeErrorCode } from '../ports/kubeApi.ts';

/** What a reflector is doing. `failures` counts attempts in a row that brought nothing. */
export type ReflectorState =
  | { readonly kind: 'listing'; readonly failures: number }
  | {
      readonly kind: 'watching';
      readonly failures: number;
      readonly resourceVersion: string;
      /** The former watch failed: the server may have been restored meanwhile. */
      readonly afterOutage: boolean;
    }
  | {
      readonly kind: 'waiting';
      readonly failures: number;
      readonly atLeastMs: number;
      readonly next: NextAttempt;
    }
  | { readonly kind: 'stopped' };

export type NextAttempt =
  | { readonly kind: 'listing' }
  | {
      readonly kind: 'watching';
      readonly resourceVersion: string;
      readonly afterOutage: boolean;
    };

export type ReflectorEvent =
  | { readonly kind: 'listed'; readonly resourceVersion: string }
  | { readonly kind: 'listFailed'; readonly code: KubeErrorCode; readonly retryAfterMs: number }
  /** `useful`: it brought an event or lived for a while. */
  | { readonly kind: 'watchClosed'; readonly resourceVersion: string; readonly useful: boolean }
  | {
      readonly kind: 'watchFailed';
      readonly code: KubeErrorCode;
      readonly resourceVersion: string;
      readonly useful: boolean;
      readonly retryAfterMs: number;
    }
  /** Open, but without an event or bookmark for longer than the limit. */
  | { readonly kind: 'watchSilent' }
  /** The server's newest version is older than ours. */
  | { readonly kind: 'historyBackward' }
  | { readonly kind: 'waited' }
  | { readonly kind: 'stop' };

/** After these the version we hold is of no use, or what was listed may be: look at everything again. */
const RELIST_AFTER = {
  gone: true,
  badRequest: true,
  notFound: true,
  forbidden: true,
  invalid: true,
  unauthorized: false,
  alreadyExists: false,
  conflict: false,
  tooManyRequests: false,
  unavailable: false,
  unknownOutcome: false,
} as const satisfies Record<KubeErrorCode, boolean>;

/**
 * The reflector's next state. An event that cannot happen in a state leaves it unchanged.
 * Source: client-go `tools/cache.Reflector` (resume from the last version; list again after 410).
 */
export function reflectorStep(state: ReflectorState, event: ReflectorEvent): ReflectorState {
  if (event.kind === 'stop' || state.kind === 'stopped') return { kind: 'stopped' };
  switch (state.kind) {
    case 'listing':
      return afterList(state, event);
    case 'watching':
      return afterWatch(state, event);
    case 'waiting':
      return event.kind === 'waited' ? { ...state.next, failures: state.failures } : state;
  }
}

function afterList(
  state: ReflectorState & { readonly kind: 'listing' },
  event: ReflectorEvent,
): ReflectorState {
  if (event.kind === 'listed')
    return {
      kind: 'watching',
      failures: state.failures,
      resourceVersion: event.resourceVersion,
      afterOutage: false,
    };
  if (event.kind === 'listFailed')
    return waiting(state.failures + 1, event.retryAfterMs, { kind: 'listing' });
  return state;
}

function afterWatch(
  state: ReflectorState & { readonly kind: 'watching' },
  event: ReflectorEvent,
): ReflectorState {
  switch (event.kind) {
    case 'watchClosed': {
      const { resourceVersion } = event;
      const next = { kind: 'watching', resourceVersion, afterOutage: false } as const;
      return event.useful ? { ...next, failures: 0 } : waiting(state.failures + 1, 0, next);
    }
    case 'watchFailed': {
      const failures = event.useful ? 0 : state.failures;
      if (event.code === 'gone' && failures === 0) return { kind: 'listing', failures: 1 };
      const next: NextAttempt = RELIST_AFTER[event.code]
        ? { kind: 'listing' }
        : { kind: 'watching', resourceVersion: event.resourceVersion, afterOutage: true };
      return waiting(failures + 1, event.retryAfterMs, next);
    }
    case 'watchSilent':
    case 'historyBackward':
      return { kind: 'listing', failures: 0 };
    case 'listed':
    case 'listFailed':
    case 'waited':
    case 'stop':
      return state;
  }
}

const waiting = (failures: number, atLeastMs: number, next: NextAttempt): ReflectorState => ({
  kind: 'waiting',
  failures,
  atLeastMs,
  next,
});

const SHORTEST_WAIT_MS = 800;
const LONGEST_WAIT_MS = 30_000;

/**
 * How long to wait after this many failures in a row: between the exponential step and twice that, at most 30 s.
 * `fraction` in [0, 1) is the jitter.
 */
export function backOffMs(failures: number, fraction: number): number {
  const stepMs = SHORTEST_WAIT_MS * 2 ** Math.min(Math.max(failures - 1, 0), 16);
  return Math.min(LONGEST_WAIT_MS, Math.floor(stepMs * (1 + fraction)));
}
