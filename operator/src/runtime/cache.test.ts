import { beforeEach, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../ports/kubeApi.ts';
import type { LogFields, Logger } from '../ports/logger.ts';
import { Cache, type CacheEvent, type CacheOptions } from './cache.ts';

class MemoryLog implements Logger {
  readonly lines: string[] = [];
  debug = (): void => undefined;
  info = (): void => undefined;
  warn = (message: string, fields: LogFields = {}): void => {
    this.lines.push(`warn ${message} ${String(fields['key'])}`);
  };
  error = (message: string, fields: LogFields = {}): void => {
    this.lines.push(`error ${message} ${String(fields['key'])}`);
  };
  child = (): Logger => this;
}

interface Thing extends KubeObject {
  readonly spec?: string;
}

const thing = (
  name: string,
  resourceVersion: string,
  more: { uid?: string; spec?: string; color?: string } = {},
): Thing => ({
  metadata: {
    name,
    namespace: 'ns',
    uid: more.uid ?? `uid-${name}`,
    resourceVersion,
    ...(more.color !== undefined && { labels: { color: more.color } }),
  },
  ...(more.spec !== undefined && { spec: more.spec }),
});

const say = (event: CacheEvent<Thing>): string => {
  const { name, resourceVersion } = event.object.metadata;
  const from = event.kind === 'deleted' ? ` by ${event.learntFrom}` : '';
  return `${event.kind} ${name}@${resourceVersion}${from}`;
};

let log: MemoryLog;
let told: string[];
const setUp = (options: Partial<CacheOptions<Thing>> = {}): Cache<Thing> => {
  log = new MemoryLog();
  told = [];
  const cache = new Cache<Thing>({ log, ...options });
  cache.subscribe((event) => told.push(say(event)));
  return cache;
};
const relist = (cache: Cache<Thing>, version: string, items: readonly Thing[]) =>
  cache.finishRelist(cache.beginRelist(), items, version);
const held = (cache: Cache<Thing>): string[] =>
  cache
    .list()
    .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
    .toSorted((left, right) => (left < right ? -1 : 1));

describe('watch events', () => {
  test('versions are compared as numbers, also beyond 2^53', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '9') });
    cache.applyWatch({ kind: 'modified', object: thing('a', '10') });
    cache.applyWatch({ kind: 'modified', object: thing('a', '9007199254740993') });
    cache.applyWatch({ kind: 'modified', object: thing('a', '9007199254740992') });
    expect(held(cache)).toEqual(['a@9007199254740993']);
    expect(cache.stats().staleEvents).toBe(1);
  });

  test('a deletion removes the object and tells its last state', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1') });
    cache.applyWatch({ kind: 'deleted', object: thing('a', '2') });
    expect(cache.size).toBe(0);
    expect(told).toEqual(['added a@1', 'deleted a@1 by watch']);
  });

  test('an object recreated under its name is told as deleted and added', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1', { uid: 'first' }) });
    cache.applyWatch({ kind: 'added', object: thing('a', '5', { uid: 'second' }) });
    expect(told).toEqual(['added a@1', 'deleted a@1 by list', 'added a@5']);
  });

  test('the late deletion of a former object of the name does not remove its successor', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1', { uid: 'first' }) });
    cache.observe(thing('a', '7', { uid: 'second' }));
    cache.applyWatch({ kind: 'deleted', object: thing('a', '5', { uid: 'first' }) });
    expect(held(cache)).toEqual(['a@7']);
  });
});

describe('our own writes', () => {
  test('are read back at once, and older events do not undo them', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1', { spec: 'old' }) });
    cache.observe(thing('a', '5', { spec: 'ours' }));
    expect(cache.get({ namespace: 'ns', name: 'a' })?.spec).toBe('ours');
    cache.applyWatch({ kind: 'modified', object: thing('a', '3', { spec: 'late' }) });
    cache.applyWatch({ kind: 'modified', object: thing('a', '5', { spec: 'ours' }) });
    expect(cache.get({ namespace: 'ns', name: 'a' })?.spec).toBe('ours');
    expect(told).toEqual(['added a@1', 'modified a@5']);
  });

  test('a reply that comes after the watch told of the deletion does not bring the object back', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1') });
    cache.applyWatch({ kind: 'deleted', object: thing('a', '6') });
    cache.observe(thing('a', '5'));
    expect(cache.size).toBe(0);
  });

  test('an object we deleted does not come back through a late event', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1') });
    cache.observeDeleted({ namespace: 'ns', name: 'a' }, 'uid-a');
    cache.applyWatch({ kind: 'modified', object: thing('a', '2') });
    expect(cache.size).toBe(0);
    cache.applyWatch({ kind: 'deleted', object: thing('a', '3') });
    cache.applyWatch({ kind: 'added', object: thing('a', '4', { uid: 'next' }) });
    expect(told).toEqual(['added a@1', 'deleted a@1 by write', 'added a@4']);
  });

  test('what the selector of the watch leaves out is not taken in', () => {
    const cache = setUp({ accepts: ({ metadata }) => metadata.labels?.['color'] === 'red' });
    cache.observe(thing('a', '5', { color: 'blue' }));
    cache.observe(thing('b', '6', { color: 'red' }));
    expect(held(cache)).toEqual(['b@6']);
  });
});

describe('relist', () => {
  let cache: Cache<Thing>;
  beforeEach(() => {
    cache = setUp();
    relist(cache, '10', [thing('a', '1'), thing('b', '2'), thing('c', '3')]);
    told.length = 0;
  });

  test('tells only the difference, and what vanished as deleted', () => {
    expect(relist(cache, '20', [thing('a', '1'), thing('b', '15'), thing('d', '18')])).toEqual({
      kind: 'forward',
    });
    expect(told).toEqual(['deleted c@3 by list', 'modified b@15', 'added d@18']);
  });

  test('keeps what we wrote after the list was taken', () => {
    const start = cache.beginRelist();
    cache.observe(thing('new', '25'));
    cache.observe(thing('a', '24', { spec: 'ours' }));
    cache.observeDeleted({ namespace: 'ns', name: 'b' }, 'uid-b');
    cache.finishRelist(start, [thing('a', '1'), thing('b', '2'), thing('c', '3')], '20');
    expect(held(cache)).toEqual(['a@24', 'c@3', 'new@25']);
  });

  test('believes the list about an object we deleted before it began: a finalizer may hold it', () => {
    cache.observeDeleted({ namespace: 'ns', name: 'b' }, 'uid-b');
    relist(cache, '20', [thing('a', '1'), thing('b', '12'), thing('c', '3')]);
    expect(held(cache)).toEqual(['a@1', 'b@12', 'c@3']);
  });

  test('reports a history that went backward, and then believes the list alone', () => {
    cache.applyWatch({ kind: 'bookmark', resourceVersion: '500' });
    cache.observe(thing('a', '510', { spec: 'lost' }));
    expect(relist(cache, '40', [thing('a', '1', { spec: 'restored' }), thing('z', '39')])).toEqual({
      kind: 'backward',
      highestVersion: '510',
      listedVersion: '40',
    });
    expect(held(cache)).toEqual(['a@1', 'z@39']);
    expect(cache.get({ namespace: 'ns', name: 'a' })?.spec).toBe('restored');
    cache.applyWatch({ kind: 'modified', object: thing('a', '41') });
    expect(held(cache)).toEqual(['a@41', 'z@39']);
    expect(relist(cache, '42', []).kind).toBe('forward');
  });
});

describe('poison', () => {
  const decode = (raw: KubeObject): Thing => {
    if ((raw as Thing).spec === 'poison') throw new Error('spec is bad');
    return raw;
  };

  test('an object that cannot be decoded is skipped, counted and logged once per version', () => {
    const cache = setUp({ decode });
    relist(cache, '5', [thing('bad', '1', { spec: 'poison' }), thing('good', '2')]);
    relist(cache, '6', [thing('bad', '1', { spec: 'poison' }), thing('good', '2')]);
    expect(held(cache)).toEqual(['good@2']);
    expect(cache.stats()).toMatchObject({ poisoned: 1, poisonSkips: 2 });
    expect(log.lines).toEqual(['warn object skipped: it cannot be decoded ns/bad']);
    relist(cache, '7', [thing('good', '2')]);
    expect(cache.stats().poisoned).toBe(0);
  });

  test('its last good version stays until it is mended or gone', () => {
    const cache = setUp({ decode });
    relist(cache, '5', [thing('a', '1', { spec: 'good' })]);
    cache.applyWatch({ kind: 'modified', object: thing('a', '6', { spec: 'poison' }) });
    relist(cache, '7', [thing('a', '6', { spec: 'poison' })]);
    expect(held(cache)).toEqual(['a@1']);
    expect(cache.stats().poisoned).toBe(1);
    cache.applyWatch({ kind: 'modified', object: thing('a', '8', { spec: 'mended' }) });
    expect(held(cache)).toEqual(['a@8']);
    expect(cache.stats().poisoned).toBe(0);
    cache.applyWatch({ kind: 'modified', object: thing('a', '9', { spec: 'poison' }) });
    cache.applyWatch({ kind: 'deleted', object: thing('a', '10', { spec: 'poison' }) });
    expect(cache.stats()).toMatchObject({ objects: 0, poisoned: 0 });
  });
});

describe('an object that cannot be decoded', () => {
  const decode = (raw: KubeObject): Thing => {
    if ((raw as Thing).spec === 'poison') throw new Error('spec is bad');
    return raw;
  };
  const key = { name: 'a', namespace: 'ns' };
  const bad = (version: string, uid?: string): Thing =>
    thing('a', version, { spec: 'poison', ...(uid === undefined ? {} : { uid }) });

  test('is told of once per version, and known as unreadable until it is mended or gone', () => {
    const heard: string[] = [];
    const cache = setUp({
      decode,
      onUnreadable: ({ raw, message }) =>
        heard.push(`${raw.metadata.name}@${raw.metadata.resourceVersion} ${message}`),
    });
    relist(cache, '5', [bad('1')]);
    relist(cache, '6', [bad('1')]);
    cache.applyWatch({ kind: 'modified', object: bad('7') });
    expect(heard).toEqual(['a@1 spec is bad', 'a@7 spec is bad']);
    expect(cache.isUnreadable(key)).toBe(true);
    expect(cache.unreadable().map(({ message }) => message)).toEqual(['spec is bad']);
    cache.applyWatch({ kind: 'modified', object: thing('a', '8') });
    expect(cache.isUnreadable(key)).toBe(false);
    cache.applyWatch({ kind: 'modified', object: bad('9') });
    expect(cache.isUnreadable(key)).toBe(true);
    cache.applyWatch({ kind: 'deleted', object: bad('10') });
    expect(cache.isUnreadable(key)).toBe(false);
  });

  test('is stood in for only while no good version of it is held', () => {
    const substitute = (raw: KubeObject): Thing => ({ ...raw, spec: 'closed' });
    const cache = setUp({ decode, substitute });
    relist(cache, '5', [bad('1')]);
    expect(cache.get(key)?.spec).toBe('closed');
    expect(cache.isUnreadable(key)).toBe(true);
    cache.applyWatch({ kind: 'modified', object: thing('a', '6', { spec: 'good' }) });
    cache.applyWatch({ kind: 'modified', object: bad('7') });
    expect(cache.get(key)?.spec).toBe('good');
    cache.applyWatch({ kind: 'added', object: bad('8', 'another') });
    expect(cache.get(key)?.spec).toBe('closed');
    expect(told).toEqual(['added a@1', 'modified a@6', 'deleted a@6 by list', 'added a@8']);
  });
});

describe('readers', () => {
  test('indexes follow every change', () => {
    const cache = setUp({
      indexers: { color: ({ metadata }) => [metadata.labels?.['color'] ?? ''].filter(Boolean) },
    });
    const colored = (color: string): string[] =>
      cache.byIndex('color', color).map(({ metadata }) => metadata.name);
    cache.applyWatch({ kind: 'added', object: thing('a', '1', { color: 'red' }) });
    cache.applyWatch({ kind: 'added', object: thing('b', '2', { color: 'red' }) });
    expect(colored('red')).toEqual(['a', 'b']);
    cache.applyWatch({ kind: 'modified', object: thing('a', '3', { color: 'blue' }) });
    cache.applyWatch({ kind: 'deleted', object: thing('b', '4', { color: 'red' }) });
    expect([colored('red'), colored('blue')]).toEqual([[], ['a']]);
    expect(() => cache.byIndex('shape', 'round')).toThrow('no index "shape"');
  });

  test('a late subscriber hears of what is there, and a handler that throws disturbs nobody', () => {
    const cache = setUp();
    cache.applyWatch({ kind: 'added', object: thing('a', '1') });
    cache.subscribe(() => {
      throw new Error('broken handler');
    });
    const heard: string[] = [];
    const stop = cache.subscribe((event) => heard.push(say(event)));
    cache.applyWatch({ kind: 'modified', object: thing('a', '2') });
    stop();
    cache.applyWatch({ kind: 'modified', object: thing('a', '3') });
    expect(heard).toEqual(['added a@1', 'modified a@2']);
    expect(cache.stats().handlerErrors).toBe(3);
    expect(held(cache)).toEqual(['a@3']);
  });

  test('a change made inside a handler is heard by all in the same order', () => {
    const cache = setUp();
    cache.subscribe((event) => {
      if (event.kind === 'added') cache.observe(thing('a', '9'));
    });
    const heard: string[] = [];
    cache.subscribe((event) => heard.push(say(event)));
    cache.applyWatch({ kind: 'added', object: thing('a', '1') });
    expect(heard).toEqual(['added a@1', 'modified a@9']);
    expect(told).toEqual(heard);
  });
});
