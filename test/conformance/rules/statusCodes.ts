import { randomUUID } from 'node:crypto';
import { expectEqual } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import { bodyOf, type Session } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

const GARBAGE = Buffer.from([0xff, 0xff, 0xff, 0x7b, 0x01]);

const suppressOf = (session: Session, more: Json = {}): Json => ({
  type: 'SUPPRESS',
  framework_id: { value: session.frameworkId },
  ...more,
});

/** Subscribes and hangs up; with a failover time-out the framework stays known. */
async function disconnected(c: Context): Promise<Session> {
  const session = await c.subscribe(c.info({ failover_timeout: 30 }));
  session.response.close();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return session;
}

/** §1.3: which status, and which fault is found first. */
export const STATUS_CODE_RULES: readonly Rule[] = [
  ...(['GET', 'PUT', 'DELETE'] as const).map(
    (method): Rule => ({
      id: `1.3/method-${method.toLowerCase()}`,
      title: `${method} is refused with 405, before the content type is looked at`,
      wires: ['json'],
      run: (c) => c.expectStatus(405, { method, headers: { 'Content-Type': undefined } }),
    }),
  ),
  {
    id: '1.3/type-before-parse',
    title: 'a wrong Content-Type is found before the body is parsed',
    wires: ['json'],
    run: (c) => c.expectStatus(415, { body: GARBAGE, headers: { 'Content-Type': 'text/plain' } }),
  },
  {
    id: '1.3/garbage',
    title: 'a body that cannot be parsed is refused with 400',
    run: (c) => c.expectStatus(400, { body: GARBAGE }),
  },
  {
    id: '1.3/empty',
    title: 'an empty body is refused with 400',
    run: (c) => c.expectStatus(400, { body: Buffer.alloc(0) }),
  },
  {
    id: '1.3/no-type',
    title: 'a call without a type is refused with 400',
    run: (c) => c.expectStatus(400, { call: { framework_id: c.unknownId() } }),
  },
  {
    id: '1.3/required-field',
    title: 'SUBSCRIBE without the required user is refused with 400',
    run: (c) =>
      c.expectSubscribeStatus(400, {
        type: 'SUBSCRIBE',
        subscribe: { framework_info: { name: 'x' } },
      }),
  },
  {
    id: '1.3/validate-before-accept',
    title: 'an invalid call is found before a bad Accept',
    run: (c) => c.expectSubscribeStatus(400, { type: 'SUBSCRIBE' }, { Accept: 'text/html' }),
  },
  {
    id: '1.3/accept-before-stream-id',
    title: 'a bad Accept is found before a stream id on SUBSCRIBE',
    run: (c) =>
      c.expectSubscribeStatus(406, c.subscribeCall(c.info()), {
        Accept: 'text/html',
        'Mesos-Stream-Id': randomUUID(),
      }),
  },
  {
    id: '1.3/subscribe-with-stream-id',
    title: 'SUBSCRIBE that carries a Mesos-Stream-Id is refused with 400',
    run: (c) =>
      c.expectSubscribeStatus(400, c.subscribeCall(c.info()), { 'Mesos-Stream-Id': randomUUID() }),
  },
  {
    id: '1.3/ids-differ',
    title: 'SUBSCRIBE whose framework_id and framework_info.id differ is refused with 400',
    async run(c) {
      const call = c.subscribeCall(c.info());
      await c.expectSubscribeStatus(400, { ...call, framework_id: c.unknownId() });
      const info = c.info({ id: c.unknownId() });
      await c.expectSubscribeStatus(400, { ...c.subscribeCall(info), framework_id: undefined });
      await c.expectSubscribeStatus(400, { ...c.subscribeCall(info), framework_id: c.unknownId() });
    },
  },
  {
    id: '1.3/unknown-framework',
    title: 'a call of an unknown framework is refused with 400',
    run: (c) =>
      c.expectStatus(400, {
        call: { type: 'SUPPRESS', framework_id: c.unknownId() },
        headers: { 'Mesos-Stream-Id': randomUUID() },
      }),
  },
  {
    id: '1.3/not-connected',
    title: 'a call of a framework that is not connected is refused with 403',
    async run(c) {
      const session = await disconnected(c);
      const { status } = await session.send('SUPPRESS');
      expectEqual('status', status, 403);
    },
  },
  {
    id: '1.3/connected-before-stream-id',
    title: 'that it is not connected is found before that the stream id is missing',
    async run(c) {
      const session = await disconnected(c);
      await c.expectStatus(403, { call: suppressOf(session) });
    },
  },
  {
    id: '1.3/stream-id-missing',
    title: 'a call without Mesos-Stream-Id is refused with 400',
    async run(c) {
      await c.expectStatus(400, { call: suppressOf(await c.subscribe()) });
    },
  },
  {
    id: '1.3/stream-id-wrong',
    title: 'a call with another Mesos-Stream-Id is refused with 400',
    async run(c) {
      await c.expectStatus(400, {
        call: suppressOf(await c.subscribe()),
        headers: { 'Mesos-Stream-Id': randomUUID() },
      });
    },
  },
  {
    id: '1.3/unknown-call',
    title: 'an UNKNOWN call of a connected framework is answered 501',
    async run(c) {
      const session = await c.subscribe();
      await c.expectStatus(501, {
        call: suppressOf(session, { type: 'UNKNOWN' }),
        headers: { 'Mesos-Stream-Id': session.streamId },
      });
    },
  },
  {
    id: '1.3/accepted-is-empty',
    title: 'an accepted call is answered 202 with an empty body',
    async run(c) {
      const { status, body } = await (await c.subscribe()).send('SUPPRESS');
      expectEqual('status', status, 202);
      expectEqual('length of the body', body.length, 0);
    },
  },
  {
    id: '1.3/no-credentials',
    title: 'without credentials, where they are required, the answer is 401',
    needs: 'refusesUnknown',
    run: (c) =>
      c.expectStatus(401, {
        call: c.subscribeCall(c.info()),
        headers: { Authorization: undefined },
      }),
  },
  {
    id: '1.3/bad-credentials',
    title: 'with bad credentials the answer is 401',
    needs: 'token',
    run: (c) =>
      c.expectStatus(401, {
        call: c.subscribeCall(c.info()),
        headers: { Authorization: 'Bearer not-a-token' },
      }),
  },
  {
    id: '1.3/keeps-serving',
    title: 'after garbage the connection or the next one is served',
    async run(c) {
      for (let count = 0; count < 5; count += 1)
        await c.post({ body: Buffer.concat([GARBAGE, bodyOf(c.wire, c.info())]) });
      await c.subscribe();
    },
  },
];
