import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  type Subscription,
  taskInfo,
} from '../../../../test/support/frameworkHarness.ts';
import { frameworkId, rolePath } from '../../model/ids.ts';
import type { WireOperationStatus } from '../../schema/mesos/event.ts';

let clock: FakeClock;
let world: FrameworkHarness;
let who: Subscription;
beforeEach(async () => {
  clock = new FakeClock();
  world = new FrameworkHarness(clock);
  for (const role of ['eng', 'eng/web']) world.addRole(role);
  who = await world.subscribe({
    capabilities: [
      { type: 'MULTI_ROLE' },
      { type: 'RESERVATION_REFINEMENT' },
      { type: 'PARTITION_AWARE' },
    ],
    roles: ['eng', 'eng/web'],
  });
});
afterEach(() => world.stop());

/** Accepts an offer of 4 cpus and 1 GB for role eng, and waits for what follows. */
async function accept(...operations: object[]): Promise<void> {
  const offer = world.scheduling.offer(frameworkId(who.id), {
    resources: { cpus: 4000, mem: 2 ** 30 },
    role: rolePath('eng'),
  });
  world.call(who, 'ACCEPT', { offer_ids: [{ value: offer.id }], operations });
  await clock.settle();
}

const told = (): readonly (readonly unknown[])[] =>
  who.sink.updates().map((one) => [one.task_id.value, one.state, one.reason]);
const messages = (): readonly (string | undefined)[] =>
  who.sink.updates().map((one) => one.message);
const operationStatuses = (): readonly WireOperationStatus[] =>
  who.sink.events.flatMap((one) =>
    one.type === 'UPDATE_OPERATION_STATUS' ? [one.update_operation_status.status] : [],
  );

const scalar = (name: string, value: number, more: object = {}): object => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  ...more,
});
const EXECUTOR = {
  type: 'DEFAULT',
  executor_id: { value: 'My.Executor' },
  resources: [scalar('cpus', 0.1), scalar('mem', 32), scalar('disk', 8)],
};
const group = (executor: object, ...tasks: object[]): object => ({
  type: 'LAUNCH_GROUP',
  launch_group: { executor: { ...EXECUTOR, ...executor }, task_group: { tasks } },
});

describe('LAUNCH_GROUP', () => {
  test('its tasks become one Pod that knows its executor, and SHUTDOWN ends them', async () => {
    await accept(group({}, taskInfo('a'), taskInfo('b')));
    const [pod, ...others] = world.pods();
    expect(others).toEqual([]);
    expect(pod?.spec.containers).toHaveLength(2);
    expect(pod?.metadata.annotations).toMatchObject({ 'mezzo.dev/executor-id': 'My.Executor' });
    expect(told().map(([task, state]) => [task, state])).toEqual([
      ['a', 'TASK_STARTING'],
      ['b', 'TASK_STARTING'],
    ]);
    const shutdown = (executor: string): void => {
      const body = { executor_id: { value: executor }, agent_id: { value: 'node-1' } };
      world.call(who, 'SHUTDOWN', body);
    };
    shutdown('another');
    await clock.settle();
    expect(world.pods()[0]?.metadata.deletionTimestamp).toBeUndefined();
    shutdown('My.Executor');
    await clock.settle();
    expect(world.pods()[0]?.metadata.deletionTimestamp).toBeDefined();
  });

  test.each<[string, object, object[], string]>([
    ['an executor without a type', { type: undefined }, [], 'executor.type: must be set'],
    [
      'a default executor with a command',
      { command: { value: 'x' } },
      [],
      'executor.command: must not be set',
    ],
    [
      'a custom executor without a command',
      { type: 'CUSTOM' },
      [],
      'executor.command: must be set',
    ],
    [
      'a custom executor',
      { type: 'CUSTOM', command: { value: 'x' } },
      [],
      'by the DEFAULT executor only',
    ],
    [
      'an executor in a Docker container',
      { container: { type: 'DOCKER', docker: { image: 'x' } } },
      [],
      'executor.container: Docker',
    ],
    [
      'the executor of another framework',
      { framework_id: { value: 'other' } },
      [],
      "executor.framework_id: 'other'",
    ],
    [
      'an executor with too little memory',
      { resources: [scalar('cpus', 1), scalar('mem', 31)] },
      [],
      "'mem' is less",
    ],
    [
      'an executor without disk',
      { resources: [scalar('cpus', 1), scalar('mem', 32)] },
      [],
      "'disk' is needed",
    ],
    ['an executor without cpus', { resources: [scalar('mem', 64)] }, [], "'cpus' is less"],
    [
      'a task with another executor',
      {},
      [taskInfo('c', { executor: { ...EXECUTOR, name: 'x' } })],
      "task 'c': executor differs",
    ],
    [
      'cgroups shared by some',
      {},
      [taskInfo('c', { container: { type: 'MESOS', linux_info: { share_cgroups: false } } })],
      'share_cgroups must be the same',
    ],
    ['a task for another agent', {}, [taskInfo('c', {}, 'node-9')], "invalid agent 'node-9'"],
    ['a task twice', {}, [taskInfo('a')], "duplicate ID 'a'"],
    [
      'a task in a Docker container',
      {},
      [taskInfo('c', { container: { type: 'DOCKER', docker: { image: 'x' } } })],
      "task 'c': container: Docker",
    ],
  ])('%s: no task of it runs', async (_name, executor, more, message) => {
    await accept(group(executor, taskInfo('a'), taskInfo('b'), ...more));
    expect(world.pods()).toEqual([]);
    expect(new Set(messages()).size).toBe(1);
    expect(messages()[0]).toContain(message);
    expect(told()).toHaveLength(2 + more.length);
    for (const [, state, reason] of told())
      expect([state, reason]).toEqual(['TASK_ERROR', 'REASON_TASK_GROUP_INVALID']);
  });

  test('a Pod that may not be made is told of every task', async () => {
    world.scheduling.failNext = { reason: 'Forbidden', message: 'no' };
    await accept(group({}, taskInfo('a'), taskInfo('b')));
    world.scheduling.failNext = { reason: 'Forbidden', message: 'no' };
    await accept(group({}, taskInfo('alone')));
    expect(told()).toEqual([
      ['a', 'TASK_ERROR', 'REASON_TASK_GROUP_UNAUTHORIZED'],
      ['b', 'TASK_ERROR', 'REASON_TASK_GROUP_UNAUTHORIZED'],
      ['alone', 'TASK_ERROR', 'REASON_TASK_GROUP_UNAUTHORIZED'],
    ]);
  });

  test('a group that asks for more than was offered, with a task that does not', async () => {
    const huge = taskInfo('b', { resources: [scalar('cpus', 9)] });
    await accept(group({}, taskInfo('a'), huge), {
      type: 'LAUNCH',
      launch: { task_infos: [taskInfo('c')] },
    });
    expect(told()).toEqual([
      ['a', 'TASK_ERROR', 'REASON_TASK_GROUP_INVALID'],
      ['b', 'TASK_ERROR', 'REASON_TASK_GROUP_INVALID'],
      ['c', 'TASK_STARTING', undefined],
    ]);
  });
});

const RESERVED = { reservations: [{ type: 'DYNAMIC', role: 'eng', principal: 'alice' }] };
const reserve = (more: object = {}, id: string | null = 'op'): object => ({
  type: 'RESERVE',
  ...(id === null ? {} : { id: { value: id } }),
  reserve: { resources: [scalar('cpus', 1, { ...RESERVED, ...more })] },
});

describe('RESERVE and UNRESERVE', () => {
  test('are carried out in their order with the launches, and told when they are durable', async () => {
    const labels = { labels: [{ key: 'k', value: 'v' }] };
    const refined = [
      ...RESERVED.reservations,
      { type: 'DYNAMIC', role: 'eng', principal: 'alice', labels },
    ];
    await accept(
      reserve(),
      { type: 'LAUNCH', launch: { task_infos: [taskInfo('t')] } },
      { ...reserve({ reservations: refined }), id: { value: 'op2' } },
      {
        type: 'UNRESERVE',
        unreserve: {
          resources: [
            scalar('mem', 64, { role: 'eng', reservation: { principal: 'alice', labels } }),
          ],
        },
      },
    );
    const asked = world.scheduling.reserving.map((one) => one.operation);
    expect(asked).toMatchObject([
      {
        kind: 'reserve',
        resources: { cpus: 1000 },
        stack: [{ role: 'eng', principal: 'alice', labels: {} }],
      },
      { kind: 'reserve', stack: [{ role: 'eng' }, { role: 'eng', labels: { k: 'v' } }] },
      {
        kind: 'unreserve',
        resources: { mem: 64 * 2 ** 20 },
        stack: [{ role: 'eng', principal: 'alice', labels: { k: 'v' } }],
      },
    ]);
    expect(new Set(asked.map((one) => one.operation)).size).toBe(3);
    expect(told()).toEqual([['t', 'TASK_STARTING', undefined]]);
    expect(operationStatuses()).toEqual([]);
    const [first, second, third] = asked;
    const id = frameworkId(who.id);
    world.scheduling.settle(id, first?.operation ?? '', { kind: 'finished' });
    world.scheduling.settle(id, first?.operation ?? '', { kind: 'failed', message: 'late' });
    world.scheduling.settle(id, second?.operation ?? '', { kind: 'failed', message: 'full' });
    world.scheduling.settle(id, third?.operation ?? '', { kind: 'finished' });
    const status = (value: string, state: string, more: object = {}): object => ({
      operation_id: { value },
      state,
      uuid: { value: expect.any(String) },
      agent_id: { value: 'node-1' },
      ...more,
    });
    expect(operationStatuses()).toEqual([
      status('op', 'OPERATION_FINISHED'),
      status('op2', 'OPERATION_FAILED', { message: 'full' }),
    ]);
    world.call(who, 'ACKNOWLEDGE_OPERATION_STATUS', {
      operation_id: { value: 'op' },
      uuid: operationStatuses()[0]?.uuid?.value,
    });
    await clock.advance(10_000);
    expect(operationStatuses().slice(2)).toEqual([
      status('op2', 'OPERATION_FAILED', { message: 'full' }),
    ]);
  });

  test('one under way is known to RECONCILE_OPERATIONS', async () => {
    await accept(reserve());
    world.call(who, 'RECONCILE_OPERATIONS', { operations: [] });
    expect(operationStatuses()).toMatchObject([
      { operation_id: { value: 'op' }, state: 'OPERATION_PENDING', agent_id: { value: 'node-1' } },
    ]);
    expect(operationStatuses()[0]?.uuid).toBeUndefined();
  });

  test.each<[string, object, string]>([
    [
      'for the role of nobody',
      { reservations: [{ type: 'DYNAMIC', role: 'ops', principal: 'alice' }] },
      "reserved for role 'ops', but the framework has eng, eng/web",
    ],
    [
      'for another role than that of the offers',
      { reservations: [{ type: 'DYNAMIC', role: 'eng/web', principal: 'alice' }] },
      "but the offers are for role 'eng'",
    ],
    [
      'in the name of another',
      { reservations: [{ type: 'DYNAMIC', role: 'eng', principal: 'eve' }] },
      "reserved by principal 'eve'",
    ],
    [
      'a static reservation',
      { reservations: [{ type: 'STATIC', role: 'eng', principal: 'alice' }] },
      'is not dynamically reserved',
    ],
    ['what is not reserved', { reservations: [] }, 'is not dynamically reserved'],
    ['what is revocable', { revocable: {} }, 'is revocable'],
    ['of a resource provider', { provider_id: { value: 'rp' } }, 'resource provider'],
    ['a persistent volume', { disk: { persistence: { id: 'v' } } }, 'is a persistent volume'],
    ['nothing', { scalar: { value: 0 } }, 'it names no resources'],
    [
      'a range',
      { type: 'RANGES', ranges: { range: [{ begin: 1, end: 2 }] } },
      'must be of type SCALAR',
    ],
  ])('a reservation %s: OPERATION_ERROR', async (_name, more, message) => {
    await accept(reserve(more));
    expect(world.scheduling.reserving).toEqual([]);
    expect(operationStatuses()).toEqual([
      {
        operation_id: { value: 'op' },
        state: 'OPERATION_ERROR',
        message: expect.stringContaining(message),
      },
    ]);
  });

  test("without a principal it is the role's", async () => {
    await accept(reserve({ reservations: [{ type: 'DYNAMIC', role: 'eng' }] }));
    expect(world.scheduling.reserving[0]?.operation).toMatchObject({
      stack: [{ role: 'eng', principal: undefined, labels: {} }],
    });
  });

  test('what the offers do not hold: OPERATION_ERROR; without an id, silence', async () => {
    world.scheduling.refuseReservations = 'too little';
    await accept(reserve(), reserve({}, null));
    expect(operationStatuses()).toMatchObject([
      { state: 'OPERATION_ERROR', message: 'too little' },
    ]);
  });

  test('mixed reservations and a source', async () => {
    const two = [
      scalar('cpus', 1, RESERVED),
      scalar('mem', 1, {
        ...RESERVED,
        reservations: [...RESERVED.reservations, ...RESERVED.reservations],
      }),
    ];
    await accept(
      { type: 'RESERVE', id: { value: 'mixed' }, reserve: { resources: two } },
      { type: 'RESERVE', id: { value: 'source' }, reserve: { source: two, resources: [two[0]] } },
    );
    expect(operationStatuses().map((one) => one.message)).toEqual([
      'RESERVE: its resources are of different reservations; use one operation each',
      "RESERVE: 'source' is not for frameworks",
    ]);
  });
});

describe('other operations', () => {
  test('an id on a launch is an error of its tasks', async () => {
    await accept({ type: 'LAUNCH', id: { value: 'x' }, launch: { task_infos: [taskInfo('t')] } });
    expect(told()).toEqual([['t', 'TASK_ERROR', 'REASON_TASK_INVALID']]);
    expect(messages()[0]).toContain("'id' must not be set on a LAUNCH operation");
  });

  test('resources allocated to another role, or on a volume', async () => {
    const on = (more: object): object => ({ resources: [scalar('cpus', 0.1, more)] });
    await accept({
      type: 'LAUNCH',
      launch: {
        task_infos: [
          taskInfo('role', on({ allocation_info: { role: 'ops' } })),
          taskInfo('volume', on({ disk: { persistence: { id: 'v' } } })),
        ],
      },
    });
    expect(told().map(([task, state]) => [task, state])).toEqual([
      ['role', 'TASK_ERROR'],
      ['volume', 'TASK_ERROR'],
    ]);
    expect(messages()[0]).toContain("allocated to role 'ops', but the offers are for role 'eng'");
  });

  test('offers that are not valid void everything: tasks dropped, operations in error', async () => {
    world.call(who, 'ACCEPT', {
      offer_ids: [{ value: 'nope' }],
      operations: [
        reserve(),
        reserve({}, null),
        { type: 'LAUNCH', launch: { task_infos: [taskInfo('t')] } },
        group({ type: 'CUSTOM' }, taskInfo('a')),
      ],
    });
    await clock.settle();
    expect(told()).toEqual([
      ['t', 'TASK_DROPPED', 'REASON_INVALID_OFFERS'],
      ['a', 'TASK_DROPPED', 'REASON_INVALID_OFFERS'],
    ]);
    expect(operationStatuses()).toMatchObject([
      { operation_id: { value: 'op' }, state: 'OPERATION_ERROR' },
    ]);
    expect(world.scheduling.reserving).toEqual([]);
  });
});

test('offers name the reservations they lie in, level by level', async () => {
  const reservation = (name: string, spec: object): void => {
    world.scheduling.reservationObjects.set(name, { metadata: { name }, spec } as never);
  };
  const base = { agent: 'node-1', resources: { cpus: '1' } };
  reservation('outer', { ...base, role: 'eng', principal: 'ops', labels: { team: 'a' } });
  reservation('inner', { ...base, role: 'eng/web', principal: 'alice', parent: 'outer' });
  world.scheduling.offer(frameworkId(who.id), {
    resources: { cpus: 3000 },
    reserved: { cpus: 2000 },
    reservedBy: [
      { role: rolePath('eng/web'), resources: { cpus: 1000 }, reservationId: 'inner' },
      { role: rolePath('eng'), resources: { cpus: 1000 }, reservationId: 'gone' },
    ],
    role: rolePath('eng/web'),
  });
  const event = who.sink.events.find((one) => one.type === 'OFFERS');
  const [offer] = event?.type === 'OFFERS' ? event.offers.offers : [];
  expect(
    offer?.resources.map((one) => ('reservations' in one ? one.reservations : undefined)),
  ).toEqual([
    undefined,
    [
      {
        type: 'DYNAMIC',
        role: 'eng',
        principal: 'ops',
        labels: { labels: [{ key: 'team', value: 'a' }] },
      },
      { type: 'DYNAMIC', role: 'eng/web', principal: 'alice' },
    ],
    [{ type: 'STATIC', role: 'eng' }],
  ]);
});
