import { type Dispatcher, Pool } from 'undici';
import type { Offer, SchedulerEvent } from '../../client/index.ts';
import { RecordReader } from '../../client/src/recordReader.ts';

const PATH = '/api/v1/scheduler';
const SUBSCRIBE_TRIES = 20;
const JSON_HEADERS = { 'content-type': 'application/json' };

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
  readonly #streams: Pool;
  readonly #calls: Pool;
  readonly #offers: { readonly owner: Subscriber; readonly offer: Offer }[] = [];
  /** Tasks that may be started now; grows with the rate. */
  #due = 0;
  #inFlight = 0;
  #mostInFlight = 0;
  #tasks = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(url: string, streams: number) {
    this.#streams = new Pool(url, { connections: streams, bodyTimeout: 0, pipelining: 1 });
    this.#calls = new Pool(url, { connections: 64, pipelining: 1 });
  }

  async subscribe(
    name: string,
    { suppressed = false }: { suppressed?: boolean } = {},
  ): Promise<void> {
    const { headers, body } = await this.#opened(name, suppressed);
    const streamId = String(headers['mesos-stream-id']);
    await this.#follow(name, streamId, body);
  }

  /** Sends SUBSCRIBE, again when the master asks for patience: each new framework is an object to be made. */
  async #opened(name: string, suppressed: boolean): Promise<Dispatcher.ResponseData> {
    for (let turn = 0; ; turn += 1) {
      const response = await this.#subscribeOnce(name, suppressed);
      if (response.statusCode === 200) return response;
      const said = `SUBSCRIBE: ${response.statusCode} ${await response.body.text()}`;
      if (response.statusCode !== 503 || turn === SUBSCRIBE_TRIES) throw new Error(said);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  #subscribeOnce(name: string, suppressed: boolean): Promise<Dispatcher.ResponseData> {
    return this.#streams.request({
      method: 'POST',
      path: PATH,
      headers: JSON_HEADERS,
      body: JSON.stringify({
        type: 'SUBSCRIBE',
        subscribe: {
          framework_info: { user: 'root', name, failover_timeout: 60 },
          ...(suppressed ? { suppressed_roles: ['*'] } : {}),
        },
      }),
    });
  }

  async #follow(
    name: string,
    streamId: string,
    body: Dispatcher.ResponseData['body'],
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const reader = new RecordReader();
      let owner: Subscriber | undefined;
      body.on('data', (bytes: Buffer) => {
        for (const record of reader.push(bytes)) {
          const event = JSON.parse(Buffer.from(record).toString('utf8')) as SchedulerEvent;
          if (event.type === 'SUBSCRIBED') {
            owner = { id: event.subscribed.framework_id.value, streamId };
            resolve();
          } else if (owner !== undefined) this.#onEvent(owner, event);
        }
      });
      body.on('error', () => {});
      body.on('close', () => {
        this.#fail(`the stream of ${name} was closed`);
        reject(new Error(`the stream of ${name} was closed`));
      });
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

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#isStopped = true;
    await Promise.all([this.#streams.destroy(), this.#calls.destroy()]);
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
    try {
      const response = await this.#calls.request({
        method: 'POST',
        path: PATH,
        headers: { ...JSON_HEADERS, 'mesos-stream-id': owner.streamId },
        body: JSON.stringify({
          type,
          framework_id: { value: owner.id },
          [type.toLowerCase()]: body,
        }),
      });
      const text = await response.body.text();
      this.latenciesMs.push(performance.now() - startedMs);
      if (response.statusCode !== 202)
        this.#fail(`${type}: ${response.statusCode} ${text.slice(0, 200)}`);
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
