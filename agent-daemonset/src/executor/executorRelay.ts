import { type Clock, sleep } from '../../../operator/src/ports/clock.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import type { RelayCommand, RelayHello } from '../../../operator/src/schema/http/executorRelay.ts';
import type { ExecutorCall } from '../../../operator/src/schema/mesos/executorCall.ts';
import type { OperatorLink } from '../ports/operatorLink.ts';
import { UpdateQueue } from './updateQueue.ts';

/** The open stream of one executor. Methods never throw and never wait. */
export interface ExecutorStream {
  send(event: RelayEvent): void;
  end(): void;
}

export type RelayEvent = NonNullable<RelayCommand['event']>;

/** Who made a call, as far as its connection tells. */
export interface Caller {
  readonly peer: string;
  readonly token: string | undefined;
}

/** A call as it came, and as it was read. */
export interface MadeCall extends Caller {
  readonly call: ExecutorCall;
  readonly wire: { readonly [field: string]: unknown };
}

export type CallAnswer =
  /** The reply to SUBSCRIBE: open the stream, then hand it to `attach`. */
  | { readonly kind: 'stream'; readonly attach: (stream: ExecutorStream) => () => void }
  | { readonly kind: 'reply'; readonly status: number; readonly message: string };

export interface ExecutorRelayOptions {
  readonly node: string;
  /** `host:port` at which executors reach this agent; asked for when a stream is opened. */
  readonly endpoint: () => string;
  readonly link: OperatorLink;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An executor with a stream. */
interface Session extends Caller {
  readonly pod: string;
  readonly stream: ExecutorStream;
  /** Tasks that were sent on this stream and are not known to the operator as received. */
  readonly launched: Set<string>;
}

const RETRY_MS = 500;
const LONGEST_RETRY_MS = 2_000;
/** A stream that lived this long was a good one: the next is opened at once. */
const SETTLED_MS = 30_000;
/** Executors of one node. */
const MAX_SESSIONS = 500;
/** Commands for executors whose stream is just being opened. */
const MAX_EARLY = 1_000;

const UNREACHABLE = 'The operator cannot be reached at the moment; try again';

/**
 * Holds the streams of the executors on this node and passes on what they and the operator say to each other. It decides
 * nothing and remembers nothing that is not said again: all truth is with the operator.
 */
export class ExecutorRelay {
  readonly #options: ExecutorRelayOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #queues = new Map<string, UpdateQueue>();
  #early: RelayCommand[] = [];
  #subscribing = 0;

  constructor(options: ExecutorRelayOptions) {
    this.#options = options;
  }

  /** Keeps the agent's stream to the operator open until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, link, log } = this.#options;
    let delayMs = RETRY_MS;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const reason = await link.follow(this.#hello(), (command) => this.#take(command), signal);
      if (signal.aborted) break;
      if (clock.monotonicMs() - startedMs > SETTLED_MS) delayMs = RETRY_MS;
      log.warn('no stream to the operator for executors', { reason, delayMs });
      await sleep(clock, delayMs, signal).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS);
    }
    for (const { stream } of this.#sessions.values()) stream.end();
    for (const queue of this.#queues.values()) queue.stop();
  }

  /** Source of statuses and words: Mesos `src/slave/http.cpp`, `Http::executor`. */
  async handle(made: MadeCall): Promise<CallAnswer> {
    const key = keyOf(made.call);
    if (made.call.kind === 'SUBSCRIBE') return await this.#subscribe(key, made);
    const session = this.#sessions.get(key);
    if (session === undefined) return reply(403, 'Executor is not subscribed');
    if (session.peer !== made.peer || session.token !== made.token)
      return reply(401, 'This is not the caller who subscribed as this executor');
    switch (made.call.kind) {
      case 'HEARTBEAT':
        return reply(202, '');
      case 'UPDATE':
        return this.#queueOf(key, session.pod).push(this.#relayed(made))
          ? reply(202, '')
          : reply(503, 'Too many updates wait for the operator; try again');
      case 'MESSAGE': {
        const answer = await this.#options.link.call(this.#relayed(made));
        return answer === undefined
          ? reply(503, UNREACHABLE)
          : reply(answer.status, answer.message ?? '');
      }
    }
  }

  async #subscribe(key: string, made: MadeCall): Promise<CallAnswer> {
    if (!this.#sessions.has(key) && this.#sessions.size >= MAX_SESSIONS)
      return reply(503, `This agent serves at most ${MAX_SESSIONS} executors`);
    this.#subscribing += 1;
    const answer = await this.#options.link.call(this.#relayed(made));
    const { pod, status, message = '', events = [] } = answer ?? {};
    if (status !== 200 || pod === undefined) {
      this.#settle();
      return answer === undefined ? reply(503, UNREACHABLE) : reply(answer.status, message);
    }
    return {
      kind: 'stream',
      attach: (stream) => {
        this.#sessions.get(key)?.stream.end();
        const { peer, token } = made;
        const session = { pod, peer, token, stream, launched: new Set<string>() };
        this.#sessions.set(key, session);
        for (const event of events) deliver(session, event);
        for (const command of this.#early) if (command.pod === pod) this.#take(command);
        this.#settle();
        this.#options.log.info('executor subscribed', { executor: made.call.executor, pod });
        return () => {
          if (this.#sessions.get(key) === session) this.#sessions.delete(key);
        };
      },
    };
  }

  /** Nobody subscribes any more: what came for nobody is nobody's. */
  #settle(): void {
    this.#subscribing -= 1;
    if (this.#subscribing === 0) this.#early = [];
  }

  #queueOf(key: string, pod: string): UpdateQueue {
    const known = this.#queues.get(key);
    if (known?.pod === pod) return known;
    known?.stop();
    const { clock, link, log } = this.#options;
    const queue = new UpdateQueue({
      pod,
      clock,
      log,
      link,
      onEvents: (events) => {
        const session = this.#sessions.get(key);
        if (session?.pod === pod) for (const event of events) deliver(session, event);
      },
      isConnected: () => this.#sessions.get(key)?.pod === pod,
      onEmpty: () => {
        if (this.#queues.get(key) === queue) this.#queues.delete(key);
      },
    });
    this.#queues.set(key, queue);
    return queue;
  }

  #relayed({ peer, token, wire }: MadeCall): Parameters<OperatorLink['call']>[0] {
    return {
      node: this.#options.node,
      peer,
      ...(token === undefined ? {} : { token }),
      call: wire,
    };
  }

  #hello(): RelayHello {
    const executors = new Map<string, { pod: string; launched: string[] }>();
    // Updates of an executor that has gone meanwhile are still to be told.
    for (const { pod } of this.#queues.values()) executors.set(pod, { pod, launched: [] });
    for (const { pod, launched } of this.#sessions.values())
      executors.set(pod, { pod, launched: [...launched] });
    const { node, endpoint } = this.#options;
    return { node, endpoint: endpoint(), executors: [...executors.values()] };
  }

  #take(command: RelayCommand): void {
    const { pod, event, end } = command;
    if (pod === undefined) return;
    const session = [...this.#sessions.values()].find((one) => one.pod === pod);
    if (session === undefined) {
      if (this.#subscribing > 0 && this.#early.length < MAX_EARLY) this.#early.push(command);
      return;
    }
    if (event !== undefined) deliver(session, event);
    if (end === true) session.stream.end();
  }
}

/** Sends an event once: the operator sends a task again when it cannot know whether it came. */
function deliver({ stream, launched }: Session, event: RelayEvent): void {
  const task = taskOf(event);
  if (event.type === 'LAUNCH' && task !== undefined) {
    if (launched.has(task)) return;
    launched.add(task);
  }
  if (event.type === 'ACKNOWLEDGED' && task !== undefined) launched.delete(task);
  stream.send(event);
}

/** Id of the task that an event is about. */
function taskOf(event: RelayEvent): string | undefined {
  const { launch, acknowledged } = event as {
    readonly launch?: { readonly task?: { readonly task_id?: { readonly value?: string } } };
    readonly acknowledged?: { readonly task_id?: { readonly value?: string } };
  };
  return (launch?.task ?? acknowledged)?.task_id?.value;
}

const keyOf = ({ framework, executor }: ExecutorCall): string => `${framework}\u0000${executor}`;

const reply = (status: number, message: string): CallAnswer => ({ kind: 'reply', status, message });
