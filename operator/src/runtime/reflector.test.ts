import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { createSeededRng } from '../model/seededRng.ts';
import {
  KubeApiError,
  type KubeObject,
  type ListOptions,
  type ListPage,
  type WatchEnd,
  type WatchEvent,
  type WatchOptions,
} from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { PODS } from '../schema/kubeKinds.ts';
import { Cache } from './cache.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import { backOffMs, reflectorStep } from './reflectorStep.ts';

const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

const pod = (name: string, resourceVersion: string): KubeObject => ({
  metadata: { name, namespace: 'ns', uid: `uid-${name}`, resourceVersion },
});

/** One watch as the server sees it. */
class OpenWatch {
  readonly options: WatchOptions;
  readonly #onEvent: (event: WatchEvent<KubeObject>) => void;
  readonly done: PromiseWithResolvers<WatchEnd> = Promise.withResolvers();
  open = true;

  constructor(
    options: WatchOptions,
    onEvent: (event: WatchEvent<KubeObject>) => void,
    signal: AbortSignal,
  ) {
    this.options = options;
    this.#onEvent = onEvent;
    signal.addEventListener('abort', () => this.fail(new KubeApiError('unavailable', 'aborted')));
    void this.done.promise.catch(() => undefined);
  }
  send(event: WatchEvent<KubeObject>): void {
    this.#onEvent(event);
  }
  close(): void {
    this.open = false;
    this.done.resolve({ kind: 'closed' });
  }
  fail(error: KubeApiError): void {
    this.open = false;
    this.done.reject(error);
  }
}

/** An API server under the test's hand: lists answer from `answers`, then from `objects`; watches wait for the test. */
class HandApi {
  readonly listed: ListOptions[] = [];
  readonly watches: OpenWatch[] = [];
  readonly answers: (ListPage<KubeObject> | Error)[] = [];
  /** Refusals for the next watches, before any opens. */
  readonly refusals: Error[] = [];
  objects: readonly KubeObject[] = [];
  version = '10';

  list = <T extends KubeObject>(_ref: unknown, options: ListOptions): Promise<ListPage<T>> => {
    this.listed.push(options);
    const answer = this.answers.shift() ?? { items: this.objects, resourceVersion: this.version };
    return answer instanceof Error
      ? Promise.reject(answer)
      : Promise.resolve(answer as ListPage<T>);
  };
  watch = <T extends KubeObject>(
    _ref: unknown,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd> => {
    const watch = new OpenWatch(
      options,
      onEvent as (event: WatchEvent<KubeObject>) => void,
      signal,
    );
    this.watches.push(watch);
    const refusal = this.refusals.shift();
    if (refusal !== undefined) watch.fail(refusal as KubeApiError);
    return watch.done.promise;
  };
  get last(): OpenWatch {
    const watch = this.watches.at(-1);
    if (watch === undefined) throw new Error('no watch was opened');
    return watch;
  }
  get openCount(): number {
    return this.watches.filter((watch) => watch.open).length;
  }
}

let api: HandApi;
let clock: FakeClock;
let cache: Cache<KubeObject>;
let reflector: Reflector<KubeObject>;

beforeEach(() => {
  api = new HandApi();
  clock = new FakeClock();
  cache = new Cache({ log: silentLog });
});
afterEach(async () => {
  await reflector.stop();
  expect(api.openCount).toBe(0);
});

async function start(options: Partial<ReflectorOptions<KubeObject>> = {}): Promise<void> {
  reflector = new Reflector({
    api,
    ref: PODS,
    cache,
    clock,
    rng: createSeededRng('reflector'),
    log: silentLog,
    ...options,
  });
  reflector.start();
  await clock.settle();
}

const names = (): string[] => cache.list().map(({ metadata }) => metadata.name);

describe('list', () => {
  test('reads all pages before the cache changes, and watches from the first page on', async () => {
    api.answers.push(
      { items: [pod('a', '1')], resourceVersion: '10', continueToken: 'p2' },
      { items: [pod('b', '2')], resourceVersion: '10', continueToken: 'p3' },
      { items: [pod('c', '3')], resourceVersion: '12' },
    );
    await start({ namespace: 'ns', labelSelector: 'x=y', pageSize: 1 });
    expect(names()).toEqual(['a', 'b', 'c']);
    expect(api.listed).toEqual([
      { namespace: 'ns', labelSelector: 'x=y', limit: 1 },
      { namespace: 'ns', labelSelector: 'x=y', limit: 1, continueToken: 'p2' },
      { namespace: 'ns', labelSelector: 'x=y', limit: 1, continueToken: 'p3' },
    ]);
    expect(api.last.options).toMatchObject({ resourceVersion: '10', labelSelector: 'x=y' });
    await expect(reflector.whenSynced()).resolves.toBe(true);
  });

  test('an expired continue token starts the list again from its first page', async () => {
    api.answers.push(
      { items: [pod('a', '1')], resourceVersion: '10', continueToken: 'p2' },
      new KubeApiError('gone', 'the continue token is too old'),
    );
    api.objects = [pod('b', '2')];
    await start();
    expect(reflector.hasSynced()).toBe(false);
    await clock.advance(2_000);
    expect(names()).toEqual(['b']);
    expect(api.listed[2]).not.toHaveProperty('continueToken');
  });

  test('failures are waited out with a growing back-off, and Retry-After is kept', async () => {
    for (let index = 0; index < 8; index += 1)
      api.answers.push(new KubeApiError('unavailable', 'down'));
    await start();
    const startedAtMs: number[] = [0];
    for (let index = 0; index < 8; index += 1) {
      const count = api.listed.length;
      await clock.runUntil(() => api.listed.length > count, 60_000);
      startedAtMs.push(clock.monotonicMs());
    }
    const waits = startedAtMs.slice(1).map((atMs, index) => atMs - (startedAtMs[index] ?? 0));
    expect(waits[0]).toBeGreaterThanOrEqual(800);
    expect(waits[0]).toBeLessThan(1_600);
    expect(waits[2]).toBeGreaterThanOrEqual(3_200);
    expect(waits.at(-1)).toBe(30_000);
    expect(reflector.hasSynced()).toBe(true);
    expect(reflector.stats()).toMatchObject({ lists: 9, failures: 8, state: 'watching' });
  });

  test('Retry-After of a refused list is kept', async () => {
    api.answers.push(new KubeApiError('tooManyRequests', 'slow', { retryAfterMs: 20_000 }));
    await start();
    await clock.advance(19_999);
    expect(api.listed).toHaveLength(1);
    await clock.advance(1);
    expect(api.listed).toHaveLength(2);
  });
});

describe('watch', () => {
  test('continues from the newest event or bookmark after an orderly end', async () => {
    await start();
    api.last.send({ kind: 'added', object: pod('a', '11') });
    api.last.send({ kind: 'bookmark', resourceVersion: '15' });
    api.last.close();
    await clock.settle();
    expect(names()).toEqual(['a']);
    expect(api.watches).toHaveLength(2);
    expect(api.last.options.resourceVersion).toBe('15');
    expect(api.listed).toHaveLength(1);
  });

  test('asks for a random time-out of 5 to 10 minutes', async () => {
    await start();
    for (let index = 0; index < 30; index += 1) {
      api.last.send({ kind: 'bookmark', resourceVersion: '15' });
      api.last.close();
      await clock.settle();
    }
    const seconds = api.watches.map((watch) => watch.options.timeoutSeconds);
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(600);
    expect(new Set(seconds).size).toBeGreaterThan(20);
  });

  test('gone lists again and tells the difference, deletions included', async () => {
    api.objects = [pod('a', '1'), pod('b', '2')];
    await start();
    const told: string[] = [];
    cache.subscribe(({ kind, object }) => told.push(`${kind} ${object.metadata.name}`));
    told.length = 0;
    api.objects = [pod('b', '12'), pod('c', '13')];
    api.version = '20';
    api.last.fail(new KubeApiError('gone', 'too old'));
    await clock.settle();
    expect(told).toEqual(['deleted a', 'modified b', 'added c']);
    expect(api.last.options.resourceVersion).toBe('20');
  });

  test('gone again and again is not asked in a loop', async () => {
    for (let index = 0; index < 50; index += 1)
      api.refusals.push(new KubeApiError('gone', 'too old'));
    await start();
    await clock.advance(10_000);
    expect(api.listed.length).toBeLessThan(6);
    expect(api.listed.length).toBeGreaterThan(2);
  });

  test('a broken watch resumes from its last version after a wait', async () => {
    await start();
    api.last.send({ kind: 'added', object: pod('a', '11') });
    api.version = '11';
    api.last.fail(new KubeApiError('unavailable', 'reset'));
    await clock.advance(700);
    expect(api.watches).toHaveLength(1);
    await clock.advance(1_000);
    expect(api.last.options.resourceVersion).toBe('11');
    expect(names()).toEqual(['a']);
  });

  test('a watch that closes at once, again and again, is not asked in a loop', async () => {
    await start();
    for (let index = 0; index < 100; index += 1) {
      if (api.last.open) api.last.close();
      await clock.advance(100);
    }
    expect(api.watches.length).toBeLessThan(6);
  });

  test('after an outage a server that came back from a backup is noticed, although its watch would be silent', async () => {
    const backward: unknown[] = [];
    api.version = '500';
    api.objects = [pod('a', '400')];
    await start({ onHistoryWentBackwards: (step) => backward.push(step) });
    api.version = '90';
    api.objects = [pod('old', '80')];
    api.last.fail(new KubeApiError('unavailable', 'server died'));
    await clock.advance(2_000);
    expect(backward).toEqual([{ kind: 'backward', highestVersion: '500', listedVersion: '90' }]);
    expect(names()).toEqual(['old']);
    expect(api.last.options.resourceVersion).toBe('90');
  });

  test('an open but silent watch is cut and everything listed again; bookmarks keep it alive', async () => {
    await start({ silentLimitMs: 60_000 });
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.advance(50_000);
      api.last.send({ kind: 'bookmark', resourceVersion: `${11 + minute}` });
    }
    expect(api.watches).toHaveLength(1);
    const silent = api.last;
    api.version = '30';
    api.objects = [pod('missed', '25')];
    await clock.advance(59_999);
    expect(silent.open).toBe(true);
    expect(reflector.stalenessMs()).toBe(59_999);
    await clock.advance(1);
    expect(silent.open).toBe(false);
    expect(names()).toEqual(['missed']);
    expect(reflector.stats().silentWatches).toBe(1);
    expect(reflector.stalenessMs()).toBe(0);
    silent.send({ kind: 'added', object: pod('ghost', '99') });
    expect(names()).toEqual(['missed']);
  });
});

describe('stop', () => {
  test('ends an open watch, and later events reach nobody', async () => {
    await start();
    const watch = api.last;
    await reflector.stop();
    expect(api.openCount).toBe(0);
    watch.send({ kind: 'added', object: pod('late', '11') });
    expect(cache.size).toBe(0);
    expect(reflector.stats().state).toBe('stopped');
  });

  test('during a list keeps the list out of the cache and opens no watch', async () => {
    const page: PromiseWithResolvers<ListPage<KubeObject>> = Promise.withResolvers();
    api.list = <T extends KubeObject>() => page.promise as Promise<ListPage<T>>;
    await start();
    const stopped = reflector.stop();
    page.resolve({ items: [pod('a', '1')], resourceVersion: '10' });
    await stopped;
    expect(cache.size).toBe(0);
    expect(api.watches).toHaveLength(0);
    await expect(reflector.whenSynced()).resolves.toBe(false);
  });

  test('during a wait ends it; start after stop does nothing', async () => {
    api.answers.push(new KubeApiError('unavailable', 'down'));
    await start();
    await reflector.stop();
    reflector.start();
    await clock.advance(60_000);
    expect(api.listed).toHaveLength(1);
  });
});

describe('reflectorStep', () => {
  test('gone after earlier failures waits, but then lists: the version is of no more use', () => {
    const state = {
      kind: 'watching',
      failures: 2,
      resourceVersion: '5',
      afterOutage: true,
    } as const;
    const failed = {
      kind: 'watchFailed',
      resourceVersion: '5',
      useful: false,
      retryAfterMs: 0,
    } as const;
    expect(reflectorStep(state, { ...failed, code: 'gone' })).toEqual({
      kind: 'waiting',
      failures: 3,
      atLeastMs: 0,
      next: { kind: 'listing' },
    });
    expect(reflectorStep(state, { ...failed, code: 'tooManyRequests' })).toMatchObject({
      next: { kind: 'watching', resourceVersion: '5' },
    });
  });

  test('stop wins in every state and is final', () => {
    for (const state of [
      { kind: 'listing', failures: 2 },
      { kind: 'watching', failures: 0, resourceVersion: '1', afterOutage: false },
      { kind: 'waiting', failures: 1, atLeastMs: 0, next: { kind: 'listing' } },
      { kind: 'stopped' },
    ] as const) {
      expect(reflectorStep(state, { kind: 'stop' })).toEqual({ kind: 'stopped' });
      expect(reflectorStep({ kind: 'stopped' }, { kind: 'waited' })).toEqual({ kind: 'stopped' });
    }
  });

  test('the back-off stays within its bounds for any number of failures', () => {
    for (let failures = 0; failures < 200; failures += 1)
      for (const fraction of [0, 0.5, 0.999]) {
        const delayMs = backOffMs(failures, fraction);
        expect(delayMs).toBeGreaterThanOrEqual(800);
        expect(delayMs).toBeLessThanOrEqual(30_000);
      }
  });
});
