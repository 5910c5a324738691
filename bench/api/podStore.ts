import {
  type DeleteOptions,
  type KubeApi,
  KubeApiError,
  type KubeObject,
  type ObjectKey,
  type ResourceRef,
  type WatchEnd,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from '../../operator/src/ports/kubeApi.ts';
import { PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';

type OnEvent = (event: WatchEvent<Pod>) => void;

/** Changes kept for watches that begin between two of them. */
const HISTORY = 2_000;

/**
 * The Pods of an API server in memory, for a benchmark of what is in front of it: the same creates, patches, deletes and
 * watch events as the fake of the tests, with preconditions and finalizers, but nothing is copied, frozen or checked
 * twice. Every other kind goes to `rest`.
 *
 * Does not: patch anything but metadata, select by labels, count generations.
 */
export class PodStore implements KubeApi {
  /** Called after each creation; what runs Pods. */
  onCreated: (pod: Pod) => void = () => undefined;
  readonly #rest: KubeApi;
  readonly #pods = new Map<string, Pod>();
  readonly #watchers = new Set<OnEvent>();
  #history: { readonly version: number; readonly event: WatchEvent<Pod> }[] = [];
  #version = 1_000;
  #uids = 0;

  constructor(rest: KubeApi) {
    this.#rest = rest;
  }

  /** Writes of Pods so far. */
  get writes(): number {
    return this.#version - 1_000;
  }

  async get<T extends KubeObject>(ref: ResourceRef, key: ObjectKey, signal?: AbortSignal) {
    if (!isPods(ref)) return await this.#rest.get<T>(ref, key, signal);
    await Promise.resolve();
    return this.#found(key) as KubeObject as T;
  }

  async list<T extends KubeObject>(...[ref, options, signal]: Parameters<KubeApi['list']>) {
    if (!isPods(ref)) return await this.#rest.list<T>(ref, options, signal);
    await Promise.resolve();
    const items = [...this.#pods.values()] as KubeObject[] as T[];
    return { items, resourceVersion: String(this.#version) };
  }

  watch<T extends KubeObject>(
    ref: ResourceRef,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd> {
    if (!isPods(ref)) return this.#rest.watch(ref, options, onEvent, signal);
    const since = Number(options.resourceVersion);
    const deliver = onEvent as unknown as OnEvent;
    const missed = this.#history.filter((one) => one.version > since);
    if (missed.length !== this.#version - since)
      return Promise.reject(new KubeApiError('gone', `too old resource version: ${since}`));
    for (const { event } of missed) deliver(event);
    return new Promise((resolve, reject) => {
      this.#watchers.add(deliver);
      const stop = (): void => {
        this.#watchers.delete(deliver);
        clearTimeout(timer);
      };
      const timer = setTimeout(() => {
        stop();
        resolve({ kind: 'closed' });
      }, options.timeoutSeconds * 1_000);
      signal.addEventListener('abort', () => {
        stop();
        reject(new KubeApiError('unavailable', 'watch pods: aborted'));
      });
    });
  }

  async create<T extends KubeObject>(ref: ResourceRef, object: T, options: WriteOptions = {}) {
    if (!isPods(ref)) return await this.#rest.create(ref, object, options);
    await Promise.resolve();
    const asked = object as KubeObject as Pod;
    if (this.#pods.has(keyOf(asked.metadata)))
      throw new KubeApiError('alreadyExists', `pods "${asked.metadata.name}" already exists`);
    this.#uids += 1;
    const uid = `${this.#uids.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
    const creationTimestamp = new Date().toISOString();
    const pod = this.#commit('added', {
      ...asked,
      metadata: { ...asked.metadata, uid, creationTimestamp },
    });
    this.onCreated(pod);
    return pod as KubeObject as T;
  }

  async update<T extends KubeObject>(...[ref, object, options]: Parameters<KubeApi['update']>) {
    if (isPods(ref)) throw new KubeApiError('badRequest', 'Pods are patched here, not updated');
    return await this.#rest.update<T>(ref, object as T, options);
  }

  async patch<T extends KubeObject>(
    ...[ref, key, type, body, options]: Parameters<KubeApi['patch']>
  ) {
    if (!isPods(ref)) return await this.#rest.patch<T>(ref, key, type, body, options);
    await Promise.resolve();
    const { metadata, ...more } = body as Pick<Pod, 'metadata'>;
    if (type !== 'merge' || Object.keys(more).length > 0)
      throw new KubeApiError('badRequest', 'only metadata of Pods is patched here');
    const pod = this.#found(key);
    const { uid = pod.metadata.uid, resourceVersion = pod.metadata.resourceVersion } = metadata;
    if (uid !== pod.metadata.uid || resourceVersion !== pod.metadata.resourceVersion)
      throw new KubeApiError('conflict', `pods "${key.name}": the object has been modified`);
    const annotations = { ...pod.metadata.annotations, ...metadata.annotations };
    const merged = { ...pod, metadata: { ...pod.metadata, ...metadata, annotations } };
    return this.#kept(merged) as KubeObject as T;
  }

  async delete(ref: ResourceRef, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    if (!isPods(ref)) {
      await this.#rest.delete(ref, key, options);
      return;
    }
    await Promise.resolve();
    const pod = this.#found(key);
    if (options.uid !== undefined && options.uid !== pod.metadata.uid)
      throw new KubeApiError('conflict', `pods "${key.name}": another uid`);
    const deletionTimestamp = pod.metadata.deletionTimestamp ?? new Date().toISOString();
    const metadata = { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: 0 };
    this.#kept({ ...pod, metadata });
  }

  evict(...call: Parameters<KubeApi['evict']>): Promise<void> {
    return this.#rest.evict(...call);
  }

  bind(...call: Parameters<KubeApi['bind']>): Promise<void> {
    return this.#rest.bind(...call);
  }

  /** What a kubelet does; nothing once the Pod is being deleted. */
  report(key: ObjectKey, status: NonNullable<Pod['status']>): void {
    const pod = this.#pods.get(keyOf(key));
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    this.#commit('modified', { ...pod, status });
  }

  /** Stores what was written, or removes it when nothing holds it any more. */
  #kept(pod: Pod): Pod {
    const { deletionTimestamp, finalizers = [] } = pod.metadata;
    const isOver = deletionTimestamp !== undefined && finalizers.length === 0;
    return this.#commit(isOver ? 'deleted' : 'modified', pod);
  }

  #commit(kind: 'added' | 'modified' | 'deleted', pod: Pod): Pod {
    this.#version += 1;
    const version = this.#version;
    const object: Pod = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(version) } };
    if (kind === 'deleted') this.#pods.delete(keyOf(pod.metadata));
    else this.#pods.set(keyOf(pod.metadata), object);
    const event: WatchEvent<Pod> = { kind, object };
    this.#history.push({ version, event });
    if (this.#history.length > 2 * HISTORY) this.#history = this.#history.slice(-HISTORY);
    for (const deliver of this.#watchers) queueMicrotask(() => deliver(event));
    return object;
  }

  #found(key: ObjectKey): Pod {
    const pod = this.#pods.get(keyOf(key));
    if (pod === undefined) throw new KubeApiError('notFound', `pods "${key.name}" not found`);
    return pod;
  }
}

const isPods = (ref: ResourceRef): boolean => ref.plural === PODS.plural && ref.group === '';
const keyOf = ({ namespace = '', name }: ObjectKey): string => `${namespace}/${name}`;
