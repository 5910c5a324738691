import type { Clock } from '../../operator/src/ports/clock.ts';
import type {
  DeleteOptions,
  KubeObject,
  ListOptions,
  ListPage,
  ObjectKey,
  PatchOptions,
  PatchType,
  ResourceRef,
  WatchEvent,
  WatchOptions,
} from '../../operator/src/ports/kubeApi.ts';
import { applyPatch, type Owners, ownersAfterWrite } from './fakeApi/apply.ts';
import { kubeError } from './fakeApi/errors.ts';
import { frozenCopy } from './fakeApi/json.ts';
import { type Change, eventFor, KindStore, keyOf } from './fakeApi/kindStore.ts';
import { BUILT_IN_KINDS, type KindOptions } from './fakeApi/kinds.ts';
import {
  checkMetadata,
  deletion,
  isFinished,
  isStale,
  newObject,
  withMetadata,
  writtenObject,
} from './fakeApi/objectRules.ts';
import { jsonPatch, mergePatch } from './fakeApi/patches.ts';
import { scaleOf, scaleWrite } from './fakeApi/scale.ts';

export interface FakeApiServerOptions {
  readonly clock: Clock;
  /** Kinds beyond the built-in ones. */
  readonly kinds?: readonly KindOptions[];
}

export interface Commit {
  readonly change: Change;
  readonly ref: ResourceRef;
  readonly by: string;
}

/** `by`: who sends the request; shown in the history and used as the owner of fields. */
export interface Sent {
  readonly by?: string;
  readonly dryRun?: boolean;
}
type MainOrStatus = { readonly subresource?: 'status' | 'resize' | undefined };

/**
 * An API server in memory: the storage semantics of Kubernetes without the network. Calls are synchronous and
 * throw `KubeApiError`; `clientFor` in `fakeClient.ts` puts latency and faults in front of them.
 *
 * Guarantees: objects handed out are deep-frozen and shared, never copied on read.
 * Does not: authenticate, run admission plug-ins, convert versions, check that a namespace exists.
 */
export class FakeApiServer {
  readonly clock: Clock;
  readonly #kinds = new Map<string, KindStore>();
  readonly #owners = new Map<string, Owners>();
  readonly #listeners: ((commit: Commit) => void)[] = [];
  #rv = 1000;
  #compactedRv = 0;
  #uids = 0;

  constructor({ clock, kinds = [] }: FakeApiServerOptions) {
    this.clock = clock;
    for (const kind of [...BUILT_IN_KINDS, ...kinds]) this.register(kind);
  }

  register(options: KindOptions): void {
    this.#kinds.set(keyOf(options.ref.group, options.ref.plural), new KindStore(options));
  }

  get resourceVersion(): number {
    return this.#rv;
  }

  get compactedRv(): number {
    return this.#compactedRv;
  }

  /** Called after each commit, in order. For the garbage collector, kubelets, oracles and histories. */
  onCommit(listener: (commit: Commit) => void): void {
    this.#listeners.push(listener);
  }

  /** Forgets history through `rv`: older watches, and older pages of lists, become `gone`. */
  compact(rv = this.#rv): void {
    this.#compactedRv = Math.max(this.#compactedRv, Math.min(rv, this.#rv));
    for (const store of this.#kinds.values()) store.forgetThrough(this.#compactedRv);
  }

  get(ref: ResourceRef, key: ObjectKey): KubeObject {
    return this.#stored(this.#store(ref), key);
  }

  /** The object or undefined; for simulated nodes and oracles, which look at the truth. */
  peek(ref: ResourceRef, key: ObjectKey): KubeObject | undefined {
    return this.#store(ref).objects.get(keyOf(key.namespace, key.name));
  }

  /** All objects of a kind in no promised order; for simulated nodes and oracles. */
  all(ref: ResourceRef): Iterable<KubeObject> {
    return this.#store(ref).objects.values();
  }

  /** `asOfRv`: answer as a lagging replica would, from that older state (never older than the compaction). */
  list(ref: ResourceRef, options: ListOptions, asOfRv?: number): ListPage<KubeObject> {
    const store = this.#store(ref);
    const matches = store.matcher(options);
    const from =
      options.continueToken === undefined ? undefined : this.#resume(options.continueToken);
    const rv = from?.rv ?? Math.max(this.#compactedRv, Math.min(asOfRv ?? this.#rv, this.#rv));
    const items: KubeObject[] = [];
    const limit = options.limit ?? 0;
    for (const [key, object] of store.snapshotAt(rv)) {
      if ((from !== undefined && key <= from.after) || !matches(object)) continue;
      if (limit > 0 && items.length === limit) {
        const last = items.at(-1) as KubeObject;
        const after = keyOf(last.metadata.namespace, last.metadata.name);
        const continueToken = Buffer.from(JSON.stringify({ rv, after })).toString('base64url');
        return { items, resourceVersion: String(rv), continueToken };
      }
      items.push(object);
    }
    return { items, resourceVersion: String(rv) };
  }

  #resume(token: string): { readonly rv: number; readonly after: string } {
    let from: { rv: number; after: string };
    try {
      from = JSON.parse(Buffer.from(token, 'base64url').toString()) as typeof from;
    } catch (cause) {
      throw kubeError('badRequest', 'continue key is not valid', { cause });
    }
    if (from.rv < this.#compactedRv)
      throw kubeError('gone', 'The provided continue parameter is too old');
    return from;
  }

  /** Hands over everything after `options.resourceVersion`, then each commit as it happens. Returns how to stop. */
  watch(
    ref: ResourceRef,
    options: WatchOptions,
    deliver: (event: WatchEvent<KubeObject>) => void,
  ): () => void {
    const store = this.#store(ref);
    const matches = store.matcher(options);
    const rv = Number(options.resourceVersion);
    if (!Number.isSafeInteger(rv))
      throw kubeError('badRequest', `invalid resource version ${options.resourceVersion}`);
    if (rv > this.#rv)
      throw kubeError('unavailable', `Too large resource version: ${rv}, current: ${this.#rv}`);
    if (rv !== 0 && rv < this.#compactedRv) {
      throw kubeError('gone', `too old resource version: ${rv} (${this.#compactedRv})`);
    }
    if (rv === 0) {
      for (const [, object] of store.snapshotAt(this.#rv)) {
        if (matches(object)) deliver({ kind: 'added', object });
      }
    } else {
      for (const change of store.changesAfter(rv)) {
        const event = eventFor(change, matches);
        if (event !== undefined) deliver(event);
      }
    }
    const watcher = { matches, deliver };
    store.watchers.add(watcher);
    return () => store.watchers.delete(watcher);
  }

  create(ref: ResourceRef, object: KubeObject, options: Sent = {}): KubeObject {
    const store = this.#store(ref);
    const { name, namespace } = object.metadata;
    checkMetadata(ref.kind, object.metadata);
    const uid = this.#nextUid(options.dryRun === true);
    const created = newObject(store.options, object, { uid, nowMs: this.clock.nowMs() });
    if (store.objects.has(keyOf(namespace, name))) {
      throw kubeError('alreadyExists', `${ref.plural} "${name}" already exists`);
    }
    return this.#commit(store, 'added', created, undefined, options);
  }

  #nextUid(isDryRun: boolean): string {
    const count = isDryRun ? this.#uids + 1 : ++this.#uids;
    // Spread over the first digits: what hashes or cuts uids should meet unlike ones.
    const head = (Math.imul(count, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
    return `${head}-0000-4000-8000-${count.toString(16).padStart(12, '0')}`;
  }

  update(ref: ResourceRef, object: KubeObject, options: Sent & MainOrStatus = {}): KubeObject {
    const store = this.#store(ref);
    const old = this.#stored(store, object.metadata);
    const rv = object.metadata.resourceVersion;
    if (rv === undefined || rv === '') {
      throw kubeError(
        'badRequest',
        `update of ${ref.kind} "${object.metadata.name}" needs metadata.resourceVersion`,
      );
    }
    this.#refuseStale(store, object, old);
    return this.#write(store, old, object, options);
  }

  patch(
    ref: ResourceRef,
    key: ObjectKey,
    type: PatchType,
    body: unknown,
    options: PatchOptions & Sent = {},
  ): KubeObject {
    const store = this.#store(ref);
    if (type === 'apply') return this.#apply(store, key, body, options);
    const old = this.#stored(store, key);
    const change = (target: unknown): KubeObject =>
      (type === 'merge' ? mergePatch(target, body) : jsonPatch(target, body)) as KubeObject;
    if (options.subresource === 'scale') {
      const asked = scaleWrite(store.options, old, change(scaleOf(store.options, old)));
      return scaleOf(
        store.options,
        this.#write(store, old, asked, { ...options, subresource: undefined }),
      );
    }
    const asked = change(old);
    this.#refuseStale(store, asked, old);
    return this.#write(store, old, asked, { ...options, subresource: options.subresource });
  }

  #apply(
    store: KindStore,
    key: ObjectKey,
    body: unknown,
    options: PatchOptions & Sent,
  ): KubeObject {
    const manager = options.fieldManager ?? '';
    if (manager === '') throw kubeError('badRequest', 'fieldManager is required for apply patch');
    const path = keyOf(key.namespace, key.name);
    const old = store.objects.get(path);
    if (old === undefined) {
      if (options.subresource !== undefined) return this.#stored(store, key);
      const { metadata, ...rest } = body as KubeObject;
      const fresh = { ...rest, metadata: { ...metadata, ...key } };
      const created = this.create(store.options.ref, fresh, options);
      const first = applyPatch({ metadata: { name: key.name } }, body, undefined, {
        manager,
        force: true,
      });
      if (options.dryRun !== true) this.#owners.set(created.metadata.uid ?? '', first.owners);
      return created;
    }
    const uid = old.metadata.uid ?? '';
    this.#refuseStale(store, body, old);
    const applied = applyPatch(old, body, this.#owners.get(uid), {
      manager,
      force: options.force === true,
    });
    const subresource = options.subresource === 'status' ? 'status' : undefined;
    const written = this.#write(store, old, applied.object, { ...options, subresource });
    if (options.dryRun !== true) this.#owners.set(uid, applied.owners);
    return written;
  }

  /**
   * Stores a spec as it is, past every rule: as an object looks that was stored under an older schema, or for a
   * subresource that may change what plain writes may not.
   */
  forceSpec(ref: ResourceRef, key: ObjectKey, spec: unknown, options: Sent = {}): KubeObject {
    const store = this.#store(ref);
    const old = this.#stored(store, key);
    const generation = (old.metadata.generation ?? 0) + 1;
    const next = { ...withMetadata(old, { generation }), spec } as KubeObject;
    return this.#commit(store, 'modified', next, old, options);
  }

  delete(ref: ResourceRef, key: ObjectKey, options: DeleteOptions & Sent = {}): void {
    const store = this.#store(ref);
    const old = this.#stored(store, key);
    const outcome = deletion(store.options, old, options, this.clock.nowMs());
    if (options.propagationPolicy === 'Orphan') this.#orphanDependents(old, options);
    if (outcome.kind === 'marked') this.#commit(store, 'modified', outcome.object, old, options);
    if (outcome.kind === 'removed') this.#commit(store, 'deleted', old, old, options);
  }

  #orphanDependents(owner: KubeObject, options: Sent): void {
    for (const store of this.#kinds.values()) {
      for (const object of store.objects.values()) {
        const owners = object.metadata.ownerReferences ?? [];
        const kept = owners.filter(({ uid }) => uid !== owner.metadata.uid);
        if (kept.length === owners.length) continue;
        this.#write(store, object, withMetadata(object, { ownerReferences: kept }), options);
      }
    }
  }

  #write(
    store: KindStore,
    old: KubeObject,
    asked: KubeObject,
    options: Sent & MainOrStatus,
  ): KubeObject {
    const next = writtenObject(store.options, old, frozenCopy(asked), options.subresource);
    if (next === old) return old;
    checkMetadata(store.options.ref.kind, next.metadata);
    if (isFinished(next)) {
      this.#commit(store, 'deleted', old, old, options);
      return frozenCopy(next);
    }
    return this.#commit(store, 'modified', next, old, options);
  }

  #commit(
    store: KindStore,
    type: Change['type'],
    object: KubeObject,
    previous: KubeObject | undefined,
    options: Sent,
  ): KubeObject {
    if (options.dryRun === true) return frozenCopy(object);
    const rv = ++this.#rv;
    const stored = frozenCopy(withMetadata(object, { resourceVersion: String(rv) }));
    const { uid = '', namespace, name } = stored.metadata;
    const owners = this.#owners.get(uid);
    if (type === 'deleted') this.#owners.delete(uid);
    else if (owners !== undefined && previous !== undefined) {
      this.#owners.set(uid, ownersAfterWrite(owners, previous, stored, options.by ?? 'server'));
    }
    const change: Change = { rv, type, key: keyOf(namespace, name), object: stored, previous };
    store.commit(change);
    const commit: Commit = { change, ref: store.options.ref, by: options.by ?? 'server' };
    for (const listener of this.#listeners) listener(commit);
    return stored;
  }

  #refuseStale(store: KindStore, asked: unknown, old: KubeObject): void {
    if (!isStale(asked, old)) return;
    const { plural } = store.options.ref;
    throw kubeError(
      'conflict',
      `Operation cannot be fulfilled on ${plural} "${old.metadata.name}": the object has been modified`,
    );
  }

  #store(ref: ResourceRef): KindStore {
    const store = this.#kinds.get(keyOf(ref.group, ref.plural));
    if (store === undefined)
      throw kubeError('notFound', `the server has no resource ${ref.plural}.${ref.group}`);
    return store;
  }

  #stored(store: KindStore, { name, namespace }: ObjectKey): KubeObject {
    const object = store.objects.get(keyOf(namespace, name));
    if (object === undefined)
      throw kubeError('notFound', `${store.options.ref.plural} "${name}" not found`);
    return object;
  }
}
