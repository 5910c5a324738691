import type { World } from '../controllers/world.ts';
import { jobKeyOf } from '../model/job.ts';
import { LABEL } from '../model/labels.ts';
import type { Clock } from '../ports/clock.ts';
import type { KubeApi, KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Rng } from '../ports/rng.ts';
import { NODES, PODS } from '../schema/kubeKinds.ts';
import type { Node, Pod } from '../schema/kubeObjects.ts';
import * as kinds from '../schema/mezzoKinds.ts';
import { Cache, type Unreadable } from './cache.ts';
import { toOperatorError } from './errors.ts';
import { readObject, substituteFor } from './readObject.ts';
import { Reflector } from './reflector.ts';

export interface WatchesOptions {
  /** A watch that brings nothing, not even a bookmark, for this long is cut and everything listed again. */
  readonly silentLimitMs: number;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'watchRestart' | 'poisonObject'>;
  /** A version of an object cannot be read; it is kept from everybody. */
  readonly onUnreadable: (unreadable: Unreadable) => void;
  /** The server's history went backwards (a restored backup): nothing may be killed on this view alone. */
  readonly onHistoryWentBackwards: (kind: string) => void;
}

/** The caches of everything the operator looks at, and what keeps them fresh. */
export class Watches {
  readonly #options: WatchesOptions;
  readonly #caches = new Map<
    string,
    { readonly ref: ResourceRef; readonly cache: Cache<KubeObject> }
  >();
  #reflectors: { readonly kind: string; readonly reflector: Reflector<KubeObject> }[] = [];
  readonly world: World;

  constructor(options: WatchesOptions) {
    this.#options = options;
    this.world = {
      nodes: this.#cache<Node>(NODES),
      pods: this.#cache<Pod>(PODS, POD_INDEXERS),
      roles: this.#cache<kinds.RoleObject>(kinds.ROLES),
      quotas: this.#cache<kinds.QuotaObject>(kinds.QUOTAS),
      reservations: this.#cache<kinds.ReservationObject>(kinds.RESERVATIONS),
      serviceJobs: this.#cache<kinds.ServiceJobObject>(kinds.SERVICE_JOBS),
      adhocJobs: this.#cache<kinds.AdhocJobObject>(kinds.ADHOC_JOBS),
      cronJobs: this.#cache<kinds.CronJobObject>(kinds.CRON_JOBS),
      frameworks: this.#cache<kinds.FrameworkObject>(kinds.FRAMEWORKS),
      agents: this.#cache<kinds.AgentObject>(kinds.AGENTS),
      maintenanceWindows: this.#cache<kinds.MaintenanceWindowObject>(kinds.MAINTENANCE_WINDOWS),
    };
  }

  /** Lists and watches everything; resolves when every cache holds a complete list, false when stopped before. */
  async start(): Promise<boolean> {
    this.#reflectors = [...this.#caches.values()].map(({ ref, cache }) => ({
      kind: ref.plural,
      reflector: this.#reflector(ref, cache),
    }));
    for (const { reflector } of this.#reflectors) reflector.start();
    const synced = await Promise.all(this.#reflectors.map((one) => one.reflector.whenSynced()));
    return synced.every(Boolean);
  }

  /**
   * Lists everything anew and waits for it. A new leader does this before its first decision: what its predecessor wrote
   * last may not have reached the watches yet.
   */
  async refresh(): Promise<boolean> {
    await this.stop();
    return await this.start();
  }

  /** Makes the cache of one kind equal to a fresh list; resolves when it is. */
  async relist(ref: ResourceRef): Promise<boolean> {
    const index = this.#reflectors.findIndex((one) => one.kind === ref.plural);
    const entry = this.#caches.get(keyOf(ref));
    const former = this.#reflectors[index];
    if (entry === undefined || former === undefined) return false;
    await former.reflector.stop();
    // Stopped as a whole, or listed anew, in the meantime.
    if (this.#reflectors[index] !== former) return false;
    const reflector = this.#reflector(entry.ref, entry.cache);
    this.#reflectors = this.#reflectors.with(index, { kind: ref.plural, reflector });
    reflector.start();
    return await reflector.whenSynced();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((one) => one.reflector.stop()));
  }

  /** Puts the reply to a write into the cache of its kind. */
  observe(ref: ResourceRef, object: KubeObject): void {
    this.#caches.get(keyOf(ref))?.cache.observe(object);
  }

  /** Everything that cannot be read now. */
  unreadable(): readonly Unreadable[] {
    return [...this.#caches.values()].flatMap(({ cache }) => cache.unreadable());
  }

  hasSynced(): boolean {
    return (
      this.#reflectors.length > 0 && this.#reflectors.every((one) => one.reflector.hasSynced())
    );
  }

  stalenessMs(): ReadonlyMap<string, number> {
    return new Map(this.#reflectors.map((one) => [one.kind, one.reflector.stalenessMs()]));
  }

  #cache<T extends KubeObject>(
    ref: ResourceRef,
    indexers?: ConstructorParameters<typeof Cache<T>>[0]['indexers'],
  ): Cache<T> {
    const log = this.#options.log.child({ kind: ref.kind });
    const cache = new Cache<T>({
      log,
      decode: readObject(ref) as (raw: KubeObject) => T,
      substitute: substituteFor(ref) as (raw: KubeObject, error: unknown) => T | undefined,
      onUnreadable: (unreadable) => {
        this.#options.metrics.poisonObject(ref.kind);
        // Items of a list do not name their kind.
        this.#options.onUnreadable({
          ...unreadable,
          raw: { ...unreadable.raw, kind: ref.kind },
        });
      },
      ...(indexers === undefined ? {} : { indexers }),
    });
    this.#caches.set(keyOf(ref), { ref, cache: cache as unknown as Cache<KubeObject> });
    return cache;
  }

  #reflector(ref: ResourceRef, cache: Cache<KubeObject>): Reflector<KubeObject> {
    const { clock, rng, log } = this.#options;
    return new Reflector({
      api: this.#counted(ref),
      ref,
      cache,
      clock,
      rng,
      log: log.child({ kind: ref.kind }),
      silentLimitMs: this.#options.silentLimitMs,
      onHistoryWentBackwards: () => this.#options.onHistoryWentBackwards(ref.kind),
    });
  }

  /** Counts why watches end: the reflector starts the next one in any case. */
  #counted(ref: ResourceRef): Pick<KubeApi, 'list' | 'watch'> {
    const { api, metrics } = this.#options;
    return {
      list: (...call) => api.list(...call),
      async watch(what, options, onEvent, signal) {
        try {
          const end = await api.watch(what, options, onEvent as never, signal);
          metrics.watchRestart(ref.kind, end.kind);
          return end;
        } catch (error) {
          if (!signal.aborted) metrics.watchRestart(ref.kind, toOperatorError(error).code);
          throw error;
        }
      },
    };
  }
}

const keyOf = (ref: ResourceRef): string => `${ref.group}/${ref.plural}`;

/** How Pods are found. */
export const POD_INDEXERS = {
  node: (pod: Pod) => (pod.spec.nodeName === undefined ? [] : [pod.spec.nodeName]),
  jobUid: (pod: Pod) => valuesOf(pod.metadata.labels?.[LABEL.jobUid]),
  /** By job key, so that Pods of a job that was deleted are still found. */
  job: (pod: Pod) => {
    const kind = pod.metadata.labels?.[LABEL.jobKind];
    const name = pod.metadata.labels?.[LABEL.job];
    if (kind === undefined || name === undefined) return [];
    return [jobKeyOf(kind as 'ServiceJob' | 'AdhocJob', pod.metadata.namespace ?? '', name)];
  },
};

const valuesOf = (value: string | undefined): readonly string[] =>
  value === undefined ? [] : [value];
