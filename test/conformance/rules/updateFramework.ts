import { expectEqual } from '../mismatch.ts';
import type { Context, Rule } from '../rule.ts';
import { type Offer, type Session, task, uniqueId } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';
import { declineAll } from './filters.ts';

const update = async (session: Session, info: Json, more: Json = {}): Promise<number> => {
  const framework_info = { ...info, id: { value: session.frameworkId } };
  const { status } = await session.send('UPDATE_FRAMEWORK', { framework_info, ...more });
  return status;
};

/** What is refused, and with which status. */
const REFUSALS: readonly (readonly [string, string, (c: Context) => Json, Json])[] = [
  ['user', 'another user', (c) => c.info({ user: 'somebody' }), {}],
  ['checkpoint', 'another checkpoint', (c) => c.info({ checkpoint: true }), {}],
  ['principal', 'another principal', (c) => c.info({ principal: 'somebody-else' }), {}],
  ['role', 'an invalid role', (c) => c.info({ role: '/x' }), {}],
  [
    'suppressed',
    'a suppressed role that is none of the roles',
    (c) => c.info(),
    { suppressed_roles: ['not-mine'] },
  ],
  [
    'constraints',
    'invalid offer constraints',
    (c) => c.info(),
    { offer_constraints: { role_constraints: { 'not-mine': { groups: [] } } } },
  ],
];

/** §1.10: UPDATE_FRAMEWORK. */
export const UPDATE_FRAMEWORK_RULES: readonly Rule[] = [
  {
    id: '1.10/accepted',
    title: 'UPDATE_FRAMEWORK is answered 200',
    async run(c) {
      const session = await c.subscribe();
      const info = c.info({ name: 'renamed', failover_timeout: 5 });
      expectEqual('status', await update(session, info), 200);
    },
  },
  {
    id: '1.10/ids-differ',
    title: 'framework_info.id that is not framework_id is refused with 400',
    async run(c) {
      const session = await c.subscribe();
      const { status } = await session.send('UPDATE_FRAMEWORK', { framework_info: c.info() });
      expectEqual('status', status, 400);
    },
  },
  ...REFUSALS.map(
    ([name, what, info, more]): Rule => ({
      id: `1.10/${name}`,
      title: `${what} is refused with 400`,
      async run(c) {
        expectEqual('status', await update(await c.subscribe(), info(c), more), 400);
      },
    }),
  ),
  {
    id: '1.10/role-removed',
    title: 'offers of a role that is removed are rescinded',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole({ roles: [first] }));
      const offer = await session.offer();
      expectEqual('status', await update(session, c.multiRole({ roles: [second] })), 200);
      await session.next(
        'RESCIND',
        (event) => event.rescind?.offer_id.value === offer.id.value,
        10_000,
      );
    },
  },
  {
    id: '1.10/tasks-stay',
    title: 'tasks of a role that is removed run on',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole({ roles: [first] }));
      const { id } = await session.runOne('stays');
      expectEqual('status', await update(session, c.multiRole({ roles: [second] })), 200);
      await session.settle(1_500);
      await session.ok('RECONCILE', { tasks: [{ task_id: { value: id } }] });
      expectEqual('state', (await session.update(id)).state, 'TASK_RUNNING');
    },
  },
  {
    id: '1.10/suppressed-offers-stay',
    title: 'offers of a role that becomes suppressed stay and can be used',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      const more = { suppressed_roles: [c.role] };
      expectEqual('status', await update(session, c.info(), more), 200);
      await session.none(
        'RESCIND of the offer',
        (event) => event.rescind?.offer_id.value === offer.id.value,
        2_000,
      );
      const id = uniqueId('used');
      await session.launch(offer, task(id, offer));
      await session.follow(id, 'TASK_RUNNING');
    },
  },
  {
    id: '1.10/unsuppressed-clears-filters',
    title: 'a role that is no longer suppressed loses its filters',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer();
      await declineAll(session, offer, { refuse_seconds: 3_600 });
      const more = { suppressed_roles: [c.role] };
      expectEqual('status', await update(session, c.info(), more), 200);
      // What was offered before it was suppressed.
      await session.settle();
      for (const late of session.offers.splice(0))
        await declineAll(session, late, { refuse_seconds: 3_600 });
      await session.noOffer(2_000);
      expectEqual('status', await update(session, c.info()), 200);
      const same = (one: Offer): boolean => one.agent_id.value === offer.agent_id.value;
      await session.offer({ cpus: 0.1 }, 20_000, same);
    },
  },
  {
    id: '1.10/role-added',
    title: 'a role that is added gets offers',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole({ roles: [first] }), {
        suppressed_roles: [first],
      });
      await session.noOffer(1_500);
      const info = c.multiRole({ roles: [first, second] });
      expectEqual('status', await update(session, info, { suppressed_roles: [first] }), 200);
      const offer = await session.offer();
      expectEqual('role', offer.allocation_info?.role, second);
    },
  },
  {
    id: '1.10/all-or-nothing',
    title: 'a refused update changes nothing',
    offers: true,
    async run(c) {
      const [first, second] = c.roles;
      const session = await c.subscribe(c.multiRole({ roles: [first] }));
      const offer = await session.offer();
      const info = c.multiRole({ roles: [second], user: 'somebody' });
      expectEqual('status', await update(session, info), 400);
      await session.none(
        'RESCIND',
        (event) => event.rescind?.offer_id.value === offer.id.value,
        2_000,
      );
    },
  },
];
