import { expectEqual, expectThat } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import { type Session, type Status, task, uniqueId } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

const isUpdateOf =
  (id: string) =>
  ({ update }: { readonly update?: { readonly status: Status } }): boolean =>
    update?.status.task_id.value === id;

/** Starts a task and stops before the first acknowledgement. */
async function starting(session: Session, more: Json = {}): Promise<Status> {
  const offer = await session.offer();
  const id = uniqueId('task');
  await session.launch(offer, task(id, offer, more));
  return await session.update(id, undefined, 60_000);
}

const command = (value: string): Json => ({ command: { shell: true, value } });

/** Asks about a task until there is an answer. */
function reconciled(session: Session, ask: Json): Promise<Status> {
  const id = (ask['task_id'] as { value: string }).value;
  return askAgain(async () => {
    await session.ok('RECONCILE', { tasks: [ask] });
    return await session.update(id, undefined, 8_000);
  });
}

const partitionAware = (c: Context): Json =>
  c.info({ capabilities: [{ type: 'PARTITION_AWARE' }] });

function unknownTaskRule(
  name: string,
  what: string,
  ask: (agent: Json) => Json,
  expected: { readonly plain: string; readonly partitionAware: string },
): readonly Rule[] {
  const rule = (aware: boolean): Rule => {
    const state = aware ? expected.partitionAware : expected.plain;
    return {
      id: `1.8/reconcile-${name}${aware ? '-partition-aware' : ''}`,
      title: `${what} is answered with ${state}${aware ? ' for PARTITION_AWARE' : ''}`,
      offers: true,
      async run(c) {
        const session = await c.subscribe(aware ? partitionAware(c) : c.info());
        const offer = await session.offer();
        const id = uniqueId('nobody');
        const status = await reconciled(session, {
          task_id: { value: id },
          ...ask({ value: offer.agent_id.value }),
        });
        expectEqual('state', status.state, state);
        expectEqual('reason', status.reason, 'REASON_RECONCILIATION');
        expectEqual('uuid', status.uuid, undefined);
      },
    };
  };
  return [rule(false), rule(true)];
}

/** §1.8: updates, acknowledgement, reconciliation. */
export const STATUS_RULES: readonly Rule[] = [
  {
    id: '1.8/update',
    title: 'an update carries a uuid of 16 bytes, its source, agent and time',
    offers: true,
    async run(c) {
      const status = await starting(await c.subscribe());
      const bytes = Buffer.from(status.uuid ?? '', 'base64').length;
      expectEqual('bytes of the uuid', bytes, 16);
      expectThat('agent_id', !!status.agent_id?.value, status);
      const source = status.source ?? 'none';
      expectThat(
        'SOURCE_EXECUTOR or SOURCE_AGENT',
        /^SOURCE_(EXECUTOR|AGENT)$/.test(source),
        status,
      );
      const ageSeconds = Math.abs(Date.now() / 1000 - (status.timestamp ?? 0));
      expectThat('a timestamp in seconds, of now', ageSeconds < 300, status);
    },
  },
  {
    id: '1.8/starting-then-running',
    title: 'a task is STARTING, then RUNNING',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const id = uniqueId('task');
      await session.launch(offer, task(id, offer));
      const states = (await session.follow(id, 'TASK_RUNNING')).map((one) => one.state);
      expectEqual('states', states, ['TASK_STARTING', 'TASK_RUNNING']);
    },
  },
  {
    id: '1.8/in-order',
    title: 'the next update waits until the one before is acknowledged',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session);
      const id = first.task_id.value;
      await session.none(
        'second state',
        (one) => {
          const state = one.update?.status.state;
          return isUpdateOf(id)(one) && state !== first.state;
        },
        4_000,
      );
      await session.acknowledge(first);
      await session.update(id, 'TASK_RUNNING');
    },
  },
  {
    id: '1.8/resent',
    title: 'an update that is not acknowledged is sent again after about 10 s, with the same uuid',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session);
      const next = await session.update(first.task_id.value, undefined, 20_000);
      expectEqual('state', next.state, first.state);
      expectEqual('uuid', next.uuid, first.uuid);
    },
  },
  {
    id: '1.8/not-resent-when-acknowledged',
    title: 'an acknowledged update does not come again',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('acknowledged');
      await session.none('further update', isUpdateOf(id), 12_000);
    },
  },
  {
    id: '1.8/resent-after-failover',
    title: 'an update that is not acknowledged comes again on the next stream',
    offers: true,
    async run(c) {
      const kept = { failover_timeout: 60 };
      const session = await c.subscribe(c.info(kept));
      const first = await starting(session);
      const next = await c.subscribe(c.info({ ...kept, id: { value: session.frameworkId } }));
      const status = await next.update(first.task_id.value, undefined, 30_000);
      expectEqual('uuid', status.uuid, first.uuid);
    },
  },
  {
    id: '1.8/acknowledge-unknown',
    title: 'an acknowledgement of nothing is accepted and dropped',
    async run(c) {
      const nobody = { value: 'nobody' };
      const uuid = Buffer.alloc(16, 3).toString('base64');
      const session = await c.subscribe();
      await session.ok('ACKNOWLEDGE', { agent_id: nobody, task_id: nobody, uuid });
    },
  },
  {
    id: '1.8/finished',
    title: 'a command that exits with 0 is FINISHED',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, command('exit 0'));
      await session.acknowledge(first);
      await session.follow(first.task_id.value, 'TASK_FINISHED');
    },
  },
  {
    id: '1.8/failed',
    title: 'a command that exits with 3 is FAILED, with a message',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, command('exit 3'));
      await session.acknowledge(first);
      const last = (await session.follow(first.task_id.value, 'TASK_FAILED')).at(-1);
      expectThat('a message with the exit code', /3/.test(last?.message ?? ''), last);
    },
  },
  {
    id: '1.8/argv',
    title: 'a command without shell runs its value with its arguments',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, {
        command: {
          shell: false,
          value: '/bin/sh',
          arguments: ['sh', '-c', 'test "$ANSWER" = 42'],
          environment: { variables: [{ name: 'ANSWER', value: '42' }] },
        },
      });
      await session.acknowledge(first);
      await session.follow(first.task_id.value, 'TASK_FINISHED');
    },
  },
  {
    id: '1.8/max-completion-time',
    title: 'a task beyond max_completion_time is FAILED with its reason',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, { max_completion_time: { nanoseconds: 2e9 } });
      await session.acknowledge(first);
      const last = (await session.follow(first.task_id.value, 'TASK_FAILED')).at(-1);
      expectEqual('reason', last?.reason, 'REASON_MAX_COMPLETION_TIME_REACHED');
    },
  },
  {
    id: '1.8/memory',
    title: 'a task beyond its memory is FAILED with REASON_CONTAINER_LIMITATION_MEMORY',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, command('x=a; while :; do x=$x$x$x$x; done'));
      await session.acknowledge(first);
      const last = (await session.follow(first.task_id.value, 'TASK_FAILED')).at(-1);
      expectEqual('reason', last?.reason, 'REASON_CONTAINER_LIMITATION_MEMORY');
    },
  },
  {
    id: '1.8/healthy',
    title: 'a health check that holds is told as healthy, one that does not ends the task',
    offers: true,
    needs: 'execution',
    async run(c) {
      const session = await c.subscribe();
      const first = await starting(session, {
        command: { shell: true, value: 'touch well; sleep 6; rm well; sleep 3600' },
        health_check: {
          type: 'COMMAND',
          command: { value: 'test -f well' },
          delay_seconds: 0,
          interval_seconds: 1,
          timeout_seconds: 5,
          consecutive_failures: 2,
          grace_period_seconds: 0,
        },
      });
      const id = first.task_id.value;
      await session.acknowledge(first);
      const all = await session.follow(id, 'TASK_KILLED', 90_000);
      const told = all.flatMap((one) => one.healthy ?? []);
      expectThat('healthy, then not', told[0] === true && told.at(-1) === false, told);
    },
  },
  {
    id: '1.8/reconcile-implicit',
    title: 'implicit reconciliation tells the latest state of every task, without uuid',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('known');
      await session.ok('RECONCILE', { tasks: [] });
      const status = await session.update(id);
      expectEqual('state', status.state, 'TASK_RUNNING');
      expectEqual('reason', status.reason, 'REASON_RECONCILIATION');
      expectEqual('source', status.source, 'SOURCE_MASTER');
      expectEqual('uuid', status.uuid, undefined);
      expectEqual('data', status.data, undefined);
    },
  },
  {
    id: '1.8/reconcile-explicit',
    title: 'explicit reconciliation tells the state of a known task',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id, offer } = await session.runOne('known');
      const status = await reconciled(session, {
        task_id: { value: id },
        agent_id: offer.agent_id,
      });
      expectEqual('state', status.state, 'TASK_RUNNING');
      expectEqual('reason', status.reason, 'REASON_RECONCILIATION');
    },
  },
  {
    id: '1.8/reconcile-of-others',
    title: "another framework's task is as unknown as none",
    offers: true,
    async run(c) {
      const owner = await c.subscribe();
      const { id } = await owner.runOne('private');
      const stranger = await c.subscribe();
      const status = await reconciled(stranger, { task_id: { value: id } });
      expectEqual('state', status.state, 'TASK_LOST');
    },
  },
  ...unknownTaskRule(
    'unknown-task',
    'an unknown task on a known agent',
    (agent) => ({ agent_id: agent }),
    {
      plain: 'TASK_LOST',
      partitionAware: 'TASK_GONE',
    },
  ),
  ...unknownTaskRule(
    'unknown-agent',
    'a task on an unknown agent',
    () => ({ agent_id: { value: 'no-such-agent' } }),
    { plain: 'TASK_LOST', partitionAware: 'TASK_UNKNOWN' },
  ),
  ...unknownTaskRule('no-agent', 'an unknown task without an agent', () => ({}), {
    plain: 'TASK_LOST',
    partitionAware: 'TASK_UNKNOWN',
  }),
  {
    id: '1.8/kept-until-acknowledged',
    title: 'a finished task is told by reconciliation until its end is acknowledged',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('ending');
      await session.ok('KILL', { task_id: { value: id } });
      const end = await session.update(id, 'TASK_KILLED', 60_000);
      await session.ok('RECONCILE', { tasks: [] });
      const told = await session.update(id, 'TASK_KILLED');
      expectThat('a uuid or none', told.state === 'TASK_KILLED', told);
      await session.acknowledge(end);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await session.ok('RECONCILE', { tasks: [] });
      await session.none(
        'word of a task whose end was acknowledged',
        (one) => isUpdateOf(id)(one) && one.update?.status.reason === 'REASON_RECONCILIATION',
        2_000,
      );
    },
  },
  {
    id: '1.8/freed-at-the-end',
    title: 'the resources of a task and its framework are offered again when both have ended',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id, offer } = await session.runOne('ending');
      await session.ok('KILL', { task_id: { value: id } });
      await session.update(id, 'TASK_KILLED', 60_000);
      // Its own framework is offered them first, and lets them go.
      await session.ok('TEARDOWN');
      const other = await c.subscribe();
      await other.offer(
        { cpus: 0.1 },
        30_000,
        (one) => one.agent_id.value === offer.agent_id.value,
      );
    },
  },
];
