import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createMemoryIdStore } from '../../../client/src/idStore.ts';
import { protobufCodec } from '../../../client/src/protobufCodec.ts';
import { SchedulerClient } from '../../../client/src/schedulerClient.ts';
import type { Offer, OperationStatus, Resource, TaskStatus } from '../../../client/src/wire.ts';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import {
  FRAMEWORKS,
  type FrameworkObject,
  RESERVATIONS,
  type ReservationObject,
  ROLES,
} from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, type OperatorProcess } from '../operator/operatorCluster.ts';

/** Operations of frameworks, from the wire to the objects of a real API server and back. */

let all: OperatorCluster;
let operator: OperatorProcess;
const clients: SchedulerClient[] = [];

beforeAll(async () => {
  all = await OperatorCluster.start();
  await all.make(ROLES, 'web', { path: 'web' });
  operator = await all.startOperator('operator-1');
}, 240_000);
afterEach(() => {
  for (const client of clients.splice(0)) client.stop();
});
afterAll(() => all?.stop(), 60_000);

/** A scheduler in protobuf that remembers what it was told. */
class Scheduler {
  readonly offers: Offer[] = [];
  readonly operations: OperationStatus[] = [];
  readonly updates: TaskStatus[] = [];
  readonly client: SchedulerClient;

  constructor(name: string, idStore = createMemoryIdStore()) {
    this.client = new SchedulerClient({
      url: operator.url,
      codec: protobufCodec,
      idStore,
      framework: {
        user: 'root',
        name,
        roles: ['web'],
        failover_timeout: 600,
        capabilities: [{ type: 'MULTI_ROLE' }, { type: 'RESERVATION_REFINEMENT' }],
      },
      handlers: {
        onOffers: (offers) => this.offers.push(...offers),
        onOperationUpdate: (status) => this.operations.push(status),
        onUpdate: (status) => this.updates.push(status),
      },
    });
    clients.push(this.client);
    this.client.run().catch(() => {});
  }

  async offer(matches: (offer: Offer) => boolean = () => true): Promise<Offer> {
    return await eventually('an offer', () => Promise.resolve(this.offers.findLast(matches)));
  }

  async operation(id: string): Promise<OperationStatus> {
    return await eventually(`the end of ${id}`, () =>
      Promise.resolve(this.operations.find((one) => one.operation_id?.value === id)),
    );
  }
}

const isReserved = (one: Resource): boolean => (one.reservations?.length ?? 0) > 0;
const reservations = () => all.kube.list<ReservationObject>(RESERVATIONS, {});

test('a reservation is an object, outlives the operator, is offered again and can be undone', async () => {
  const ids = createMemoryIdStore();
  const first = new Scheduler('reserver', ids);
  const offer = await first.offer();
  const wanted: Resource = {
    name: 'cpus',
    type: 'SCALAR',
    scalar: { value: 0.5 },
    reservations: [
      { type: 'DYNAMIC', role: 'web', labels: { labels: [{ key: 'for', value: 'db' }] } },
    ],
  };
  await first.client.reserve(offer, [wanted], 'reserve-1');
  expect(await first.operation('reserve-1')).toMatchObject({
    state: 'OPERATION_FINISHED',
    agent_id: offer.agent_id,
  });
  const made = await reservations();
  expect(made.items.map((one) => one.spec)).toMatchObject([
    { role: 'web', agent: offer.agent_id.value, labels: { for: 'db' } },
  ]);
  expect(JSON.stringify(made.items[0]?.spec.resources)).toMatch(/cpus":"?500m/);

  const marked = (one: Resource): boolean =>
    JSON.stringify(one.reservations ?? []).includes('"db"');
  await first.offer((one) => one.resources?.some(marked) === true);

  await operator.process.kill('SIGKILL');
  first.client.stop();
  operator = await all.startOperator('operator-2');
  const second = new Scheduler('reserver', ids);
  const again = await second.offer((one) => one.resources?.some(isReserved) === true);
  const reserved = again.resources?.filter(isReserved) ?? [];
  expect(reserved).toMatchObject([
    { name: 'cpus', scalar: { value: 0.5 }, reservations: [{ type: 'DYNAMIC', role: 'web' }] },
  ]);
  expect(again.agent_id).toEqual(offer.agent_id);
  await second.client.unreserve(again, reserved, 'unreserve-1');
  expect(await second.operation('unreserve-1')).toMatchObject({ state: 'OPERATION_FINISHED' });
  await eventually('the object to be gone', async () =>
    (await reservations()).items.length === 0 ? true : undefined,
  );
  await second.client.teardown();
}, 240_000);

test('a group runs as one Pod, and the Framework object tells what it holds', async () => {
  const scheduler = new Scheduler('grouper');
  const offer = await scheduler.offer();
  const scalar = (name: string, value: number): Resource => ({
    name,
    type: 'SCALAR',
    scalar: { value },
  });
  const task = (id: string) => ({
    name: id,
    task_id: { value: id },
    agent_id: offer.agent_id,
    resources: [scalar('cpus', 0.1), scalar('mem', 32)],
    command: { value: 'sleep 600' },
  });
  await scheduler.client.accept(
    [offer],
    [
      {
        type: 'LAUNCH_GROUP',
        launch_group: {
          executor: {
            type: 'DEFAULT',
            executor_id: { value: 'default' },
            resources: [scalar('cpus', 0.1), scalar('mem', 32), scalar('disk', 8)],
          },
          task_group: { tasks: [task('Left.1'), task('Right.1')] },
        },
      },
    ],
  );
  await eventually('both to run', () => {
    const running = scheduler.updates.filter((one) => one.state === 'TASK_RUNNING');
    return Promise.resolve(running.length >= 2 ? true : undefined);
  });
  const objects = await all.kube.list<FrameworkObject>(FRAMEWORKS, {});
  const id = objects.items.find((one) => one.spec.frameworkName === 'grouper');
  const pods = (await all.kube.list(PODS, {})).items.filter(
    (one) => one.metadata.annotations?.['mezzo.dev/framework-id'] === id?.spec.frameworkId,
  );
  expect(pods).toHaveLength(1);
  const status = await eventually('its status', async () => {
    const { items } = await all.kube.list<FrameworkObject>(FRAMEWORKS, {});
    const now = items.find((one) => one.metadata.uid === id?.metadata.uid)?.status;
    return now?.tasks?.['TASK_RUNNING'] === 2 ? now : undefined;
  });
  expect(status).toMatchObject({ connected: true, allocated: { cpus: '200m', mem: '64Mi' } });
  expect(status.offers?.accepted).toBe(1);
  await scheduler.client.teardown();
  await eventually('its Pod to end', async () => {
    const left = (await all.kube.list(PODS, {})).items.filter(
      (one) => one.metadata.uid === pods[0]?.metadata.uid,
    );
    return left.length === 0 ? true : undefined;
  });
}, 240_000);
