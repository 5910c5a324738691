import type { Dispatcher } from 'undici';

/** One HTTP request; `signal` ends it at any point. */
export interface ExchangeRequest {
  readonly origin: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Asked when the request is about to be written to a socket; false: it is not. */
  readonly stillWanted?: (() => boolean) | undefined;
}

/** Receives a reply as it arrives. What it throws ends the exchange with that error. */
export interface ReplyReader {
  onHead(
    httpStatus: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void;
  onData(chunk: Buffer): void;
}

/**
 * The exchange failed below HTTP. `sent` false: not a byte of the request can have reached the server, so it was
 * certainly not carried out; true: it may have been.
 */
export class ExchangeError extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.name = 'ExchangeError';
    this.sent = sent;
  }
}

/**
 * Runs one exchange over a connection of the pool. Written against undici's handler interface instead of `request`,
 * because only the handler tells when a request leaves the queue for a socket: that moment separates "did not
 * happen" from "may have happened".
 *
 * Resolves when the reply has ended in order.
 * Errors: `ExchangeError`, also for an abort (its cause is the signal's reason).
 */
export function exchange(
  pool: Dispatcher,
  request: ExchangeRequest,
  reader: ReplyReader,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler = new ExchangeHandler(request, reader, resolve, reject);
    if (handler.abortedEarly()) return;
    const { origin, method, path, headers, body } = request;
    try {
      pool.dispatch({ origin, method, path, headers, body: body ?? null }, handler);
    } catch (error) {
      handler.fail(error);
    }
  });
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #request: ExchangeRequest;
  readonly #reader: ReplyReader;
  readonly #resolve: () => void;
  readonly #reject: (error: ExchangeError) => void;
  readonly #onAbort = (): void => this.#abort();
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;

  constructor(
    request: ExchangeRequest,
    reader: ReplyReader,
    resolve: () => void,
    reject: (error: ExchangeError) => void,
  ) {
    this.#request = request;
    this.#reader = reader;
    this.#resolve = resolve;
    this.#reject = reject;
    request.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  abortedEarly(): boolean {
    if (this.#request.signal.aborted) this.fail(this.#request.signal.reason);
    return this.#settled;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) {
      controller.abort(new Error('cancelled while it waited for a connection'));
      return;
    }
    if (this.#request.stillWanted?.() === false) {
      const reason = new Error('not sent: it is no longer wanted');
      this.fail(reason);
      controller.abort(reason);
      return;
    }
    this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    httpStatus: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (!this.#settled && httpStatus >= 200) this.#reader.onHead(httpStatus, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#settled) this.#reader.onData(chunk);
  }

  onResponseEnd(): void {
    if (this.#settle()) this.#resolve();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  fail(cause: unknown): void {
    if (!this.#settle()) return;
    const { method, path } = this.#request;
    const message = cause instanceof Error ? cause.message : String(cause);
    const sent = this.#controller !== undefined;
    this.#reject(new ExchangeError(`${method} ${path}: ${message}`, sent, cause));
  }

  #abort(): void {
    const reason: unknown = this.#request.signal.reason;
    const controller = this.#controller;
    this.fail(reason);
    controller?.abort(reason instanceof Error ? reason : new Error('aborted'));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    return true;
  }
}
