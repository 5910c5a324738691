import { type CancelTimer, type Clock, sleep } from '../ports/clock.ts';
import {
  isKubeError,
  type KubeApi,
  type KubeErrorCode,
  type KubeObject,
  type ResourceRef,
  type WatchEvent,
} from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import type { Rng } from '../ports/rng.ts';
import type { Cache, HistoryStep } from './cache.ts';
import {
  backOffMs,
  type ReflectorEvent,
  type ReflectorState,
  reflectorStep,
} from './reflectorStep.ts';
import { compareVersions } from './resourceVersion.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly api: Pick<KubeApi, 'list' | 'watch'>;
  readonly ref: ResourceRef;
  readonly cache: Cache<T>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly pageSize?: number;
  /** An open watch without an event or bookmark for this long is cut, and everything is listed again. */
  readonly silentLimitMs?: number;
  /** Called after the cache was made equal to the list: the server was restored from a backup. */
  readonly onHistoryWentBackwards?: (step: HistoryStep & { readonly kind: 'backward' }) => void;
}

/** Figures for gauges and for `/livez`. */
export interface ReflectorStats {
  readonly state: ReflectorState['kind'];
  readonly lists: number;
  readonly watches: number;
  readonly failures: number;
  readonly silentWatches: number;
}

const PAGE_SIZE = 500;
/** kube-apiserver sends a bookmark about every minute. */
const SILENT_LIMIT_MS = 5 * 60_000;
const SHORTEST_WATCH_SECONDS = 300;
const WATCH_SPREAD_SECONDS = 301;
/** A watch that ends sooner and brought nothing is a failure: without this a broken server is asked in a loop. */
const USEFUL_AFTER_MS = 1_000;

/**
 * Keeps a cache equal to the objects of one kind: list in pages, then watch from there, for ever.
 *
 * Guarantees: any error is waited out and tried again; after `stop` no watch is open and nothing reaches the cache.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #stopping = new AbortController();
  readonly #synced: PromiseWithResolvers<boolean> = Promise.withResolvers();
  #state: ReflectorState = { kind: 'listing', failures: 0 };
  #running: Promise<void> | undefined;
  #hasSynced = false;
  #lastEventMonotonicMs: number;
  #lists = 0;
  #watches = 0;
  #failures = 0;
  #silentWatches = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#lastEventMonotonicMs = options.clock.monotonicMs();
  }

  /** Starts once; further calls do nothing. */
  start(): void {
    if (this.#running !== undefined || this.#stopping.signal.aborted) return;
    this.#lastEventMonotonicMs = this.#options.clock.monotonicMs();
    this.#running = this.#run();
  }

  /** Resolves when the last watch or list has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the reflector was stopped'));
    await this.#running;
    this.#synced.resolve(false);
  }

  /** True once the first list is in the cache; false when stopped before that. */
  whenSynced(): Promise<boolean> {
    return this.#synced.promise;
  }

  hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Monotonic time of the last proof that the view is fresh: a completed list, an event, a bookmark. */
  lastEventMonotonicMs(): number {
    return this.#lastEventMonotonicMs;
  }

  stalenessMs(): number {
    return this.#options.clock.monotonicMs() - this.#lastEventMonotonicMs;
  }

  stats(): ReflectorStats {
    return {
      state: this.#state.kind,
      lists: this.#lists,
      watches: this.#watches,
      failures: this.#failures,
      silentWatches: this.#silentWatches,
    };
  }

  async #run(): Promise<void> {
    while (this.#state.kind !== 'stopped') {
      const event = await this.#perform(this.#state);
      this.#state = reflectorStep(
        this.#state,
        this.#stopping.signal.aborted ? { kind: 'stop' } : event,
      );
    }
  }

  #perform(state: Exclude<ReflectorState, { kind: 'stopped' }>): Promise<ReflectorEvent> {
    switch (state.kind) {
      case 'listing':
        return this.#list();
      case 'watching':
        return this.#watch(state);
      case 'waiting':
        return this.#wait(state);
    }
  }

  async #wait(state: ReflectorState & { kind: 'waiting' }): Promise<ReflectorEvent> {
    const { clock, rng } = this.#options;
    const delayMs = Math.max(state.atLeastMs, backOffMs(state.failures, rng.next()));
    try {
      await sleep(clock, delayMs, this.#stopping.signal);
    } catch {
      return { kind: 'stop' };
    }
    return { kind: 'waited' };
  }

  async #list(): Promise<ReflectorEvent> {
    const { cache, ref, onHistoryWentBackwards, log } = this.#options;
    this.#lists += 1;
    try {
      const start = cache.beginRelist();
      const { items, resourceVersion } = await this.#listAllPages();
      if (this.#stopping.signal.aborted) return { kind: 'stop' };
      const step = cache.finishRelist(start, items, resourceVersion);
      if (step.kind === 'backward') {
        log.error('the history of the API server went backward', { plural: ref.plural, ...step });
        onHistoryWentBackwards?.(step);
      }
      this.#touch();
      this.#hasSynced = true;
      this.#synced.resolve(true);
      return { kind: 'listed', resourceVersion };
    } catch (error) {
      return { kind: 'listFailed', ...this.#failed('list failed', error) };
    }
  }

  async #listAllPages(): Promise<{ items: readonly KubeObject[]; resourceVersion: string }> {
    const { api, ref, pageSize = PAGE_SIZE } = this.#options;
    const items: KubeObject[] = [];
    let continueToken: string | undefined;
    let resourceVersion: string | undefined;
    do {
      const page = await api.list(
        ref,
        {
          ...this.#scope(),
          limit: pageSize,
          ...(continueToken !== undefined && { continueToken }),
        },
        this.#stopping.signal,
      );
      for (const item of page.items) items.push(item);
      // All pages show the state of the first one.
      resourceVersion ??= page.resourceVersion;
      continueToken = page.continueToken;
    } while (continueToken !== undefined);
    return { items, resourceVersion };
  }

  async #watch(state: ReflectorState & { kind: 'watching' }): Promise<ReflectorEvent> {
    const { api, cache, clock, ref, rng } = this.#options;
    const cut = new AbortController();
    const startMs = clock.monotonicMs();
    let resourceVersion = state.resourceVersion;
    let brought = false;
    let cancelSilence: CancelTimer = () => undefined;
    const onEvent = (event: WatchEvent<KubeObject>): void => {
      if (cut.signal.aborted || this.#stopping.signal.aborted) return;
      brought = true;
      resourceVersion = versionOfEvent(event) ?? resourceVersion;
      this.#touch();
      cache.applyWatch(event);
    };
    const useful = (): boolean => brought || clock.monotonicMs() - startMs >= USEFUL_AFTER_MS;
    this.#watches += 1;
    try {
      if (state.afterOutage && (await this.#isBehind(resourceVersion)))
        return { kind: 'historyBackward' };
      cancelSilence = this.#cutWhenSilent(cut);
      await api.watch(
        ref,
        {
          ...this.#scope(),
          resourceVersion,
          timeoutSeconds: SHORTEST_WATCH_SECONDS + rng.int(WATCH_SPREAD_SECONDS),
          isHeld: (...version) => cache.isHeld(...version),
        },
        onEvent,
        AbortSignal.any([this.#stopping.signal, cut.signal]),
      );
      if (cut.signal.aborted) return this.#silent();
      return { kind: 'watchClosed', resourceVersion, useful: useful() };
    } catch (error) {
      if (cut.signal.aborted) return this.#silent();
      const failure = this.#failed('watch failed', error);
      return { kind: 'watchFailed', resourceVersion, useful: brought, ...failure };
    } finally {
      cut.abort();
      cancelSilence();
    }
  }

  /**
   * After an outage the server may have come back from a backup. It accepts a watch from a version of its future
   * and then stays silent, so its present is asked for first.
   */
  async #isBehind(resourceVersion: string): Promise<boolean> {
    const { api, ref } = this.#options;
    const page = await api.list(ref, { ...this.#scope(), limit: 1 }, this.#stopping.signal);
    return compareVersions(page.resourceVersion, resourceVersion) < 0;
  }

  #cutWhenSilent(cut: AbortController): CancelTimer {
    const { clock, silentLimitMs = SILENT_LIMIT_MS } = this.#options;
    const openedMs = clock.monotonicMs();
    let cancel: CancelTimer;
    const check = (): void => {
      const quietMs = clock.monotonicMs() - Math.max(openedMs, this.#lastEventMonotonicMs);
      if (quietMs >= silentLimitMs) cut.abort(new Error(`no event for ${silentLimitMs} ms`));
      else cancel = clock.setTimer(silentLimitMs - quietMs, check);
    };
    cancel = clock.setTimer(silentLimitMs, check);
    return () => cancel();
  }

  #silent(): ReflectorEvent {
    this.#silentWatches += 1;
    this.#options.log.warn('silent watch cut', { plural: this.#options.ref.plural });
    return { kind: 'watchSilent' };
  }

  #failed(message: string, error: unknown): { code: KubeErrorCode; retryAfterMs: number } {
    const code = isKubeError(error) ? error.code : 'unavailable';
    const retryAfterMs = isKubeError(error) ? (error.retryAfterMs ?? 0) : 0;
    if (this.#stopping.signal.aborted) return { code, retryAfterMs };
    this.#failures += 1;
    this.#options.log.warn(message, {
      plural: this.#options.ref.plural,
      code,
      error: error instanceof Error ? error.message : String(error),
    });
    return { code, retryAfterMs };
  }

  #touch(): void {
    this.#lastEventMonotonicMs = this.#options.clock.monotonicMs();
  }

  #scope(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace !== undefined && { namespace }),
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    };
  }
}

const versionOfEvent = (event: WatchEvent<KubeObject>): string | undefined =>
  event.kind === 'bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion;
