import { expectEqual, expectThat } from '../mismatch.ts';
import type { Rule } from '../rule.ts';
import { encode, type Json } from '../wire/protobuf.ts';

const ID = { value: 'conformance-nobody' };
const UUID_BYTES = Buffer.alloc(16, 7).toString('base64');

/** A well-formed body of every call but SUBSCRIBE and UPDATE_FRAMEWORK, and what it is void without. */
export const CALLS: Readonly<
  Record<string, { readonly body?: Json; readonly required?: readonly string[] }>
> = {
  ACCEPT: { body: { offer_ids: [ID], operations: [] } },
  DECLINE: { body: { offer_ids: [ID] } },
  REVIVE: {},
  KILL: { body: { task_id: ID }, required: ['task_id'] },
  SHUTDOWN: { body: { executor_id: ID, agent_id: ID }, required: ['executor_id', 'agent_id'] },
  ACKNOWLEDGE: {
    body: { agent_id: ID, task_id: ID, uuid: UUID_BYTES },
    required: ['agent_id', 'task_id', 'uuid'],
  },
  RECONCILE: { body: { tasks: [] } },
  MESSAGE: {
    body: { agent_id: ID, executor_id: ID, data: 'aGVsbG8=' },
    required: ['agent_id', 'executor_id', 'data'],
  },
  REQUEST: { body: { requests: [] } },
  SUPPRESS: {},
  ACCEPT_INVERSE_OFFERS: { body: { inverse_offer_ids: [ID] } },
  DECLINE_INVERSE_OFFERS: { body: { inverse_offer_ids: [ID] } },
  ACKNOWLEDGE_OPERATION_STATUS: {
    body: { agent_id: ID, operation_id: ID, uuid: UUID_BYTES },
    required: ['operation_id', 'uuid'],
  },
  RECONCILE_OPERATIONS: { body: { operations: [] } },
};

function rulesOf(type: string, { body, required = [] }: (typeof CALLS)[string]): Rule[] {
  const name = type.toLowerCase().replaceAll('_', '-');
  const rules: Rule[] = [
    {
      id: `1.4/${name}`,
      title: `${type} is accepted with 202`,
      async run(c) {
        await (await c.subscribe()).ok(type, body);
      },
    },
    {
      id: `1.4/${name}-without-framework`,
      title: `${type} without framework_id is refused with 400`,
      run: (c) =>
        c.expectStatus(400, {
          call: { type, ...(body === undefined ? {} : { [type.toLowerCase()]: body }) },
        }),
    },
  ];
  if (body === undefined) return rules;
  rules.push({
    id: `1.4/${name}-without-body`,
    title: `${type} without its body is refused with 400`,
    async run(c) {
      const { status } = await (await c.subscribe()).send(type);
      expectEqual('status', status, 400);
    },
  });
  for (const field of required)
    rules.push({
      id: `1.4/${name}-without-${field.replaceAll('_', '-')}`,
      title: `${type} without the required ${field} is refused with 400`,
      async run(c) {
        const cut = { ...body, [field]: undefined };
        const { status } = await (await c.subscribe()).send(type, cut);
        expectEqual('status', status, 400);
      },
    });
  return rules;
}

/** §1.4: every call is known, and void without what it needs. */
export const CALL_RULES: readonly Rule[] = [
  ...Object.entries(CALLS).flatMap(([type, call]) => rulesOf(type, call)),
  {
    id: '1.4/unknown-type',
    title: 'a call of a type that nobody knows is refused with 400',
    async run(c) {
      const session = await c.subscribe();
      const call = { type: 'SUPPRESS', framework_id: { value: session.frameworkId } };
      const text = JSON.stringify({ ...call, type: 'DANCE' });
      // In protobuf: type 99.
      const body =
        c.wire === 'json'
          ? Buffer.from(text)
          : Buffer.concat([
              encode('Call', { framework_id: call.framework_id }),
              Buffer.from([0x10, 99]),
            ]);
      await c.expectStatus(400, { body, headers: { 'Mesos-Stream-Id': session.streamId } });
    },
  },
  {
    id: '1.4/acknowledge-bad-uuid',
    title: 'ACKNOWLEDGE with a uuid that is no UUID is refused with 400',
    async run(c) {
      const body = { agent_id: ID, task_id: ID, uuid: 'AAAA' };
      const { status } = await (await c.subscribe()).send('ACKNOWLEDGE', body);
      expectEqual('status', status, 400);
    },
  },
  {
    id: '1.4/acknowledge-operation-bad-uuid',
    title: 'ACKNOWLEDGE_OPERATION_STATUS with a uuid that is no UUID is refused with 400',
    async run(c) {
      const body = { agent_id: ID, operation_id: ID, uuid: 'AAAA' };
      const { status } = await (await c.subscribe()).send('ACKNOWLEDGE_OPERATION_STATUS', body);
      expectEqual('status', status, 400);
    },
  },
  {
    id: '1.4/teardown',
    title: 'TEARDOWN is accepted with 202 and ends the stream',
    async run(c) {
      const session = await c.subscribe();
      await session.ok('TEARDOWN');
      const ended = await session.response.until(() => session.response.isOver, 10_000);
      expectThat('the stream to end after TEARDOWN', ended, 'an open stream');
    },
  },
  {
    id: '1.4/teardown-without-framework',
    title: 'TEARDOWN without framework_id is refused with 400',
    run: (c) => c.expectStatus(400, { call: { type: 'TEARDOWN' } }),
  },
  {
    id: '1.4/update-framework-without-body',
    title: 'UPDATE_FRAMEWORK without its body is refused with 400',
    async run(c) {
      const { status } = await (await c.subscribe()).send('UPDATE_FRAMEWORK');
      expectEqual('status', status, 400);
    },
  },
  {
    id: '1.4/bodies-of-others',
    title: 'a body that does not belong to the call is ignored',
    async run(c) {
      const session = await c.subscribe();
      await c.expectStatus(202, {
        call: {
          type: 'SUPPRESS',
          framework_id: { value: session.frameworkId },
          decline: { offer_ids: [ID] },
        },
        headers: { 'Mesos-Stream-Id': session.streamId },
      });
    },
  },
];
