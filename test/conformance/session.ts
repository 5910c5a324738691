import { randomUUID } from 'node:crypto';
import { Mismatch, shown } from './mismatch.ts';
import { exchange, open, type WireResponse } from './wire/exchange.ts';
import { decode, encode, type Json, misfitOf } from './wire/protobuf.ts';

export type Wire = 'json' | 'protobuf';
export const CONTENT_TYPE: Readonly<Record<Wire, string>> = {
  json: 'application/json',
  protobuf: 'application/x-protobuf',
};
export const PATH = '/api/v1/scheduler';

export interface Target {
  readonly url: URL;
  readonly authorization: string | undefined;
}

interface Id {
  readonly value: string;
}
export interface Resource {
  readonly name: string;
  readonly type: string;
  readonly scalar?: { readonly value: number };
  readonly ranges?: { readonly range: readonly { begin: number; end: number }[] };
  readonly role?: string;
  readonly allocation_info?: { readonly role?: string };
  readonly reservation?: object;
  readonly reservations?: readonly { readonly labels?: object; readonly role?: string }[];
  readonly disk?: { readonly persistence?: { readonly id: string }; readonly volume?: object };
  readonly revocable?: object;
}
export interface Offer {
  readonly id: Id;
  readonly framework_id: Id;
  readonly agent_id: Id;
  readonly hostname: string;
  readonly url?: { readonly scheme?: string; readonly address?: { readonly ip?: string } };
  readonly resources?: readonly Resource[];
  readonly allocation_info?: { readonly role?: string };
  readonly unavailability?: Unavailability;
}
interface Unavailability {
  readonly start: { readonly nanoseconds: number };
  readonly duration?: { readonly nanoseconds: number };
}
export interface InverseOffer {
  readonly id: Id;
  readonly framework_id: Id;
  readonly agent_id?: Id;
  readonly unavailability: Unavailability;
  readonly resources?: readonly Resource[];
}
export interface Status {
  readonly task_id: Id;
  readonly state: string;
  readonly source?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly agent_id?: Id;
  readonly uuid?: string;
  readonly timestamp?: number;
  readonly data?: string;
  readonly healthy?: boolean;
}
export interface OperationStatus {
  readonly operation_id?: Id;
  readonly state: string;
  readonly uuid?: Id;
  readonly agent_id?: Id;
  readonly message?: string;
}
export interface Event {
  readonly type: string;
  readonly subscribed?: {
    readonly framework_id: Id;
    readonly heartbeat_interval_seconds?: number;
    readonly master_info?: Json;
  };
  readonly offers?: { readonly offers?: readonly Offer[] };
  readonly rescind?: { readonly offer_id: Id };
  readonly inverse_offers?: { readonly inverse_offers?: readonly InverseOffer[] };
  readonly rescind_inverse_offer?: { readonly inverse_offer_id: Id };
  readonly update?: { readonly status: Status };
  readonly update_operation_status?: { readonly status: OperationStatus };
  readonly error?: { readonly message: string };
}

export function bodyOf(wire: Wire, call: Json): Buffer {
  return wire === 'json' ? Buffer.from(JSON.stringify(call)) : encode('Call', call);
}

export function headersOf(
  target: Target,
  more: { readonly [name: string]: string | undefined },
): { readonly [name: string]: string } {
  const all = { Authorization: target.authorization, ...more };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

const PATIENCE_MS = 20_000;

/** One subscription: what was sent to it, in order, and calls on its stream. */
export class Session {
  readonly target: Target;
  readonly wire: Wire;
  readonly response: WireResponse;
  /** Everything that came. */
  readonly events: Event[] = [];
  /** What did not fit RecordIO or the protos. */
  readonly faults: string[] = [];
  readonly offers: Offer[] = [];
  isTornDown = false;
  readonly #unread: Event[] = [];
  #chunksRead = 0;
  #bytes = Buffer.alloc(0);

  private constructor(target: Target, wire: Wire, response: WireResponse) {
    this.target = target;
    this.wire = wire;
    this.response = response;
  }

  /** Sends SUBSCRIBE and waits for the head of the answer. */
  static async open(
    target: Target,
    wire: Wire,
    call: Json,
    more: {
      readonly path?: string;
      readonly headers?: { readonly [name: string]: string | undefined };
      /** What the stream is read as. */
      readonly readAs?: Wire;
    } = {},
  ): Promise<Session> {
    const response = await open(target.url, {
      method: 'POST',
      path: more.path ?? PATH,
      headers: headersOf(target, {
        'Content-Type': CONTENT_TYPE[wire],
        Accept: CONTENT_TYPE[more.readAs ?? wire],
        ...more.headers,
      }),
      body: bodyOf(wire, call),
    });
    await response.until(() => response.hasHead || response.isClosed, PATIENCE_MS);
    return new Session(target, more.readAs ?? wire, response);
  }

  get streamId(): string {
    return this.response.headers.get('mesos-stream-id') ?? '';
  }

  get frameworkId(): string {
    this.#read();
    return this.events[0]?.subscribed?.framework_id.value ?? '';
  }

  /** Takes in what has come so far. */
  #read(): void {
    const { chunks } = this.response;
    while (this.#chunksRead < chunks.length) {
      const chunk = chunks[this.#chunksRead] as Buffer;
      this.#chunksRead += 1;
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      if (!/^\d+\n/.test(chunk.subarray(0, 20).toString('latin1')))
        this.faults.push(`a chunk starts with ${shown(chunk.subarray(0, 20).toString('latin1'))}`);
      this.#takeRecords();
      if (this.#bytes.length > 0) this.faults.push('a chunk does not end where its record ends');
    }
  }

  #takeRecords(): void {
    for (;;) {
      const lineFeed = this.#bytes.indexOf(0x0a);
      if (lineFeed < 0) return;
      const length = Number(this.#bytes.subarray(0, lineFeed).toString('latin1'));
      const end = lineFeed + 1 + length;
      if (!(this.#bytes.length >= end)) return;
      this.#takeEvent(this.#bytes.subarray(lineFeed + 1, end));
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #takeEvent(record: Buffer): void {
    let event: Event;
    try {
      event = (
        this.wire === 'json' ? JSON.parse(record.toString('utf8')) : decode('Event', record)
      ) as Event;
    } catch (error) {
      this.faults.push(`a record cannot be read: ${String(error)}`);
      return;
    }
    const misfit = misfitOf('Event', event);
    if (misfit !== undefined) this.faults.push(misfit);
    this.events.push(event);
    this.#unread.push(event);
    if (event.type === 'OFFERS') this.offers.push(...(event.offers?.offers ?? []));
    if (event.type === 'RESCIND') {
      const index = this.offers.findIndex((one) => one.id.value === event.rescind?.offer_id.value);
      if (index >= 0) this.offers.splice(index, 1);
    }
  }

  /** The next event of this kind that nobody has taken yet. */
  async next(
    what: string,
    matches: (event: Event) => boolean,
    limitMs = PATIENCE_MS,
  ): Promise<Event> {
    let found: Event | undefined;
    const look = (): boolean => {
      this.#read();
      const index = this.#unread.findIndex(matches);
      if (index >= 0) [found] = this.#unread.splice(index, 1);
      return found !== undefined;
    };
    await this.response.until(() => look() || this.response.isOver, limitMs);
    if (found === undefined && !look())
      throw new Mismatch(`${what} within ${limitMs / 1000} s`, this.#summary());
    return found as unknown as Event;
  }

  /** Makes sure that nothing of this kind comes for a while, counting what came already and was not taken. */
  async none(what: string, matches: (event: Event) => boolean, forMs: number): Promise<void> {
    const seen = (): Event | undefined => {
      this.#read();
      return this.#unread.find(matches);
    };
    await this.response.until(() => seen() !== undefined, forMs);
    const event = seen();
    if (event !== undefined) throw new Mismatch(`no ${what} for ${forMs / 1000} s`, shown(event));
  }

  #summary(): string {
    const told = this.events.map((event) => {
      const status = event.update?.status ?? event.update_operation_status?.status;
      const more = status?.state ?? event.error?.message;
      return more === undefined ? event.type : `${event.type}(${more})`;
    });
    const end = this.response.isOver ? ', closed' : '';
    const status = this.response.status === 200 ? '' : `status ${this.response.status}, `;
    return `${status}${told.slice(-8).join(' ') || 'no event'}${end}`;
  }

  /** An offer with at least these scalars that was not taken yet. */
  async offer(
    least: { readonly [name: string]: number } = { cpus: 0.1, mem: 32 },
    limitMs = PATIENCE_MS,
    matches: (offer: Offer) => boolean = () => true,
  ): Promise<Offer> {
    const isEnough = (offer: Offer): boolean =>
      matches(offer) &&
      Object.entries(least).every(([name, value]) => amountOf(offer, name) >= value);
    const look = (): number => {
      this.#read();
      return this.offers.findIndex(isEnough);
    };
    await this.response.until(() => look() >= 0 || this.response.isOver, limitMs);
    const index = look();
    if (index < 0) throw new Mismatch(`an offer within ${limitMs / 1000} s`, this.#summary());
    return this.offers.splice(index, 1)[0] as Offer;
  }

  /** Takes in what comes for a while: an agent's resources may be offered in several pieces. */
  async settle(forMs = 700): Promise<void> {
    await this.response.until(() => false, forMs);
    this.#read();
  }

  /** Makes sure that no new offer comes for a while. */
  async noOffer(forMs: number, matches: (offer: Offer) => boolean = () => true): Promise<void> {
    const seen = (): Offer | undefined => {
      this.#read();
      return this.offers.find(matches);
    };
    await this.response.until(() => seen() !== undefined, forMs);
    const offer = seen();
    if (offer !== undefined)
      throw new Mismatch(`no offer for ${forMs / 1000} s`, `an offer of ${offer.hostname}`);
  }

  /** The next update of a task, of any state or of one. */
  async update(task: string, state?: string, limitMs = PATIENCE_MS): Promise<Status> {
    const event = await this.next(
      `UPDATE ${state ?? ''} of ${task}`,
      ({ update }) =>
        update?.status.task_id.value === task &&
        (state === undefined || update.status.state === state),
      limitMs,
    );
    return event.update?.status as Status;
  }

  async operation(id: string, limitMs = PATIENCE_MS): Promise<OperationStatus> {
    const event = await this.next(
      `UPDATE_OPERATION_STATUS of ${id}`,
      (one) => one.update_operation_status?.status.operation_id?.value === id,
      limitMs,
    );
    return event.update_operation_status?.status as OperationStatus;
  }

  /** Acknowledges the updates of a task until it is in a state; returns all of them. */
  async follow(task: string, until: string, limitMs = 60_000): Promise<readonly Status[]> {
    const deadline = Date.now() + limitMs;
    const all: Status[] = [];
    for (;;) {
      const status = await this.update(task, undefined, Math.max(1, deadline - Date.now())).catch(
        (error: unknown) => {
          const seen = all.map((one) => `${one.state} ${one.message ?? ''}`).join(', ');
          throw new Mismatch(
            `${task} to become ${until}`,
            seen === '' && error instanceof Mismatch ? error.got : seen,
          );
        },
      );
      all.push(status);
      if (status.uuid !== undefined) await this.acknowledge(status);
      if (status.state === until) return all;
    }
  }

  async acknowledge(status: Status): Promise<void> {
    const { agent_id, task_id, uuid } = status;
    await this.ok('ACKNOWLEDGE', { agent_id, task_id, uuid });
  }

  async send(
    type: string,
    body?: Json,
    headers: { readonly [name: string]: string | undefined } = {},
  ): Promise<WireResponse> {
    return await exchange(this.target.url, {
      method: 'POST',
      path: PATH,
      headers: headersOf(this.target, {
        'Content-Type': CONTENT_TYPE[this.wire],
        'Mesos-Stream-Id': this.streamId,
        ...headers,
      }),
      body: bodyOf(this.wire, {
        type,
        framework_id: { value: this.frameworkId },
        ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
      }),
    });
  }

  /** Sends a call that must be taken with 202. */
  async ok(type: string, body?: Json): Promise<void> {
    const { status, body: text } = await this.send(type, body);
    if (type === 'TEARDOWN') this.isTornDown = true;
    if (status !== 202)
      throw new Mismatch(`202 for ${type}`, `${status} ${shown(text.toString('utf8'))}`);
  }

  async accept(
    offers: readonly Offer[],
    operations: readonly Json[],
    refuseSeconds?: number,
  ): Promise<void> {
    await this.ok('ACCEPT', {
      offer_ids: offers.map((one) => one.id),
      operations,
      ...(refuseSeconds === undefined ? {} : { filters: { refuse_seconds: refuseSeconds } }),
    });
  }

  async launch(offer: Offer, ...tasks: readonly Json[]): Promise<void> {
    await this.accept([offer], [{ type: 'LAUNCH', launch: { task_infos: tasks } }], 0);
  }

  /** Runs one task until it is RUNNING. */
  async runOne(prefix: string, more: Json = {}): Promise<{ id: string; offer: Offer }> {
    const offer = await this.offer();
    const id = uniqueId(prefix);
    await this.launch(offer, task(id, offer, more));
    await this.follow(id, 'TASK_RUNNING');
    return { id, offer };
  }

  /** Removes the framework with all it runs. */
  async end(): Promise<void> {
    if (!this.isTornDown && this.streamId !== '' && this.frameworkId !== '')
      await this.send('TEARDOWN').catch(() => undefined);
    this.response.close();
  }
}

export const uniqueId = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;

export const scalar = (name: string, value: number, more: Json = {}): Json => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  ...more,
});

/** A task that runs for an hour on little. */
export const task = (id: string, offer: Pick<Offer, 'agent_id'>, more: Json = {}): Json => ({
  name: id,
  task_id: { value: id },
  agent_id: offer.agent_id,
  resources: [scalar('cpus', 0.1), scalar('mem', 32)],
  command: { shell: true, value: 'sleep 3600' },
  ...more,
});

export function amountOf(offer: Offer, name: string): number {
  return (offer.resources ?? [])
    .filter((one) => one.name === name && one.revocable === undefined)
    .reduce((sum, one) => sum + (one.scalar?.value ?? 0), 0);
}

/** Of the same agent and with nothing that was not in the other: what a filter of the other holds back. */
export const isNoMoreThan = (offer: Offer, other: Offer): boolean =>
  offer.agent_id.value === other.agent_id.value &&
  ['cpus', 'mem', 'disk'].every((name) => amountOf(offer, name) <= amountOf(other, name));
