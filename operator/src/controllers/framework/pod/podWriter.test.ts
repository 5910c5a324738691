import { beforeEach, describe, expect, test } from '@jest/globals';
import { directClient } from '../../../../../test/support/fakeApi/directTransport.ts';
import { FakeApiServer } from '../../../../../test/support/fakeApiServer.ts';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../../test/support/frameworkHarness.ts';
import { TASK_FINALIZER } from '../../../model/labels.ts';
import { createSeededRng } from '../../../model/seededRng.ts';
import { type DeleteOptions, type KubeApi, KubeApiError } from '../../../ports/kubeApi.ts';
import { Cache } from '../../../runtime/cache.ts';
import { PODS } from '../../../schema/kubeKinds.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { KeyedWorker } from '../keyedWorker.ts';
import { PodWriter } from './podWriter.ts';

const KEY = { name: 'p', namespace: 'tenants' };
const ACKNOWLEDGED = 'mezzo.dev/acknowledged';
const FOREIGN = 'example.com/other';

let clock: FakeClock;
let api: FakeApiServer;
let cache: Cache<Pod>;
let kube: KubeApi;
beforeEach(() => {
  clock = new FakeClock();
  api = new FakeApiServer({ clock });
  kube = directClient(api);
  cache = new Cache<Pod>({ log: silentLog });
  const pod = {
    metadata: { ...KEY, finalizers: [TASK_FINALIZER, FOREIGN] },
    spec: { nodeName: 'n', containers: [{ name: 'task', image: 'x' }] },
  };
  cache.observe(api.create(PODS, pod));
});

const writerOver = (over: Partial<KubeApi> = {}, isBusy?: () => boolean): PodWriter => {
  const merged = new Proxy(kube, {
    get: (target, name: keyof KubeApi) => over[name] ?? target[name].bind(target),
  });
  return new PodWriter({
    kube: merged,
    pods: cache,
    clock,
    rng: createSeededRng('w'),
    log: silentLog,
    isBusy,
  });
};
const cached = (): Pod => cache.get(KEY) as Pod;
const stored = (): Pod => api.get(PODS, KEY) as Pod;

describe('PodWriter', () => {
  test('takes away its own finalizer only, even from a view that is old', async () => {
    const old = cached();
    const second = 'example.com/second';
    api.update(PODS, {
      ...old,
      metadata: { ...old.metadata, finalizers: [TASK_FINALIZER, FOREIGN, second] },
    });
    writerOver().wish(old, { acknowledged: { task: 'ended' }, release: true });
    await clock.settle();
    expect(stored().metadata.finalizers).toEqual([FOREIGN, second]);
    expect(stored().metadata.annotations).toEqual({ 'mezzo.dev/acknowledged': 'ended' });
    expect(stored().metadata.deletionTimestamp).toBeDefined();
  });

  test.each<[string, (busyMs: number) => boolean, number]>([
    ['until the last launch is under way', (atMs) => atMs < 5_000, 5_200],
    ['for half a minute at most', () => true, 30_100],
  ])('lets launches pass before an acknowledgement, %s', async (_until, isBusy, writtenMs) => {
    const startMs = clock.monotonicMs();
    const writer = writerOver({}, () => isBusy(clock.monotonicMs() - startMs));
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    await clock.advance(writtenMs - 300);
    expect(stored().metadata.annotations).toBeUndefined();
    await clock.advance(300);
    expect(stored().metadata.annotations).toEqual({ [ACKNOWLEDGED]: 'running' });
  });

  test('kills while launches wait, and writes the acknowledgement with it', async () => {
    const writer = writerOver({}, () => true);
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    writer.wish(cached(), { kill: { graceSeconds: 1 } });
    await clock.settle();
    expect(stored().metadata.annotations?.[ACKNOWLEDGED]).toBe('running');
    expect(stored().metadata.deletionTimestamp).toBeDefined();
  });

  test('never goes back in what has been acknowledged', async () => {
    const writer = writerOver();
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    await clock.advance(250);
    writer.wish(cached(), { acknowledged: { task: 'starting' } });
    await clock.advance(250);
    expect(stored().metadata.annotations).toEqual({ 'mezzo.dev/acknowledged': 'running' });
  });

  test('writes acknowledgements that come together at once, and none later than a moment', async () => {
    const versions: (string | undefined)[] = [];
    cache.subscribe(({ object }) => versions.push(object.metadata.annotations?.[ACKNOWLEDGED]));
    api.onCommit(({ change }) => cache.observe(change.object));
    const writer = writerOver();
    writer.wish(cached(), { acknowledged: { task: 'starting' } });
    await clock.advance(150);
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    await clock.advance(99);
    expect(versions).toEqual([undefined]);
    await clock.advance(1);
    expect(versions).toEqual([undefined, 'running']);
    expect(writer.size).toBe(0);
  });

  test('takes acknowledgements along when it lets go of a Pod, in one patch and without delay', async () => {
    let patches = 0;
    const writer = writerOver({
      patch: (...call) => {
        patches += 1;
        return kube.patch(...call);
      },
    });
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    writer.wish(cached(), { acknowledged: { task: 'ended' } });
    writer.wish(cached(), { release: true });
    await clock.settle();
    expect(patches).toBe(1);
    expect(stored().metadata.annotations).toEqual({ [ACKNOWLEDGED]: 'ended' });
    expect(stored().metadata.finalizers).toEqual([FOREIGN]);
    await clock.advance(1_000);
    expect(patches).toBe(1);
  });

  test('remembers by container what has been acknowledged', async () => {
    const writer = writerOver();
    writer.wish(cached(), { acknowledged: { 'task-0': 'running' } });
    writer.wish(cached(), { acknowledged: { 'task-1': 'starting' } });
    writer.wish(cached(), { acknowledgedHealth: { 'task-0': 'passing@x' } });
    await clock.advance(250);
    expect(stored().metadata.annotations).toEqual({
      'mezzo.dev/acknowledged.task-0': 'running',
      'mezzo.dev/acknowledged.task-1': 'starting',
      'mezzo.dev/acknowledged-health.task-0': 'passing@x',
    });
  });

  test('says before a kill which tasks had not ended, and never changes that', async () => {
    const tasks = [
      { id: 'a', name: 'a' },
      { id: 'b', name: 'b' },
    ];
    const annotations = { 'mezzo.dev/task-group': JSON.stringify(tasks) };
    api.update(PODS, { ...stored(), metadata: { ...stored().metadata, annotations } });
    const terminated = { exitCode: 0 };
    const containerStatuses = [{ name: 'task-0', state: { terminated } }];
    api.update(PODS, { ...stored(), status: { phase: 'Running', containerStatuses } } as Pod, {
      subresource: 'status',
    });
    const writer = writerOver();
    writer.wish(stored(), { kill: { graceSeconds: 5, reason: 'why' } });
    await clock.settle();
    expect(stored().metadata.annotations).toMatchObject({
      'mezzo.dev/killing': 'task-1',
      'mezzo.dev/kill-reason': 'why',
    });
    writer.wish(stored(), { kill: { graceSeconds: 1, reason: 'another' } });
    await clock.settle();
    expect(stored().metadata).toMatchObject({
      annotations: { 'mezzo.dev/killing': 'task-1', 'mezzo.dev/kill-reason': 'why' },
      deletionGracePeriodSeconds: 1,
    });
  });

  test('does not kill what has ended', async () => {
    const old = cached();
    api.update(PODS, { ...old, status: { phase: 'Succeeded' } } as Pod, { subresource: 'status' });
    writerOver().wish(old, { kill: { graceSeconds: 0 } });
    await clock.advance(10_000);
    expect(stored().metadata.deletionTimestamp).toBeUndefined();
    expect(stored().metadata.annotations).toBeUndefined();
  });

  test('a lost reply and an API server that is away are waited out', async () => {
    let failures = 3;
    const deletions: DeleteOptions[] = [];
    const writer = writerOver({
      delete: async (ref, key, options = {}) => {
        deletions.push(options);
        if (failures > 0) {
          failures -= 1;
          throw new KubeApiError('unavailable', 'away');
        }
        await kube.delete(ref, key, options);
      },
    });
    writer.wish(cached(), { kill: { graceSeconds: 7 } });
    await clock.advance(10_000);
    expect(stored().metadata.deletionGracePeriodSeconds).toBe(7);
    expect(deletions).toHaveLength(4);
    expect(new Set(deletions.map((one) => one.uid))).toEqual(new Set([cached().metadata.uid]));
    expect(writer.size).toBe(0);
  });

  test('a server that keeps nothing is not asked in a loop', async () => {
    let patches = 0;
    const writer = writerOver({
      patch: () => {
        patches += 1;
        return Promise.resolve(cached() as never);
      },
    });
    writer.wish(cached(), { acknowledged: { task: 'running' } });
    await clock.advance(60_000);
    expect(patches).toBeGreaterThan(6);
    expect(patches).toBeLessThan(100);
    writer.stop();
  });

  test('a Pod of the same name and another uid is left alone', async () => {
    const former = cached();
    api.update(PODS, { ...former, metadata: { ...former.metadata, finalizers: [] } });
    api.delete(PODS, KEY, { gracePeriodSeconds: 0 });
    cache.observe(api.create(PODS, { metadata: KEY, spec: former.spec } as Pod));
    const writer = writerOver();
    writer.wish(former, { kill: { graceSeconds: 0 } });
    await clock.settle();
    expect(stored().metadata.deletionTimestamp).toBeUndefined();
    expect(writer.size).toBe(0);
  });

  test('an ended Pod without a kubelet is deleted at once', async () => {
    api.delete(PODS, KEY, { gracePeriodSeconds: 30 });
    api.update(PODS, { ...stored(), status: { phase: 'Failed' } } as Pod, {
      subresource: 'status',
    });
    api.update(PODS, {
      ...stored(),
      metadata: { ...stored().metadata, finalizers: [TASK_FINALIZER] },
    });
    writerOver().wish(stored(), { release: true });
    await clock.settle();
    expect(api.peek(PODS, KEY)).toBeUndefined();
  });
});

describe('KeyedWorker', () => {
  test('one run per key at a time, few keys at a time, and no poke lost', async () => {
    let running = 0;
    let most = 0;
    let overlaps = 0;
    const perKey = new Map<string, number>();
    const runs: string[] = [];
    const worker = new KeyedWorker({
      name: 'test',
      concurrency: 2,
      clock,
      rng: createSeededRng('k'),
      log: silentLog,
      work: async (key) => {
        runs.push(key);
        running += 1;
        most = Math.max(most, running);
        perKey.set(key, (perKey.get(key) ?? 0) + 1);
        overlaps += perKey.get(key) === 1 ? 0 : 1;
        await new Promise<void>((resolve) => clock.setTimer(10, resolve));
        perKey.set(key, 0);
        running -= 1;
      },
    });
    for (const key of ['a', 'a', 'b', 'c', 'a']) worker.poke(key);
    await clock.advance(5);
    worker.poke('b');
    await clock.advance(250);
    expect(most).toBe(2);
    expect(overlaps).toBe(0);
    expect(runs.filter((key) => key === 'a').length).toBe(2);
    expect(runs.filter((key) => key === 'b').length).toBe(2);
    expect(runs.filter((key) => key === 'c').length).toBe(1);
    expect(worker.size).toBe(0);
  });

  test('nothing runs after stop', async () => {
    let runs = 0;
    const worker = new KeyedWorker({
      name: 'test',
      concurrency: 1,
      clock,
      rng: createSeededRng('k'),
      log: silentLog,
      work: () => {
        runs += 1;
        return Promise.reject(new KubeApiError('unavailable', 'away'));
      },
    });
    worker.poke('a');
    worker.stop();
    await clock.settle();
    expect(worker.size).toBe(0);
    await clock.advance(100_000);
    expect(runs).toBe(1);
  });
});
