import { expectEqual, expectThat, Mismatch, shown } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import { headersOf, uniqueId } from '../session.ts';
import { open, type WireResponse } from '../wire/exchange.ts';
import type { Json } from '../wire/protobuf.ts';
import { listOf } from './reads.ts';

const PATH = '/api/v1';
const JSON_HEADERS = { 'Content-Type': 'application/json', Accept: 'application/json' };

/** Puts a call to the operator API, in JSON; the answer's body, or {} when it is empty. */
export async function ask(c: Context, type: string, body?: Json, expected = 200): Promise<Json> {
  const call = { type, ...(body === undefined ? {} : { [type.toLowerCase()]: body }) };
  const response = await c.post({
    path: PATH,
    headers: JSON_HEADERS,
    body: Buffer.from(JSON.stringify(call)),
  });
  const text = response.body.toString('utf8');
  if (response.status !== expected)
    throw new Mismatch(`${expected} for ${type}`, `${response.status} ${shown(text)}`);
  return text === '' ? {} : (JSON.parse(text) as Json);
}

/** Reads and the field their answer is in, with one thing that must be there. */
const READS: readonly (readonly [type: string, has: string | undefined])[] = [
  ['GET_HEALTH', 'healthy'],
  ['GET_VERSION', 'version_info'],
  ['GET_FLAGS', 'flags'],
  ['GET_METRICS', 'metrics'],
  ['GET_LOGGING_LEVEL', 'level'],
  ['GET_MASTER', 'master_info'],
  ['GET_STATE', 'get_agents'],
  ['GET_AGENTS', 'agents'],
  ['GET_FRAMEWORKS', undefined],
  ['GET_EXECUTORS', undefined],
  ['GET_OPERATIONS', undefined],
  ['GET_TASKS', undefined],
  ['GET_ROLES', undefined],
  ['GET_WEIGHTS', undefined],
  ['GET_QUOTA', 'status'],
  ['GET_MAINTENANCE_STATUS', 'status'],
  ['GET_MAINTENANCE_SCHEDULE', 'schedule'],
];

/** The stream of events of the whole cluster. */
class Watch {
  readonly #response: WireResponse;
  #bytes = '';
  #chunks = 0;
  readonly events: Json[] = [];

  constructor(response: WireResponse) {
    this.#response = response;
  }

  static async open(c: Context): Promise<Watch> {
    const response = await open(c.target.url, {
      method: 'POST',
      path: PATH,
      headers: headersOf(c.target, JSON_HEADERS),
      body: Buffer.from('{"type":"SUBSCRIBE"}'),
    });
    await response.until(() => response.hasHead || response.isClosed, 20_000);
    expectEqual('status of SUBSCRIBE', response.status, 200);
    return new Watch(response);
  }

  #read(): void {
    const { chunks } = this.#response;
    for (; this.#chunks < chunks.length; this.#chunks += 1)
      this.#bytes += (chunks[this.#chunks] as Buffer).toString('latin1');
    for (;;) {
      const [length = ''] = this.#bytes.split('\n', 1);
      const end = length.length + 1 + Number(length);
      if (length === '' || this.#bytes.length < end) return;
      const record = this.#bytes.slice(length.length + 1, end);
      this.events.push(JSON.parse(Buffer.from(record, 'latin1').toString('utf8')) as Json);
      this.#bytes = this.#bytes.slice(end);
    }
  }

  /** The first event of this type whose text has all these words. */
  async next(type: string, ...words: readonly string[]): Promise<Json> {
    let found: Json | undefined;
    const look = (): boolean => {
      this.#read();
      found = this.events.find((one) => {
        const text = JSON.stringify(one);
        return one['type'] === type && words.every((word) => text.includes(word));
      });
      return found !== undefined;
    };
    await this.#response.until(() => look() || this.#response.isOver, 20_000);
    if (found === undefined)
      throw new Mismatch(
        `${type} with ${words.join(', ') || 'anything'}`,
        this.events.map((one) => String(one['type'])).join(' '),
      );
    return found;
  }

  close(): void {
    this.#response.close();
  }
}

async function watching(c: Context, body: (watch: Watch) => Promise<void>): Promise<void> {
  const watch = await Watch.open(c);
  try {
    await body(watch);
  } finally {
    watch.close();
  }
}

/** §1.1 and §2.13: the operator API, in JSON. */
export const OPERATOR_API_RULES: readonly Rule[] = [
  ...READS.map(
    ([type, has]): Rule => ({
      id: `2.13/${type.toLowerCase().replaceAll('_', '-')}`,
      title: `${type} is answered 200 with its own type and body`,
      wires: ['json'],
      async run(c) {
        const reply = await ask(c, type);
        expectEqual('type', reply['type'], type);
        const body = reply[type.toLowerCase()] as Json | undefined;
        expectThat(`a body ${type.toLowerCase()}`, typeof body === 'object', reply);
        if (has !== undefined) expectThat(`${has} in it`, body[has] !== undefined, body);
      },
    }),
  ),
  {
    id: '2.13/master-path',
    title: 'the operator API is served under /master too',
    wires: ['json'],
    async run(c) {
      const body = Buffer.from('{"type":"GET_HEALTH"}');
      const response = await c.post({ path: '/master/api/v1', headers: JSON_HEADERS, body });
      expectEqual('status', response.status, 200);
      expectEqual(
        'body',
        response.body.toString(),
        '{"type":"GET_HEALTH","get_health":{"healthy":true}}',
      );
    },
  },
  {
    id: '2.13/protobuf',
    title: 'GET_HEALTH in protobuf is answered in protobuf',
    wires: ['protobuf'],
    async run(c) {
      const type = 'application/x-protobuf';
      const response = await c.post({
        path: PATH,
        headers: { 'Content-Type': type, Accept: type },
        body: Buffer.from([0x08, 0x01]),
      });
      expectEqual('status', response.status, 200);
      expectEqual('Content-Type', response.headers.get('content-type'), type);
      // type = GET_HEALTH, get_health { healthy: true }
      expectEqual('body', response.body.toString('hex'), '080112020801');
    },
  },
  ...(
    [
      ['garbage', 'a body that cannot be parsed', 400, 'application/json', '{"type":'],
      ['no-type', 'a call without a type', 400, 'application/json', '{}'],
      ['unknown-type', 'a call of an unknown type', 400, 'application/json', '{"type":"DANCE"}'],
      [
        'no-body',
        'UPDATE_WEIGHTS without body',
        400,
        'application/json',
        '{"type":"UPDATE_WEIGHTS"}',
      ],
      ['content-type', 'another Content-Type', 415, 'text/plain', '{"type":"GET_HEALTH"}'],
      ['no-content-type', 'no Content-Type', 400, undefined, '{"type":"GET_HEALTH"}'],
    ] as const
  ).map(
    ([name, what, status, type, body]): Rule => ({
      id: `2.13/${name}`,
      title: `${what} is refused with ${status}`,
      wires: ['json'],
      run: (c) =>
        c.expectStatus(status, {
          path: PATH,
          headers: { 'Content-Type': type, Accept: 'application/json' },
          body: Buffer.from(body),
        }),
    }),
  ),
  {
    id: '2.13/method',
    title: 'GET of the operator API is refused with 405',
    wires: ['json'],
    run: (c) => c.expectStatus(405, { method: 'GET', path: PATH, headers: JSON_HEADERS }),
  },
  {
    id: '2.13/accept',
    title: 'an Accept of neither type is refused with 406',
    wires: ['json'],
    run: (c) =>
      c.expectStatus(406, {
        path: PATH,
        headers: { ...JSON_HEADERS, Accept: 'text/html' },
        body: Buffer.from('{"type":"GET_HEALTH"}'),
      }),
  },
  {
    id: '2.13/teardown',
    title: 'TEARDOWN ends the framework and its stream',
    wires: ['json'],
    async run(c) {
      const session = await c.subscribe();
      await ask(c, 'TEARDOWN', { framework_id: { value: session.frameworkId } });
      session.isTornDown = true;
      const closed = await session.response.until(() => session.response.isOver, 10_000);
      expectThat('the stream to end', closed, session.events.at(-1));
    },
  },
  {
    id: '2.13/subscribe',
    title: 'SUBSCRIBE answers a snapshot with the heartbeat interval, then heartbeats',
    wires: ['json'],
    run: (c) =>
      watching(c, async (watch) => {
        const first = await watch.next('SUBSCRIBED');
        expectThat('SUBSCRIBED first', watch.events[0] === first, watch.events[0]);
        const body = first['subscribed'] as Json;
        expectThat('a snapshot', typeof body['get_state'] === 'object', Object.keys(body));
        const interval = Number(body['heartbeat_interval_seconds']);
        expectThat('a heartbeat interval', interval > 0, interval);
        await watch.next('HEARTBEAT');
      }),
  },
  {
    id: '2.13/framework-events',
    title: 'the stream tells of a framework that comes and one that goes',
    wires: ['json'],
    run: (c) =>
      watching(c, async (watch) => {
        await watch.next('SUBSCRIBED');
        const session = await c.subscribe();
        await watch.next('FRAMEWORK_ADDED', `"${session.frameworkId}"`);
        await session.ok('TEARDOWN');
        await watch.next('FRAMEWORK_REMOVED', `"${session.frameworkId}"`);
      }),
  },
  {
    id: '2.13/task-events',
    title: 'the stream tells of a task that is added and runs, and GET_TASKS has it',
    wires: ['json'],
    offers: true,
    run: (c) =>
      watching(c, async (watch) => {
        await watch.next('SUBSCRIBED');
        const session = await c.subscribe();
        const { id } = await session.runOne('watched');
        await watch.next('TASK_ADDED', `"${id}"`);
        await askAgain(async () => {
          await session.settle(300);
          const body = (await ask(c, 'GET_TASKS'))['get_tasks'] as Json;
          const task = listOf(body['tasks']).find((one) => JSON.stringify(one).includes(id));
          expectEqual('state', task?.['state'], 'TASK_RUNNING');
        });
        await session.ok('KILL', { task_id: { value: id } });
        const killed = await session.update(id, 'TASK_KILLED', 60_000);
        await watch.next('TASK_UPDATED', `"${id}"`, 'TASK_KILLED');
        await session.acknowledge(killed);
      }),
  },
  {
    id: '2.13/unknown-framework',
    title: 'TEARDOWN of a framework nobody knows is refused with 400',
    wires: ['json'],
    async run(c) {
      await ask(c, 'TEARDOWN', { framework_id: { value: uniqueId('nobody') } }, 400);
    },
  },
];
