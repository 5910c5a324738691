import { randomUUID } from 'node:crypto';
import { Mismatch, shown } from './mismatch.ts';
import {
  bodyOf,
  CONTENT_TYPE,
  headersOf,
  PATH,
  Session,
  type Target,
  type Wire,
} from './session.ts';
import { exchange, type WireResponse } from './wire/exchange.ts';
import type { Json } from './wire/protobuf.ts';

export interface Rule {
  /** `section/name`. */
  readonly id: string;
  /** What holds, as a sentence. */
  readonly title: string;
  /** Encodings it is about; both when absent. */
  readonly wires?: readonly Wire[];
  /** It is about a framework that has completed: a master remembers the last few only, so nothing else may complete any meanwhile. */
  readonly alone?: true;
  /** It takes offers, so no other such rule may run at the same time. */
  readonly offers?: true;
  /** What the endpoint must have for it: processes, a caller it knows, or no service for those it does not know. */
  readonly needs?: 'execution' | 'token' | 'refusesUnknown';
  readonly run: (context: Context) => Promise<void>;
}

export const sectionOf = (rule: Pick<Rule, 'id'>): string => rule.id.split('/')[0] ?? '';

/** A master that came up a moment ago may stay silent about what it does not know yet: the question is put four times. */
export async function askAgain<T>(question: () => Promise<T>): Promise<T> {
  for (let turn = 0; ; turn += 1) {
    try {
      return await question();
    } catch (error) {
      if (turn === 3) throw error;
    }
  }
}

export interface Settings {
  readonly target: Target;
  /** The role of plain frameworks, and two more for those with several. */
  readonly roles: readonly [string, string, string];
}

/** What a rule works with; everything it opens is ended after it. */
export class Context {
  readonly wire: Wire;
  readonly settings: Settings;
  readonly sessions: Session[] = [];
  /** Tells what this run of this rule reserved from what others left. */
  readonly mark = randomUUID().slice(0, 8);
  readonly #takesOffers: boolean;

  constructor(settings: Settings, wire: Wire, takesOffers: boolean) {
    this.settings = settings;
    this.wire = wire;
    this.#takesOffers = takesOffers;
  }

  get target(): Target {
    return this.settings.target;
  }

  get role(): string {
    return this.settings.roles[0];
  }

  get roles(): readonly [string, string] {
    return [this.settings.roles[1], this.settings.roles[2]];
  }

  /** A FrameworkInfo that every server takes. */
  info(more: Json = {}): Json {
    return { user: 'root', name: 'conformance', role: this.role, ...more };
  }

  /** One of a framework with several roles and the newer form of reservations. */
  multiRole(more: Json = {}): Json {
    const capabilities = ['MULTI_ROLE', 'RESERVATION_REFINEMENT', 'PARTITION_AWARE'];
    return {
      user: 'root',
      name: 'conformance',
      roles: this.roles,
      capabilities: capabilities.map((type) => ({ type })),
      ...more,
    };
  }

  subscribeCall(info: Json, more: Json = {}): Json {
    const id = info['id'];
    return {
      type: 'SUBSCRIBE',
      ...(id === undefined ? {} : { framework_id: id }),
      subscribe: { framework_info: info, ...this.#quiet(info), ...more },
    };
  }

  /** Rules without offers leave them to others. */
  #quiet(info: Json): Json {
    if (this.#takesOffers) return {};
    return { suppressed_roles: info['roles'] ?? [info['role']] };
  }

  /** Sends SUBSCRIBE and looks at nothing. */
  async open(call: Json, more: Parameters<typeof Session.open>[3] = {}): Promise<Session> {
    const session = await Session.open(this.target, this.wire, call, more);
    this.sessions.push(session);
    return session;
  }

  /** Subscribes; anything but SUBSCRIBED breaks the rule. */
  async subscribe(info: Json = this.info(), more: Json = {}): Promise<Session> {
    const session = await this.open(this.subscribeCall(info, more));
    await session.next('SUBSCRIBED', (event) => event.type === 'SUBSCRIBED');
    return session;
  }

  /** A subscription that must be refused: 200, one ERROR that matches, end. */
  async refused(info: Json, more: Json = {}): Promise<string> {
    const session = await this.open(this.subscribeCall(info, more));
    if (session.response.status !== 200)
      throw new Mismatch(
        '200 with one ERROR event',
        `${session.response.status} ${shown(session.response.body.toString('utf8'))}`,
      );
    const first = await session.next('an event', () => true);
    if (first.type !== 'ERROR') throw new Mismatch('an ERROR event first', shown(first));
    const closed = await session.response.until(() => session.response.isOver, 10_000);
    if (!closed) throw new Mismatch('the stream to close after ERROR', 'an open stream');
    return first.error?.message ?? '';
  }

  /** Any request to the scheduler's path. */
  async post(request: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: { readonly [name: string]: string | undefined };
    readonly call?: Json;
    readonly body?: Buffer;
  }): Promise<WireResponse> {
    const body = request.body ?? (request.call && bodyOf(this.wire, request.call));
    return await exchange(this.target.url, {
      method: request.method ?? 'POST',
      path: request.path ?? PATH,
      headers: headersOf(this.target, {
        'Content-Type': CONTENT_TYPE[this.wire],
        ...request.headers,
      }),
      body,
    });
  }

  /** Sends a request whose only interesting answer is its status. */
  async expectStatus(expected: number, request: Parameters<Context['post']>[0]): Promise<void> {
    const response = await this.post(request);
    if (response.status !== expected)
      throw new Mismatch(
        String(expected),
        `${response.status} ${shown(response.body.toString('utf8'))}`,
      );
  }

  /** A SUBSCRIBE that must not get a stream. */
  async expectSubscribeStatus(
    expected: number,
    call: Json,
    headers: { readonly [name: string]: string | undefined } = {},
  ): Promise<void> {
    const session = await this.open(call, { headers });
    if (session.response.status !== expected)
      throw new Mismatch(String(expected), String(session.response.status));
  }

  unknownId(): Json {
    return { value: `conformance-unknown-${randomUUID()}` };
  }

  async end(): Promise<void> {
    await Promise.all(this.sessions.map((one) => one.end().catch(() => undefined)));
  }
}
