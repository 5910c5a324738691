import { expectEqual, expectThat } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import {
  type Offer,
  type OperationStatus,
  type Resource,
  type Session,
  scalar,
  task,
  uniqueId,
} from '../session.ts';
import type { Json } from '../wire/protobuf.ts';
import { declineAll } from './filters.ts';
import { marked, operation, reserve, reservedOf, reserver, volumeOf } from './operations.ts';

const SHARED = { shared: {} };

/** A framework of one role that may see shared volumes. */
const sharer = (c: Context): Promise<Session> =>
  c.subscribe(
    c.multiRole({
      roles: [c.roles[0]],
      capabilities: [
        'MULTI_ROLE',
        'RESERVATION_REFINEMENT',
        'PARTITION_AWARE',
        'SHARED_RESOURCES',
      ].map((type) => ({ type })),
    }),
  );

const sharedVolume = (c: Context, id: string, value: number): Json => ({
  ...volumeOf(c, id, value),
  ...SHARED,
});

const isVolume =
  (id: string) =>
  (one: Resource): boolean =>
    one.disk?.persistence?.id === id;

/**
 * The next offer that holds the volume. What comes without it is given back: a small volume alone may be below what a
 * master offers.
 */
async function offered(c: Context, session: Session, id: string): Promise<Offer> {
  const holds = (one: Offer): boolean => marked(c, one, 'disk').some(isVolume(id));
  return await askAgain(async () => {
    const other = session.offers.some(holds) ? undefined : session.offers.shift();
    if (other !== undefined) await declineAll(session, other, { refuse_seconds: 0 });
    return await session.offer({}, 5_000, holds);
  });
}

/** Asks for one operation on an offer and waits for what it comes to. */
async function outcome(
  session: Session,
  offer: Offer,
  type: string,
  body: Json,
): Promise<OperationStatus> {
  const id = uniqueId('op');
  await session.accept([offer], [operation(type, body, id)], 0);
  return await session.operation(id);
}

/** Reserves disk and makes a volume of it; returns the volume as it is named from then on. */
async function made(
  c: Context,
  session: Session,
  reserved: number,
  size: number,
  more: Json = {},
): Promise<{ readonly id: string; readonly volume: Json }> {
  const offer = await reserve(c, session, 'disk', reserved);
  const id = uniqueId('volume');
  const volume = { ...volumeOf(c, id, size), ...more };
  await session.accept([offer], [operation('CREATE', { volumes: [volume] })], 0);
  return { id, volume };
}

/** Gives volume and reservation back. */
async function release(
  c: Context,
  session: Session,
  id: string,
  volume: Json,
  reserved: number,
): Promise<void> {
  await session.accept(
    [await offered(c, session, id)],
    [
      operation('DESTROY', { volumes: [volume] }),
      operation('UNRESERVE', { resources: [reservedOf(c, 'disk', reserved)] }),
    ],
    0,
  );
}

const refusedWith = (status: OperationStatus): void => {
  expectEqual('state', status.state, 'OPERATION_ERROR');
  expectThat('a message that says why', (status.message ?? '').length > 10, status);
};

/** What is refused on a volume of 16 MB out of 32. */
const REFUSED: readonly (readonly [
  string,
  string,
  string,
  (c: Context, volume: Json, id: string) => Json,
])[] = [
  [
    'create-same-id',
    'CREATE of a persistence id that is in use on the agent',
    'CREATE',
    (c, _volume, id) => ({ volumes: [volumeOf(c, id, 8)] }),
  ],
  [
    'create-read-only',
    'CREATE of a read-only volume',
    'CREATE',
    (c) => ({
      volumes: [
        reservedOf(c, 'disk', 8, {
          disk: {
            persistence: { id: uniqueId('v') },
            volume: { container_path: 'data', mode: 'RO' },
          },
        }),
      ],
    }),
  ],
  [
    'create-host-path',
    'CREATE of a volume with a path of the host',
    'CREATE',
    (c) => ({
      volumes: [
        reservedOf(c, 'disk', 8, {
          disk: {
            persistence: { id: uniqueId('v') },
            volume: { container_path: 'data', host_path: '/etc', mode: 'RW' },
          },
        }),
      ],
    }),
  ],
  [
    'create-shared-unable',
    'CREATE of a shared volume by a framework without SHARED_RESOURCES',
    'CREATE',
    (c) => ({ volumes: [sharedVolume(c, uniqueId('v'), 8)] }),
  ],
  [
    'destroy-other-size',
    'DESTROY of a volume under another size',
    'DESTROY',
    (c, _volume, id) => ({ volumes: [volumeOf(c, id, 15)] }),
  ],
  [
    'grow-too-much',
    'GROW_VOLUME by more than is reserved',
    'GROW_VOLUME',
    (c, volume) => ({ volume, addition: reservedOf(c, 'disk', 17) }),
  ],
  [
    'grow-unreserved',
    'GROW_VOLUME by disk that is not reserved',
    'GROW_VOLUME',
    (c, volume) => ({
      volume,
      addition: scalar('disk', 1, { allocation_info: { role: c.roles[0] } }),
    }),
  ],
  [
    'shrink-to-nothing',
    'SHRINK_VOLUME by the whole size',
    'SHRINK_VOLUME',
    (_c, volume) => ({ volume, subtract: { value: 16 } }),
  ],
  [
    'unreserve-under-volume',
    'UNRESERVE of disk that a volume has',
    'UNRESERVE',
    (c) => ({ resources: [reservedOf(c, 'disk', 32)] }),
  ],
];

/** §1.12: persistent volumes, shared ones (§2.11), and tasks that hold them. */
export const VOLUME_RULES: readonly Rule[] = [
  ...REFUSED.map(
    ([name, what, type, body]): Rule => ({
      id: `1.12/${name}`,
      title: `${what} becomes OPERATION_ERROR, and the volume stays`,
      offers: true,
      async run(c) {
        const session = await reserver(c);
        const { id, volume } = await made(c, session, 32, 16);
        const offer = await offered(c, session, id);
        refusedWith(await outcome(session, offer, type, body(c, volume, id)));
        await release(c, session, id, volume, 32);
      },
    }),
  ),
  {
    id: '1.12/volume-held',
    title: 'a volume that a task holds is not offered, and is offered again when the task ended',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const { id, volume } = await made(c, session, 16, 16);
      const offer = await offered(c, session, id);
      const name = uniqueId('holder');
      const resources = [scalar('cpus', 0.1), scalar('mem', 32), volume];
      await session.launch(offer, task(name, offer, { resources }));
      await session.follow(name, 'TASK_RUNNING');
      const meanwhile = await session.offer(
        { cpus: 0.1 },
        20_000,
        (one) => one.agent_id.value === offer.agent_id.value,
      );
      expectEqual('volumes on offer', marked(c, meanwhile, 'disk').length, 0);
      await session.ok('DECLINE', { offer_ids: [meanwhile.id], filters: { refuse_seconds: 0 } });
      await session.ok('KILL', { task_id: { value: name } });
      await session.follow(name, 'TASK_KILLED');
      await release(c, session, id, volume, 16);
    },
  },
  {
    id: '1.12/volume-whole',
    title: 'a task that asks for a part of a volume becomes TASK_ERROR',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const { id, volume } = await made(c, session, 16, 16);
      const offer = await offered(c, session, id);
      const name = uniqueId('part');
      const resources = [scalar('cpus', 0.1), scalar('mem', 32), volumeOf(c, id, 8)];
      await session.launch(offer, task(name, offer, { resources }));
      expectEqual('state', (await session.update(name)).state, 'TASK_ERROR');
      await release(c, session, id, volume, 16);
    },
  },
  {
    id: '1.12/create-then-launch',
    title: 'RESERVE, CREATE and a LAUNCH on the volume work in one ACCEPT',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await session.offer({ cpus: 0.1, mem: 32, disk: 16 });
      const id = uniqueId('volume');
      const volume = volumeOf(c, id, 16);
      const name = uniqueId('holder');
      const resources = [scalar('cpus', 0.1), scalar('mem', 32), volume];
      await session.accept(
        [offer],
        [
          operation('RESERVE', { resources: [reservedOf(c, 'disk', 16)] }),
          operation('CREATE', { volumes: [volume] }),
          operation('LAUNCH', { task_infos: [task(name, offer, { resources })] }),
        ],
        0,
      );
      await session.follow(name, 'TASK_RUNNING');
      await session.ok('KILL', { task_id: { value: name } });
      await session.follow(name, 'TASK_KILLED');
      await release(c, session, id, volume, 16);
    },
  },
  {
    id: '1.12/shared-volume',
    title:
      'a shared volume is offered again while a task holds it, keeps its size, and goes when nobody does',
    offers: true,
    async run(c) {
      const session = await sharer(c);
      const { id, volume } = await made(c, session, 16, 8, SHARED);
      const offer = await offered(c, session, id);
      const name = uniqueId('holder');
      const resources = [scalar('cpus', 0.1), scalar('mem', 32), volume];
      await session.launch(offer, task(name, offer, { resources }));
      await session.follow(name, 'TASK_RUNNING');
      const again = await offered(c, session, id);
      const [shown] = marked(c, again, 'disk').filter(isVolume(id));
      expectThat(
        'the mark of a shared resource',
        JSON.stringify(shown).includes('"shared"'),
        shown,
      );
      refusedWith(
        await outcome(session, again, 'GROW_VOLUME', {
          volume,
          addition: reservedOf(c, 'disk', 1),
        }),
      );
      const held = await offered(c, session, id);
      refusedWith(await outcome(session, held, 'DESTROY', { volumes: [volume] }));
      await session.ok('KILL', { task_id: { value: name } });
      await session.follow(name, 'TASK_KILLED');
      await release(c, session, id, volume, 16);
    },
  },
  {
    id: '1.12/shared-volume-hidden',
    title: 'a shared volume is hidden from a framework without SHARED_RESOURCES',
    offers: true,
    async run(c) {
      const session = await sharer(c);
      const { id, volume } = await made(c, session, 16, 8, SHARED);
      const offer = await offered(c, session, id);
      const other = await reserver(c);
      await session.ok('DECLINE', { offer_ids: [offer.id], filters: { refuse_seconds: 3 } });
      const theirs = await other.offer({}, 20_000, (one) => marked(c, one, 'disk').length > 0);
      expectEqual(
        'volumes in it',
        marked(c, theirs, 'disk').filter((one) => one.disk !== undefined).length,
        0,
      );
      await other.ok('TEARDOWN');
      await release(c, session, id, volume, 16);
    },
  },
];
