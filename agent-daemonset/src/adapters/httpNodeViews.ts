import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Agent, request } from 'undici';
import type { Clock } from '../../../operator/src/ports/clock.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import { AGENT_VIEW_PATH, AgentViewReply } from '../../../operator/src/schema/http/agentView.ts';
import type { NodeViews } from '../ports/nodeViews.ts';
import { operatorConnection } from './operatorConnection.ts';

export interface HttpNodeViewsOptions {
  readonly node: string;
  /** Any address of the operator; the path is replaced. */
  readonly operatorUrl: string;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const TIMEOUT_MS = 5_000;
const MAX_REPLY_BYTES = 8 * 1024 * 1024;
/** Answers are kept by digest of the header: what changed within this time is seen late. */
const KEPT_MS = 3_000;
const MAX_KEPT = 1_000;

interface Kept {
  readonly reply: Promise<AgentViewReply>;
  readonly untilMs: number;
}

/** Asks the operator over one kept connection; a standby's redirect to the leader is followed once. */
export class HttpNodeViews implements NodeViews {
  readonly #options: HttpNodeViewsOptions;
  readonly #kept = new Map<string, Kept>();
  #dispatcher: { readonly ca: string | undefined; readonly agent: Agent } | undefined;

  constructor(options: HttpNodeViewsOptions) {
    this.#options = options;
  }

  viewFor(authorization: string | undefined): Promise<AgentViewReply> {
    const nowMs = this.#options.clock.monotonicMs();
    const key = createHash('sha256')
      .update(authorization ?? '')
      .digest('base64');
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.untilMs > nowMs) return kept.reply;
    const reply = this.#ask(authorization);
    this.#kept.delete(key);
    this.#kept.set(key, { reply, untilMs: nowMs + KEPT_MS });
    if (this.#kept.size > MAX_KEPT) {
      const oldest = this.#kept.keys().next();
      if (!oldest.done) this.#kept.delete(oldest.value);
    }
    return reply;
  }

  async close(): Promise<void> {
    await this.#dispatcher?.agent.destroy();
    this.#dispatcher = undefined;
  }

  async #ask(authorization: string | undefined): Promise<AgentViewReply> {
    const { node, operatorUrl, log } = this.#options;
    const body = JSON.stringify({ node, authorization });
    try {
      const url = new URL(AGENT_VIEW_PATH, operatorUrl).href;
      const first = await this.#post(url, body);
      const answer = first.redirect === undefined ? first : await this.#post(first.redirect, body);
      if (answer.status === 200) return AgentViewReply.parse(JSON.parse(answer.text));
      log.warn('the operator does not say what callers may see', { status: answer.status });
    } catch (error) {
      log.warn('the operator cannot be asked what callers may see', { error });
    }
    return {
      kind: 'unavailable',
      message: 'The operator cannot be asked at the moment; try again',
    };
  }

  async #post(
    url: string,
    body: string,
  ): Promise<{ readonly status: number; readonly text: string; readonly redirect?: string }> {
    const { tokenFile, caFile } = this.#options;
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const reply = await request(url, {
      method: 'POST',
      body,
      dispatcher: await this.#currentDispatcher(caFile),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of reply.body as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > MAX_REPLY_BYTES)
        throw new Error(`the reply has more than ${MAX_REPLY_BYTES} bytes`);
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString('utf8');
    const location = reply.headers['location'];
    const to = typeof location === 'string' ? URL.parse(location, url) : null;
    // Never from https to http: the token and the caller's own credentials travel along.
    const isSafe = to !== null && (to.protocol === 'https:' || url.startsWith('http:'));
    return {
      status: reply.statusCode,
      text,
      ...(reply.statusCode === 307 && isSafe ? { redirect: to.href } : {}),
    };
  }

  async #currentDispatcher(caFile: string | undefined): Promise<Agent> {
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    if (this.#dispatcher === undefined || this.#dispatcher.ca !== ca) {
      void this.#dispatcher?.agent.close();
      const { operatorUrl: url } = this.#options;
      const agent = operatorConnection({ url, ca, connections: 4, timeoutMs: TIMEOUT_MS });
      this.#dispatcher = { ca, agent };
    }
    return this.#dispatcher.agent;
  }
}
