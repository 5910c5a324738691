import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { ledgerOf } from '../scheduling/ledger.ts';
import {
  createReservationController,
  type ReservationController,
} from './reservationController.ts';

let clock: FakeClock;
let all: OperatorWorld;
let controller: ReservationController;
let readings: number;

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  readings = 0;
  all.node('node-1', { cpu: '4', memory: '4Gi', pods: '10' });
  controller = createReservationController({
    world: all.world,
    kube: all.kube,
    clock,
    ledger: () => {
      readings += 1;
      return ledgerOf(all.world.pods.list(), []);
    },
    current: () => new Map(all.world.reservations.list().map((one) => [one.metadata.name, one])),
  });
});

const make = (name: string, spec: object = {}): void => {
  all.make(RESERVATIONS, name, {
    role: 'web',
    resources: { cpus: '2' },
    agent: 'node-1',
    ...spec,
  });
};
const look = async (name = 'r') => {
  const result = await controller.reconcile(name);
  const { status } = all.api.get(RESERVATIONS, { name }) as ReservationObject;
  return { result, status };
};

describe('a Reservation', () => {
  test('says where it is bound, what of it is used, and counts from then on', async () => {
    make('r', { resources: { cpus: '2', mem: '1Gi' }, ttlSeconds: 3600 });
    expect(controller.reserved().size).toBe(0);
    const { status } = await look();
    expect(status).toMatchObject({
      observedGeneration: 1,
      agents: ['node-1'],
      wanted: 1,
      boundCount: 1,
      resources: { cpus: '2', mem: '1Gi' },
      allocated: { cpus: '0', mem: '0' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'Bound' }],
    });
    expect(controller.reserved().get('node-1')).toMatchObject([
      { role: 'web', reservationId: 'r' },
    ]);
    all.pod(taskPod({ cpus: '1', annotations: { [ANNOTATION.reserved]: '{"cpus":"1"}' } }));
    await clock.advance(1_000);
    expect((await look()).status?.allocated).toEqual({ cpus: '1', mem: '0' });
  });

  test('is bound by what is used at that moment, not by figures that are shown', async () => {
    make('first', { resources: { cpus: '1' } });
    await look('first');
    await look('first');
    all.pod(taskPod({ cpus: '2' }));
    make('r');
    expect((await look()).status).toMatchObject({
      agents: [],
      conditions: [{ status: 'False', reason: 'NotEnoughFree' }],
    });
  });

  test('that is bound costs no reading of its own, and no write', async () => {
    for (const name of ['a', 'b']) make(name, { resources: { cpus: '1' } });
    for (const name of ['a', 'b']) await look(name);
    await clock.advance(1_000);
    const [before, version] = [readings, all.api.resourceVersion];
    for (const name of ['a', 'b', 'a', 'b']) await look(name);
    expect(readings - before).toBe(1);
    expect(all.api.resourceVersion).toBe(version);
  });

  test('waits for room more eagerly than one that has it, and many take turns', async () => {
    make('r');
    make('large', { resources: { cpus: '9' } });
    expect((await look()).result).toMatchObject({ delayMs: 15_000 });
    expect((await look('large')).result).toMatchObject({ delayMs: 5_000 });
    for (let index = 0; index < 398; index++) make(`r${index}`);
    expect((await look()).result).toMatchObject({ delayMs: 20_000 });
  });

  test('that is gone needs nothing', async () => {
    expect(await controller.reconcile('none')).toEqual({ kind: 'awaitChange' });
  });
});
