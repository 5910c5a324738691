import { connect, type Socket } from 'node:net';

/**
 * HTTP/1.1 over plain sockets, as much of it as the load needs: the machine's second core is to be spent on asking, not
 * on a client library. Real requests on kept connections, one at a time on each.
 */

interface Waiting {
  readonly text: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export function postText(
  { host, path }: Target,
  headers: { readonly [name: string]: string },
  body: string,
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${lines.join('')}\r\n${body}`;
}

/** Connections that are used again and again; who finds none free waits. */
export class CallPool {
  readonly #free: Connection[] = [];
  readonly #all: Connection[] = [];
  readonly #waiting: Waiting[] = [];

  constructor(target: Target, connections: number) {
    for (let index = 0; index < connections; index += 1) {
      const one = new Connection(target, () => this.#next(one));
      this.#all.push(one);
      this.#free.push(one);
    }
  }

  /** Sends a whole request (`postText`) and gives its reply. Errors: rejects when the connection breaks. */
  send(text: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const waiting = { text, resolve, reject };
      const free = this.#free.pop();
      if (free === undefined) this.#waiting.push(waiting);
      else free.send(waiting);
    });
  }

  destroy(): void {
    for (const one of this.#all) one.destroy();
  }

  #next(connection: Connection): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(connection);
    else connection.send(waiting);
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #onFree: () => void;
  #held = '';
  #now: Waiting | undefined;

  constructor({ host, port }: Target, onFree: () => void) {
    this.#onFree = onFree;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#onData(text));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.#now?.reject(new Error('the connection was closed'));
      this.#now = undefined;
    });
  }

  send(waiting: Waiting): void {
    this.#now = waiting;
    this.#socket.write(waiting.text);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(text: string): void {
    this.#held = this.#held === '' ? text : this.#held + text;
    const end = this.#held.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#held.slice(0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#held.length < end + 4 + length) return;
    const body = this.#held.slice(end + 4, end + 4 + length);
    this.#held = this.#held.slice(end + 4 + length);
    const now = this.#now;
    this.#now = undefined;
    this.#onFree();
    now?.resolve({ status: Number(head.slice(9, 12)), body });
  }
}

export interface Stream extends Reply {
  readonly streamId: string;
  /** Of a reply that goes on: calls for each chunk. */
  follow(onChunk: (chunk: string) => void, onClose: () => void): void;
  destroy(): void;
}

/** Sends a request and keeps its reply open; `body` is empty unless the status is an error. */
export function openStream({ host, port }: Target, text: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.setEncoding('latin1');
    let held = '';
    const onHead = (data: string): void => {
      held += data;
      const end = held.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onHead);
      const head = held.slice(0, end);
      held = held.slice(end + 4);
      const status = Number(head.slice(9, 12));
      resolve({
        status,
        body: status === 200 ? '' : held,
        streamId: /\r\nmesos-stream-id: *(\S+)/i.exec(head)?.[1] ?? '',
        follow: (onChunk, onClose) => {
          const read = chunkReader(onChunk);
          read(held);
          socket.on('data', read);
          socket.on('close', onClose);
        },
        destroy: () => socket.destroy(),
      });
    };
    socket.on('data', onHead);
    socket.on('error', reject);
    socket.write(text);
  });
}

/** Takes chunked transfer coding apart. Source: RFC 9112 section 7.1. */
function chunkReader(onChunk: (chunk: string) => void): (text: string) => void {
  let held = '';
  return (text) => {
    held = held === '' ? text : held + text;
    for (;;) {
      const line = held.indexOf('\r\n');
      if (line < 0) return;
      const length = Number.parseInt(held.slice(0, line), 16);
      const end = line + 2 + length;
      if (held.length < end + 2) return;
      onChunk(held.slice(line + 2, end));
      held = held.slice(end + 2);
    }
  };
}
