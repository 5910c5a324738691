import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type {
  RelayCommand,
  RelayedCall,
  RelayHello,
  RelayReply,
} from '../../../operator/src/schema/http/executorRelay.ts';
import {
  EXECUTOR_CALL_CODEC,
  EXECUTOR_EVENT_CODEC,
} from '../../../operator/src/schema/mesos/executorCall.ts';
import { startExecutorServer } from '../adapters/httpExecutorServer.ts';
import { systemClock } from '../adapters/systemClock.ts';
import { RecordingLogger } from '../fixtures/recordingLogger.ts';
import type { OperatorLink } from '../ports/operatorLink.ts';
import { ExecutorRelay, type RelayEvent } from './executorRelay.ts';

/** The relay behind its real server, over TCP; the operator is this file. */

const IDS = { framework_id: { value: 'fw-1' }, executor_id: { value: 'Exec_1' } };
const UUID = Buffer.alloc(16, 7).toString('base64');
const SUBSCRIBED = {
  type: 'SUBSCRIBED',
  subscribed: {
    executor_info: { executor_id: { value: 'Exec_1' } },
    framework_info: { user: 'u', name: 'n' },
    agent_info: { hostname: 'h' },
  },
};
const launchOf = (task: string): RelayEvent => ({
  type: 'LAUNCH',
  launch: {
    task: { name: task, task_id: { value: task }, agent_id: { value: 'node-1' }, resources: [] },
  },
});
const acknowledgedOf = (task: string): RelayEvent => ({
  type: 'ACKNOWLEDGED',
  acknowledged: { task_id: { value: task }, uuid: UUID },
});

/** An operator that is there or not, and answers what it is told to. */
class HandLink implements OperatorLink {
  readonly calls: RelayedCall[] = [];
  readonly hellos: RelayHello[] = [];
  isAway = false;
  answer: (call: RelayedCall) => RelayReply = () => ({ status: 202, events: [] });
  command: (command: RelayCommand) => void = () => undefined;
  breakStream: () => void = () => undefined;

  call(call: RelayedCall): Promise<RelayReply | undefined> {
    if (this.isAway) return Promise.resolve(undefined);
    this.calls.push(call);
    return Promise.resolve(this.answer(call));
  }

  follow(
    hello: RelayHello,
    onCommand: (command: RelayCommand) => void,
    signal: AbortSignal,
  ): Promise<string> {
    this.hellos.push(hello);
    this.command = onCommand;
    return new Promise((resolve) => {
      this.breakStream = () => resolve('broken');
      signal.addEventListener('abort', () => resolve('stopped'), { once: true });
    });
  }
}

let link: HandLink;
let stop: AbortController;
let running: Promise<void>;
let server: Awaited<ReturnType<typeof startExecutorServer>>;

beforeEach(async () => {
  link = new HandLink();
  link.answer = ({ call }) =>
    call['type'] === 'SUBSCRIBE'
      ? { status: 200, pod: 'pod-1', events: [SUBSCRIBED] }
      : { status: 202, events: call['type'] === 'UPDATE' ? [acknowledgedOf('one')] : [] };
  stop = new AbortController();
  const log = new RecordingLogger();
  const relay = new ExecutorRelay({
    node: 'node-1',
    endpoint: () => '192.0.2.1:5051',
    link,
    clock: systemClock,
    log,
  });
  server = await startExecutorServer({
    host: '127.0.0.1',
    port: 0,
    relay,
    clock: systemClock,
    log,
  });
  running = relay.run(stop.signal);
});
afterEach(async () => {
  stop.abort();
  await running;
  await server.close();
});

const url = (path = '/api/v1/executor'): string => `http://127.0.0.1:${server.port}${path}`;

function post(body: object | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url(), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify({ ...IDS, ...body }),
  });
}

/** An open stream, record by record. */
class Records {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest = Buffer.alloc(0);

  constructor(response: Response) {
    this.#reader = (response.body as ReadableStream<Uint8Array>).getReader();
  }

  async next(): Promise<Buffer> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      const length = Number(this.#rest.subarray(0, Math.max(end, 0)).toString());
      if (end > 0 && this.#rest.length >= end + 1 + length) {
        const record = this.#rest.subarray(end + 1, end + 1 + length);
        this.#rest = this.#rest.subarray(end + 1 + length);
        return record;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error('the stream ended');
      this.#rest = Buffer.concat([this.#rest, value]);
    }
  }

  async json(): Promise<unknown> {
    return JSON.parse((await this.next()).toString()) as unknown;
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }
}

async function subscribe(headers: Record<string, string> = {}): Promise<Records> {
  const response = await post({ type: 'SUBSCRIBE', subscribe: {} }, headers);
  expect(response.status).toBe(200);
  const records = new Records(response);
  expect(await records.json()).toEqual(SUBSCRIBED);
  return records;
}

const status = { task_id: { value: 'one' }, state: 'TASK_RUNNING', uuid: UUID };
const update = { type: 'UPDATE', update: { status } };

async function until(what: string, check: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > deadlineMs) throw new Error(`${what}: not in time`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe('the server', () => {
  test('passes a call on with what its connection tells of the caller', async () => {
    await (await subscribe({ authorization: 'Bearer secret' })).close();
    expect(link.calls).toMatchObject([
      { node: 'node-1', peer: '127.0.0.1', token: 'secret', call: { type: 'SUBSCRIBE', ...IDS } },
    ]);
  });

  test('speaks protobuf both ways, under the older path too', async () => {
    const bytes = EXECUTOR_CALL_CODEC.toProto({ ...IDS, type: 'SUBSCRIBE', subscribe: {} });
    const response = await fetch(url('/slave(1)/api/v1/executor'), {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', accept: 'application/x-protobuf' },
      body: new Uint8Array(bytes),
    });
    expect(response.headers.get('content-type')).toBe('application/x-protobuf');
    const records = new Records(response);
    const first = EXECUTOR_EVENT_CODEC.fromProto(await records.next());
    expect(first).toMatchObject({ ok: true, value: SUBSCRIBED });
    // Nobody can read what is no event; what comes after it goes on.
    link.command({ pod: 'pod-1', event: { type: 'LAUNCH', launch: {} } });
    link.command({ pod: 'pod-1', event: launchOf('one') });
    const second = EXECUTOR_EVENT_CODEC.fromProto(await records.next());
    expect(second).toMatchObject({ ok: true, value: { type: 'LAUNCH' } });
    await records.close();
  });

  test.each([
    [
      '415',
      { type: 'HEARTBEAT' },
      { 'content-type': 'text/plain' },
      415,
      "Expecting 'Content-Type'",
    ],
    ['406', { type: 'SUBSCRIBE', subscribe: {} }, { accept: 'text/html' }, 406, "'Accept'"],
    ['no type', {}, {}, 400, "Expecting 'type'"],
    [
      'no uuid',
      { ...update, update: { status: { ...status, uuid: undefined } } },
      {},
      400,
      "'uuid'",
    ],
    ['not subscribed', { type: 'HEARTBEAT' }, {}, 403, 'Executor is not subscribed'],
    ['garbage', Buffer.from('{'), {}, 400, 'Failed to validate executor call'],
    [
      'protobuf garbage',
      Buffer.from([1, 2, 3]),
      { 'content-type': 'application/x-protobuf' },
      400,
      'Failed',
    ],
  ])('refuses %s in words', async (_name, body, headers, expected, words) => {
    const response = await post(body, headers);
    expect([response.status, await response.text()]).toEqual([
      expected,
      expect.stringContaining(words),
    ]);
    expect(link.calls).toEqual([]);
  });

  test('serves nothing else', async () => {
    expect((await fetch(url('/api/v1'))).status).toBe(404);
    expect((await fetch(url())).status).toBe(405);
  });
});

describe('the relay', () => {
  test('sends a task once per stream, however often the operator says it', async () => {
    const first = await subscribe();
    for (const task of ['one', 'one', 'two']) link.command({ pod: 'pod-1', event: launchOf(task) });
    expect(await first.json()).toMatchObject(launchOf('one'));
    expect(await first.json()).toMatchObject(launchOf('two'));
    // On a new stream nothing of the old one counts.
    const second = await subscribe();
    link.command({ pod: 'pod-1', event: launchOf('one') });
    expect(await second.json()).toMatchObject(launchOf('one'));
    await expect(first.next()).rejects.toThrow('ended');
    await second.close();
  });

  test('keeps what is said before the stream is open', async () => {
    const { answer } = link;
    link.answer = (call) => {
      link.command({ pod: 'pod-1', event: launchOf('early') });
      return answer(call);
    };
    const records = await subscribe();
    expect(await records.json()).toMatchObject(launchOf('early'));
    await records.close();
  });

  test('keeps updates while the operator is away, and acknowledges them when it has them', async () => {
    const records = await subscribe();
    link.isAway = true;
    expect((await post(update)).status).toBe(202);
    const finished = { ...status, state: 'TASK_FINISHED' };
    expect((await post({ ...update, update: { status: finished } })).status).toBe(202);
    expect((await post({ type: 'MESSAGE', message: { data: 'aGk=' } })).status).toBe(503);
    link.isAway = false;
    expect(await records.json()).toEqual(acknowledgedOf('one'));
    expect(await records.json()).toEqual(acknowledgedOf('one'));
    const states = link.calls.flatMap(({ call }) => {
      const { update: one } = call as { update?: { status: { state: string } } };
      return one === undefined ? [] : [one.status.state];
    });
    expect(states).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
    await records.close();
  });

  test('tells an operator that is new which executors it holds and what they have been sent', async () => {
    const records = await subscribe();
    for (const task of ['one', 'two']) link.command({ pod: 'pod-1', event: launchOf(task) });
    await records.json();
    await records.json();
    await post(update);
    expect(await records.json()).toEqual(acknowledgedOf('one'));
    link.breakStream();
    await until('a second stream', () => link.hellos.length === 2);
    expect(link.hellos).toEqual([
      { node: 'node-1', endpoint: '192.0.2.1:5051', executors: [] },
      {
        node: 'node-1',
        endpoint: '192.0.2.1:5051',
        executors: [{ pod: 'pod-1', launched: ['two'] }],
      },
    ]);
    await records.close();
  });

  test('takes calls from nobody but the one who subscribed', async () => {
    const records = await subscribe({ authorization: 'Bearer secret' });
    expect((await post(update, { authorization: 'Bearer other' })).status).toBe(401);
    expect((await post(update)).status).toBe(401);
    expect((await post(update, { authorization: 'Bearer secret' })).status).toBe(202);
    await records.close();
  });

  test('passes refusals on, and ends a stream when it is told to', async () => {
    const records = await subscribe();
    link.command({ pod: 'pod-1', event: { type: 'SHUTDOWN' }, end: true });
    expect(await records.json()).toEqual({ type: 'SHUTDOWN' });
    await expect(records.next()).rejects.toThrow('ended');
    link.answer = () => ({ status: 400, message: 'Executor cannot be found', events: [] });
    const refused = await post({ type: 'SUBSCRIBE', subscribe: {} });
    expect([refused.status, await refused.text()]).toEqual([400, 'Executor cannot be found']);
    link.isAway = true;
    expect((await post({ type: 'SUBSCRIBE', subscribe: {} })).status).toBe(503);
  });
});
