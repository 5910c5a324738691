import type {
  BindOptions,
  DeleteOptions,
  KubeApi,
  KubeObject,
  ListOptions,
  ListPage,
  ObjectKey,
  PatchOptions,
  PatchType,
  ResourceRef,
  WatchEnd,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../../../operator/src/ports/kubeApi.ts';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { FakeApiServer } from '../fakeApiServer.ts';
import { kubeError } from './errors.ts';
import { frozenCopy } from './json.ts';
import { bindPod, evictPod } from './podSubresources.ts';

/** One request on its way: `perform` is what the server does when it arrives. */
export interface Exchange<T> {
  readonly kind: 'read' | 'write';
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  readonly perform: () => T;
}

export interface WatchExchange {
  readonly what: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Starts the watch at the server; throws its refusal. Returns how to stop. */
  readonly open: (deliver: (event: WatchEvent<KubeObject>) => void) => () => void;
  readonly onEvent: (event: WatchEvent<KubeObject>) => void;
  readonly bookmark: () => WatchEvent<KubeObject>;
}

/** What lies between a client and the server. */
export interface Transport {
  exchange<T>(exchange: Exchange<T>): Promise<T>;
  watch(exchange: WatchExchange): Promise<WatchEnd>;
  /** How many revisions behind a cached read (`resourceVersion: '0'`) is answered. */
  replicaLag(): number;
}

/** The KubeApi of one process of the simulation. Knows the server's calls; all that can go wrong is the transport's. */
export class FakeKubeClient implements KubeApi {
  readonly #api: FakeApiServer;
  readonly #by: string;
  readonly #transport: Transport;

  constructor(api: FakeApiServer, by: string, transport: Transport) {
    this.#api = api;
    this.#by = by;
    this.#transport = transport;
  }

  get<T extends KubeObject>(ref: ResourceRef, key: ObjectKey, signal?: AbortSignal): Promise<T> {
    return this.#read(
      `get ${ref.plural} ${key.name}`,
      signal,
      () => this.#api.get(ref, scoped(ref, key)) as T,
    );
  }

  list<T extends KubeObject>(
    ref: ResourceRef,
    options: ListOptions,
    signal?: AbortSignal,
  ): Promise<ListPage<T>> {
    return this.#read(`list ${ref.plural}`, signal, () => {
      const isCached = options.resourceVersion === '0';
      const lag = isCached ? this.#transport.replicaLag() : 0;
      return this.#api.list(ref, options, this.#api.resourceVersion - lag) as ListPage<T>;
    });
  }

  watch<T extends KubeObject>(
    ref: ResourceRef,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd> {
    return this.#transport.watch({
      what: `watch ${ref.plural}`,
      timeoutMs: options.timeoutSeconds * 1000,
      signal,
      open: (deliver) => this.#api.watch(ref, options, deliver),
      onEvent: onEvent as (event: WatchEvent<KubeObject>) => void,
      bookmark: () => ({ kind: 'bookmark', resourceVersion: String(this.#api.resourceVersion) }),
    });
  }

  create<T extends KubeObject>(
    ref: ResourceRef,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const sent = frozenCopy(object);
    return this.#write(`create ${ref.plural} ${object.metadata.name}`, options, (how) =>
      this.#api.create(ref, withScope(ref, sent), how),
    );
  }

  update<T extends KubeObject>(
    ref: ResourceRef,
    object: T,
    options: WriteOptions & { readonly subresource?: 'status' } = {},
  ): Promise<T> {
    const sent = frozenCopy(object);
    return this.#write(`update ${ref.plural} ${object.metadata.name}`, options, (how) =>
      this.#api.update(ref, withScope(ref, sent), { ...how, subresource: options.subresource }),
    );
  }

  patch<T extends KubeObject>(
    ref: ResourceRef,
    key: ObjectKey,
    type: PatchType,
    body: unknown,
    options: PatchOptions = {},
  ): Promise<T> {
    const sent = frozenCopy(body);
    return this.#write(`patch ${ref.plural} ${key.name}`, options, (how) =>
      this.#api.patch(ref, scoped(ref, key), type, sent, { ...options, ...how }),
    );
  }

  delete(ref: ResourceRef, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    return this.#write(`delete ${ref.plural} ${key.name}`, options, (how) => {
      this.#api.delete(ref, scoped(ref, key), { ...options, ...how });
    });
  }

  evict(pod: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    return this.#write(`evict pods ${pod.name}`, options, (how) => {
      evictPod(this.#api, scoped(PODS, pod), { ...options, ...how });
    });
  }

  bind(pod: ObjectKey, nodeName: string, options: BindOptions = {}): Promise<void> {
    return this.#write(`bind pods ${pod.name}`, options, (how) => {
      bindPod(this.#api, scoped(PODS, pod), nodeName, { ...options, ...how });
    });
  }

  #read<T>(what: string, signal: AbortSignal | undefined, perform: () => T): Promise<T> {
    return this.#transport.exchange({ kind: 'read', what, signal, perform });
  }

  #write<T>(
    what: string,
    options: WriteOptions,
    perform: (how: { by: string; dryRun: boolean }) => unknown,
  ): Promise<T> {
    if (options.stillWanted?.() === false) {
      return Promise.reject(kubeError('unavailable', `${what}: no longer wanted, not sent`));
    }
    const how = { by: this.#by, dryRun: options.dryRun === true };
    return this.#transport.exchange({
      kind: 'write',
      what,
      signal: options.signal,
      perform: () => perform(how) as T,
    });
  }
}

/** The key as the path of the request would carry it: a cluster-scoped kind has no place for a namespace. */
function scoped(ref: ResourceRef, { name, namespace }: ObjectKey): ObjectKey {
  if (!ref.namespaced) return { name };
  if (namespace === undefined || namespace === '') {
    throw kubeError(
      'badRequest',
      `${ref.kind} "${name}" needs metadata.namespace: the kind is namespaced`,
    );
  }
  return { name, namespace };
}

function withScope(ref: ResourceRef, object: KubeObject): KubeObject {
  scoped(ref, object.metadata);
  return object;
}
