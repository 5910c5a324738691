import { KubeApiError, type KubeErrorCode } from '../ports/kubeApi.ts';

/**
 * Every way work of the operator can fail: the API server's answers, and the operator's own refusals.
 * `notLeader`: this process may not write (any more). `invalidObject`: an object in the cluster is wrong and only
 * a change to it helps. `overloaded`: a bound of our own was reached. `bug`: anything nobody foresaw.
 */
export type OperatorErrorCode =
  | KubeErrorCode
  | 'notLeader'
  | 'invalidObject'
  | 'overloaded'
  | 'bug';

/** The one error of the shell. `retryable`: the same attempt may succeed later without anybody changing anything. */
export class OperatorError extends Error {
  readonly code: OperatorErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: OperatorErrorCode,
    message: string,
    details: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'OperatorError';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }

  get retryable(): boolean {
    const rule = REQUEUE_RULES[this.code];
    return rule.kind === 'backOff' || rule.kind === 'soon';
  }
}

/** What the queue does with a key whose work failed. */
export type RequeueRule =
  /** Again after the key's exponential back-off. */
  | { readonly kind: 'backOff' }
  /** Again at once-ish: the view was old, the next attempt sees a newer one. Turns to back-off when it repeats. */
  | { readonly kind: 'soon' }
  /** Only a change of the object (or of rights, by a person) helps: look again rarely. */
  | { readonly kind: 'after'; readonly delayMs: number }
  /** Not again: another process owns this work now. */
  | { readonly kind: 'drop' };

const RARELY_MS = 5 * 60_000;

/** Total over the codes: a new code does not compile until somebody has decided what the queue does with it. */
export const REQUEUE_RULES = {
  badRequest: { kind: 'after', delayMs: RARELY_MS },
  unauthorized: { kind: 'backOff' },
  forbidden: { kind: 'after', delayMs: RARELY_MS },
  notFound: { kind: 'backOff' },
  alreadyExists: { kind: 'soon' },
  conflict: { kind: 'soon' },
  gone: { kind: 'soon' },
  invalid: { kind: 'after', delayMs: RARELY_MS },
  tooManyRequests: { kind: 'backOff' },
  unavailable: { kind: 'backOff' },
  unknownOutcome: { kind: 'backOff' },
  notLeader: { kind: 'drop' },
  invalidObject: { kind: 'after', delayMs: RARELY_MS },
  overloaded: { kind: 'backOff' },
  bug: { kind: 'backOff' },
} as const satisfies Record<OperatorErrorCode, RequeueRule>;

/** Any thrown value as an OperatorError; what nobody foresaw is a `bug`. The original stays as `cause`. */
export function toOperatorError(error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  if (error instanceof KubeApiError)
    return new OperatorError(error.code, error.message, {
      cause: error,
      retryAfterMs: error.retryAfterMs,
    });
  if (error instanceof Error) return new OperatorError('bug', error.message, { cause: error });
  return new OperatorError('bug', `something that is no Error was thrown: ${String(error)}`, {
    cause: error,
  });
}
