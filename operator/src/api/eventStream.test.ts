import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../../../test/support/apiHarness.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { silentLog } from '../../../test/support/frameworkHarness.ts';
import type { EventSink } from '../controllers/framework/types.ts';
import type { SchedulerEvent, WireOffer } from '../schema/mesos/event.ts';
import { openEventStream } from './eventStream.ts';

// Real sockets: what the kernel takes off the hands of a reader is part of what is tested.

let server: Server;
let response: ServerResponse;
let socket: Socket;
let clock: FakeClock;
let reasons: string[];
let sink: EventSink;
let end: { closed: boolean };

const HEARTBEAT: SchedulerEvent = { type: 'HEARTBEAT' };

/** An offer of about two kilobytes. */
const offer = (index: number): WireOffer => ({
  id: { value: `1-${index}` },
  framework_id: { value: 'f' },
  agent_id: { value: `node-${index}` },
  hostname: `node-${index}`,
  url: {
    scheme: 'http',
    address: { hostname: `node-${index}`, ip: '10.0.0.1', port: 5051 },
    path: '/slave(1)',
  },
  resources: [],
  attributes: [{ name: 'filler', type: 'TEXT', text: { value: 'x'.repeat(1_800) } }],
});
const offers = (count: number): SchedulerEvent => ({
  type: 'OFFERS',
  offers: { offers: Array.from({ length: count }, (_none, index) => offer(index)) },
});

beforeEach(async () => {
  clock = new FakeClock();
  reasons = [];
  end = { closed: false };
  const log = {
    ...silentLog,
    warn: (_message: string, fields?: object) => reasons.push(JSON.stringify(fields)),
  };
  const opened = Promise.withResolvers<ServerResponse>();
  server = createServer((_request, answer) => opened.resolve(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  response = await opened.promise;
  response.once('close', () => {
    end.closed = true;
  });
  sink = openEventStream(response, {
    clock,
    log,
    streamId: 's',
    mediaType: 'application/json',
    bufferBytes: 1024 * 1024,
    maxRecords: 20_000,
  });
});

afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('a burst of offers far above the buffer', () => {
  test('comes whole, in pieces, to a client that reads slowly', async () => {
    const ids: string[] = [];
    let tail = '';
    socket.on('data', (bytes: Buffer) => {
      const text = tail + bytes.toString('latin1');
      const found = text.matchAll(/"id":\{"value":"1-(\d+)"\}/g);
      let seen = 0;
      for (const match of found) {
        ids.push(match[1] ?? '');
        seen = match.index + match[0].length;
      }
      tail = text.slice(Math.max(seen, text.length - 64));
      socket.pause();
      setTimeout(() => socket.resume(), 2);
    });
    sink.send(offers(12_000));
    expect(response.writableLength).toBeLessThan(2 * 1024 * 1024);
    while (ids.length < 12_000 && !end.closed) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      // Every look is a second to the server: the client is slow, and yet it reads.
      await clock.advance(1_000);
      sink.send(HEARTBEAT);
    }
    expect(reasons).toEqual([]);
    expect(ids).toEqual(Array.from({ length: 12_000 }, (_none, index) => String(index)));
  }, 60_000);

  test('costs a client that does not read its connection, after ten seconds', async () => {
    socket.pause();
    sink.send(offers(12_000));
    await new Promise((resolve) => setTimeout(resolve, 100));
    sink.send(HEARTBEAT);
    await clock.advance(10_000);
    sink.send(HEARTBEAT);
    expect(reasons).toEqual([]);
    await clock.advance(1_000);
    sink.send(HEARTBEAT);
    await until('the stream to be cut', () => end.closed);
    expect(reasons.join()).toContain('took nothing for 11 s');
  });
});

test('records that wait are counted: a reader with too many is cut at once', async () => {
  socket.pause();
  sink.send(offers(20_000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(reasons).toEqual([]);
  for (let count = 0; count < 20_000 && reasons.length === 0; count += 1) sink.send(HEARTBEAT);
  await until('the stream to be cut', () => end.closed);
  expect(reasons.join()).toContain('left 20001 records waiting');
});

test('an orderly end sends first what waits', async () => {
  let bytes = 0;
  let text = '';
  socket.on('data', (data: Buffer) => {
    bytes += data.length;
    text = (text + data.toString('latin1')).slice(-200);
  });
  sink.send(offers(4_000));
  sink.send({ type: 'ERROR', error: { message: 'Framework failed over' } });
  sink.end();
  await until('the end', () => text.endsWith('0\r\n\r\n'), 20_000);
  expect(bytes).toBeGreaterThan(4_000 * 1_800);
  expect(text).toContain('Framework failed over');
});
