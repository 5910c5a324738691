import { readFile } from 'node:fs/promises';
import { type Agent, request } from 'undici';
import type { AgentReport } from '../../../operator/src/schema/http/agentReport.ts';
import type { ReportSender, SendOutcome } from '../ports/reportSender.ts';
import { operatorConnection } from './operatorConnection.ts';

export interface HttpReportSenderOptions {
  readonly url: string;
  /** The ServiceAccount token; read for every report, since the kubelet rotates it. No file, no header. */
  readonly tokenFile: string | undefined;
  /** PEM of the authority that signed the operator's certificate; the system's own without it. */
  readonly caFile: string | undefined;
  /** For each report, a redirect not included. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const LONGEST_REPLY_BYTES = 64 * 1024;
const REDIRECTS: ReadonlySet<number> = new Set([307, 308]);

type Attempt = SendOutcome | { readonly kind: 'redirected'; readonly url: string };

/**
 * Posts reports over one kept connection. A standby's redirect to the leader is followed once and remembered
 * until it fails; never from https to http, since the token travels along.
 */
export class HttpReportSender implements ReportSender {
  readonly #options: HttpReportSenderOptions;
  readonly #timeoutMs: number;
  #dispatcher: { readonly ca: string | undefined; readonly agent: Agent } | undefined;
  #leaderUrl: string | undefined;

  constructor(options: HttpReportSenderOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  async send(report: AgentReport): Promise<SendOutcome> {
    const body = JSON.stringify(report);
    try {
      const first = await this.#post(this.#leaderUrl ?? this.#options.url, body);
      if (first.kind !== 'redirected') return this.#settle(first);
      const second = await this.#post(first.url, body);
      if (second.kind === 'redirected') {
        return this.#settle(failed('redirected twice: the operator has no leader yet'));
      }
      if (second.kind === 'accepted') this.#leaderUrl = first.url;
      return this.#settle(second);
    } catch (error) {
      return this.#settle(failed(messageOf(error)));
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher?.agent.destroy();
    this.#dispatcher = undefined;
  }

  #settle(outcome: SendOutcome): SendOutcome {
    if (outcome.kind === 'failed') this.#leaderUrl = undefined;
    return outcome;
  }

  async #post(url: string, body: string): Promise<Attempt> {
    const dispatcher = await this.#currentDispatcher();
    const token = await readTrimmed(this.#options.tokenFile);
    const reply = await request(url, {
      method: 'POST',
      body,
      dispatcher,
      signal: AbortSignal.timeout(this.#timeoutMs),
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    });
    await reply.body.dump({ limit: LONGEST_REPLY_BYTES });
    if (reply.statusCode >= 200 && reply.statusCode < 300) return { kind: 'accepted' };
    const location = single(reply.headers['location']);
    if (REDIRECTS.has(reply.statusCode) && location !== undefined) {
      return redirect(url, location);
    }
    const seconds = Number(single(reply.headers['retry-after']));
    return failed(
      `the operator answered ${reply.statusCode}`,
      Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
    );
  }

  /** A new authority means a new connection. */
  async #currentDispatcher(): Promise<Agent> {
    const ca = await readTrimmed(this.#options.caFile);
    if (this.#dispatcher === undefined || this.#dispatcher.ca !== ca) {
      void this.#dispatcher?.agent.close();
      const { url } = this.#options;
      const agent = operatorConnection({ url, ca, connections: 1, timeoutMs: this.#timeoutMs });
      this.#dispatcher = { ca, agent };
    }
    return this.#dispatcher.agent;
  }
}

function redirect(from: string, location: string): Attempt {
  const to = URL.parse(location, from);
  if (to === null) return failed('the operator redirected to no address');
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.startsWith('http:'));
  return isSafe
    ? { kind: 'redirected', url: to.href }
    : failed(`refused a redirect from https to ${to.protocol}`);
}

function failed(reason: string, retryAfterMs?: number): SendOutcome {
  return { kind: 'failed', reason, retryAfterMs };
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

async function readTrimmed(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : (await readFile(path, 'utf8')).trim();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
