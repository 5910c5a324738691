import { expectEqual, expectThat, Mismatch } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import { type Session, task, uniqueId } from '../session.ts';

const KEPT = { failover_timeout: 60 };

/** Subscribes again under the id of a session. */
const again = (c: Context, session: Session, more: object = {}): Promise<Session> =>
  c.subscribe(c.info({ ...KEPT, id: { value: session.frameworkId }, ...more }));

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs));

/** §1.7: subscribe, fail over, disconnect, come back. */
export const SUBSCRIPTION_RULES: readonly Rule[] = [
  {
    id: '1.7/new-ids',
    title: 'each new framework gets an id of its own',
    async run(c) {
      const ids = [(await c.subscribe()).frameworkId, (await c.subscribe()).frameworkId];
      expectThat('two different ids', ids[0] !== ids[1] && ids.every((id) => id !== ''), ids);
    },
  },
  {
    id: '1.7/unknown-id',
    title: 'an id that nobody knows is taken and echoed',
    async run(c) {
      const id = c.unknownId();
      const session = await c.subscribe(c.info({ id }));
      expectEqual('framework id', session.frameworkId, id['value']);
    },
  },
  {
    id: '1.7/failed-over',
    title: 'on a second subscription the first stream hears "Framework failed over" and closes',
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const second = await again(c, first);
      expectEqual('framework id', second.frameworkId, first.frameworkId);
      const error = await first.next('ERROR', (event) => event.type === 'ERROR', 10_000);
      expectEqual('message', error.error?.message, 'Framework failed over');
      const closed = await first.response.until(() => first.response.isOver, 10_000);
      expectThat('the old stream to close', closed, 'an open stream');
    },
  },
  {
    id: '1.7/old-stream-id-void',
    title: 'after that the stream id of the first stream is refused with 400',
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const second = await again(c, first);
      const { status } = await second.send('SUPPRESS', undefined, {
        'Mesos-Stream-Id': first.streamId,
      });
      expectEqual('status', status, 400);
    },
  },
  {
    id: '1.7/offers-void-without-rescind',
    title: 'at failover outstanding offers are dropped without RESCIND',
    offers: true,
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const offer = await first.offer();
      const second = await again(c, first);
      await first.next('ERROR', (event) => event.type === 'ERROR', 10_000);
      const rescind = first.events.find((event) => event.type === 'RESCIND');
      if (rescind !== undefined) throw new Mismatch('no RESCIND', JSON.stringify(rescind));
      const id = uniqueId('void');
      await second.launch(offer, task(id, offer));
      const status = await second.update(id);
      expectEqual('reason', status.reason, 'REASON_INVALID_OFFERS');
    },
  },
  {
    id: '1.7/offers-anew',
    title: 'after failover the resources are offered to the framework again',
    offers: true,
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      await first.offer();
      await (await again(c, first)).offer();
    },
  },
  {
    id: '1.7/tasks-survive',
    title: 'tasks live on over a failover',
    offers: true,
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const { id } = await first.runOne('survivor');
      first.response.close();
      await pause(500);
      const second = await again(c, first);
      await second.ok('RECONCILE', { tasks: [] });
      const status = await second.update(id);
      expectEqual('state', status.state, 'TASK_RUNNING');
    },
  },
  {
    id: '1.7/timeout-zero',
    title: 'without failover_timeout a disconnected framework is removed, and its id refused',
    alone: true,
    async run(c) {
      const session = await c.subscribe();
      session.response.close();
      await pause(2_000);
      await c.refused(c.info({ id: { value: session.frameworkId } }));
    },
  },
  {
    id: '1.7/timeout-passes',
    title: 'after its failover_timeout a disconnected framework is removed, not before',
    alone: true,
    async run(c) {
      const session = await c.subscribe(c.info({ failover_timeout: 3 }));
      session.response.close();
      await pause(1_000);
      const back = await c.subscribe(
        c.info({ failover_timeout: 3, id: { value: session.frameworkId } }),
      );
      back.response.close();
      await pause(6_000);
      await c.refused(c.info({ id: { value: session.frameworkId } }));
    },
  },
  {
    id: '1.7/torn-down-id',
    title: 'the id of a framework that was torn down is refused with an ERROR event',
    alone: true,
    async run(c) {
      const session = await c.subscribe(c.info(KEPT));
      await session.ok('TEARDOWN');
      await pause(200);
      await c.refused(c.info({ id: { value: session.frameworkId } }));
    },
  },
  {
    id: '1.7/teardown-kills',
    title: 'TEARDOWN ends the tasks and frees their resources',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { offer } = await session.runOne('doomed');
      await session.ok('TEARDOWN');
      const next = await c.subscribe();
      await next.offer({ cpus: 0.1 }, 60_000, (one) => one.agent_id.value === offer.agent_id.value);
    },
  },
  {
    id: '1.7/user-ignored',
    title: 'a changed user or checkpoint is ignored on re-subscription',
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const second = await again(c, first, { user: 'somebody', checkpoint: true });
      expectEqual('framework id', second.frameworkId, first.frameworkId);
    },
  },
  {
    id: '1.7/roles-change',
    title: 'roles may change on re-subscription, and offers come for the new ones',
    offers: true,
    async run(c) {
      const first = await c.subscribe(c.multiRole({ ...KEPT, roles: [c.roles[0]] }));
      await first.offer();
      const second = await c.subscribe(
        c.multiRole({ ...KEPT, roles: [c.roles[1]], id: { value: first.frameworkId } }),
      );
      const offer = await second.offer();
      expectEqual('role', offer.allocation_info?.role, c.roles[1]);
    },
  },
  {
    id: '1.7/disconnect-frees-offers',
    title: 'when a stream closes its offers go to others',
    offers: true,
    async run(c) {
      const first = await c.subscribe(c.info(KEPT));
      const held = await first.offer();
      first.response.close();
      const other = await c.subscribe();
      await other.offer({ cpus: 0.1 }, 20_000, (one) => one.agent_id.value === held.agent_id.value);
    },
  },
];
