import { expectEqual } from '../mismatch.ts';
import { askAgain, type Rule } from '../rule.ts';
import { isNoMoreThan, uniqueId } from '../session.ts';

/** §1.9: KILL, SHUTDOWN, MESSAGE, REQUEST, SUPPRESS, REVIVE. */
export const KILL_RULES: readonly Rule[] = [
  {
    id: '1.9/kill',
    title: 'a killed task is KILLED',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('victim');
      await session.ok('KILL', { task_id: { value: id } });
      const states = (await session.follow(id, 'TASK_KILLED')).map((one) => one.state);
      expectEqual('states', states, ['TASK_KILLED']);
    },
  },
  {
    id: '1.9/killing',
    title: 'with TASK_KILLING_STATE it is KILLING before',
    offers: true,
    async run(c) {
      const session = await c.subscribe(c.info({ capabilities: [{ type: 'TASK_KILLING_STATE' }] }));
      const { id } = await session.runOne('victim');
      await session.ok('KILL', { task_id: { value: id } });
      const states = (await session.follow(id, 'TASK_KILLED')).map((one) => one.state);
      expectEqual('states', states, ['TASK_KILLING', 'TASK_KILLED']);
    },
  },
  {
    id: '1.9/kill-policy',
    title: 'KILL takes a kill_policy and an agent_id, and may be repeated',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id, offer } = await session.runOne('victim');
      const kill = { task_id: { value: id }, agent_id: offer.agent_id };
      await session.ok('KILL', { ...kill, kill_policy: { grace_period: { nanoseconds: 60e9 } } });
      await session.ok('KILL', { ...kill, kill_policy: { grace_period: { nanoseconds: 1e9 } } });
      await session.follow(id, 'TASK_KILLED', 30_000);
    },
  },
  {
    id: '1.9/kill-wrong-agent',
    title: "KILL with another agent than the task's is ignored",
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id } = await session.runOne('spared');
      await session.ok('KILL', { task_id: { value: id }, agent_id: { value: 'no-such-agent' } });
      await session.none(
        'update of the task',
        (event) => event.update?.status.task_id.value === id,
        4_000,
      );
    },
  },
  {
    id: '1.9/kill-unknown',
    title: 'KILL of an unknown task is answered as a reconciliation: LOST',
    async run(c) {
      const session = await c.subscribe();
      const id = uniqueId('nobody');
      const status = await askAgain(async () => {
        await session.ok('KILL', { task_id: { value: id } });
        return await session.update(id, undefined, 8_000);
      });
      expectEqual('state', status.state, 'TASK_LOST');
      expectEqual('uuid', status.uuid, undefined);
    },
  },
  {
    id: '1.9/suppress-revive',
    title: 'after SUPPRESS no offers come; after REVIVE they do',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await session.ok('SUPPRESS');
      await session.settle();
      await session.ok('DECLINE', {
        offer_ids: [offer.id, ...session.offers.map((one) => one.id)],
      });
      session.offers.length = 0;
      await session.noOffer(8_000);
      await session.ok('REVIVE');
      await session.offer();
    },
  },
  {
    id: '1.9/suppress-one-role',
    title: 'SUPPRESS of one role leaves the others',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole(), { suppressed_roles: [] });
      await session.ok('SUPPRESS', { roles: [first] });
      const offers = [await session.offer(), ...session.offers];
      await session.ok('DECLINE', {
        offer_ids: offers.map((one) => one.id),
        filters: { refuse_seconds: 0 },
      });
      session.offers.length = 0;
      const offer = await session.offer();
      expectEqual('role', offer.allocation_info?.role, second);
    },
  },
  {
    id: '1.9/suppress-stranger',
    title: 'SUPPRESS that names a role of nobody here is dropped whole',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      await session.ok('SUPPRESS', { roles: [c.role, 'not-mine'] });
      const offer = await session.offer();
      await session.ok('DECLINE', { offer_ids: [offer.id], filters: { refuse_seconds: 0 } });
      await session.offer();
    },
  },
  {
    id: '1.9/revive-stranger',
    title: 'REVIVE that names a role of nobody here is dropped whole',
    offers: true,
    async run(c) {
      const session = await c.subscribe(c.info(), { suppressed_roles: [c.role] });
      await session.ok('REVIVE', { roles: [c.role, 'not-mine'] });
      await session.noOffer(4_000);
    },
  },
  {
    id: '1.9/revive-one-role',
    title: 'REVIVE of one role leaves the others suppressed',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole(), { suppressed_roles: [first, second] });
      await session.ok('REVIVE', { roles: [second] });
      await session.offer();
      await session.settle();
      const roles = session.events
        .flatMap((event) => event.offers?.offers ?? [])
        .map((one) => one.allocation_info?.role);
      expectEqual('roles of the offers', [...new Set(roles)], [second]);
    },
  },
  {
    id: '1.9/revive-clears-filters',
    title: 'REVIVE clears the filters of declined offers',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await session.settle();
      const ids = [offer.id, ...session.offers.map((one) => one.id)];
      session.offers.length = 0;
      await session.ok('DECLINE', { offer_ids: ids, filters: { refuse_seconds: 3_600 } });
      // More than was declined may come: a task may end meanwhile.
      await session.noOffer(3_000, (one) => isNoMoreThan(one, offer));
      await session.ok('REVIVE');
      await session.offer({ cpus: 0.1 }, 10_000);
    },
  },
  {
    id: '1.9/subscribed-suppressed',
    title: 'roles suppressed at SUBSCRIBE get no offers until REVIVE',
    offers: true,
    async run(c) {
      const session = await c.subscribe(c.info(), { suppressed_roles: [c.role] });
      await session.noOffer(4_000);
      await session.ok('REVIVE', { roles: [c.role] });
      await session.offer();
    },
  },
];
