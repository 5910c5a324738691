import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId } from '../../model/ids.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { parseResources } from '../../schema/quantity.ts';
import { bindReservations } from './bindReservations.ts';
import { type OfferPool, type OperationPlan, partOf } from './planOperation.ts';
import { planVolume, type VolumeOperation, type VolumeRequest } from './planVolume.ts';
import { reservedByAgent } from './reservedByAgent.ts';
import { DESTROYED } from './volumeObjects.ts';

const MI = 2 ** 20;

const base = (name: string, disk: string): ReservationObject => ({
  metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { role: 'eng', agent: 'a', resources: { disk }, principal: 'alice' },
  status: { agents: ['a'], resources: { disk } },
});

const volume = (more: Partial<VolumeRequest> = {}): VolumeRequest => ({
  id: 'data',
  principal: undefined,
  containerPath: 'data',
  shared: false,
  sizeBytes: 16 * MI,
  stack: [{ role: 'eng', principal: 'alice' }],
  ...more,
});

const create = (...volumes: VolumeRequest[]): VolumeOperation => ({
  kind: 'createVolumes',
  operation: 'o#0',
  volumes,
});

/** All disk of these reservations is in the offers. */
function plan(
  objects: readonly ReservationObject[],
  operation: VolumeOperation,
  { inUse = [], pool = poolOf(objects) }: { inUse?: readonly string[]; pool?: OfferPool } = {},
): OperationPlan {
  return planVolume(pool, operation, {
    framework: frameworkId('f'),
    agent: agentId('a'),
    reservations: new Map(objects.map((one) => [one.metadata.name, one])),
    isInUse: (name) => inUse.includes(name),
  });
}

const poolOf = (objects: readonly ReservationObject[]): OfferPool => ({
  unreserved: {},
  parts: (reservedByAgent(objects).get('a') ?? []).map((one) => ({ ...one })),
});

function planned(of: OperationPlan): Extract<OperationPlan, { kind: 'planned' }> {
  if (of.kind === 'refused') throw new Error(of.message);
  return of;
}

/** As the objects are once the plan was written and bound. */
function written(
  objects: readonly ReservationObject[],
  of: OperationPlan,
): readonly ReservationObject[] {
  const { creates, changes } = planned(of);
  const bound = (one: ReservationObject, resources = one.spec.resources): ReservationObject => ({
    ...one,
    spec: { ...one.spec, resources },
    status: { agents: ['a'] },
  });
  return [...objects, ...creates.map((one) => bound(one))].map((one) => {
    const change = changes.find((each) => each.object.metadata.name === one.metadata.name);
    if (change === undefined) return one;
    const isGone = Object.keys(change.left).length === 0;
    if (isGone)
      return { ...one, metadata: { ...one.metadata, annotations: { [DESTROYED]: 'true' } } };
    const from = (change.sources ?? []).map(({ reservation, bytes }) => ({
      reservation,
      disk: String(bytes),
    }));
    const spec = { ...one.spec, resources: { disk: String(change.left['disk']) } };
    return bound({ ...one, spec: { ...spec, volume: { ...one.spec.volume!, from } } });
  });
}

const disks = (objects: readonly ReservationObject[]): readonly (number | undefined)[] =>
  (reservedByAgent(objects).get('a') ?? []).map((one) => (one.resources['disk'] ?? 0) / MI);
const disksOf = ({ parts }: OfferPool): readonly number[] =>
  parts.map((one) => (one.resources['disk'] ?? 0) / MI).toSorted((one, two) => one - two);

const two = [base('r', '10Mi'), base('s', '10Mi')];
const withVolume = written(two, plan(two, create(volume())));

describe('CREATE', () => {
  test('makes one object of disk of several reservations, and leaves them the rest', () => {
    const made = planned(plan(two, create(volume())));
    expect(made.changes).toEqual([]);
    expect(made.creates).toMatchObject([
      {
        spec: {
          role: 'eng',
          agent: 'a',
          resources: { disk: '16Mi' },
          parent: 'r',
          volume: {
            id: 'data',
            from: [
              { reservation: 'r', disk: '10Mi' },
              { reservation: 's', disk: '6Mi' },
            ],
          },
        },
      },
    ]);
    expect(disksOf(made.pool)).toEqual([4, 16]);
    expect(disks(withVolume)).toEqual([4, 16]);
  });

  test('is bound where its disk was, whatever is used around it, and reserves nothing beside it', () => {
    const agents = [{ name: 'a', labels: {}, total: { disk: 20 * MI }, taken: {} }];
    const unbound = withVolume.map((one) =>
      one.spec.volume === undefined ? one : { metadata: one.metadata, spec: one.spec },
    );
    const bind = (reservations: readonly ReservationObject[]) =>
      [...bindReservations({ reservations, agents, nowMs: 0, parseTime: Date.parse })].map(
        ([, one]) => one.reason,
      );
    expect(bind(unbound)).toEqual(['Bound', 'Bound', 'Bound']);
    // Its reservations are gone: it keeps its disk before others get theirs.
    const later = { ...base('t', '5Mi'), status: {} };
    expect(bind([...unbound.slice(2), later])).toEqual(['Bound', 'NotEnoughFree']);
  });

  test('of the same operation has the same name, so that it is made once', () => {
    const names = [1, 2].map(() => planned(plan(two, create(volume()))).creates[0]?.metadata.name);
    expect(names[0]).toBe(names[1]);
  });

  test.each<[string, VolumeOperation, string]>([
    ['too much', create(volume({ sizeBytes: 21 * MI })), '1Mi disk missing'],
    ['another reservation', create(volume({ stack: [{ role: 'eng' }] })), '16Mi disk missing'],
    ['an id that is taken', create(volume({ sizeBytes: MI })), "'data' is in use"],
    ['disk of a volume', create(volume({ id: 'x', sizeBytes: 5 * MI })), '1Mi disk missing'],
    [
      'one id twice',
      create(volume({ id: 'x', sizeBytes: MI }), volume({ id: 'x', sizeBytes: MI })),
      "'x' is in use",
    ],
  ])('refuses %s', (what, operation, message) => {
    const objects = /taken|of a volume/.test(what) ? withVolume : two;
    expect(plan(objects, operation)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(message),
    });
  });
});

describe('GROW_VOLUME and SHRINK_VOLUME', () => {
  const grow = (bytes: number): VolumeOperation => ({
    kind: 'growVolume',
    operation: 'o#1',
    volume: volume(),
    additionBytes: bytes,
    stack: volume().stack,
  });
  const shrink = (bytes: number): VolumeOperation => ({
    kind: 'shrinkVolume',
    operation: 'o#2',
    volume: volume(),
    subtractBytes: bytes,
  });

  test('move disk between the volume and its reservations, and nothing else changes', () => {
    const grown = plan(withVolume, grow(3 * MI));
    expect(disksOf(planned(grown).pool)).toEqual([1, 19]);
    expect(disks(written(withVolume, grown))).toEqual([1, 19]);
    const shrunk = plan(withVolume, shrink(7 * MI));
    expect(disksOf(planned(shrunk).pool)).toEqual([1, 9, 10]);
    expect(disks(written(withVolume, shrunk))).toEqual([1, 10, 9]);
  });

  test.each<[string, VolumeOperation, string]>([
    ['more than there is', grow(5 * MI), '1Mi disk missing'],
    ['to nothing', shrink(16 * MI), 'destroy it instead'],
    [
      'a volume of another size',
      { ...grow(MI), volume: volume({ sizeBytes: 15 * MI }) } as VolumeOperation,
      'another size: 16Mi',
    ],
    [
      'by disk of another reservation',
      { ...grow(MI), stack: [{ role: 'eng', principal: 'bob' }] } as VolumeOperation,
      'another reservation',
    ],
  ])('refuse %s', (_what, operation, message) => {
    expect(plan(withVolume, operation)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(message),
    });
  });
});

describe('DESTROY', () => {
  const destroy = (one = volume()): VolumeOperation => ({
    kind: 'destroyVolumes',
    operation: 'o#3',
    volumes: [one],
  });

  test('gives its disk back at once', () => {
    const ended = plan(withVolume, destroy());
    expect(disksOf(planned(ended).pool)).toEqual([10, 10]);
    expect(disks(written(withVolume, ended))).toEqual([10, 10]);
  });

  test('refuses what a task holds, on offer or not, and what is not there', () => {
    const name = withVolume.at(-1)?.metadata.name ?? '';
    const refusal = (of: OperationPlan): string => (of.kind === 'refused' ? of.message : '');
    expect(refusal(plan(withVolume, destroy(), { inUse: [name] }))).toContain('in use');
    const parts = two.map((one) => partOf(one));
    const pool = { unreserved: {}, parts };
    expect(refusal(plan(withVolume, destroy(), { inUse: [name], pool }))).toContain('in use');
    expect(refusal(plan(withVolume, destroy(), { pool }))).toContain('not found');
    expect(refusal(plan(withVolume, destroy(volume({ shared: true }))))).toContain('not shared');
  });

  test('of a volume whose reservation is gone frees its disk', () => {
    const alone = withVolume.slice(2);
    const stack = [{ role: 'eng', principal: 'alice' }];
    const { pool } = planned(plan(alone, destroy(volume({ stack }))));
    expect(pool).toEqual({ unreserved: parseResources({ disk: '16Mi' }), parts: [] });
  });
});
