import { describe, expect, test } from '@jest/globals';
import { clusterOf } from '../../../../test/support/clusterOf.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { FrameworkHarness } from '../../../../test/support/frameworkHarness.ts';
import { parseOperatorCall } from '../../schema/mesos/operatorCall.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import type { ClusterView } from '../clusterView/types.ts';
import { DESTROYED } from '../reservation/volumeObjects.ts';
import { planCall, type WriteCall } from './planCall.ts';
import type { CallPlan, PlannedWrite } from './types.ts';

const MB = 2 ** 20;

/** node-1 with 32 MB of disk reserved for eng, and these volumes in it. */
function cluster(...volumes: readonly ReservationObject[]): FrameworkHarness {
  const world = new FrameworkHarness(new FakeClock());
  const spec = { role: 'eng', agent: 'node-1', resources: { disk: '32Mi' }, principal: 'alice' };
  world.api.create(RESERVATIONS, objectOf('r', spec));
  for (const one of volumes) world.api.create(RESERVATIONS, one);
  return world;
}

const objectOf = (name: string, spec: object): ReservationObject =>
  ({
    apiVersion: 'mezzo.dev/v1alpha1',
    kind: 'Reservation',
    metadata: { name },
    spec,
  }) as ReservationObject;

const DATA = objectOf('v', {
  role: 'eng',
  agent: 'node-1',
  resources: { disk: '16Mi' },
  principal: 'alice',
  parent: 'r',
  volume: { id: 'data', containerPath: 'data', from: [{ reservation: 'r', disk: '16Mi' }] },
});

const disk = (mb: number, more: object = {}): object => ({
  name: 'disk',
  type: 'SCALAR',
  scalar: { value: mb },
  reservations: [{ type: 'DYNAMIC', role: 'eng', principal: 'alice' }],
  ...more,
});
const volume = (id: string, mb: number): object =>
  disk(mb, { disk: { persistence: { id }, volume: { container_path: 'data', mode: 'RW' } } });

/** A task of eng that holds these amounts of reservations, and these volumes. */
const holder = (mb: number, ...volumes: string[]): ClusterView['tasks'][number] =>
  ({
    agent: 'node-1',
    role: 'eng',
    state: 'TASK_RUNNING',
    reserved: { disk: mb * MB },
    volumes,
  }) as unknown as ClusterView['tasks'][number];

function plan(
  world: FrameworkHarness,
  type: string,
  body: object,
  tasks: ClusterView['tasks'] = [],
): CallPlan {
  const call = parseOperatorCall({
    type,
    [type.toLowerCase()]: { agent_id: { value: 'node-1' }, ...body },
  });
  if (!call.ok) throw new Error(call.refusal);
  const view = { ...clusterOf(world), tasks };
  world.stop();
  return planCall(call.value as WriteCall, { view, principal: 'alice', nowMs: 1 });
}

const writes = (of: CallPlan): readonly PlannedWrite[] => {
  if (!of.ok) throw new Error(of.refusal.message);
  return of.value;
};

describe('what an operator does to volumes', () => {
  test('CREATE_VOLUMES makes an object', () => {
    expect(
      writes(plan(cluster(), 'CREATE_VOLUMES', { volumes: [volume('new', 16)] })),
    ).toMatchObject([
      {
        verb: 'create',
        object: {
          spec: { volume: { id: 'new', from: [{ reservation: 'r', disk: '16Mi' }] } },
        },
      },
    ]);
  });

  test('DESTROY_VOLUMES marks it, and only the version that was looked at', () => {
    const planned = writes(
      plan(cluster(DATA), 'DESTROY_VOLUMES', { volumes: [volume('data', 16)] }),
    );
    expect(planned).toMatchObject([
      {
        verb: 'patch',
        name: 'v',
        patch: {
          metadata: { resourceVersion: expect.any(String), annotations: { [DESTROYED]: 'true' } },
        },
      },
    ]);
  });

  test.each([
    ['GROW_VOLUME', { addition: disk(4) }, '20Mi'],
    ['SHRINK_VOLUME', { subtract: { value: 6 } }, '10Mi'],
  ])('%s writes its new size and where that is from', (type, more, size) => {
    const body = { volume: volume('data', 16), ...more };
    expect(writes(plan(cluster(DATA), type, body))).toMatchObject([
      {
        verb: 'patch',
        name: 'v',
        patch: {
          spec: { resources: { disk: size }, volume: { from: [{ reservation: 'r', disk: size }] } },
        },
      },
    ]);
  });

  const create = { volumes: [volume('new', 16)] };
  test.each<[string, string, object, ClusterView['tasks'], string, string]>([
    ['malformed', 'CREATE_VOLUMES', { volumes: [disk(4)] }, [], 'badRequest', 'no persistence id'],
    [
      'an agent nobody knows',
      'CREATE_VOLUMES',
      { ...create, agent_id: { value: 'x' } },
      [],
      'badRequest',
      'No agent found',
    ],
    [
      'a volume that is not there',
      'DESTROY_VOLUMES',
      { volumes: [volume('none', 16)] },
      [],
      'badRequest',
      'not found',
    ],
    ['disk that tasks hold', 'CREATE_VOLUMES', create, [holder(8)], 'conflict', '8Mi disk missing'],
    [
      'an id that is in use',
      'CREATE_VOLUMES',
      { volumes: [volume('data', 1)] },
      [],
      'conflict',
      "'data' is in use",
    ],
    [
      'a volume that a task holds',
      'DESTROY_VOLUMES',
      { volumes: [volume('data', 16)] },
      [holder(16, 'v')],
      'conflict',
      'Persistent volumes in use',
    ],
  ])('%s is refused', (...row) => {
    const [, type, body, tasks, kind, message] = row;
    expect(plan(cluster(DATA), type, body, tasks)).toMatchObject({
      ok: false,
      refusal: { kind, message: expect.stringContaining(message) },
    });
  });

  test('a growth without an agent is for resource providers', () => {
    const body = { volume: volume('data', 16), addition: disk(1), agent_id: undefined };
    expect(plan(cluster(DATA), 'GROW_VOLUME', body)).toMatchObject({
      refusal: { message: expect.stringContaining("'agent_id' must be set") },
    });
  });
});
