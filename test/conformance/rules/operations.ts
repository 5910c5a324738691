import { expectEqual, expectThat, Mismatch } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import {
  amountOf,
  type Offer,
  type Resource,
  type Session,
  scalar,
  task,
  uniqueId,
} from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

const MARK = 'mezzo-conformance';

/** Reserved by the suite, by whichever rule; or by this one alone. */
const isMarked =
  (mark = '') =>
  (one: Resource): boolean =>
    (one.reservations ?? []).some((reservation) => {
      const labels = JSON.stringify(reservation.labels ?? {});
      return labels.includes(MARK) && labels.includes(mark);
    });

/** A framework of one role that sees reservations as they are. */
export const reserver = (c: Context): Promise<Session> =>
  c.subscribe(c.multiRole({ roles: [c.roles[0]] }));

export const reservedOf = (c: Context, name: string, value: number, more: Json = {}): Json =>
  scalar(name, value, {
    allocation_info: { role: c.roles[0] },
    reservations: [
      { type: 'DYNAMIC', role: c.roles[0], labels: { labels: [{ key: MARK, value: c.mark }] } },
    ],
    ...more,
  });

const plain = (c: Context, name: string, value: number): Json =>
  scalar(name, value, { allocation_info: { role: c.roles[0] } });

export const volumeOf = (c: Context, id: string, value: number): Json =>
  reservedOf(c, 'disk', value, {
    disk: { persistence: { id }, volume: { container_path: 'data', mode: 'RW' } },
  });

export const operation = (type: string, body: Json, id?: string): Json => ({
  type,
  ...(id === undefined ? {} : { id: { value: id } }),
  [type.toLowerCase()]: body,
});

export const marked = (c: Context, offer: Offer, name: string): readonly Resource[] =>
  (offer.resources ?? []).filter((one) => one.name === name && isMarked(c.mark)(one));

/** Reserves and waits for the offer that holds the reservation. */
export async function reserve(
  c: Context,
  session: Session,
  name: string,
  value: number,
): Promise<Offer> {
  const offer = await session.offer({ [name]: value });
  await session.accept(
    [offer],
    [operation('RESERVE', { resources: [reservedOf(c, name, value)] })],
    0,
  );
  return await session.offer({}, 20_000, (one) => marked(c, one, name).length > 0);
}

async function unreserve(
  c: Context,
  session: Session,
  offer: Offer,
  name: string,
  value: number,
): Promise<void> {
  await session.accept(
    [offer],
    [operation('UNRESERVE', { resources: [reservedOf(c, name, value)] })],
    0,
  );
}

/** What the master refuses with OPERATION_ERROR, on an unreserved offer. */
const REFUSED: readonly (readonly [string, string, string, (c: Context) => Json])[] = [
  [
    'reserve-static',
    'a static reservation',
    'RESERVE',
    (c) => ({
      resources: [
        reservedOf(c, 'cpus', 0.1, { reservations: [{ type: 'STATIC', role: c.roles[0] }] }),
      ],
    }),
  ],
  [
    'reserve-other-role',
    "another role than the offer's",
    'RESERVE',
    (c) => ({
      resources: [
        reservedOf(c, 'cpus', 0.1, { reservations: [{ type: 'DYNAMIC', role: c.roles[1] }] }),
      ],
    }),
  ],
  [
    'reserve-too-much',
    'more than was offered',
    'RESERVE',
    (c) => ({
      resources: [reservedOf(c, 'cpus', 1e6)],
    }),
  ],
  [
    'reserve-source',
    'a source',
    'RESERVE',
    (c) => ({
      source: [plain(c, 'cpus', 0.1)],
      resources: [reservedOf(c, 'cpus', 0.1)],
    }),
  ],
  [
    'unreserve-unreserved',
    'resources that are not reserved',
    'UNRESERVE',
    (c) => ({
      resources: [plain(c, 'cpus', 0.1)],
    }),
  ],
  [
    'create-unreserved',
    'a volume on unreserved disk',
    'CREATE',
    (c) => ({
      volumes: [{ ...volumeOf(c, uniqueId('v'), 8), reservations: undefined }],
    }),
  ],
  [
    'create-without-persistence',
    'a volume without a persistence id',
    'CREATE',
    (c) => ({
      volumes: [reservedOf(c, 'disk', 8)],
    }),
  ],
  [
    'destroy-unknown',
    'a volume that does not exist',
    'DESTROY',
    (c) => ({
      volumes: [volumeOf(c, uniqueId('v'), 8)],
    }),
  ],
];

/** §1.12: reservations and volumes. */
export const OPERATION_RULES: readonly Rule[] = [
  ...REFUSED.map(
    ([name, what, type, body]): Rule => ({
      id: `1.12/${name}`,
      title: `${type} of ${what} becomes OPERATION_ERROR, without uuid and agent_id`,
      offers: true,
      async run(c) {
        const session = await reserver(c);
        const offer = await session.offer({ cpus: 0.1 });
        const id = uniqueId('op');
        await session.accept([offer], [operation(type, body(c), id)], 0);
        const status = await session.operation(id);
        expectEqual('state', status.state, 'OPERATION_ERROR');
        expectEqual('uuid', status.uuid, undefined);
        expectEqual('agent_id', status.agent_id, undefined);
        expectThat('a message that says why', (status.message ?? '').length > 10, status);
      },
    }),
  ),
  {
    id: '1.12/reserve',
    title:
      'RESERVE: the resources are offered again with the reservation on them; UNRESERVE undoes it',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await reserve(c, session, 'cpus', 0.25);
      const [resource] = marked(c, offer, 'cpus');
      expectEqual('reserved cpus', resource?.scalar?.value, 0.25);
      expectEqual('role', resource?.reservations?.at(-1)?.role, c.roles[0]);
      await unreserve(c, session, offer, 'cpus', 0.25);
      const later = await session.offer(
        { cpus: 0.1 },
        20_000,
        (one) => one.agent_id.value === offer.agent_id.value,
      );
      expectEqual('reserved cpus', marked(c, later, 'cpus').length, 0);
    },
  },
  {
    id: '1.12/reserve-unfiltered',
    title: 'what a RESERVE made comes back without a filter, whatever the ACCEPT said',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await session.offer({ cpus: 0.25 });
      const made = { resources: [reservedOf(c, 'cpus', 0.25)] };
      await session.accept([offer], [operation('RESERVE', made)], 3_600);
      const later = await session.offer({}, 10_000, (one) => marked(c, one, 'cpus').length > 0);
      await unreserve(c, session, later, 'cpus', 0.25);
    },
  },
  {
    id: '1.12/reserve-kept-from-others',
    title: 'reserved resources are not offered to another role',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await reserve(c, session, 'cpus', 0.25);
      const other = await c.subscribe(c.multiRole({ roles: [c.roles[1]] }));
      await session.ok('DECLINE', { offer_ids: [offer.id], filters: { refuse_seconds: 2 } });
      const theirs = await other.offer({ cpus: 0.1 });
      expectEqual('reserved cpus in it', marked(c, theirs, 'cpus').length, 0);
      await other.ok('TEARDOWN');
      const later = await session.offer({}, 20_000, (one) => marked(c, one, 'cpus').length > 0);
      await unreserve(c, session, later, 'cpus', 0.25);
    },
  },
  {
    id: '1.12/reserve-then-launch',
    title: 'a RESERVE and a LAUNCH on it work in one ACCEPT',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await session.offer({ cpus: 0.25, mem: 64 });
      const id = uniqueId('reserved');
      const resources = [reservedOf(c, 'cpus', 0.25), reservedOf(c, 'mem', 64)];
      await session.accept(
        [offer],
        [
          operation('RESERVE', { resources }),
          operation('LAUNCH', { task_infos: [task(id, offer, { resources })] }),
        ],
        0,
      );
      await session.follow(id, 'TASK_RUNNING');
      await session.ok('KILL', { task_id: { value: id } });
      await session.follow(id, 'TASK_KILLED');
      const later = await session.offer({}, 20_000, (one) => marked(c, one, 'cpus').length > 0);
      await session.accept([later], [operation('UNRESERVE', { resources })], 0);
    },
  },
  {
    id: '1.12/operation-feedback',
    title: 'an operation with an id is told FINISHED, with uuid and agent',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await session.offer({ cpus: 0.25 });
      const id = uniqueId('op');
      const resources = [reservedOf(c, 'cpus', 0.25)];
      await session.accept([offer], [operation('RESERVE', { resources }, id)], 0);
      const status = await session.operation(id);
      expectEqual('state', status.state, 'OPERATION_FINISHED');
      const uuid = status.uuid?.value;
      expectThat('a uuid', Buffer.from(uuid ?? '', 'base64').length === 16, status);
      expectEqual('agent_id', status.agent_id, offer.agent_id);
      await session.ok('ACKNOWLEDGE_OPERATION_STATUS', {
        agent_id: status.agent_id,
        uuid,
        operation_id: { value: id },
      });
      const later = await session.offer({}, 20_000, (one) => marked(c, one, 'cpus').length > 0);
      await unreserve(c, session, later, 'cpus', 0.25);
    },
  },
  {
    id: '1.12/reconcile-operations-unknown',
    title: 'an unknown operation is reconciled as OPERATION_UNKNOWN, without uuid',
    async run(c) {
      const session = await c.subscribe();
      const id = uniqueId('op');
      const status = await askAgain(async () => {
        await session.ok('RECONCILE_OPERATIONS', { operations: [{ operation_id: { value: id } }] });
        const answer = await session.operation(id, 8_000);
        if (answer.state !== 'OPERATION_RECOVERING') return answer;
        // A master that came up a moment ago.
        await new Promise((resolve) => setTimeout(resolve, 5_000));
        throw new Mismatch('state OPERATION_UNKNOWN', answer.state);
      });
      expectEqual('state', status.state, 'OPERATION_UNKNOWN');
      expectEqual('uuid', status.uuid, undefined);
    },
  },
  {
    id: '1.12/create-destroy',
    title: 'CREATE makes a persistent volume of reserved disk, DESTROY removes it',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await reserve(c, session, 'disk', 16);
      const volume = volumeOf(c, uniqueId('volume'), 16);
      await session.accept([offer], [operation('CREATE', { volumes: [volume] })], 0);
      const isVolume = (one: Resource): boolean => one.disk?.persistence !== undefined;
      const made = await session.offer({}, 20_000, (one) => marked(c, one, 'disk').some(isVolume));
      await session.accept([made], [operation('DESTROY', { volumes: [volume] })], 0);
      const later = await session.offer({}, 20_000, (one) =>
        marked(c, one, 'disk').some((disk) => !isVolume(disk)),
      );
      expectEqual('volumes left', marked(c, later, 'disk').filter(isVolume).length, 0);
      await unreserve(c, session, later, 'disk', 16);
    },
  },
  {
    id: '1.12/unreserve-volume',
    title: 'UNRESERVE of a persistent volume becomes OPERATION_ERROR',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await reserve(c, session, 'disk', 16);
      const volume = volumeOf(c, uniqueId('volume'), 16);
      await session.accept([offer], [operation('CREATE', { volumes: [volume] })], 0);
      const made = await session.offer({}, 20_000, (one) =>
        marked(c, one, 'disk').some((disk) => disk.disk?.persistence !== undefined),
      );
      const id = uniqueId('op');
      await session.accept([made], [operation('UNRESERVE', { resources: [volume] }, id)], 0);
      expectEqual('state', (await session.operation(id)).state, 'OPERATION_ERROR');
      const later = await session.offer({}, 20_000, (one) => marked(c, one, 'disk').length > 0);
      await session.accept([later], [operation('DESTROY', { volumes: [volume] })], 0);
    },
  },
  {
    id: '1.12/grow-shrink',
    title: 'GROW_VOLUME and SHRINK_VOLUME change the size of a volume',
    offers: true,
    async run(c) {
      const session = await reserver(c);
      const offer = await reserve(c, session, 'disk', 32);
      const id = uniqueId('volume');
      const volume = volumeOf(c, id, 16);
      await session.accept([offer], [operation('CREATE', { volumes: [volume] })], 0);
      const sized = (value: number): Promise<Offer> =>
        session.offer({}, 20_000, (one) =>
          marked(c, one, 'disk').some(
            (disk) => disk.disk?.persistence?.id === id && disk.scalar?.value === value,
          ),
        );
      const grow = { volume, addition: reservedOf(c, 'disk', 8) };
      await session.accept([await sized(16)], [operation('GROW_VOLUME', grow)], 0);
      const shrink = { volume: volumeOf(c, id, 24), subtract: { value: 4 } };
      await session.accept([await sized(24)], [operation('SHRINK_VOLUME', shrink)], 0);
      const last = await sized(20);
      await session.accept([last], [operation('DESTROY', { volumes: [volumeOf(c, id, 20)] })], 0);
    },
  },
];

/** Gives back what broken rules left reserved: one pass of volumes, one of reservations. */
export async function releaseMarked(c: Context): Promise<void> {
  const session = await reserver(c);
  for (let round = 0; round < 8; round += 1) {
    const offer = await session
      .offer({}, round === 0 ? 3_000 : 1_500, (one) => (one.resources ?? []).some(isMarked()))
      .catch(() => undefined);
    if (offer === undefined) return;
    const all = (offer.resources ?? []).filter(isMarked());
    const volumes = all.filter((one) => one.disk?.persistence !== undefined);
    const rest = all.filter((one) => one.disk?.persistence === undefined);
    await session.accept(
      [offer],
      [
        ...(volumes.length > 0 ? [operation('DESTROY', { volumes })] : []),
        ...(rest.length > 0 ? [operation('UNRESERVE', { resources: rest })] : []),
      ],
      0,
    );
  }
}

/** §1.12: LAUNCH_GROUP. */
const group = (executor: Json, ...tasks: Json[]): Json =>
  operation('LAUNCH_GROUP', { executor, task_group: { tasks } });

const executorOf = (session: Session, more: Json = {}): Json => ({
  type: 'DEFAULT',
  executor_id: { value: uniqueId('executor') },
  framework_id: { value: session.frameworkId },
  resources: [scalar('cpus', 0.1), scalar('mem', 32), scalar('disk', 8)],
  ...more,
});

const BAD_GROUPS: readonly (readonly [string, string, Json, Json])[] = [
  ['no-type', 'an executor without a type', { type: undefined }, {}],
  [
    'small-executor',
    'an executor below 0.01 cpus',
    { resources: [scalar('cpus', 0.001), scalar('mem', 32), scalar('disk', 8)] },
    {},
  ],
  [
    'no-disk',
    'an executor without disk',
    { resources: [scalar('cpus', 0.1), scalar('mem', 32)] },
    {},
  ],
  ['default-with-command', 'a DEFAULT executor with a command', { command: { value: 'true' } }, {}],
  [
    'too-much',
    'a task that does not fit',
    {},
    { resources: [scalar('cpus', 1e6), scalar('mem', 32)] },
  ],
  [
    'docker-task',
    'a task in a DOCKER container',
    {},
    { container: { type: 'DOCKER', docker: { image: 'busybox' } } },
  ],
];

export const LAUNCH_GROUP_RULES: readonly Rule[] = [
  {
    id: '1.12/group',
    title: 'LAUNCH_GROUP runs all tasks of a group on one agent',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer({ cpus: 0.5, mem: 128, disk: 8 });
      const ids = [uniqueId('left'), uniqueId('right')];
      const tasks = ids.map((id) => task(id, offer));
      await session.accept([offer], [group(executorOf(session), ...tasks)], 0);
      for (const id of ids) {
        const statuses = await session.follow(id, 'TASK_RUNNING');
        expectEqual('agent', statuses.at(-1)?.agent_id, offer.agent_id);
      }
    },
  },
  {
    id: '1.12/group-fate',
    title: 'when one task of a group is killed the others are killed too',
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const offer = await session.offer({ cpus: 0.5, mem: 128, disk: 8 });
      const [left, right] = [uniqueId('left'), uniqueId('right')];
      const tasks = [task(left, offer), task(right, offer)];
      await session.accept([offer], [group(executorOf(session), ...tasks)], 0);
      for (const id of [left, right]) await session.follow(id, 'TASK_RUNNING');
      await session.ok('KILL', { task_id: { value: left } });
      await session.follow(left, 'TASK_KILLED');
      await session.follow(right, 'TASK_KILLED');
    },
  },
  ...BAD_GROUPS.map(
    ([name, what, executorMore, taskMore]): Rule => ({
      id: `1.12/group-${name}`,
      title: `a group with ${what} becomes ERROR as a whole`,
      offers: true,
      async run(c) {
        const session = await c.subscribe();
        const offer = await session.offer();
        const [good, bad] = [uniqueId('good'), uniqueId('bad')];
        await session.accept(
          [offer],
          [group(executorOf(session, executorMore), task(good, offer), task(bad, offer, taskMore))],
          0,
        );
        for (const id of [good, bad]) {
          const status = await session.update(id);
          expectEqual(`state of ${id}`, status.state, 'TASK_ERROR');
          expectEqual(`reason of ${id}`, status.reason, 'REASON_TASK_GROUP_INVALID');
        }
      },
    }),
  ),
];

export const hasRoom = (offer: Offer): boolean =>
  amountOf(offer, 'cpus') >= 0.5 && amountOf(offer, 'mem') >= 128;
