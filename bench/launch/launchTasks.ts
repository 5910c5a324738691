import { type Dispatcher, errors, Pool } from 'undici';
import {
  type Offer,
  type SchedulerEvent,
  shellTask,
  type TaskInfo,
  take,
} from '../../client/index.ts';
import { RecordReader } from '../../client/src/recordReader.ts';

const PATH = '/api/v1/scheduler';
const JSON_HEADERS = { 'content-type': 'application/json' };
const NEEDS = { cpus: 0.1, mem: 32 };
/** Tasks per offer, so that the work spreads over the nodes. */
const PER_OFFER = 10;
const CALL_CONNECTIONS = 8;
const SUBSCRIBE_TRIES = 60;

/**
 * A framework that launches tasks on whatever it is offered, when it is told to, and acknowledges what it hears. It shares
 * the machine with what is measured, so it is as lean as what posts the same Pods.
 */
export class LaunchingFramework {
  readonly #offers: Offer[] = [];
  readonly #stream: Pool;
  readonly #calls: Pool;
  #id = '';
  #headers: Record<string, string> = JSON_HEADERS;
  /** How many tasks there shall be. */
  #wanted = 0;
  #launched = 0;
  #running = 0;
  #lost = 0;
  #failure: Error | undefined;
  readonly #subscribed = Promise.withResolvers<void>();

  constructor(url: string) {
    this.#stream = new Pool(url, { connections: 1, bodyTimeout: 0 });
    this.#calls = new Pool(url, { connections: CALL_CONNECTIONS });
    this.#subscribe().catch((cause: unknown) => {
      this.#failure = new Error('the framework failed', { cause });
      this.#subscribed.reject(this.#failure);
    });
  }

  /** Tasks that had to be launched again. */
  get lost(): number {
    return this.#lost;
  }

  get subscribed(): Promise<void> {
    return this.#subscribed.promise;
  }

  /** Tasks that have been seen running. */
  get running(): number {
    return this.#running;
  }

  /** Why it listens no more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** So many tasks more; the first ACCEPT goes out before this returns if there are offers. */
  launch(tasks: number): void {
    this.#wanted += tasks;
    this.#useOffers();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#stream.destroy(), this.#calls.destroy()]);
  }

  async #subscribe(): Promise<void> {
    const { headers, body } = await this.#opened();
    this.#headers = { ...JSON_HEADERS, 'mesos-stream-id': String(headers['mesos-stream-id']) };
    const reader = new RecordReader();
    for await (const bytes of body)
      for (const record of reader.push(bytes as Uint8Array))
        this.#onEvent(JSON.parse(Buffer.from(record).toString('utf8')) as SchedulerEvent);
    throw new Error('the operator ended the stream');
  }

  /** Sends SUBSCRIBE until the operator leads and knows its cluster. */
  async #opened(): Promise<Dispatcher.ResponseData> {
    const info = { user: 'nobody', name: 'bench-launch', failover_timeout: 600 };
    for (let tries = 1; ; tries += 1) {
      const reply = await this.#stream.request({
        path: PATH,
        method: 'POST',
        headers: { ...JSON_HEADERS, accept: 'application/json' },
        body: JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: info } }),
      });
      if (reply.statusCode === 200) return reply;
      const said = `SUBSCRIBE: ${reply.statusCode} ${await reply.body.text()}`;
      if (reply.statusCode !== 503 || tries === SUBSCRIBE_TRIES) throw new Error(said);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  #onEvent(event: SchedulerEvent): void {
    switch (event.type) {
      case 'SUBSCRIBED':
        this.#id = event.subscribed.framework_id.value;
        this.#subscribed.resolve();
        return;
      case 'OFFERS':
        this.#offers.push(...(event.offers.offers ?? []));
        this.#useOffers();
        return;
      case 'RESCIND': {
        const id = event.rescind.offer_id.value;
        const at = this.#offers.findIndex((one) => one.id.value === id);
        if (at >= 0) this.#offers.splice(at, 1);
        return;
      }
      case 'UPDATE': {
        const { agent_id, task_id, uuid, state } = event.update.status;
        if (state === 'TASK_RUNNING') this.#running += 1;
        else if (state !== 'TASK_STARTING') this.#again(task_id.value, state);
        if (uuid !== undefined)
          this.#call('ACKNOWLEDGE', { acknowledge: { agent_id, task_id, uuid } });
        return;
      }
      default:
    }
  }

  /** As any framework would: its offer had gone, or its launch failed. */
  #again(task: string, state: string): void {
    this.#lost += 1;
    if (this.#lost === 1) warn('a task is launched again, and perhaps others', `${task} ${state}`);
    this.#wanted += 1;
    this.#useOffers();
  }

  #useOffers(): void {
    while (this.#launched < this.#wanted) {
      const offer = this.#offers.shift();
      if (offer === undefined) return;
      const infos = this.#tasksFor(offer);
      const operations = [{ type: 'LAUNCH', launch: { task_infos: infos } }];
      // What is left comes back at once; an offer too small for a task is kept for nothing.
      if (infos.length === 0) this.#call('DECLINE', { decline: { offer_ids: [offer.id] } });
      else
        this.#call('ACCEPT', {
          accept: { offer_ids: [offer.id], operations, filters: { refuse_seconds: 0 } },
        });
    }
  }

  #tasksFor(offer: Offer): TaskInfo[] {
    const infos: TaskInfo[] = [];
    let left = offer.resources ?? [];
    while (infos.length < PER_OFFER && this.#launched < this.#wanted) {
      const part = take(NEEDS, left);
      if (part === undefined) break;
      left = part.left;
      this.#launched += 1;
      const id = `task-${this.#launched}`;
      infos.push(shellTask({ id, offer, resources: part.taken, command: 'sleep 3600' }));
    }
    return infos;
  }

  #call(type: string, body: object): void {
    const call = { type, framework_id: { value: this.#id }, ...body };
    const request = { path: PATH, method: 'POST', headers: this.#headers } as const;
    this.#calls.dispatch({ ...request, body: JSON.stringify(call) }, new AcceptedOnly(type));
  }
}

/** Looks at nothing of a reply but its status. */
class AcceptedOnly implements Dispatcher.DispatchHandler {
  readonly #type: string;

  constructor(type: string) {
    this.#type = type;
  }

  onRequestStart(): void {
    // Calls are not taken back.
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    if (status !== 202) warn(`${this.#type} answered ${status}`, undefined);
  }

  onResponseData(): void {
    // A 202 has no body.
  }

  onResponseEnd(): void {
    // Nobody waits.
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    // Acknowledgements may be under way when it is stopped.
    if (!(error instanceof errors.ClientDestroyedError)) warn(`${this.#type} failed`, error);
  }
}

function warn(what: string, cause: unknown): void {
  const why = cause instanceof Error ? cause.message : JSON.stringify(cause);
  process.stderr.write(`${what}: ${why}\n`);
}
