import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../../../test/support/apiHarness.ts';
import { AN_AGENT } from '../../../../test/support/clusterOf.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import type { ClusterView } from '../../controllers/clusterView/types.ts';
import { Subscribers } from './subscribers.ts';

// Real sockets and a snapshot of some ten megabytes, which no kernel takes off the hands of a reader.

let server: Server;
let socket: Socket;
let clock: FakeClock;
let reasons: string[];
let closed: { value: boolean };
let subscribers: Subscribers;

const attributes = { filler: 'x'.repeat(3_000) };
const VIEW: ClusterView = {
  agents: Array.from({ length: 4_000 }, (_none, index) => ({
    ...AN_AGENT,
    id: `node-${index}`,
    attributes,
  })),
  frameworks: [],
  tasks: [],
  roles: [],
  windows: [],
  inverseAnswers: [],
};

beforeEach(async () => {
  clock = new FakeClock();
  reasons = [];
  closed = { value: false };
  subscribers = new Subscribers({
    clock,
    log: {
      ...silentLog,
      warn: (_message: string, fields?: object) => reasons.push(JSON.stringify(fields)),
    },
    access: { may: () => Promise.resolve({ kind: 'allowed' }) },
    cluster: () => VIEW,
    onChange: () => () => undefined,
    bufferBytes: 1024 * 1024,
  });
  const opened = Promise.withResolvers<ServerResponse>();
  server = createServer((_request, answer) => opened.resolve(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  const response = await opened.promise;
  response.once('close', () => {
    closed.value = true;
  });
  socket.pause();
  await subscribers.add(response, { name: 'alice', groups: [] }, 'application/json');
});

afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test('a reader that leaves its snapshot unread is cut after a minute, though nothing else happens', async () => {
  await clock.advance(60_000);
  expect(reasons).toEqual([]);
  await clock.advance(15_000);
  await until('the stream to be cut', () => closed.value);
  expect(reasons.join()).toMatch(/left its snapshot of \d{7,} bytes unread/);
  expect(subscribers.size).toBe(0);
});

test('a reader that has read it is not', async () => {
  let bytes = 0;
  socket.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  socket.resume();
  await until('the snapshot to be read', () => bytes > 12_000_000, 20_000);
  await clock.advance(300_000);
  expect(reasons).toEqual([]);
  expect(closed.value).toBe(false);
}, 30_000);
