/** Of an offer what the tests of level one look at. */
export interface SeenOffer {
  readonly id: string;
  readonly agent: string;
  /** CPUs by the role they are reserved for; `*` is unreserved. */
  readonly cpus: Readonly<Record<string, number>>;
  readonly unavailability: object | undefined;
  readonly atMs: number;
}

interface WireResource {
  readonly name: string;
  readonly scalar?: { readonly value: number };
  readonly role?: string;
  readonly reservations?: readonly { readonly role: string }[];
}

interface WireEvent {
  readonly type: string;
  readonly subscribed?: { readonly framework_id: { readonly value: string } };
  readonly offers?: {
    readonly offers: readonly {
      readonly id: { readonly value: string };
      readonly agent_id: { readonly value: string };
      readonly resources: readonly WireResource[];
      readonly unavailability?: object;
    }[];
  };
  readonly rescind?: { readonly offer_id: { readonly value: string } };
}

/** A v1 scheduler that keeps every offer it gets until the test says what to do with it. */
export class PlainFramework {
  readonly offers: SeenOffer[] = [];
  readonly rescinded: string[] = [];
  readonly events: string[] = [];
  readonly #url: string;
  readonly #abort = new AbortController();
  #id = '';
  #streamId = '';

  constructor(url: string) {
    this.#url = url;
  }

  async subscribe(role: string): Promise<void> {
    const capabilities = ['MULTI_ROLE', 'RESERVATION_REFINEMENT'].map((type) => ({ type }));
    const response = await this.#post({
      type: 'SUBSCRIBE',
      subscribe: { framework_info: { user: 'root', name: role, roles: [role], capabilities } },
    });
    if (response.status !== 200 || response.body === null)
      throw new Error(`SUBSCRIBE: ${response.status} ${await response.text()}`);
    this.#streamId = response.headers.get('mesos-stream-id') ?? '';
    const subscribed = Promise.withResolvers<void>();
    void this.#read(response.body as ReadableStream<Uint8Array>, subscribed.resolve).catch(
      (error: unknown) => subscribed.reject(error),
    );
    await subscribed.promise;
  }

  /** Offers it holds now. */
  get held(): readonly SeenOffer[] {
    return this.offers.filter((one) => !this.rescinded.includes(one.id));
  }

  async call(type: string, body?: object): Promise<void> {
    const response = await this.#post({
      type,
      framework_id: { value: this.#id },
      ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
    });
    if (response.status !== 202)
      throw new Error(`${type}: ${response.status} ${await response.text()}`);
  }

  async decline(offer: string): Promise<void> {
    await this.call('DECLINE', {
      offer_ids: [{ value: offer }],
      filters: { refuse_seconds: 0 },
    });
    this.rescinded.push(offer);
  }

  close(): void {
    this.#abort.abort();
  }

  async #post(body: object): Promise<Response> {
    return await fetch(`${this.#url}/api/v1/scheduler`, {
      method: 'POST',
      signal: this.#abort.signal,
      headers: {
        'content-type': 'application/json',
        ...(this.#streamId === '' ? {} : { 'mesos-stream-id': this.#streamId }),
      },
      body: JSON.stringify(body),
    });
  }

  async #read(body: ReadableStream<Uint8Array>, onSubscribed: () => void): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of body) {
      text += decoder.decode(bytes, { stream: true });
      for (;;) {
        const lineEnd = text.indexOf('\n');
        const length = Number(text.slice(0, lineEnd));
        if (lineEnd < 0 || text.length < lineEnd + 1 + length) break;
        const event = JSON.parse(text.slice(lineEnd + 1, lineEnd + 1 + length)) as WireEvent;
        text = text.slice(lineEnd + 1 + length);
        this.#note(event);
        if (event.subscribed) {
          this.#id = event.subscribed.framework_id.value;
          onSubscribed();
        }
      }
    }
  }

  #note({ type, offers, rescind }: WireEvent): void {
    this.events.push(type);
    if (rescind !== undefined) this.rescinded.push(rescind.offer_id.value);
    for (const { id, agent_id, resources, unavailability } of offers?.offers ?? []) {
      const cpus: { [role: string]: number } = {};
      for (const one of resources) {
        if (one.name !== 'cpus') continue;
        const role = one.reservations?.at(-1)?.role ?? '*';
        cpus[role] = (cpus[role] ?? 0) + (one.scalar?.value ?? 0);
      }
      const atMs = performance.now();
      this.offers.push({ id: id.value, agent: agent_id.value, cpus, unavailability, atMs });
    }
  }
}
