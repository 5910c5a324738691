import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { anyCodePoint } from '../../../test/support/anyCodePoint.ts';
import { ApiHarness, until } from '../../../test/support/apiHarness.ts';
import { launchOf, taskInfo } from '../../../test/support/frameworkHarness.ts';
import { frameworkId } from '../model/ids.ts';

let api: ApiHarness;
beforeEach(async () => {
  api = await ApiHarness.start({ hub: { heartbeatMs: 100 } });
});
afterEach(() => api.stop());

const idOf = (event: { readonly [field: string]: unknown } | undefined): string =>
  (event as { subscribed: { framework_id: { value: string } } }).subscribed.framework_id.value;

describe('the stream, byte by byte', () => {
  test('headers: chunked, exact type, a UUID, no length, no compression', async () => {
    const stream = await api.rawSubscribe({}, ['Accept-Encoding: gzip, br']);
    await until('headers', () => stream.head !== '');
    expect(stream.head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stream.header('content-type')).toBe('application/json');
    expect(stream.header('transfer-encoding')).toBe('chunked');
    expect(stream.header('mesos-stream-id')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(stream.header('content-length')).toBeUndefined();
    expect(stream.header('content-encoding')).toBeUndefined();
  });

  test('the first two records', async () => {
    const stream = await api.rawSubscribe();
    await until('two records', () => stream.chunks().length >= 2);
    const subscribed =
      '{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"mezzo-1-0000"},"heartbeat_interval_seconds":0.1,' +
      '"master_info":{"id":"mezzo-1","ip":150994954,"port":5050,"hostname":"master.test","pid":"master@10.0.0.9:5050",' +
      '"version":"1.11.0","address":{"hostname":"master.test","ip":"10.0.0.9","port":5050}}}}';
    expect(stream.chunks().slice(0, 2)).toEqual([
      `${subscribed.length}\n${subscribed}`,
      '20\n{"type":"HEARTBEAT"}',
    ]);
  });

  test('one record per chunk, however many are written at once, and heartbeats in between', async () => {
    const stream = await api.rawSubscribe();
    await until('subscribed', () => stream.chunks().length >= 1);
    const id = idOf(stream.events()[0]);
    for (let count = 0; count < 50; count += 1)
      api.world.scheduling.offer(frameworkId(id), { resources: { cpus: 1000 } });
    await until(
      'all offers',
      () => stream.events().filter((one) => one.type === 'OFFERS').length === 50,
    );
    await until(
      'a few heartbeats',
      () => stream.events().filter((one) => one.type === 'HEARTBEAT').length > 3,
    );
  });

  test('text beyond ASCII reaches a client that counts characters', async () => {
    const stream = await api.rawSubscribe();
    await until('subscribed', () => stream.chunks().length >= 1);
    const id = idOf(stream.events()[0]);
    const offer = api.world.scheduling.offer(frameworkId(id), {
      resources: { cpus: 1000, mem: 2 ** 30 },
    });
    const who = { id, streamId: stream.header('mesos-stream-id') ?? '' };
    api.world.call(who, 'ACCEPT', launchOf([offer.id], [taskInfo('tâche-😀', {}, 'elsewhere')]));
    await until('the refusal', () => stream.events().some((one) => one.type === 'UPDATE'));
    for (const chunk of stream.chunks()) expect(Buffer.byteLength(chunk)).toBe(chunk.length);
    const update = stream.events().find((one) => one.type === 'UPDATE');
    expect(update).toMatchObject({ update: { status: { task_id: { value: 'tâche-😀' } } } });
  });
});

describe('how a stream ends', () => {
  test('TEARDOWN ends it in order, with the closing chunk', async () => {
    const stream = await api.rawSubscribe();
    await until('subscribed', () => stream.chunks().length >= 1);
    const who = { id: idOf(stream.events()[0]), streamId: stream.header('mesos-stream-id') ?? '' };
    api.world.call(who, 'TEARDOWN');
    await until('the closing chunk', () => stream.finished);
  });

  test('failover: ERROR as the last record, then the end', async () => {
    const first = await api.rawSubscribe({ failover_timeout: 60 });
    await until('subscribed', () => first.chunks().length >= 1);
    const id = { value: idOf(first.events()[0]) };
    await api.world.subscribe({ id });
    await until('the end', () => first.finished);
    expect(first.events().at(-1)).toEqual({
      type: 'ERROR',
      error: { message: 'Framework failed over' },
    });
  });

  test('a master that stops cuts it, without the closing chunk', async () => {
    const stream = await api.rawSubscribe();
    await until('subscribed', () => stream.chunks().length >= 1);
    api.world.hub.stop();
    await until('the cut', () => stream.closed);
    expect(stream.finished).toBe(false);
  });

  test('a client that goes is disconnected at once', async () => {
    const stream = await api.rawSubscribe({ failover_timeout: 60 });
    await until('subscribed', () => stream.chunks().length >= 1);
    stream.socket.destroy();
    await until('disconnected', () => api.world.hub.frameworks()[0]?.connected === false);
    expect(api.world.scheduling.log.at(-1)).toMatch(/^unregister/);
  });
});

test('a reader that stalls is cut, and another subscriber feels nothing', async () => {
  await api.stop();
  api = await ApiHarness.start({ hub: { heartbeatMs: 20 } });
  const stalled = await api.rawSubscribe({ failover_timeout: 60 });
  const healthy = await api.rawSubscribe({ failover_timeout: 60 });
  await until('both subscribed', () => stalled.chunks().length > 0 && healthy.chunks().length > 0);
  const slowId = frameworkId(idOf(stalled.events()[0]));
  stalled.socket.pause();
  const isConnected = (): boolean =>
    api.world.hub.frameworks().find((one) => one.id === slowId)?.connected === true;
  const startMs = Date.now();
  let sent = 0;
  let longestMs = 0;
  while (isConnected() && Date.now() - startMs < 20_000) {
    const beforeMs = performance.now();
    for (let count = 0; count < 200 && isConnected(); count += 1, sent += 1)
      api.world.scheduling.offer(slowId, { resources: { cpus: 1000, mem: 2 ** 30 } });
    longestMs = Math.max(longestMs, performance.now() - beforeMs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(isConnected()).toBe(false);
  // What the kernel takes plus a megabyte and the records that may wait: far below what an unbounded buffer would have swallowed.
  expect(sent).toBeLessThan(60_000);
  const heartbeats = (): number =>
    healthy.events().filter((one) => one.type === 'HEARTBEAT').length;
  const before = heartbeats();
  await until('heartbeats go on', () => heartbeats() > before + 5, 2_000);
  expect(healthy.closed).toBe(false);
}, 30_000);

describe('any input', () => {
  const METHODS = [
    'SUBSCRIBE',
    'ACCEPT',
    'DECLINE',
    'KILL',
    'ACKNOWLEDGE',
    'RECONCILE',
    'REVIVE',
    'SUPPRESS',
    'MESSAGE',
    'REQUEST',
    'SHUTDOWN',
    'UNKNOWN',
  ];
  /** JSON with the field names of the contract, so that it gets past the first check. */
  const value: fc.Arbitrary<unknown> = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(
        null,
        '',
        0,
        -1,
        1e308,
        '1e999',
        true,
        'x',
        'TASK_RUNNING',
        'AAAAAAAAAAAAAAAAAAAAAA==',
        '../..',
        '\u0000',
      ),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'value',
          'framework_info',
          'user',
          'name',
          'id',
          'offer_ids',
          'operations',
          'type',
          'launch',
          'task_infos',
          'task_id',
          'agent_id',
          'resources',
          'scalar',
          'command',
          'uuid',
          'tasks',
          'roles',
          'filters',
          'refuse_seconds',
          'kill_policy',
          'grace_period',
          'nanoseconds',
          '__proto__',
          'constructor',
          'capabilities',
          'container',
          'docker',
          'image',
        ),
        tie('node'),
        { maxKeys: 5 },
      ),
    ),
  })).node;

  test('gets 202 or 4xx (501 for UNKNOWN), never 5xx, and the stream lives on', async () => {
    const stream = await api.rawSubscribe();
    await until('subscribed', () => stream.chunks().length >= 1);
    const id = { value: idOf(stream.events()[0]) };
    const headers = { 'mesos-stream-id': stream.header('mesos-stream-id') ?? '' };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...METHODS), value, async (type, body) => {
        const call = { type, framework_id: id, [type.toLowerCase()]: body };
        const response = await api.post(call, headers);
        await response.arrayBuffer();
        const allowed = type === 'UNKNOWN' ? [400, 501] : [202, 400];
        expect(allowed).toContain(response.status);
      }),
      { numRuns: 400 },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string({ unit: anyCodePoint })), async (body) => {
        const response = await api.post(body, headers);
        await response.arrayBuffer();
        expect(response.status).toBe(400);
      }),
      { numRuns: 100 },
    );
    const before = stream.events().length;
    await until('heartbeats go on', () => stream.events().length > before);
  }, 60_000);

  test('garbage instead of HTTP is answered 400 and closed', async () => {
    for (const garbage of [
      '\u0000\u0001\u0002\r\n\r\n',
      'POST / HTTP/9.9\r\n\r\n',
      'A'.repeat(100_000),
    ]) {
      const stream = await api.rawRequest(garbage);
      await until('closed', () => stream.closed || stream.ended);
    }
    expect((await api.get('/health')).status).toBe(200);
  });
});
