import { readFile } from 'node:fs/promises';
import { type Agent, type Dispatcher, request } from 'undici';
import {
  EXECUTOR_CALL_PATH,
  EXECUTOR_LINK_PATH,
  RELAY_PING_MS,
  RelayCommand,
  type RelayedCall,
  type RelayHello,
  RelayReply,
} from '../../../operator/src/schema/http/executorRelay.ts';
import type { OperatorLink } from '../ports/operatorLink.ts';
import { operatorConnection } from './operatorConnection.ts';

export interface HttpOperatorLinkOptions {
  /** Any address of the operator; the path is replaced. */
  readonly operatorUrl: string;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  /** What nobody asks for again is worth a line. */
  readonly onFault: (error: unknown) => void;
}

const TIMEOUT_MS = 10_000;
const MAX_REPLY_BYTES = 8 * 1024 * 1024;
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const CONNECTIONS = 16;

/** Speaks to the operator over kept connections; a standby's redirect to the leader is followed once, and remembered. */
export class HttpOperatorLink implements OperatorLink {
  readonly #options: HttpOperatorLinkOptions;
  #dispatcher: { readonly ca: string | undefined; readonly agent: Agent } | undefined;
  #leader: string | undefined;

  constructor(options: HttpOperatorLinkOptions) {
    this.#options = options;
  }

  async call(call: RelayedCall): Promise<RelayReply | undefined> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const reply = await this.#post(EXECUTOR_CALL_PATH, JSON.stringify(call), signal);
      const text = await bounded(reply.body);
      if (reply.statusCode === 200) return RelayReply.parse(JSON.parse(text));
      this.#leader = undefined;
      this.#options.onFault(new Error(`the operator answered ${reply.statusCode}: ${text}`));
    } catch (error) {
      this.#leader = undefined;
      this.#options.onFault(error);
    }
    return undefined;
  }

  async follow(
    hello: RelayHello,
    onCommand: (command: RelayCommand) => void,
    signal: AbortSignal,
  ): Promise<string> {
    try {
      const reply = await this.#post(EXECUTOR_LINK_PATH, JSON.stringify(hello), signal);
      if (reply.statusCode !== 200) {
        this.#leader = undefined;
        return `the operator answered ${reply.statusCode}: ${(await bounded(reply.body)).slice(0, 200)}`;
      }
      await readLines(reply.body, (line) => onCommand(RelayCommand.parse(JSON.parse(line))));
      return 'the operator ended it';
    } catch (error) {
      this.#leader = undefined;
      return error instanceof Error ? error.message : String(error);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher?.agent.destroy();
    this.#dispatcher = undefined;
  }

  async #post(
    path: string,
    body: string,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData<unknown>> {
    const url = new URL(path, this.#leader ?? this.#options.operatorUrl);
    const first = await this.#send(url, body, signal);
    const location = first.headers['location'];
    if (first.statusCode !== 307 || typeof location !== 'string') return first;
    await first.body.dump();
    const to = URL.parse(location, url.href);
    // Never from https to http: the agent's token travels along.
    if (to === null || (to.protocol !== 'https:' && url.protocol !== 'http:'))
      throw new Error('the operator redirects to an address that is no safe one');
    this.#leader = to.origin;
    return await this.#send(to, body, signal);
  }

  async #send(
    url: URL,
    body: string,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData<unknown>> {
    const { tokenFile } = this.#options;
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    return await request(url, {
      method: 'POST',
      body,
      dispatcher: await this.#currentDispatcher(),
      signal,
      headersTimeout: TIMEOUT_MS,
      // The stream is never silent for longer than this.
      bodyTimeout: 3 * RELAY_PING_MS,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
  }

  /** A new authority means a new connection. */
  async #currentDispatcher(): Promise<Agent> {
    const { caFile, operatorUrl: url } = this.#options;
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    if (this.#dispatcher === undefined || this.#dispatcher.ca !== ca) {
      void this.#dispatcher?.agent.close();
      const agent = operatorConnection({
        url,
        ca,
        connections: CONNECTIONS,
        timeoutMs: TIMEOUT_MS,
      });
      this.#dispatcher = { ca, agent };
    }
    return this.#dispatcher.agent;
  }
}

async function bounded(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_REPLY_BYTES) throw new Error(`the reply has more than ${MAX_REPLY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function readLines(
  body: AsyncIterable<Buffer>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const part of body) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_BYTES) throw new Error('a line of the operator is too long');
    for (const line of lines) if (line !== '') onLine(line);
  }
}
