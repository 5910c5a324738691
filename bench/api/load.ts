import type { Offer, SchedulerEvent } from '../../client/index.ts';
import { CallPool, openStream, postText, type Stream, type Target } from './rawHttp.ts';

const SUBSCRIBE_TRIES = 20;
const CALL_CONNECTIONS = 64;
const DRAIN_LIMIT_MS = 60_000;

interface Subscriber {
  readonly id: string;
  readonly streamId: string;
}

/** Frameworks that use every offer for one small task and acknowledge what they hear; counts and clocks what they do. */
export class Load {
  /** Latencies of calls since the last `reset`, in ms. */
  latenciesMs: number[] = [];
  /** Tasks whose RUNNING was acknowledged since the last `reset`. */
  cycles = 0;
  failures = 0;
  /** The first thing that went wrong, for the message. */
  firstFailure = '';
  readonly #target: Target;
  readonly #streams: Stream[] = [];
  readonly #calls: CallPool;
  readonly #offers: { readonly owner: Subscriber; readonly offer: Offer }[] = [];
  /** Tasks that may be started now; grows with the rate. */
  #due = 0;
  #inFlight = 0;
  #mostInFlight = 0;
  #tasks = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(port: number) {
    this.#target = { host: '127.0.0.1', port, path: '/api/v1/scheduler' };
    this.#calls = new CallPool(this.#target, CALL_CONNECTIONS);
  }

  async subscribe(
    name: string,
    { suppressed = false }: { suppressed?: boolean } = {},
  ): Promise<void> {
    const stream = await this.#opened(name, suppressed);
    this.#streams.push(stream);
    await this.#follow(name, stream);
  }

  /** Sends SUBSCRIBE, again when the master asks for patience: each new framework is an object to be made. */
  async #opened(name: string, suppressed: boolean): Promise<Stream> {
    const body = JSON.stringify({
      type: 'SUBSCRIBE',
      subscribe: {
        framework_info: { user: 'root', name, failover_timeout: 60 },
        ...(suppressed ? { suppressed_roles: ['*'] } : {}),
      },
    });
    for (let turn = 0; ; turn += 1) {
      const stream = await openStream(this.#target, postText(this.#target, {}, body));
      if (stream.status === 200) return stream;
      stream.destroy();
      if (stream.status !== 503 || turn === SUBSCRIBE_TRIES)
        throw new Error(`SUBSCRIBE: ${stream.status} ${stream.body}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** One record per chunk, in ASCII: what the server promises is taken at its word. */
  async #follow(name: string, stream: Stream): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let owner: Subscriber | undefined;
      stream.follow(
        (chunk) => {
          const event = JSON.parse(chunk.slice(chunk.indexOf('\n') + 1)) as SchedulerEvent;
          if (event.type === 'SUBSCRIBED') {
            owner = { id: event.subscribed.framework_id.value, streamId: stream.streamId };
            resolve();
          } else if (owner !== undefined) this.#onEvent(owner, event);
        },
        () => {
          this.#fail(`the stream of ${name} was closed`);
          reject(new Error(`the stream of ${name} was closed`));
        },
      );
    });
  }

  /** Starts tasks at this rate per second, with at most `mostInFlight` under way; `Infinity`: as fast as they end. */
  start(ratePerSecond: number, mostInFlight: number): void {
    this.#mostInFlight = mostInFlight;
    this.#due = 0;
    let lastMs = performance.now();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      // A second's worth at most: what could not be started is not made up for in one burst.
      this.#due = Math.min(this.#due + (ratePerSecond * (nowMs - lastMs)) / 1_000, ratePerSecond);
      lastMs = nowMs;
      this.#launchDue();
    }, 2);
  }

  reset(): void {
    this.latenciesMs = [];
    this.cycles = 0;
  }

  /** Starts nothing more and waits until what runs has ended. */
  async drain(): Promise<void> {
    clearInterval(this.#timer);
    const untilMs = performance.now() + DRAIN_LIMIT_MS;
    while (this.#inFlight > 0 && performance.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.#inFlight > 0) this.#fail(`${this.#inFlight} tasks did not end`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#isStopped = true;
    for (const stream of this.#streams) stream.destroy();
    this.#calls.destroy();
  }

  #onEvent(owner: Subscriber, event: SchedulerEvent): void {
    if (event.type === 'OFFERS')
      for (const offer of event.offers.offers ?? []) this.#offers.push({ owner, offer });
    if (event.type !== 'UPDATE') return;
    const { uuid, agent_id, task_id, state } = event.update.status;
    if (uuid === undefined) {
      if (state !== 'TASK_FINISHED') this.#fail(`${state} ${event.update.status.message ?? ''}`);
      this.#inFlight -= 1;
      return;
    }
    const acknowledged = this.#call(owner, 'ACKNOWLEDGE', { agent_id, task_id, uuid });
    if (state === 'TASK_RUNNING') void this.#countWhenTaken(acknowledged);
    if (state === 'TASK_FINISHED') this.#inFlight -= 1;
  }

  async #countWhenTaken(acknowledged: Promise<void>): Promise<void> {
    await acknowledged;
    this.cycles += 1;
  }

  #launchDue(): void {
    while (this.#due >= 1 && this.#inFlight < this.#mostInFlight) {
      const next = this.#offers.shift();
      if (next === undefined) return;
      if (Number.isFinite(this.#due)) this.#due -= 1;
      this.#inFlight += 1;
      this.#tasks += 1;
      const id = `t${this.#tasks}`;
      const task = {
        name: id,
        task_id: { value: id },
        agent_id: next.offer.agent_id,
        resources: [
          { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
          { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
        ],
        command: { value: 'true' },
      };
      void this.#call(next.owner, 'ACCEPT', {
        offer_ids: [next.offer.id],
        operations: [{ type: 'LAUNCH', launch: { task_infos: [task] } }],
        filters: { refuse_seconds: 0 },
      });
    }
  }

  async #call(owner: Subscriber, type: string, body: object): Promise<void> {
    const startedMs = performance.now();
    const text = JSON.stringify({
      type,
      framework_id: { value: owner.id },
      [type.toLowerCase()]: body,
    });
    try {
      const headers = { 'Mesos-Stream-Id': owner.streamId };
      const reply = await this.#calls.send(postText(this.#target, headers, text));
      this.latenciesMs.push(performance.now() - startedMs);
      if (reply.status !== 202) this.#fail(`${type}: ${reply.status} ${reply.body.slice(0, 200)}`);
    } catch (error) {
      this.#fail(`${type}: ${String(error)}`);
    }
  }

  #fail(what: string): void {
    if (this.#isStopped) return;
    this.failures += 1;
    this.firstFailure ||= what;
  }
}
