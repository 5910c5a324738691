import { expectEqual } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import { type Offer, type Session, scalar, task, uniqueId } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

const BOGUS = { value: 'no-such-offer' };

async function expectRefusedTask(
  session: Session,
  id: string,
  expected: { readonly state: string; readonly reason: string },
): Promise<void> {
  const status = await session.update(id);
  expectEqual('state', status.state, expected.state);
  expectEqual('reason', status.reason, expected.reason);
  expectEqual('uuid', status.uuid, undefined);
  expectEqual('source', status.source, 'SOURCE_MASTER');
}

const LOST = { state: 'TASK_LOST', reason: 'REASON_INVALID_OFFERS' };

/** Ways to name offers that are not all one's own, valid and of one agent. */
const INVALID_OFFERS: readonly (readonly [
  string,
  string,
  (session: Session, offer: Offer) => Promise<readonly Json[]>,
])[] = [
  ['none', 'no offer', () => Promise.resolve([])],
  ['unknown', 'an unknown offer', () => Promise.resolve([BOGUS])],
  [
    'twice',
    'the same offer twice',
    (_session, offer) => Promise.resolve([{ ...offer.id }, { ...offer.id }]),
  ],
  [
    'used',
    'an offer that was declined',
    async (session, offer) => {
      await session.ok('DECLINE', { offer_ids: [offer.id] });
      return [{ ...offer.id }];
    },
  ],
  [
    'mixed',
    'a valid and an unknown offer',
    (_session, offer) => Promise.resolve([{ ...offer.id }, BOGUS]),
  ],
];

const executor = (more: Json): Json => ({
  executor_id: { value: uniqueId('executor') },
  resources: [scalar('cpus', 0.05), scalar('mem', 32)],
  ...more,
});

/** What makes a single task invalid. */
const INVALID_TASKS: readonly (readonly [string, string, (offer: Offer) => Json])[] = [
  ['task-id', 'a task id with a slash', () => ({ task_id: { value: `a/${uniqueId('b')}` } })],
  ['agent', "another agent than the offer's", () => ({ agent_id: { value: 'no-such-agent' } })],
  [
    'too-much',
    'more than was offered',
    () => ({ resources: [scalar('cpus', 1e6), scalar('mem', 32)] }),
  ],
  [
    'not-offered',
    'a resource that was not offered',
    () => ({ resources: [scalar('cpus', 0.1), scalar('unobtainium', 1)] }),
  ],
  ['no-resources', 'no resources', () => ({ resources: [] })],
  ['negative', 'a negative amount', () => ({ resources: [scalar('cpus', -1), scalar('mem', 32)] })],
  ['no-command', 'neither command nor executor', () => ({ command: undefined })],
  [
    'command-and-executor',
    'both command and executor',
    () => ({
      executor: { executor_id: { value: 'e' }, type: 'CUSTOM', command: { value: 'true' } },
    }),
  ],
  [
    'kill-policy',
    'a negative grace period',
    () => ({ kill_policy: { grace_period: { nanoseconds: -1 } } }),
  ],
  [
    'max-completion-time',
    'a negative max_completion_time',
    () => ({ max_completion_time: { nanoseconds: -1 } }),
  ],
  [
    'limits-name',
    'a limit on something but cpus and mem',
    () => ({ limits: { disk: { value: 1 } } }),
  ],
  ['limits-low', 'a limit below the request', () => ({ limits: { cpus: { value: 0.01 } } })],
  ['task-id-empty', 'an empty task id', () => ({ task_id: { value: '' } })],
  ['task-id-dots', 'the task id ..', () => ({ task_id: { value: '..' } })],
  [
    'custom-without-command',
    'a CUSTOM executor without a command',
    () => ({ command: undefined, executor: executor({ type: 'CUSTOM' }) }),
  ],
  [
    'default-with-command',
    'a DEFAULT executor with a command',
    () => ({
      command: undefined,
      executor: executor({ type: 'DEFAULT', command: { value: 'true' } }),
    }),
  ],
  [
    'executor-of-others',
    "another framework's id in its executor",
    () => ({
      command: undefined,
      executor: executor({
        type: 'CUSTOM',
        command: { value: 'true' },
        framework_id: { value: 'somebody-else' },
      }),
    }),
  ],
  ['check-http', 'an HTTP check without http', () => ({ check: { type: 'HTTP' } })],
  [
    'health-check-command',
    'a COMMAND health check without command',
    () => ({ health_check: { type: 'COMMAND' } }),
  ],
  [
    'health-check-delay',
    'a health check with a negative delay',
    () => ({
      health_check: { type: 'COMMAND', command: { value: 'true' }, delay_seconds: -1 },
    }),
  ],
  [
    'docker-without-docker',
    'a DOCKER container without docker',
    () => ({ container: { type: 'DOCKER' } }),
  ],
  [
    'variable-without-value',
    'an environment variable without its value',
    () => ({
      command: { value: 'true', environment: { variables: [{ name: 'X', type: 'VALUE' }] } },
    }),
  ],
];

/** §1.12: an ACCEPT as a whole, and LAUNCH. */
export const ACCEPT_RULES: readonly Rule[] = [
  ...INVALID_OFFERS.flatMap(([name, what, offers]): Rule[] => {
    const run = async (
      c: Context,
      info: Json,
      expected: Parameters<typeof expectRefusedTask>[2],
    ): Promise<void> => {
      const session = await c.subscribe(info);
      const offer = await session.offer();
      const id = uniqueId(name);
      await session.ok('ACCEPT', {
        offer_ids: await offers(session, offer),
        operations: [{ type: 'LAUNCH', launch: { task_infos: [task(id, offer)] } }],
      });
      await expectRefusedTask(session, id, expected);
    };
    return [
      {
        id: `1.12/offers-${name}`,
        title: `an ACCEPT with ${what} makes its tasks LOST with REASON_INVALID_OFFERS`,
        offers: true,
        run: (c) => run(c, c.info(), LOST),
      },
      {
        id: `1.12/offers-${name}-partition-aware`,
        title: `an ACCEPT with ${what} makes them DROPPED for PARTITION_AWARE`,
        offers: true,
        run: (c) =>
          run(c, c.info({ capabilities: [{ type: 'PARTITION_AWARE' }] }), {
            ...LOST,
            state: 'TASK_DROPPED',
          }),
      },
    ];
  }),
  {
    id: '1.12/offers-of-others',
    title: "an ACCEPT of another framework's offer is invalid, and leaves the offer alone",
    offers: true,
    async run(c) {
      const owner = await c.subscribe();
      const offer = await owner.offer();
      const thief = await c.subscribe();
      const id = uniqueId('stolen');
      await thief.launch(offer, task(id, offer));
      await expectRefusedTask(thief, id, LOST);
      const own = uniqueId('own');
      await owner.launch(offer, task(own, offer));
      await owner.follow(own, 'TASK_RUNNING');
    },
  },
  {
    id: '1.12/offers-recovered',
    title: 'the valid offers of an invalid ACCEPT come back without a filter',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await session.ok('ACCEPT', {
        offer_ids: [offer.id, BOGUS],
        operations: [],
        filters: { refuse_seconds: 3_600 },
      });
      await session.offer(
        { cpus: 0.1 },
        8_000,
        (one) => one.agent_id.value === offer.agent_id.value,
      );
    },
  },
  {
    id: '1.12/offers-operation-error',
    title: 'operations with an id of an invalid ACCEPT become OPERATION_ERROR',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      await session.offer();
      const id = uniqueId('operation');
      await session.ok('ACCEPT', {
        offer_ids: [BOGUS],
        operations: [
          { type: 'UNRESERVE', id: { value: id }, unreserve: { resources: [scalar('cpus', 1)] } },
        ],
      });
      const status = await session.operation(id);
      expectEqual('state', status.state, 'OPERATION_ERROR');
      expectEqual('uuid', status.uuid, undefined);
      expectEqual('agent_id', status.agent_id, undefined);
    },
  },
  ...INVALID_TASKS.map(
    ([name, what, more]): Rule => ({
      id: `1.12/launch-${name}`,
      title: `a task with ${what} becomes ERROR, the other task of the LAUNCH runs`,
      offers: true,
      async run(c) {
        const session = await c.subscribe();
        const offer = await session.offer();
        const bad = task(uniqueId('bad'), offer, more(offer));
        const good = uniqueId('good');
        await session.launch(offer, bad, task(good, offer));
        await expectRefusedTask(session, (bad['task_id'] as { value: string }).value, {
          state: 'TASK_ERROR',
          reason: 'REASON_TASK_INVALID',
        });
        await session.follow(good, 'TASK_RUNNING');
      },
    }),
  ),
  {
    id: '1.12/launch-duplicate',
    title: 'a task id that runs already becomes ERROR',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('twin');
      const offer = await session.offer();
      await session.launch(offer, task(id, offer));
      await expectRefusedTask(session, id, { state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID' });
    },
  },
  {
    id: '1.12/launch-operation-id',
    title: 'a LAUNCH with an operation id makes its tasks ERROR',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const id = uniqueId('with-id');
      const launch = { task_infos: [task(id, offer)] };
      await session.accept([offer], [{ type: 'LAUNCH', id: { value: uniqueId('op') }, launch }]);
      await expectRefusedTask(session, id, { state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID' });
    },
  },
  {
    id: '1.12/launch-zero-resource',
    title: 'a zero resource is no error',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const id = uniqueId('zero');
      const resources = [scalar('cpus', 0.1), scalar('mem', 32), scalar('disk', 0)];
      await session.launch(offer, task(id, offer, { resources }));
      await session.follow(id, 'TASK_RUNNING');
    },
  },
  {
    id: '1.12/launch-any-id',
    title: 'any Mesos id is a task id and comes back unchanged',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const mark = uniqueId('Any_Id.');
      const ids = [mark, `${mark} with blank`, mark.toUpperCase() + 'x'.repeat(255 - mark.length)];
      await session.launch(offer, ...ids.map((id) => task(id, offer)));
      for (const id of ids) await session.follow(id, 'TASK_RUNNING');
    },
  },
  {
    id: '1.12/launch-in-order',
    title: 'operations of one ACCEPT share what was offered',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const cpus = (offer.resources ?? []).find((one) => one.name === 'cpus')?.scalar?.value ?? 0;
      const most = [scalar('cpus', Math.round(cpus * 700) / 1000), scalar('mem', 32)];
      const [first, second] = [uniqueId('first'), uniqueId('second')];
      const launch = (id: string): Json => ({
        type: 'LAUNCH',
        launch: { task_infos: [task(id, offer, { resources: most })] },
      });
      await session.accept([offer], [launch(first), launch(second)], 0);
      await expectRefusedTask(session, second, {
        state: 'TASK_ERROR',
        reason: 'REASON_TASK_INVALID',
      });
      await session.follow(first, 'TASK_RUNNING');
    },
  },
];
