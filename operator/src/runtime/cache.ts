import type { KubeObject, ObjectKey, WatchEvent } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { cacheKey, type Indexer, ObjectIndex } from './objectIndex.ts';
import { compareVersions, newestVersion } from './resourceVersion.ts';

/** How the cache changed. A recreated object (same key, new uid) is told as `deleted`, then `added`. */
export type CacheEvent<T> =
  | { readonly kind: 'added'; readonly object: T }
  | { readonly kind: 'modified'; readonly object: T; readonly previous: T }
  | {
      readonly kind: 'deleted';
      readonly object: T;
      readonly learntFrom: 'watch' | 'list' | 'write';
    };

export type CacheHandler<T> = (event: CacheEvent<T>) => void;

export interface CacheOptions<T extends KubeObject> {
  readonly log: Logger;
  /**
   * Judges and trims an object on its way in; an object it throws for is skipped, counted and logged.
   * Must keep name, namespace, uid and resourceVersion.
   */
  readonly decode?: (raw: KubeObject) => T;
  /** What to hold for an object that cannot be decoded while no good version of it is held; undefined: nothing. */
  readonly substitute?: (raw: KubeObject, error: unknown) => T | undefined;
  /** Called once for each version of an object that cannot be decoded. */
  readonly onUnreadable?: (unreadable: Unreadable) => void;
  readonly indexers?: { readonly [name: string]: Indexer<T> };
  /** Which of our own writes belong here, when the watch is narrowed by a selector. Everything when absent. */
  readonly accepts?: (raw: KubeObject) => boolean;
}

/** An object that cannot be decoded, and why. */
export interface Unreadable {
  readonly raw: KubeObject;
  readonly message: string;
}

export interface CacheStats {
  readonly objects: number;
  /** Objects whose newest version could not be decoded; an older good version of them stays. */
  readonly poisoned: number;
  readonly poisonSkips: number;
  readonly handlerErrors: number;
  /** Events older than what was held already. */
  readonly staleEvents: number;
}

/** Where a relist began: what was written after that moment wins over the list. */
export interface RelistStart {
  readonly sequence: number;
  readonly highestVersion: string;
}

export type HistoryStep =
  | { readonly kind: 'forward' }
  | { readonly kind: 'backward'; readonly highestVersion: string; readonly listedVersion: string };

/** The reading side of a cache. */
export interface CacheReader<T> {
  readonly size: number;
  get(key: ObjectKey): T | undefined;
  /** All objects, in no promised order. The same array until something changes: what is made from it can be kept by it. */
  list(): readonly T[];
  byIndex(name: string, value: string): readonly T[];
  /**
   * True while the newest version of an object cannot be decoded: what `get` gives, if anything, is an older one or a
   * substitute, and nothing may be concluded from its absence.
   */
  isUnreadable(key: ObjectKey): boolean;
  /** Calls `handler` for each object held now and for each change from now on; returns how to stop. */
  subscribe(handler: CacheHandler<T>): () => void;
}

/** Most deletions of our own remembered until the watch confirms them. */
const MAX_TOMBSTONES = 10_000;

/**
 * Objects of one kind as last seen, kept by a reflector and by our own writes.
 *
 * Guarantees: an older version never replaces a newer one; what this process wrote is read back at once
 * (`observe`, `observeDeleted`) and does not come back from the dead through a late event or a late reply;
 * a handler that throws disturbs nobody else.
 * Assumes: one reflector feeds it; resource versions of the kind are comparable.
 */
export class Cache<T extends KubeObject> implements CacheReader<T> {
  readonly #options: CacheOptions<T>;
  readonly #objects: ObjectIndex<T>;
  readonly #handlers = new Set<CacheHandler<T>>();
  readonly #tombstones = new Map<string, number>();
  readonly #poisoned = new Map<string, Unreadable>();
  readonly #untold: CacheEvent<T>[] = [];
  #telling = false;
  #listed: readonly T[] | undefined;
  #sequence = 0;
  #highestVersion = '0';
  /** Everything up to here has come through the list or the watch. */
  #watchVersion = '0';
  #poisonSkips = 0;
  #handlerErrors = 0;
  #staleEvents = 0;

  constructor(options: CacheOptions<T>) {
    this.#options = options;
    this.#objects = new ObjectIndex(options.indexers ?? {});
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(cacheKey(key));
  }

  /** Whether it is this very version that is held. */
  isHeld(key: ObjectKey, uid: string, resourceVersion: string): boolean {
    const metadata = this.get(key)?.metadata;
    return metadata?.resourceVersion === resourceVersion && metadata.uid === uid;
  }

  list(): readonly T[] {
    this.#listed ??= [...this.#objects.values()];
    return this.#listed;
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#objects.byIndex(name, value);
  }

  isUnreadable(key: ObjectKey): boolean {
    return this.#poisoned.has(cacheKey(key));
  }

  unreadable(): readonly Unreadable[] {
    return [...this.#poisoned.values()];
  }

  subscribe(handler: CacheHandler<T>): () => void {
    for (const object of this.#objects.values()) this.#call(handler, { kind: 'added', object });
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  stats(): CacheStats {
    return {
      objects: this.#objects.size,
      poisoned: this.#poisoned.size,
      poisonSkips: this.#poisonSkips,
      handlerErrors: this.#handlerErrors,
      staleEvents: this.#staleEvents,
    };
  }

  /** Takes in the reply to a write of our own: until the watch delivers it, reads already see it. */
  observe(raw: KubeObject): void {
    if (this.#options.accepts?.(raw) === false) return;
    const version = versionOf(raw);
    this.#sequence += 1;
    this.#highestVersion = newestVersion(this.#highestVersion, version);
    // The watch has passed this version already: it told of the object, or of its deletion since.
    if (compareVersions(version, this.#watchVersion) <= 0) return;
    this.#put(raw);
  }

  /** Notes that the object of this uid is gone (its deletion was confirmed); a late event cannot bring it back. */
  observeDeleted(key: ObjectKey, uid: string): void {
    this.#sequence += 1;
    this.#tombstones.set(uid, this.#sequence);
    if (this.#tombstones.size > MAX_TOMBSTONES) {
      const oldest = this.#tombstones.keys().next();
      if (!oldest.done) this.#tombstones.delete(oldest.value);
    }
    if (this.get(key)?.metadata.uid === uid) this.#remove(cacheKey(key), 'write');
  }

  /** For the reflector: one event of the watch. */
  applyWatch(event: WatchEvent<KubeObject>): void {
    const version = event.kind === 'bookmark' ? event.resourceVersion : versionOf(event.object);
    this.#watchVersion = newestVersion(this.#watchVersion, version);
    this.#highestVersion = newestVersion(this.#highestVersion, version);
    switch (event.kind) {
      case 'added':
      case 'modified':
        this.#put(event.object);
        break;
      case 'deleted':
        this.#delete(event.object);
        break;
      case 'bookmark':
        break;
    }
  }

  /** For the reflector: to be called before the first page is asked for. */
  beginRelist(): RelistStart {
    return { sequence: this.#sequence, highestVersion: this.#highestVersion };
  }

  /**
   * For the reflector: makes the cache equal to a complete list, except for what we wrote after it began.
   * A list older than what was seen before it began means that the server's history went backward (a restored
   * backup): then the list alone counts.
   */
  finishRelist(
    start: RelistStart,
    items: readonly KubeObject[],
    listedVersion: string,
  ): HistoryStep {
    const backward = compareVersions(listedVersion, start.highestVersion) < 0;
    for (const [uid, sequence] of this.#tombstones)
      if (backward || sequence <= start.sequence) this.#tombstones.delete(uid);
    this.#watchVersion = listedVersion;
    this.#highestVersion = backward
      ? listedVersion
      : newestVersion(this.#highestVersion, listedVersion);

    const listed = new Set<string>();
    for (const item of items) listed.add(cacheKey(item.metadata));
    for (const [key, object] of this.#objects.entries()) {
      const writtenSince = !backward && compareVersions(versionOf(object), listedVersion) > 0;
      if (!listed.has(key) && !writtenSince) this.#remove(key, 'list');
    }
    for (const key of this.#poisoned.keys()) if (!listed.has(key)) this.#poisoned.delete(key);
    for (const item of items) this.#put(item, backward);
    return backward
      ? { kind: 'backward', highestVersion: start.highestVersion, listedVersion }
      : { kind: 'forward' };
  }

  #put(raw: KubeObject, evenIfOlder = false): void {
    const key = cacheKey(raw.metadata);
    const held = this.#objects.get(key);
    const order = held === undefined ? 1 : compareVersions(versionOf(raw), versionOf(held));
    const sameUid = held?.metadata.uid === raw.metadata.uid;
    if (order === 0 && sameUid) return;
    if ((order <= 0 && !evenIfOlder) || this.#tombstones.has(raw.metadata.uid ?? '')) {
      this.#staleEvents += 1;
      return;
    }
    // Another uid under the same name: the former object is gone, even if the new one cannot be decoded.
    if (held !== undefined && !sameUid) this.#remove(key, 'list');
    const object = this.#decode(key, raw, sameUid);
    if (object === undefined) return;
    this.#listed = undefined;
    this.#objects.set(key, object);
    this.#tell(
      held !== undefined && sameUid
        ? { kind: 'modified', object, previous: held }
        : { kind: 'added', object },
    );
  }

  #delete(raw: KubeObject): void {
    const key = cacheKey(raw.metadata);
    this.#tombstones.delete(raw.metadata.uid ?? '');
    const held = this.#objects.get(key);
    const successor =
      held !== undefined &&
      held.metadata.uid !== raw.metadata.uid &&
      compareVersions(versionOf(raw), versionOf(held)) < 0;
    if (successor) {
      this.#staleEvents += 1;
      return;
    }
    this.#poisoned.delete(key);
    if (held !== undefined) this.#remove(key, 'watch');
  }

  #remove(key: string, learntFrom: 'watch' | 'list' | 'write'): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#listed = undefined;
    this.#objects.delete(key);
    this.#tell({ kind: 'deleted', object, learntFrom });
  }

  #decode(key: string, raw: KubeObject, isHeld: boolean): T | undefined {
    const { decode, substitute, onUnreadable, log } = this.#options;
    try {
      const object = decode === undefined ? (raw as T) : decode(raw);
      this.#poisoned.delete(key);
      return object;
    } catch (error) {
      this.#poisonSkips += 1;
      const message = error instanceof Error ? error.message : String(error);
      const former = this.#poisoned.get(key);
      this.#poisoned.set(key, { raw, message });
      if (former === undefined || versionOf(former.raw) !== versionOf(raw)) {
        log.warn('object skipped: it cannot be decoded', {
          kind: raw.kind,
          key,
          resourceVersion: versionOf(raw),
          error: message,
        });
        onUnreadable?.({ raw, message });
      }
      return isHeld ? undefined : substitute?.(raw, error);
    }
  }

  /** A handler may write and so change the cache again: those events wait until everybody has heard this one. */
  #tell(event: CacheEvent<T>): void {
    this.#untold.push(event);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (;;) {
        const next = this.#untold.shift();
        if (next === undefined) break;
        for (const handler of Array.from(this.#handlers)) this.#call(handler, next);
      }
    } finally {
      this.#telling = false;
    }
  }

  #call(handler: CacheHandler<T>, event: CacheEvent<T>): void {
    try {
      handler(event);
    } catch (error) {
      this.#handlerErrors += 1;
      this.#options.log.error('a handler of the cache threw; the others go on', {
        event: event.kind,
        key: cacheKey(event.object.metadata),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }
}

const versionOf = (object: KubeObject): string => object.metadata.resourceVersion ?? '0';
