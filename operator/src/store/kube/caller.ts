import type { CancelTimer, Clock } from '../../ports/clock.ts';
import { KubeApiError } from '../../ports/kubeApi.ts';
import type { Connections, Purpose } from './connections.ts';
import type { Credentials } from './credentials.ts';
import { ExchangeError, exchange, type ReplyReader } from './exchange.ts';
import { Semaphore, TokenBucket } from './limits.ts';
import { parseObject } from './objects.ts';
import { errorOfReply } from './statusError.ts';

/** Told about each finished call; `code` is `ok` or the error's code. Must not throw. */
export interface KubeApiMetrics {
  callFinished(call: {
    readonly verb: Verb;
    readonly group: string;
    readonly plural: string;
    readonly code: string;
    readonly durationMs: number;
  }): void;
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

export interface Call {
  readonly verb: Verb;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly group: string;
  readonly plural: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly signal?: AbortSignal | undefined;
  readonly stillWanted?: (() => boolean) | undefined;
}

export interface CallerOptions {
  readonly clock: Clock;
  readonly credentials: Credentials;
  readonly connections: Connections;
  readonly metrics?: KubeApiMetrics | undefined;
  readonly userAgent: string;
  readonly deadlineMs: number;
  readonly qps: number;
  readonly burst: number;
  readonly concurrentWrites: number;
  readonly maxReplyBytes: number;
}

/** A read told to wait (429) is sent again at most this often, within the call's deadline. */
const READ_RETRIES = 3;

/** Sends one call: its turn, its credential, its deadline, its typed error. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #turns: TokenBucket;
  readonly #writePlaces: Semaphore;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#turns = new TokenBucket(options.clock, options.qps, options.burst);
    this.#writePlaces = new Semaphore(options.concurrentWrites);
  }

  /** The parsed JSON of a 2xx reply. Errors: `KubeApiError` only. */
  async json(call: Call): Promise<unknown> {
    return this.#measured(call, async () => {
      const deadline = new Deadline(this.#options.clock, this.#options.deadlineMs, call.signal);
      try {
        return isWrite(call)
          ? await this.#write(call, deadline.signal)
          : await this.#read(call, deadline.signal);
      } finally {
        deadline.cancel();
      }
    });
  }

  /**
   * Streams a 2xx reply to `onData` until it ends in order. The deadline covers the time until its head arrives;
   * after that only `call.signal` ends it.
   */
  async stream(call: Call, onData: (chunk: Buffer) => void): Promise<void> {
    await this.#measured(call, async () => {
      const deadline = new Deadline(this.#options.clock, this.#options.deadlineMs, call.signal);
      try {
        await this.#exchange(call, 'watch', deadline.signal, onData, () => deadline.passed());
      } finally {
        deadline.cancel();
      }
    });
  }

  async #read(call: Call, signal: AbortSignal): Promise<unknown> {
    for (let retries = 0; ; retries += 1) {
      try {
        await this.#turn(call, signal);
        return await this.#exchangeJson(call, 'read', signal);
      } catch (error) {
        const waitMs = error instanceof KubeApiError ? error.retryAfterMs : undefined;
        const told = error instanceof KubeApiError && error.code === 'tooManyRequests';
        if (!told || waitMs === undefined || retries >= READ_RETRIES) throw error;
        await waitOrThrow(this.#options.clock, waitMs, signal, error);
      }
    }
  }

  async #write(call: Call, signal: AbortSignal): Promise<unknown> {
    // Lease renewals overtake: leadership must not be lost behind a burst of our own writes.
    if (call.plural === 'leases') return this.#exchangeJson(call, 'write', signal);
    const release = await this.#writePlaces.acquire(signal).catch(notSent(call));
    try {
      await this.#turn(call, signal);
      return await this.#exchangeJson(call, 'write', signal);
    } finally {
      release();
    }
  }

  async #turn(call: Call, signal: AbortSignal): Promise<void> {
    if (call.plural !== 'leases') await this.#turns.take(signal).catch(notSent(call));
  }

  async #exchangeJson(call: Call, purpose: Purpose, signal: AbortSignal): Promise<unknown> {
    const body = new BoundedBody(this.#options.maxReplyBytes);
    await this.#exchange(call, purpose, signal, (chunk) => body.add(chunk));
    try {
      return call.verb === 'list' ? JSON.parse(body.text()) : parseObject(call, body.text());
    } catch (error) {
      throw new KubeApiError(
        isWrite(call) ? 'unknownOutcome' : 'unavailable',
        `${describe(call)}: the reply is no JSON: ${body.text().slice(0, 200)}`,
        { cause: error },
      );
    }
  }

  async #exchange(
    call: Call,
    purpose: Purpose,
    signal: AbortSignal,
    onData: (chunk: Buffer) => void,
    onAccepted?: () => void,
  ): Promise<void> {
    const { credentials, connections, userAgent, maxReplyBytes } = this.#options;
    const credential = await credentials.current();
    const pool = connections.pool(purpose, credential.tls, credential.tlsFingerprint);
    const reader = new StatusReader(maxReplyBytes, onData, onAccepted);
    try {
      await exchange(
        pool,
        {
          origin: credentials.server,
          method: call.method,
          path: call.path,
          headers: {
            'user-agent': userAgent,
            accept: 'application/json',
            ...(call.body !== undefined && {
              'content-type': call.contentType ?? 'application/json',
            }),
            ...credential.headers,
            ...call.headers,
          },
          ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
          signal,
          stillWanted: call.stillWanted,
        },
        reader,
      );
    } catch (error) {
      throw transportError(call, error);
    }
    if (reader.httpStatus === 401) credentials.invalidate();
    if (reader.httpStatus >= 300)
      throw errorOfReply({
        httpStatus: reader.httpStatus,
        bodyText: reader.refusal(),
        retryAfter: reader.retryAfter,
        isWrite: isWrite(call),
        what: describe(call),
      });
  }

  async #measured<T>(call: Call, run: () => Promise<T>): Promise<T> {
    const { clock, metrics } = this.#options;
    const startMs = clock.monotonicMs();
    const finished = (code: string): void =>
      metrics?.callFinished({
        verb: call.verb,
        group: call.group,
        plural: call.plural,
        code,
        durationMs: clock.monotonicMs() - startMs,
      });
    try {
      const result = await run();
      finished('ok');
      return result;
    } catch (error) {
      const typed =
        error instanceof KubeApiError
          ? error
          : new KubeApiError('unavailable', `${describe(call)}: ${String(error)}`, {
              cause: error,
            });
      finished(typed.code);
      throw typed;
    }
  }
}

const isWrite = (call: Call): boolean => call.method !== 'GET';
const describe = (call: Call): string => `${call.method} ${call.path}`;

function transportError(call: Call, error: unknown): KubeApiError {
  if (error instanceof KubeApiError) return error;
  // What the reader of the reply threw (an ERROR event of a watch) is the answer itself.
  if (error instanceof ExchangeError && error.cause instanceof KubeApiError) return error.cause;
  const mayHaveHappened = isWrite(call) && (!(error instanceof ExchangeError) || error.sent);
  return new KubeApiError(
    mayHaveHappened ? 'unknownOutcome' : 'unavailable',
    error instanceof Error ? error.message : String(error),
    { cause: error },
  );
}

const notSent =
  (call: Call) =>
  (reason: unknown): never => {
    throw new KubeApiError('unavailable', `${describe(call)} was not sent: ${String(reason)}`, {
      cause: reason,
    });
  };

async function waitOrThrow(
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
  otherwise: KubeApiError,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (signal.aborted) {
      reject(otherwise);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(otherwise);
    };
    const cancel = clock.setTimer(waitMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Aborts when the time is up or when the caller's signal does. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal | undefined;
  readonly #onCallerAbort = (): void => this.#controller.abort(this.#callerSignal?.reason);
  readonly #cancelTimer: CancelTimer;

  constructor(clock: Clock, afterMs: number, callerSignal: AbortSignal | undefined) {
    this.#callerSignal = callerSignal;
    this.#cancelTimer = clock.setTimer(afterMs, () =>
      this.#controller.abort(new Error(`no reply within ${afterMs} ms`)),
    );
    if (callerSignal?.aborted) this.#onCallerAbort();
    else callerSignal?.addEventListener('abort', this.#onCallerAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What had to happen in time has happened: from here on only the caller's signal counts. */
  passed(): void {
    this.#cancelTimer();
  }

  cancel(): void {
    this.#cancelTimer();
    this.#callerSignal?.removeEventListener('abort', this.#onCallerAbort);
  }
}

class BoundedBody {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #text: string | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes)
      throw new Error(`the reply is longer than ${this.#maxBytes} bytes; list in smaller pages`);
    this.#chunks.push(chunk);
  }

  text(): string {
    this.#text ??= Buffer.concat(this.#chunks).toString('utf8');
    return this.#text;
  }
}

/** Hands the body of a 2xx reply on and keeps that of a refusal, which is a small Status. */
class StatusReader implements ReplyReader {
  readonly #onData: (chunk: Buffer) => void;
  readonly #onAccepted: (() => void) | undefined;
  readonly #refusal: BoundedBody;
  httpStatus = 0;
  retryAfter: string | undefined;

  constructor(
    maxBytes: number,
    onData: (chunk: Buffer) => void,
    onAccepted: (() => void) | undefined,
  ) {
    this.#refusal = new BoundedBody(maxBytes);
    this.#onData = onData;
    this.#onAccepted = onAccepted;
  }

  onHead(
    httpStatus: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.httpStatus = httpStatus;
    const retryAfter = headers['retry-after'];
    this.retryAfter = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
    if (httpStatus < 300) this.#onAccepted?.();
  }

  onData(chunk: Buffer): void {
    if (this.httpStatus < 300) this.#onData(chunk);
    else this.#refusal.add(chunk);
  }

  refusal(): string {
    return this.#refusal.text();
  }
}
