import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  type Subscription,
  taskInfo,
} from '../../../../test/support/frameworkHarness.ts';
import { frameworkId, rolePath } from '../../model/ids.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { WireOffer, WireOperationStatus } from '../../schema/mesos/event.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';

const MB = 2 ** 20;
const ROLE = rolePath('eng');

let clock: FakeClock;
let world: FrameworkHarness;
let who: Subscription;
beforeEach(async () => {
  clock = new FakeClock();
  world = new FrameworkHarness(clock);
  world.addRole('eng');
  who = await subscribe();
  known(reservation('r', { resources: { disk: '32Mi' } }));
  known(
    reservation('own', {
      resources: { disk: '16Mi' },
      parent: 'r',
      volume: {
        id: 'data',
        containerPath: 'data',
        principal: 'alice',
        from: [{ reservation: 'r', disk: '16Mi' }],
      },
    }),
  );
  known(
    reservation('common', {
      resources: { disk: '8Mi' },
      parent: 'r',
      volume: {
        id: 'all',
        containerPath: '/all',
        shared: true,
        from: [{ reservation: 'r', disk: '8Mi' }],
      },
    }),
  );
});
afterEach(() => world.stop());

const subscribe = (...more: object[]): Promise<Subscription> =>
  world.subscribe({
    capabilities: [{ type: 'MULTI_ROLE' }, { type: 'RESERVATION_REFINEMENT' }, ...more],
    roles: ['eng'],
  });

const reservation = (
  name: string,
  spec: Partial<ReservationObject['spec']>,
): ReservationObject => ({
  metadata: { name },
  spec: { role: 'eng', agent: 'node-1', resources: {}, principal: 'alice', ...spec },
});
const known = (object: ReservationObject): void => {
  world.scheduling.reservationObjects.set(object.metadata.name, object);
};

const part = (reservationId: string, mb: number) => ({
  role: ROLE,
  resources: { disk: mb * MB },
  reservationId,
});

/** An offer with 8 MB of the reservation left, and both volumes. */
const offerTo = (subscription: Subscription) =>
  world.scheduling.offer(frameworkId(subscription.id), {
    resources: { cpus: 4000, mem: 2 ** 30, disk: 64 * MB },
    reserved: { disk: 24 * MB },
    reservedBy: [part('r', 8), part('own', 16), part('common', 8)],
    role: ROLE,
  });

async function accept(...operations: object[]): Promise<void> {
  world.call(who, 'ACCEPT', { offer_ids: [{ value: offerTo(who).id }], operations });
  await clock.settle();
}

const disk = (mb: number, more: object = {}): object => ({
  name: 'disk',
  type: 'SCALAR',
  scalar: { value: mb },
  reservations: [{ type: 'DYNAMIC', role: 'eng', principal: 'alice' }],
  ...more,
});
const volume = (id: string, mb: number, more: object = {}, container_path = 'data'): object =>
  disk(mb, {
    disk: { persistence: { id, principal: 'alice' }, volume: { container_path, mode: 'RW' } },
    ...more,
  });
const create = (...volumes: object[]): object => ({
  type: 'CREATE',
  id: { value: 'op' },
  create: { volumes },
});

const operationStatuses = (): readonly WireOperationStatus[] =>
  who.sink.events.flatMap((one) =>
    one.type === 'UPDATE_OPERATION_STATUS' ? [one.update_operation_status.status] : [],
  );

describe('what an offer shows', () => {
  const shown = (subscription: Subscription): WireOffer['resources'] => {
    offerTo(subscription);
    const event = subscription.sink.events.findLast((one) => one.type === 'OFFERS');
    return event?.offers.offers[0]?.resources.filter((one) => one.name === 'disk') ?? [];
  };

  test('volumes with their reservation, the rest of it, and what is free beside them', () => {
    const levels = [{ type: 'DYNAMIC', role: 'eng', principal: 'alice' }];
    expect(shown(who)).toMatchObject([
      { scalar: { value: 40 } },
      { scalar: { value: 8 }, reservations: levels },
      {
        scalar: { value: 16 },
        reservations: levels,
        disk: {
          persistence: { id: 'data', principal: 'alice' },
          volume: { container_path: 'data', mode: 'RW' },
        },
      },
      { scalar: { value: 8 }, disk: { persistence: { id: 'all' } }, shared: {} },
    ]);
  });

  test('SHARED_RESOURCES is told to the allocator', async () => {
    const other = await subscribe({ type: 'SHARED_RESOURCES' });
    const capabilities = (one: Subscription) =>
      world.scheduling.registrationOf(frameworkId(one.id))?.capabilities;
    expect(capabilities(other)).toMatchObject({ shared: true });
    expect(capabilities(who)?.shared).toBeUndefined();
  });
});

describe('operations', () => {
  test('reach the allocation cycle as they were asked for', async () => {
    await accept(
      create(volume('new', 4)),
      { type: 'GROW_VOLUME', grow_volume: { volume: volume('data', 16), addition: disk(2) } },
      {
        type: 'SHRINK_VOLUME',
        shrink_volume: { volume: volume('data', 18), subtract: { value: 1 } },
      },
      { type: 'DESTROY', destroy: { volumes: [volume('data', 17)] } },
    );
    const stack = [{ role: 'eng', principal: 'alice', labels: {} }];
    expect(world.scheduling.reserving.map((one) => one.operation)).toMatchObject([
      {
        kind: 'createVolumes',
        volumes: [
          {
            id: 'new',
            principal: 'alice',
            containerPath: 'data',
            shared: false,
            sizeBytes: 4 * MB,
            stack,
          },
        ],
      },
      { kind: 'growVolume', volume: { sizeBytes: 16 * MB }, additionBytes: 2 * MB, stack },
      { kind: 'shrinkVolume', volume: { sizeBytes: 18 * MB }, subtractBytes: MB },
      { kind: 'destroyVolumes', volumes: [{ id: 'data' }] },
    ]);
  });

  const noDisk = (more: object) => ({ disk: { persistence: { id: 'x' }, ...more } });
  test.each<[string, object, string]>([
    ['nothing', create(), 'CREATE: it names no volumes'],
    ['plain disk', create(disk(4)), 'no persistence id'],
    ['cpus', create(volume('x', 4, { name: 'cpus' })), "'cpus' is no disk"],
    ['free disk', create(volume('x', 4, { reservations: [] })), 'is not reserved'],
    ['revocable disk', create(volume('x', 4, { revocable: {} })), 'is revocable'],
    ['no size', create(volume('x', 0)), 'has no size'],
    ['a path for an id', create(volume('../x', 4)), 'disallowed character'],
    ['an id twice', create(volume('x', 4), volume('x', 2)), "'x' is not unique"],
    ['no place in a container', create(disk(4, noDisk({}))), "needs 'disk.volume'"],
    [
      'a path of the host',
      create(disk(4, noDisk({ volume: { container_path: 'd', host_path: '/etc', mode: 'RW' } }))),
      "may not have a 'host_path'",
    ],
    [
      'a read-only volume',
      create(disk(4, noDisk({ volume: { container_path: 'd', mode: 'RO' } }))),
      'is read-only',
    ],
    [
      'a disk of its own',
      create(
        disk(4, noDisk({ volume: { container_path: 'd', mode: 'RW' }, source: { type: 'MOUNT' } })),
      ),
      'has a disk source',
    ],
    [
      "somebody else's volume",
      create(
        disk(4, {
          disk: {
            persistence: { id: 'x', principal: 'bob' },
            volume: { container_path: 'd', mode: 'RW' },
          },
        }),
      ),
      "is of principal 'bob'",
    ],
    [
      'a shared volume without the capability',
      create(volume('x', 4, { shared: {} })),
      'no SHARED_RESOURCES capability',
    ],
    [
      'growth of a shared volume',
      {
        type: 'GROW_VOLUME',
        id: { value: 'op' },
        grow_volume: { volume: volume('all', 8, { shared: {} }), addition: disk(1) },
      },
      'GROW_VOLUME: a shared volume keeps its size',
    ],
    [
      'growth by nothing',
      {
        type: 'GROW_VOLUME',
        id: { value: 'op' },
        grow_volume: { volume: volume('data', 16), addition: disk(0) },
      },
      "'addition' must be above 0",
    ],
    [
      'a shrink by less than nothing',
      {
        type: 'SHRINK_VOLUME',
        id: { value: 'op' },
        shrink_volume: { volume: volume('data', 16), subtract: { value: -1 } },
      },
      "'subtract' must be above 0",
    ],
  ])('%s: OPERATION_ERROR', async (_what, operation, message) => {
    await accept(operation);
    expect(world.scheduling.reserving).toEqual([]);
    expect(operationStatuses()).toMatchObject([
      { state: 'OPERATION_ERROR', message: expect.stringContaining(message) },
    ]);
  });
});

describe('a task with volumes', () => {
  const cpus = { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } };
  const task = (...resources: object[]): object => ({
    type: 'LAUNCH',
    launch: { task_infos: [taskInfo('t', { resources: [cpus, ...resources] })] },
  });
  const claims = (pod: Pod | undefined) =>
    pod?.spec.volumes?.flatMap((one) => one.persistentVolumeClaim?.claimName ?? []);
  const mounts = (pod: Pod | undefined) =>
    pod?.spec.containers[0]?.volumeMounts?.map((one) => [one.name, one.mountPath]);

  test('mounts their claims; its own counts as its disk, a shared one does not', async () => {
    await accept(task(volume('data', 16), volume('all', 8, { shared: {} }, '/all'), disk(4)));
    const [pod] = world.pods();
    expect(claims(pod)).toEqual(['mezzo-own', 'mezzo-common']);
    expect(mounts(pod)).toEqual([
      ['sandbox', '/mnt/mesos/sandbox'],
      ['own', '/mnt/mesos/sandbox/data'],
      ['common', '/all'],
    ]);
    expect(pod?.spec.containers[0]?.resources?.requests).toMatchObject({
      'ephemeral-storage': '20Mi',
    });
    expect(pod?.spec.volumes?.[0]?.emptyDir).toEqual({ sizeLimit: '4Mi' });
  });

  test('may hold one that its ACCEPT makes or grows', async () => {
    await accept(create(volume('new', 4)), task(volume('new', 4)));
    const [pod] = world.pods();
    expect(claims(pod)).toEqual([expect.stringMatching(/^mezzo-volume-[a-z0-9]{10}$/)]);
  });

  test.each<[string, object[], string]>([
    ['that does not exist', [volume('none', 16)], "volume 'none' is not among the accepted offers"],
    ['of another size', [volume('data', 15)], "volume 'data' has another size"],
    ['twice', [volume('data', 16), volume('data', 16, {}, 'b')], "'data' is not unique"],
    ['that is not shared', [volume('data', 16, { shared: {} })], 'is not shared'],
    ['that is shared', [volume('all', 8)], 'is shared'],
    ['outside of its sandbox', [volume('data', 16, {}, '../x')], 'container_path'],
    ['of plain disk', [disk(4, { shared: {} })], 'only persistent volumes can be shared'],
  ])('is refused one %s', async (_what, resources, message) => {
    await accept(task(...resources));
    expect(world.pods()).toEqual([]);
    expect(who.sink.updates()).toMatchObject([
      { state: 'TASK_ERROR', message: expect.stringContaining(message) },
    ]);
  });

  test('cannot name a claim of its own', async () => {
    const named = { mode: 'RW', container_path: 'x', source: { type: 'CSI_VOLUME' } };
    await accept({
      type: 'LAUNCH',
      launch: { task_infos: [taskInfo('t', { container: { type: 'MESOS', volumes: [named] } })] },
    });
    expect(who.sink.updates()).toMatchObject([
      { message: expect.stringContaining('volumes given by a client are not mounted') },
    ]);
  });
});
