import { type ClientClock, machineClock } from './clientClock.ts';
import type { Codec } from './codec.ts';
import { errorOfStatus, SchedulerError } from './schedulerError.ts';

export type Credentials =
  /** A function is asked before each call: mounted service account tokens change every hour. */
  | { readonly kind: 'bearer'; readonly token: string | (() => string | Promise<string>) }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string };

export interface TransportOptions {
  /** Any replica: `http://mezzo.mezzo-system:5050`. */
  readonly url: string;
  readonly codec: Codec;
  readonly credentials?: Credentials | undefined;
  readonly clock?: ClientClock | undefined;
}

const PATH = '/api/v1/scheduler';
/** A chain longer than this is replicas that point at each other. */
const MAX_REDIRECTS = 9;
const CALL_TIMEOUT_MS = 30_000;

/** Sends calls to whoever leads. Remembers the leader, and forgets it when it does not answer. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #home: URL;
  #leader: URL;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#home = new URL(options.url);
    this.#leader = this.#home;
  }

  /** Opens the event stream. Errors: `SchedulerError`. */
  async subscribe(
    call: object,
    signal: AbortSignal,
  ): Promise<{ readonly streamId: string; readonly body: AsyncIterable<Uint8Array> }> {
    const { codec } = this.#options;
    const response = await this.#post(call, signal, { accept: codec.contentType });
    if (response.status !== 200) throw await failureOf(response, true);
    const type = response.headers.get('content-type');
    const streamId = response.headers.get('mesos-stream-id');
    if (type !== codec.contentType || streamId === null || response.body === null) {
      await response.body?.cancel();
      throw new SchedulerError(
        'protocol',
        `SUBSCRIBE was answered with Content-Type '${type}' and ${streamId === null ? 'no' : 'a'} Mesos-Stream-Id`,
      );
    }
    return { streamId, body: response.body };
  }

  /** Sends a call other than SUBSCRIBE. Resolves when the master has taken it. Errors: `SchedulerError`. */
  async call(call: object, streamId: string): Promise<void> {
    const deadline = new AbortController();
    const cancel = (this.#options.clock ?? machineClock).setTimer(CALL_TIMEOUT_MS, () =>
      deadline.abort(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`)),
    );
    try {
      const response = await this.#post(call, deadline.signal, { 'mesos-stream-id': streamId });
      if (response.status !== 202 && response.status !== 200)
        throw await failureOf(response, false);
      await response.body?.cancel();
    } finally {
      cancel();
    }
  }

  async #post(
    call: object,
    signal: AbortSignal,
    headers: { readonly [name: string]: string },
  ): Promise<Response> {
    const { codec } = this.#options;
    const body = codec.encodeCall(call);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const response = await this.#fetch(new URL(PATH, this.#leader), {
        method: 'POST',
        redirect: 'manual',
        signal,
        headers: {
          'content-type': codec.contentType,
          ...(await this.#authorization()),
          ...headers,
        },
        body,
      });
      if (response.status !== 307) {
        // A replica that knows no leader may be the wrong one to ask next time.
        if (response.status === 503) this.#leader = this.#home;
        return response;
      }
      await response.body?.cancel();
      this.#leader = new URL(response.headers.get('location') ?? '', this.#leader);
    }
    this.#leader = this.#home;
    throw new SchedulerError('unreachable', `more than ${MAX_REDIRECTS} redirects to a leader`);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      this.#leader = this.#home;
      throw new SchedulerError(
        'unreachable',
        `${url.origin} does not answer (${reasonOf(cause)})`,
        {
          cause,
        },
      );
    }
  }

  async #authorization(): Promise<{ readonly authorization?: string }> {
    const { credentials } = this.#options;
    if (credentials === undefined) return {};
    switch (credentials.kind) {
      case 'bearer': {
        const { token } = credentials;
        return { authorization: `Bearer ${typeof token === 'string' ? token : await token()}` };
      }
      case 'basic': {
        const pair = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
        return { authorization: `Basic ${pair}` };
      }
    }
  }
}

/** Most of an error body that is worth showing. */
const SAID_CHARS = 500;

async function failureOf(response: Response, subscribing: boolean): Promise<SchedulerError> {
  const text = await response.text().catch(() => '');
  const said = `${response.status} ${messageIn(text)}`.trim();
  return errorOfStatus(response.status, said, subscribing);
}

/** Mezzo answers JSON, Mesos plain text. */
function messageIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: { readonly message?: unknown } };
    if (typeof error?.message === 'string') return error.message.slice(0, SAID_CHARS);
  } catch {
    // Not JSON: shown as it is.
  }
  return text.slice(0, SAID_CHARS);
}

/** `fetch` hides the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
