import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** HTTP/1.1 by hand: rules look at missing headers, at chunk borders and at how a stream ends. */

export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: Buffer | undefined;
}

/** A response as far as it has come. */
export class WireResponse {
  status = 0;
  readonly headers = new Map<string, string>();
  /** Bodies of the chunks, in order; or what came of a body with a length. */
  readonly chunks: Buffer[] = [];
  /** The closing chunk or the last byte of the length has come. */
  isComplete = false;
  /** The connection is closed. */
  isClosed = false;
  #head = false;
  #pending: Buffer = Buffer.alloc(0);
  readonly #socket: Socket;
  readonly #waiters = new Set<() => void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data: Buffer) => {
      this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
      this.#parse();
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get hasHead(): boolean {
    return this.#head;
  }

  /** Nothing more will come. */
  get isOver(): boolean {
    return this.isComplete || this.isClosed;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Waits until `condition` holds; false when it did not within `limitMs`. */
  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    if (condition()) return true;
    return await new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        over(true);
      };
      const over = (held: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve(held);
      };
      const timer = setTimeout(() => over(condition()), limitMs);
      this.#waiters.add(check);
    });
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  #parse(): void {
    if (!this.#head && !this.#parseHead()) return;
    if (this.headers.get('transfer-encoding')?.toLowerCase() === 'chunked') this.#parseChunks();
    else {
      this.chunks.push(this.#pending);
      this.#pending = Buffer.alloc(0);
      const length = Number(this.headers.get('content-length') ?? 0);
      this.isComplete = this.body.length >= length;
    }
  }

  #parseHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first = '', ...lines] = this.#pending.subarray(0, end).toString('latin1').split('\r\n');
    this.status = Number(first.split(' ')[1]);
    for (const line of lines) {
      const colon = line.indexOf(':');
      this.headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#pending = this.#pending.subarray(end + 4);
    this.#head = true;
    return true;
  }

  #parseChunks(): void {
    while (!this.isComplete) {
      const lineEnd = this.#pending.indexOf('\r\n');
      if (lineEnd < 0) return;
      const size = Number.parseInt(this.#pending.subarray(0, lineEnd).toString('latin1'), 16);
      const end = lineEnd + 2 + size;
      if (this.#pending.length < end + 2) return;
      if (size === 0) this.isComplete = true;
      else this.chunks.push(this.#pending.subarray(lineEnd + 2, end));
      this.#pending = this.#pending.subarray(end + 2);
    }
  }
}

const CONNECT_MS = 10_000;

async function connect(base: URL): Promise<Socket> {
  const secure = base.protocol === 'https:';
  const port = Number(base.port) || (secure ? 443 : 80);
  const socket = secure
    ? connectTls({
        host: base.hostname,
        port,
        servername: base.hostname,
        rejectUnauthorized: false,
      })
    : connectTcp(port, base.hostname);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no connection')), CONNECT_MS);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(new Error(`${base.origin} cannot be reached: ${error.message}`));
    };
    socket.once(secure ? 'secureConnect' : 'connect', () => settle());
    socket.once('error', settle);
  });
  return socket;
}

/** Sends a request on a connection of its own and returns what comes, as it comes. */
export async function open(base: URL, request: WireRequest): Promise<WireResponse> {
  const socket = await connect(base);
  const response = new WireResponse(socket);
  const headers = Object.entries({
    Host: base.host,
    ...(request.body === undefined ? {} : { 'Content-Length': String(request.body.length) }),
    ...request.headers,
  });
  const lines = [
    `${request.method} ${request.path} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ];
  socket.write(Buffer.concat([Buffer.from(lines.join('\r\n')), request.body ?? Buffer.alloc(0)]));
  return response;
}

const ANSWER_MS = 15_000;

/** Sends a request and waits for its whole answer. */
export async function exchange(base: URL, request: WireRequest): Promise<WireResponse> {
  const response = await open(base, {
    ...request,
    headers: { ...request.headers, Connection: 'close' },
  });
  const came = await response.until(() => response.isOver, ANSWER_MS);
  response.close();
  if (!came || !response.hasHead)
    throw new Error(`${request.method} ${request.path} was not answered within ${ANSWER_MS} ms`);
  return response;
}

/**
 * First lines of the answers to two GETs on one connection that is idle in between; two of the first when it was said that
 * the connection closes.
 */
export async function twice(base: URL, path: string, idleMs: number): Promise<readonly string[]> {
  const socket = await connect(base);
  try {
    const get = async (): Promise<{ first: string; closes: boolean }> => {
      const response = new WireResponse(socket);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${base.host}\r\n\r\n`);
      await response.until(() => response.isOver, ANSWER_MS);
      return {
        first: response.isComplete ? `HTTP/1.1 ${response.status}` : 'closed',
        closes: response.headers.get('connection')?.toLowerCase() === 'close',
      };
    };
    const before = await get();
    if (before.closes) return [before.first, before.first];
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    return [before.first, (await get()).first];
  } finally {
    socket.destroy();
  }
}
