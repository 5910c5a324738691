/** Why a call or the whole subscription failed, and with it what to do. */
export type SchedulerErrorCode =
  /** No answer: network, time-out, 5xx. Tried again by itself while subscribing. */
  | 'unreachable'
  /** 429 or a full master: slow down. */
  | 'overloaded'
  /** 401. */
  | 'unauthenticated'
  /** 400, 405, 406, 409, 413, 415, 501: the call itself is wrong; sending it again changes nothing. */
  | 'badCall'
  /** The call needs an open stream and there is none, or the master knows another one. */
  | 'notSubscribed'
  /** ERROR event: somebody else subscribed with this framework's id. */
  | 'failedOver'
  /** ERROR event: the framework was torn down or its failover time-out has passed; its id is used up. */
  | 'removed'
  /** ERROR event or 403 at SUBSCRIBE: the master does not want this framework as it is. */
  | 'refused'
  /** What came back is not the Mesos v1 API. */
  | 'protocol';

const ADVICE = {
  unreachable: 'check the URL and that the operator runs',
  overloaded: 'send fewer calls per second, or ask the operator to raise its limits',
  unauthenticated: 'pass a token that is valid for the audience of the operator',
  badCall: 'correct the call; the message names the field',
  notSubscribed: 'wait until the client is subscribed again, then decide anew: old offers are void',
  failedOver: 'another instance of this framework runs now; end this one',
  removed: 'delete the stored framework id and start as a new framework',
  refused: 'correct the FrameworkInfo or have the named permission granted',
  protocol: 'check that the URL is that of a Mesos v1 master or a Mezzo operator',
} as const satisfies Record<SchedulerErrorCode, string>;

const RETRYABLE: ReadonlySet<SchedulerErrorCode> = new Set([
  'unreachable',
  'overloaded',
  'notSubscribed',
]);

/** The one error of the client. The message says what failed, what the master said, and what to do. */
export class SchedulerError extends Error {
  override readonly name = 'SchedulerError';
  readonly code: SchedulerErrorCode;
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined;
  /** Whether the same thing may succeed later. */
  readonly retryable: boolean;

  constructor(
    code: SchedulerErrorCode,
    said: string,
    more: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(`${said}: ${ADVICE[code]}`, more.cause === undefined ? {} : { cause: more.cause });
    this.code = code;
    this.status = more.status;
    this.retryable = RETRYABLE.has(code);
  }
}

/** What a status other than success means for a call. `subscribing`: the call was SUBSCRIBE. */
export function errorOfStatus(status: number, said: string, subscribing: boolean): SchedulerError {
  return new SchedulerError(codeOfStatus(status, said, subscribing), said, { status });
}

function codeOfStatus(status: number, said: string, subscribing: boolean): SchedulerErrorCode {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return subscribing ? 'refused' : 'notSubscribed';
  if (status === 429) return 'overloaded';
  if (status === 501) return 'badCall';
  if (status >= 500) return 'unreachable';
  if (status === 400 && !subscribing && /stream-id|framework cannot be found/iu.test(said))
    return 'notSubscribed';
  return status >= 400 ? 'badCall' : 'protocol';
}

/** What an ERROR event means; the stream closes after it. */
export function errorOfEvent(message: string): SchedulerError {
  if (/failed over/iu.test(message)) return new SchedulerError('failedOver', message);
  if (/removed|completed|torn down/iu.test(message)) return new SchedulerError('removed', message);
  return new SchedulerError('refused', message);
}
