import { expectEqual, expectThat } from '../mismatch.ts';
import type { Rule } from '../rule.ts';
import { CONTENT_TYPE, Session, type Wire } from '../session.ts';
import { twice } from '../wire/exchange.ts';

const both = (wire: Wire): Wire => (wire === 'json' ? 'protobuf' : 'json');
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** §1.1 and §1.2: paths, content types, framing. */
export const HTTP_RULES: readonly Rule[] = [
  {
    id: '1.1/master-path',
    title: 'the scheduler API is served under /master too',
    async run(c) {
      const call = c.subscribeCall(c.info());
      const session = await c.open(call, { path: '/master/api/v1/scheduler' });
      await session.next('SUBSCRIBED', (event) => event.type === 'SUBSCRIBED');
    },
  },
  {
    id: '1.1/redirect',
    title: 'GET /redirect answers 307 with a scheme-relative Location',
    wires: ['json'],
    async run(c) {
      for (const path of ['/redirect', '/master/redirect']) {
        const response = await c.post({ method: 'GET', path });
        expectEqual(`${path} status`, response.status, 307);
        const location = response.headers.get('location');
        expectThat('Location //host:port', /^\/\/[^/]+/.test(location ?? ''), location);
      }
    },
  },
  {
    id: '1.1/version',
    title: 'GET /version tells a version of three numbers, at least 1.0.0',
    wires: ['json'],
    async run(c) {
      for (const path of ['/version', '/master/version']) {
        const { body } = await c.post({ method: 'GET', path });
        const { version } = JSON.parse(body.toString('utf8')) as { version?: string };
        expectThat('a version a.b.c', /^[1-9]\d*\.\d+\.\d+$/.test(version ?? ''), version);
      }
    },
  },
  ...(['/state', '/state-summary', '/frameworks', '/slaves', '/tasks', '/roles'] as const).map(
    (path): Rule => ({
      id: `1.1${path}`,
      title: `GET ${path} answers JSON, also under /master`,
      wires: ['json'],
      async run(c) {
        for (const one of [path, `/master${path}`]) {
          const { status, body } = await c.post({ method: 'GET', path: one });
          expectEqual(`${one} status`, status, 200);
          const value: unknown = JSON.parse(body.toString('utf8'));
          expectThat('an object', typeof value === 'object' && value !== null, value);
        }
      },
    }),
  ),
  {
    id: '1.2/content-type-parameter',
    title: 'a Content-Type with a parameter is refused with 415',
    run: (c) =>
      c.expectStatus(415, {
        call: c.subscribeCall(c.info()),
        headers: { 'Content-Type': `${CONTENT_TYPE[c.wire]}; charset=utf-8` },
      }),
  },
  {
    id: '1.2/content-type-case',
    title: 'a Content-Type in another case is refused with 415',
    run: (c) =>
      c.expectStatus(415, {
        call: c.subscribeCall(c.info()),
        headers: { 'Content-Type': CONTENT_TYPE[c.wire].toUpperCase() },
      }),
  },
  {
    id: '1.2/content-type-missing',
    title: 'a call without Content-Type is refused with 400',
    run: (c) =>
      c.expectStatus(400, {
        call: c.subscribeCall(c.info()),
        headers: { 'Content-Type': undefined },
      }),
  },
  {
    id: '1.2/accept-absent',
    title: 'without Accept the stream is JSON, whatever the request was',
    run: (c) => expectStreamOf(c, undefined, 'json'),
  },
  {
    id: '1.2/accept-both',
    title: 'with both types in Accept the stream is JSON',
    run: (c) => expectStreamOf(c, 'application/x-protobuf, application/json', 'json'),
  },
  {
    id: '1.2/accept-other',
    title: 'the stream may have the other type than the request',
    run: (c) => expectStreamOf(c, CONTENT_TYPE[both(c.wire)], both(c.wire)),
  },
  {
    id: '1.2/accept-unknown',
    title: 'SUBSCRIBE with an Accept of neither type is refused with 406',
    run: (c) => c.expectSubscribeStatus(406, c.subscribeCall(c.info()), { Accept: 'text/html' }),
  },
  {
    id: '1.2/accept-reconcile-operations',
    title: 'RECONCILE_OPERATIONS with an Accept of neither type is refused with 406',
    async run(c) {
      const session = await c.subscribe();
      const call = { operations: [{ operation_id: { value: 'x' } }] };
      const { status } = await session.send('RECONCILE_OPERATIONS', call, { Accept: 'text/html' });
      expectEqual('status', status, 406);
    },
  },
  {
    id: '1.2/accept-ignored',
    title: 'calls with an empty answer do not look at Accept',
    async run(c) {
      const session = await c.subscribe();
      const { status } = await session.send('SUPPRESS', undefined, { Accept: 'text/html' });
      expectEqual('status', status, 202);
    },
  },
  {
    id: '1.2/stream-head',
    title: 'the answer to SUBSCRIBE is 200, chunked, without Content-Length, of exactly the type',
    async run(c) {
      const { response } = await c.subscribe();
      expectEqual('status', response.status, 200);
      expectEqual('Content-Type', response.headers.get('content-type'), CONTENT_TYPE[c.wire]);
      expectEqual('Transfer-Encoding', response.headers.get('transfer-encoding'), 'chunked');
      expectEqual('Content-Length', response.headers.get('content-length'), undefined);
    },
  },
  {
    id: '1.2/stream-id',
    title: 'Mesos-Stream-Id is a UUID, and another one for each subscription',
    async run(c) {
      const ids = [(await c.subscribe()).streamId, (await c.subscribe()).streamId];
      for (const id of ids) expectThat('a UUID', UUID.test(id), id);
      expectThat('two different stream ids', ids[0] !== ids[1], ids);
    },
  },
  {
    id: '1.2/record-per-chunk',
    title: 'each record is one HTTP chunk, and each event fits its proto',
    async run(c) {
      const session = await c.subscribe();
      await session.next('HEARTBEAT', (event) => event.type === 'HEARTBEAT', 20_000);
    },
  },
  {
    id: '1.2/one-line-feed',
    title: 'a JSON record has no line feed, and characters count like bytes',
    wires: ['json'],
    async run(c) {
      const session = await c.subscribe(c.info({ name: 'größe \u2028 \n' }));
      await session.next('HEARTBEAT', (event) => event.type === 'HEARTBEAT', 20_000);
      for (const chunk of session.response.chunks) {
        const text = chunk.toString('utf8');
        expectEqual('line feeds in a chunk', text.split('\n').length - 1, 1);
        expectEqual('characters of the record', text.length, chunk.length);
      }
    },
  },
  {
    id: '1.2/idle-connection',
    title: 'a connection that was idle for 7 s takes the next call, or was said to close',
    wires: ['json'],
    async run(c) {
      const answers = await twice(c.target.url, '/version', 7_000);
      expectEqual('answers', answers, ['HTTP/1.1 200', 'HTTP/1.1 200']);
    },
  },
  ...LENIENCIES(),
  {
    id: '1.2/unknown-field',
    title: 'an unknown protobuf field is ignored',
    wires: ['protobuf'],
    async run(c) {
      const call = c.subscribeCall(c.info());
      const session = await Session.open(c.target, c.wire, call);
      c.sessions.push(session);
      await session.next('SUBSCRIBED', (event) => event.type === 'SUBSCRIBED');
      // Field 2000 with the value 1 behind a SUPPRESS call.
      const { encode } = await import('../wire/protobuf.ts');
      const suppress = encode('Call', {
        framework_id: { value: session.frameworkId },
        type: 'SUPPRESS',
      });
      await c.expectStatus(202, {
        body: Buffer.concat([suppress, Buffer.from([0x80, 0x7d, 0x01])]),
        headers: { 'Mesos-Stream-Id': session.streamId },
      });
    },
  },
];

async function expectStreamOf(
  c: Parameters<Rule['run']>[0],
  accept: string | undefined,
  readAs: Wire,
): Promise<void> {
  const call = c.subscribeCall(c.info());
  const session = await c.open(call, { headers: { Accept: accept }, readAs });
  expectEqual('Content-Type', session.response.headers.get('content-type'), CONTENT_TYPE[readAs]);
  await session.next('SUBSCRIBED', (event) => event.type === 'SUBSCRIBED');
}

/** What Mesos's JSON reader forgives. */
function LENIENCIES(): readonly Rule[] {
  const rows: readonly [string, string, (info: object) => object][] = [
    [
      'unknown-json-field',
      'an unknown JSON field is ignored',
      (info) => ({ ...info, shoe_size: 43 }),
    ],
    [
      'null-is-unset',
      'null means unset',
      (info) => ({ ...info, hostname: null, capabilities: null, id: null, webui_url: null }),
    ],
    [
      'numeric-text',
      'numeric text is a number',
      (info) => ({ ...info, failover_timeout: '1.5e1' }),
    ],
    [
      'lone-object',
      'a lone object is a list of one',
      (info) => ({ ...info, capabilities: { type: 'TASK_KILLING_STATE' } }),
    ],
    [
      'unknown-enum',
      'an unknown optional enum name is dropped',
      (info) => ({ ...info, capabilities: [{ type: 'TELEPATHY' }] }),
    ],
  ];
  return rows.map(([name, title, change]) => ({
    id: `1.2/${name}`,
    title,
    wires: ['json'],
    async run(c) {
      await c.subscribe(change(c.info()) as { [field: string]: unknown });
    },
  }));
}
