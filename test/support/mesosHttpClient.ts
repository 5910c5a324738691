/** One status as it came over the wire. */
export interface WireStatus {
  readonly task_id: { readonly value: string };
  readonly agent_id?: { readonly value: string };
  readonly state: string;
  readonly reason?: string;
  readonly message?: string;
  readonly uuid?: string;
  readonly healthy?: boolean;
  readonly limitation?: { readonly resources: readonly object[] };
  readonly container_status?: {
    readonly container_id?: { readonly value: string };
    readonly network_infos?: readonly object[];
  };
}

/** What of an offer a test looks at. */
export interface WireOfferView {
  readonly id: object;
  readonly agent_id: { readonly value: string };
  readonly hostname: string;
  readonly resources: readonly {
    readonly name: string;
    readonly ranges?: {
      readonly range: readonly { readonly begin: number; readonly end: number }[];
    };
  }[];
}

interface WireEvent {
  readonly type: string;
  readonly subscribed?: { readonly framework_id: { readonly value: string } };
  readonly offers?: { readonly offers: readonly WireOfferView[] };
  readonly update?: { readonly status: WireStatus };
  readonly error?: { readonly message: string };
  /** From an executor; data in base64. */
  readonly message?: { readonly executor_id: { readonly value: string }; readonly data: string };
  readonly failure?: object;
}

export interface MesosHttpClientOptions {
  readonly failoverTimeoutSeconds: number;
  readonly role?: string;
  /** Whole value of the Authorization header. */
  readonly authorization?: string;
}

/** A task once its offer is known. */
export type PlannedTask = (agent: string, offer: WireOfferView) => object;

interface PlannedGroup {
  readonly executor: object;
  readonly tasks: readonly PlannedTask[];
}

/**
 * A plain v1 scheduler over fetch, for tests of what a master does. Accepts the first offer it gets for all tasks it
 * was asked to launch, declines every other, and acknowledges unless told not to.
 */
export class MesosHttpClient {
  readonly statuses: WireStatus[] = [];
  /** What executors said. */
  readonly messages: NonNullable<WireEvent['message']>[] = [];
  readonly failures: object[] = [];
  /** What ERROR events said, and what went wrong while the stream was read. */
  readonly errors: string[] = [];
  url: string;
  id: string | undefined;
  acknowledges = true;
  /** The master ended the stream, in order or not. */
  ended = false;
  readonly #options: MesosHttpClientOptions;
  #streamId = '';
  #planned: PlannedTask[] = [];
  #groups: PlannedGroup[] = [];
  #abort = new AbortController();

  constructor(url: string, options: MesosHttpClientOptions) {
    this.url = url;
    this.#options = options;
  }

  /** Resolves with the SUBSCRIBED event; the stream is read on from there. */
  async subscribe(): Promise<void> {
    this.#abort = new AbortController();
    this.ended = false;
    const id = this.id === undefined ? {} : { value: this.id };
    const known = this.id === undefined ? {} : { framework_id: id };
    const response = await fetch(`${this.url}/api/v1/scheduler`, {
      method: 'POST',
      signal: this.#abort.signal,
      headers: { 'content-type': 'application/json', ...this.#credentials() },
      body: JSON.stringify({
        type: 'SUBSCRIBE',
        ...known,
        subscribe: {
          framework_info: {
            user: 'root',
            name: 'plain',
            failover_timeout: this.#options.failoverTimeoutSeconds,
            ...(this.#options.role === undefined ? {} : { role: this.#options.role }),
            ...(this.id === undefined ? {} : { id }),
          },
        },
      }),
    });
    if (response.status !== 200 || response.body === null)
      throw new Error(`SUBSCRIBE: ${response.status} ${await response.text()}`);
    this.#streamId = response.headers.get('mesos-stream-id') ?? '';
    await new Promise<void>((resolve, reject) => {
      this.#read(response.body as ReadableStream<Uint8Array>, resolve).then(
        () => reject(new Error(`the stream ended before SUBSCRIBED: ${this.errors.join()}`)),
        () => reject(new Error('the stream broke before SUBSCRIBED')),
      );
    });
  }

  /** Starts the tasks on the next offer. */
  launch(...tasks: readonly PlannedTask[]): void {
    this.#planned.push(...tasks);
    void this.call('REVIVE');
  }

  /** Starts the tasks as one group on the next offer. */
  launchGroup(executor: object, ...tasks: readonly PlannedTask[]): void {
    this.#groups.push({ executor, tasks });
    void this.call('REVIVE');
  }

  async call(type: string, body?: object): Promise<void> {
    const response = await fetch(`${this.url}/api/v1/scheduler`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'mesos-stream-id': this.#streamId,
        ...this.#credentials(),
      },
      body: JSON.stringify({
        type,
        framework_id: { value: this.id },
        ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
      }),
    });
    if (response.status !== 202)
      throw new Error(`${type}: ${response.status} ${await response.text()}`);
  }

  #credentials(): { readonly authorization?: string } {
    const { authorization } = this.#options;
    return authorization === undefined ? {} : { authorization };
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(body: ReadableStream<Uint8Array>, onSubscribed: () => void): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const bytes of body) {
        text += decoder.decode(bytes, { stream: true });
        for (;;) {
          const lineEnd = text.indexOf('\n');
          const length = Number(text.slice(0, lineEnd));
          if (lineEnd < 0 || text.length < lineEnd + 1 + length) break;
          const event = JSON.parse(text.slice(lineEnd + 1, lineEnd + 1 + length)) as WireEvent;
          text = text.slice(lineEnd + 1 + length);
          if (event.subscribed) {
            this.id = event.subscribed.framework_id.value;
            onSubscribed();
          }
          await this.#onEvent(event);
        }
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.errors.push(String(error));
      throw error;
    } finally {
      this.ended = true;
    }
  }

  async #onEvent(event: WireEvent): Promise<void> {
    if (event.error) this.errors.push(event.error.message);
    if (event.message) this.messages.push(event.message);
    if (event.failure) this.failures.push(event.failure);
    for (const offer of event.offers?.offers ?? []) {
      const operations = this.#operationsOn(offer);
      if (operations.length === 0) await this.call('DECLINE', { offer_ids: [offer.id] });
      else await this.call('ACCEPT', { offer_ids: [offer.id], operations });
    }
    const status = event.update?.status;
    if (status === undefined) return;
    this.statuses.push(status);
    if (status.uuid === undefined || !this.acknowledges) return;
    const { agent_id, task_id, uuid } = status;
    await this.call('ACKNOWLEDGE', { agent_id, task_id, uuid });
  }

  #operationsOn(offer: WireOfferView): readonly object[] {
    const made = (tasks: readonly PlannedTask[]): readonly object[] =>
      tasks.map((plan) => plan(offer.agent_id.value, offer));
    const task_infos = made(this.#planned.splice(0));
    const groups = this.#groups.splice(0).map(({ executor, tasks }) => ({
      type: 'LAUNCH_GROUP',
      launch_group: { executor, task_group: { tasks: made(tasks) } },
    }));
    return [
      ...(task_infos.length === 0 ? [] : [{ type: 'LAUNCH', launch: { task_infos } }]),
      ...groups,
    ];
  }
}
