import { describe, expect, test } from '@jest/globals';
import { directClient } from '../../../test/support/fakeApi/directTransport.ts';
import { FakeApiServer } from '../../../test/support/fakeApiServer.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { type KubeApi, KubeApiError, type KubeObject } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { EVENTS, PODS } from '../schema/kubeKinds.ts';
import { EventRecorder } from './eventRecorder.ts';
import { type EventInput, eventName } from './eventSeries.ts';

const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

interface StoredEvent extends KubeObject {
  readonly note?: string;
  readonly eventTime?: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

const preempted = (name: string, note = 'made room for web-1'): EventInput => ({
  regarding: { ref: PODS, namespace: 'team', name, uid: `uid-${name}` },
  type: 'Warning',
  reason: 'TaskPreempted',
  action: 'Preempt',
  note,
});

type EventsApi = Pick<KubeApi, 'create' | 'patch'>;

function setUp(wrap: (api: EventsApi) => EventsApi = (api) => api) {
  const clock = new FakeClock();
  const server = new FakeApiServer({ clock });
  const client = directClient(server);
  let ids = 0;
  const recorder = new EventRecorder({
    api: wrap(client),
    clock,
    ids: { uuid: () => `id${(ids += 1)}` },
    log: silentLog,
    controller: 'mezzo.dev/operator',
    instance: 'operator-1',
  });
  const stored = async (): Promise<readonly StoredEvent[]> => {
    await clock.settle();
    return (await client.list<StoredEvent>(EVENTS, {})).items;
  };
  return { clock, server, client, recorder, stored };
}

describe('EventRecorder', () => {
  test('writes an events.k8s.io/v1 event about the object, named by the id source', async () => {
    const { recorder, stored } = setUp();
    recorder.record(preempted('batch-3'));
    expect(await stored()).toMatchObject([
      {
        metadata: { name: 'batch-3.id1', namespace: 'team' },
        eventTime: '2026-01-01T00:00:00.000000Z',
        reportingController: 'mezzo.dev/operator',
        reportingInstance: 'operator-1',
        reason: 'TaskPreempted',
        action: 'Preempt',
        type: 'Warning',
        note: 'made room for web-1',
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'team', name: 'batch-3' },
      },
    ]);
  });

  test('an event about a cluster-scoped object goes to the namespace default', async () => {
    const { recorder, stored } = setUp();
    recorder.record({
      ...preempted('x'),
      regarding: { ref: { group: 'mezzo.dev', version: 'v1alpha1', kind: 'Role' }, name: 'eng' },
    });
    expect(await stored()).toMatchObject([
      { metadata: { namespace: 'default' }, regarding: { apiVersion: 'mezzo.dev/v1alpha1' } },
    ]);
  });

  test('repeats count up one event, written at most every 30 s', async () => {
    const { clock, recorder, stored, server } = setUp();
    const before = server.resourceVersion;
    for (let second = 0; second < 100; second += 1) {
      recorder.record(preempted('batch-3'));
      await clock.advance(1_000);
    }
    await clock.advance(30_000);
    const events = await stored();
    expect(events).toHaveLength(1);
    expect(events[0]?.series?.count).toBe(100);
    expect(server.resourceVersion - before).toBeLessThanOrEqual(6);
  });

  test('what differs in its note, its object, or comes after a quiet time is an event of its own', async () => {
    const { clock, recorder, stored } = setUp();
    recorder.record(preempted('batch-3'));
    recorder.record(preempted('batch-3', 'made room for db-0'));
    recorder.record(preempted('batch-4'));
    await clock.advance(7 * 60_000);
    recorder.record(preempted('batch-4'));
    expect(await stored()).toHaveLength(4);
  });

  test('one object cannot flood: 25 different events at once, then one in five minutes', async () => {
    const { clock, recorder, stored } = setUp();
    for (let index = 0; index < 60; index += 1)
      recorder.record(preempted('noisy', `note ${index}`));
    recorder.record(preempted('other'));
    expect(await stored()).toHaveLength(26);
    expect(recorder.stats().dropped).toBe(35);
    await clock.advance(5 * 60_000);
    recorder.record(preempted('noisy', 'later'));
    expect(await stored()).toHaveLength(27);
  });

  test('a full queue drops and counts instead of growing', async () => {
    const { recorder } = setUp(() => ({
      create: () => new Promise(() => undefined),
      patch: () => new Promise(() => undefined),
    }));
    for (let index = 0; index < 3_000; index += 1) recorder.record(preempted(`p-${index}`));
    expect(recorder.stats().queued).toBeLessThanOrEqual(1_000);
    expect(recorder.stats().dropped).toBeGreaterThanOrEqual(1_900);
  });

  test('a lost reply does not double the event, a passing failure is tried again', async () => {
    let calls = 0;
    const { clock, recorder, stored } = setUp((api) => ({
      ...api,
      patch: (...args) => api.patch(...args),
      create: async (...args) => {
        calls += 1;
        if (calls === 1) throw new KubeApiError('unavailable', 'down');
        const created = await api.create(...args);
        if (calls === 2) throw new KubeApiError('unknownOutcome', 'reply lost');
        return created;
      },
    }));
    recorder.record(preempted('batch-3'));
    await clock.advance(5_000);
    expect(await stored()).toHaveLength(1);
    expect(calls).toBe(3);
    expect(recorder.stats()).toMatchObject({ written: 1, dropped: 0 });
  });

  test('a refused event is dropped without a retry', async () => {
    let calls = 0;
    const { clock, recorder } = setUp((api) => ({
      ...api,
      create: () => {
        calls += 1;
        return Promise.reject(new KubeApiError('forbidden', 'no'));
      },
    }));
    recorder.record(preempted('batch-3'));
    await clock.advance(60_000);
    expect(calls).toBe(1);
    expect(recorder.stats().dropped).toBe(1);
  });

  test('a series whose event has expired starts again', async () => {
    const { clock, client, recorder, stored } = setUp();
    recorder.record(preempted('batch-3'));
    await clock.settle();
    await client.delete(EVENTS, { name: 'batch-3.id1', namespace: 'team' });
    recorder.record(preempted('batch-3'));
    await clock.advance(31_000);
    recorder.record(preempted('batch-3'));
    expect(await stored()).toMatchObject([{ metadata: { name: 'batch-3.id2' } }]);
  });

  test('stop gives up what is queued and leaves no timer behind', async () => {
    const { clock, recorder, stored } = setUp();
    recorder.record(preempted('batch-3'));
    await clock.settle();
    recorder.record(preempted('batch-3'));
    await recorder.stop();
    recorder.record(preempted('batch-9'));
    await clock.advance(60_000);
    expect(await stored()).toHaveLength(1);
    expect(clock.firedCount).toBe(0);
  });
});

test('eventName keeps within the limit of names and ends a cut name on a letter or digit', () => {
  const name = eventName(`${'a'.repeat(216)}-${'b'.repeat(100)}`, 'x'.repeat(36));
  expect(name).toHaveLength(253);
  expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
  expect(eventName(`${'a'.repeat(215)}-b`, 'x'.repeat(36))).toMatch(/a\.x+$/);
});
