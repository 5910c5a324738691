import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { timestamp } from '../../../../../test/support/fakeApi/objectRules.ts';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  launchOf,
  type Subscription,
  taskInfo,
} from '../../../../../test/support/frameworkHarness.ts';
import { frameworkId } from '../../../model/ids.ts';
import { ANNOTATION } from '../../../model/labels.ts';
import type { KubeObject } from '../../../ports/kubeApi.ts';
import type { RelayCommand, RelayReply } from '../../../schema/http/executorRelay.ts';
import { PODS } from '../../../schema/kubeKinds.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { WireTaskStatus } from '../../../schema/mesos/event.ts';
import { taskViewOf } from '../../task/taskView.ts';

/** Custom executors over a fake API server: the agent and the executor are this file. */

const PEER = '10.1.0.5';
const EXECUTOR = {
  type: 'CUSTOM',
  executor_id: { value: 'Exec_1' },
  command: { value: './executor' },
  resources: [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
    { name: 'mem', type: 'SCALAR', scalar: { value: 64 } },
  ],
};

let clock: FakeClock;
let world: FrameworkHarness;
let who: Subscription;
let commands: RelayCommand[];
let closeLink: () => void;

beforeEach(async () => {
  clock = new FakeClock();
  world = new FrameworkHarness(clock);
  who = await world.subscribe({ failover_timeout: 600 });
  link();
});
afterEach(() => world.stop());

function link(executors: { pod: string; launched: string[] }[] = []): void {
  commands = [];
  const hello = { node: 'node-1', endpoint: '192.0.2.1:5051', executors };
  closeLink = world.hub.openExecutorLink(hello, {
    send: (command) => commands.push(command),
    end: () => undefined,
  });
}

const inExecutor = (id: string, more: object = {}): { readonly [field: string]: unknown } => {
  const { command: _command, ...info } = taskInfo(id);
  return { ...info, executor: EXECUTOR, ...more };
};

async function launch(...tasks: readonly unknown[]): Promise<void> {
  const offer = world.scheduling.offer(frameworkId(who.id), {
    resources: { cpus: 4000, mem: 2 ** 30 },
  });
  world.call(who, 'ACCEPT', launchOf([offer.id], tasks));
  await clock.settle();
}

function podOf(): Pod {
  const [pod] = world.pods();
  if (pod === undefined) throw new Error('no Pod of an executor');
  return pod;
}

const uid = (): string => podOf().metadata.uid ?? '';
const envOf = (name: string): string | undefined =>
  podOf().spec.containers[0]?.env?.find((one) => one.name === name)?.value;
const requests = (): object => podOf().spec.containers[0]?.resources?.requests ?? {};

function report(phase: 'Running' | 'Succeeded' | 'Failed', state: object, more: object = {}): void {
  const pod = podOf();
  const status = { phase, podIP: PEER, containerStatuses: [{ name: 'task', state }], ...more };
  world.api.update(PODS, { ...pod, status } as KubeObject, { subresource: 'status' });
}

const at = (): string => timestamp(clock.nowMs());
const run = (): void => report('Running', { running: { startedAt: at() } });
const exit = (exitCode: number): void =>
  report(exitCode === 0 ? 'Succeeded' : 'Failed', {
    terminated: { exitCode, startedAt: at(), finishedAt: at() },
  });

async function call(
  body: object,
  caller: { peer?: string; token?: string } = {},
): Promise<RelayReply> {
  const { peer = PEER, ...token } = caller;
  const reply = world.hub.handleExecutorCall({
    node: 'node-1',
    peer,
    ...token,
    call: { framework_id: { value: who.id }, executor_id: { value: 'Exec_1' }, ...body },
  });
  await clock.settle();
  return await reply;
}

const subscribe = (tasks: object[] = [], updates: object[] = []): Promise<RelayReply> =>
  call({
    type: 'SUBSCRIBE',
    subscribe: { unacknowledged_tasks: tasks, unacknowledged_updates: updates },
  });

const uuidOf = (count: number): string => Buffer.alloc(16, count).toString('base64');
const statusOf = (task: string, state: string, count: number): object => ({
  status: {
    task_id: { value: task },
    state,
    uuid: uuidOf(count),
    source: 'SOURCE_EXECUTOR',
    executor_id: { value: 'Exec_1' },
    message: 'as it says',
  },
});
const update = (task: string, state: string, count: number): Promise<RelayReply> =>
  call({ type: 'UPDATE', update: statusOf(task, state, count) });

const types = (reply: RelayReply): string[] => reply.events.map((event) => event.type);
const told = (task: string): string[] =>
  who.sink
    .updates(task)
    .map(({ state, reason }) => (reason === undefined ? state : `${state} ${reason}`));

async function acknowledgeAll(): Promise<void> {
  for (const status of who.sink.updates()) world.acknowledge(who, status);
  await clock.settle();
}

describe('launch', () => {
  test('the first task makes the Pod of its executor, the second one joins it', async () => {
    await launch(inExecutor('one'), inExecutor('two'));
    expect(world.pods()).toHaveLength(1);
    // 0.1 + 2 × 0.1 CPUs, 64 + 2 × 32 MB.
    expect(requests()).toEqual({ cpu: '300m', memory: '128Mi' });
    expect(podOf().spec.containers[0]?.resources?.limits).toEqual(requests());
    expect(envOf('MESOS_AGENT_ENDPOINT')).toBe('192.0.2.1:5051');
    expect(envOf('MESOS_EXECUTOR_ID')).toBe('Exec_1');
    expect(envOf('MESOS_EXECUTOR_AUTHENTICATION_TOKEN')).toMatch(/^[0-9a-f]{64}$/);
    expect(envOf('MESOS_TASK_ID')).toBeUndefined();
    run();
    const reply = await subscribe();
    expect(reply).toMatchObject({ status: 200, pod: uid() });
    expect(types(reply)).toEqual(['SUBSCRIBED', 'LAUNCH', 'LAUNCH']);
    expect(reply.events[1]).toMatchObject({
      launch: {
        task: { task_id: { value: 'one' }, executor: { executor_id: { value: 'Exec_1' } } },
      },
    });
  });

  test('offers of its agent name it', async () => {
    const named = (): unknown => {
      world.scheduling.offer(frameworkId(who.id), { resources: { cpus: 1000 } });
      const event = who.sink.events.at(-1);
      return event?.type === 'OFFERS' ? event.offers.offers[0]?.executor_ids : event;
    };
    expect(named()).toBeUndefined();
    await launch(inExecutor('one'));
    expect(named()).toEqual([{ value: 'Exec_1' }]);
    run();
    exit(0);
    expect(named()).toBeUndefined();
  });

  test('reservations pay for what joins, and are free again when it ends', async () => {
    const reserved = async (task: string, cpus: number): Promise<void> => {
      const offer = world.scheduling.offer(frameworkId(who.id), {
        resources: { cpus: 4000, mem: 2 ** 30 },
        reserved: { cpus },
      });
      world.call(who, 'ACCEPT', launchOf([offer.id], [inExecutor(task)]));
      await clock.settle();
    };
    const charged = (): string | undefined => podOf().metadata.annotations?.[ANNOTATION.reserved];
    // Of the 200 that the executor and its first task take.
    await reserved('one', 150);
    expect(charged()).toBe('{"cpus":"150m"}');
    await launch(inExecutor('two'));
    expect(charged()).toBe('{"cpus":"150m"}');
    await reserved('three', 1000);
    expect(charged()).toBe('{"cpus":"250m"}');
    run();
    await subscribe();
    await update('one', 'TASK_FINISHED', 1);
    // The executor's own part stays.
    expect(charged()).toBe('{"cpus":"200m"}');
    await update('three', 'TASK_FINISHED', 2);
    expect(charged()).toBe('{"cpus":"100m"}');
  });

  test('disk is counted for what joins, though no container can be given more of it', async () => {
    const disk = { name: 'disk', type: 'SCALAR', scalar: { value: 10 } };
    const { resources } = inExecutor('one') as { resources: object[] };
    const offer = world.scheduling.offer(frameworkId(who.id), {
      resources: { cpus: 4000, mem: 2 ** 30, disk: 2 ** 30 },
    });
    const second = inExecutor('two', { resources: [...resources, disk] });
    world.call(who, 'ACCEPT', launchOf([offer.id], [inExecutor('one'), second]));
    await clock.settle();
    expect(taskViewOf(podOf()).resources).toEqual({
      cpus: 300,
      mem: 128 * 2 ** 20,
      disk: 10 * 2 ** 20,
    });
  });

  test('a later task reaches the running executor on its stream', async () => {
    await launch(inExecutor('one'));
    run();
    await subscribe();
    await launch(inExecutor('two'));
    expect(commands.at(-1)).toMatchObject({
      pod: uid(),
      event: { type: 'LAUNCH', launch: { task: { task_id: { value: 'two' } } } },
    });
  });

  test('waits until the kubelet has made room, and gives the task back when it will not', async () => {
    await launch(inExecutor('one'));
    run();
    await subscribe();
    const pending = {
      type: 'PodResizePending',
      status: 'True',
      reason: 'Deferred',
      message: 'later',
    };
    report('Running', { running: { startedAt: at() } }, { conditions: [pending] });
    await launch(inExecutor('two'));
    expect(commands).toEqual([]);
    const infeasible = { ...pending, reason: 'Infeasible', message: 'Node has only 1 CPU' };
    report('Running', { running: { startedAt: at() } }, { conditions: [infeasible] });
    await clock.settle();
    expect(told('two')).toEqual(['TASK_LOST REASON_CONTAINER_UPDATE_FAILED']);
    expect(who.sink.updates('two')[0]?.message).toContain('Node has only 1 CPU');
    expect(requests()).toEqual({ cpu: '200m', memory: '96Mi' });
    expect(told('one')).toEqual([]);
  });

  test.each([
    ['without an agent', () => closeLink(), {}, 'TASK_LOST REASON_AGENT_DISCONNECTED'],
    [
      'with a command too',
      () => undefined,
      { command: { value: 'x' } },
      'TASK_ERROR REASON_TASK_INVALID',
    ],
    [
      'of another framework',
      () => undefined,
      { executor: { ...EXECUTOR, framework_id: { value: 'other' } } },
      'TASK_ERROR REASON_TASK_INVALID',
    ],
    [
      'without a command of the executor',
      () => undefined,
      { executor: { ...EXECUTOR, command: undefined } },
      'TASK_ERROR REASON_TASK_INVALID',
    ],
  ])('is refused in words %s', async (_name, before, more, expected) => {
    before();
    await launch(inExecutor('one', more));
    expect(told('one')).toEqual([expected]);
    expect(world.pods()).toEqual([]);
  });

  test('another ExecutorInfo by the same id is refused, the same one is not', async () => {
    await launch(inExecutor('one'));
    await launch(inExecutor('two', { executor: { ...EXECUTOR, command: { value: './other' } } }));
    expect(told('two')).toEqual(['TASK_ERROR REASON_TASK_INVALID']);
    expect(who.sink.updates('two')[0]?.message).toContain(
      'ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID',
    );
    await launch(
      inExecutor('three', { executor: { ...EXECUTOR, framework_id: { value: who.id } } }),
    );
    expect(told('three')).toEqual([]);
  });

  test('a Pod that cannot be made ends the tasks that wait for it too', async () => {
    world.scheduling.failNext = { reason: 'Forbidden', message: 'no' };
    await launch(inExecutor('one'), inExecutor('two'));
    expect(told('one')).toEqual(['TASK_ERROR REASON_TASK_UNAUTHORIZED']);
    expect(told('two')).toEqual(['TASK_LOST REASON_AGENT_REMOVED']);
    await launch(inExecutor('three'));
    expect(world.pods()).toHaveLength(1);
  });
});

describe('updates', () => {
  beforeEach(async () => {
    await launch(inExecutor('one'));
    run();
    await subscribe();
  });

  test('are on the Pod before they are acknowledged, and go out in order until acknowledged', async () => {
    const reply = await update('one', 'TASK_RUNNING', 1);
    expect(reply.events).toEqual([
      { type: 'ACKNOWLEDGED', acknowledged: { task_id: { value: 'one' }, uuid: uuidOf(1) } },
    ]);
    const stored = Object.entries(podOf().metadata.annotations ?? {}).find(([key]) =>
      key.startsWith('executor-task.mezzo.dev/'),
    );
    expect(stored?.[1]).toContain(uuidOf(1));
    await update('one', 'TASK_FINISHED', 2);
    expect(told('one')).toEqual(['TASK_RUNNING']);
    expect(who.sink.updates('one')[0]).toMatchObject({
      executor_id: { value: 'Exec_1' },
      agent_id: { value: 'node-1' },
      uuid: uuidOf(1),
      message: 'as it says',
    });
    await clock.advance(10_000);
    expect(told('one')).toEqual(['TASK_RUNNING', 'TASK_RUNNING']);
    world.acknowledge(who, who.sink.updates('one')[0] as WireTaskStatus);
    await clock.settle();
    expect(told('one').at(-1)).toBe('TASK_FINISHED');
    // What it held is free as soon as it has ended, as far as the executor leaves it.
    expect(requests()).toEqual({ cpu: '100m', memory: '64Mi' });
    await acknowledgeAll();
    expect(JSON.stringify(podOf().metadata.annotations)).not.toContain('executor-task');
    expect(podOf().metadata.deletionTimestamp).toBeUndefined();
  });

  test('sent again are told once', async () => {
    await update('one', 'TASK_RUNNING', 1);
    await acknowledgeAll();
    expect(types(await update('one', 'TASK_RUNNING', 1))).toEqual(['ACKNOWLEDGED']);
    expect(told('one')).toEqual(['TASK_RUNNING']);
    // Nor are they owed after a restart.
    expect(JSON.stringify(podOf().metadata.annotations)).toContain('\\"updates\\":[]');
  });

  test('beyond a number that waits for the framework are to come again', async () => {
    for (let count = 1; count <= 16; count += 1)
      expect((await update('one', 'TASK_RUNNING', count)).status).toBe(202);
    expect(await update('one', 'TASK_RUNNING', 17)).toMatchObject({ status: 503, events: [] });
    await acknowledgeAll();
    expect((await update('one', 'TASK_RUNNING', 17)).status).toBe(202);
  });

  test('of a task nobody knows are acknowledged, and the task is killed', async () => {
    expect(types(await update('ghost', 'TASK_RUNNING', 1))).toEqual(['ACKNOWLEDGED', 'KILL']);
    expect(types(await update('ghost', 'TASK_FINISHED', 2))).toEqual(['ACKNOWLEDGED']);
    expect(told('ghost')).toEqual([]);
  });

  test('outlive the operator: what is owed is said again, with the same uuid', async () => {
    await update('one', 'TASK_RUNNING', 1);
    world.restart();
    who = await world.subscribe({ id: { value: who.id }, failover_timeout: 600 });
    link([{ pod: uid(), launched: [] }]);
    await clock.settle();
    expect(who.sink.updates('one').map((one) => one.uuid)).toEqual([uuidOf(1)]);
    await acknowledgeAll();
    expect(types(await update('one', 'TASK_FINISHED', 2))).toEqual(['ACKNOWLEDGED']);
    expect(told('one').at(-1)).toBe('TASK_FINISHED');
    expect(commands).toEqual([]);
  });

  test('that an executor kept while its agent was away come with SUBSCRIBE, the end last', async () => {
    const reply = await subscribe(
      [inExecutor('one')],
      [statusOf('one', 'TASK_FINISHED', 2), statusOf('one', 'TASK_RUNNING', 1)],
    );
    expect(types(reply)).toEqual(['SUBSCRIBED', 'ACKNOWLEDGED', 'ACKNOWLEDGED']);
    await acknowledgeAll();
    await acknowledgeAll();
    expect(told('one')).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
  });

  test('a task the executor never got is sent again, one it has is not', async () => {
    expect(types(await subscribe())).toEqual(['SUBSCRIBED', 'LAUNCH']);
    expect(types(await subscribe([inExecutor('one')]))).toEqual(['SUBSCRIBED']);
  });

  test('an operator that starts anew sends what the agent does not know as sent', async () => {
    world.restart();
    link([{ pod: uid(), launched: ['one'] }]);
    expect(commands).toEqual([]);
    link([{ pod: uid(), launched: [] }]);
    expect(commands.map((one) => one.event?.type)).toEqual(['LAUNCH']);
  });
});

describe('who calls', () => {
  beforeEach(async () => {
    await launch(inExecutor('one'));
    run();
  });

  const subscribeCall = { type: 'SUBSCRIBE', subscribe: {} };
  const ownToken = (): string => envOf('MESOS_EXECUTOR_AUTHENTICATION_TOKEN') ?? '';

  test('the own address is enough, and so is the token from no Pod at all', async () => {
    expect((await call(subscribeCall)).status).toBe(200);
    expect((await call(subscribeCall, { peer: '192.0.2.9', token: ownToken() })).status).toBe(200);
  });

  test('a wrong token, another address and another Pod with the token are refused', async () => {
    expect((await call(subscribeCall, { token: 'wrong' })).status).toBe(401);
    expect((await call(subscribeCall, { peer: '192.0.2.9' })).status).toBe(401);
    const status = { phase: 'Running', podIP: '10.1.0.77' };
    const other = {
      metadata: { name: 'other', namespace: 'default' },
      spec: { containers: [{ name: 'x', image: 'y' }] },
    };
    world.api.create(PODS, other);
    world.api.update(
      PODS,
      { ...world.pods().find((one) => one.metadata.name === 'other'), status } as KubeObject,
      {
        subresource: 'status',
      },
    );
    expect((await call(subscribeCall, { peer: '10.1.0.77', token: ownToken() })).status).toBe(403);
  });

  test('unknown executors and calls before SUBSCRIBE are refused in words', async () => {
    expect(await call({ ...subscribeCall, executor_id: { value: 'none' } })).toMatchObject({
      status: 400,
      message: 'Executor cannot be found',
    });
    expect(await call({ ...subscribeCall, framework_id: { value: 'none' } })).toMatchObject({
      status: 400,
      message: 'Framework cannot be found',
    });
    expect(await call({ type: 'HEARTBEAT' })).toMatchObject({
      status: 403,
      message: 'Executor is not subscribed',
    });
    expect(await call({ type: 'UPDATE' })).toMatchObject({ status: 400 });
  });
});

describe('ends', () => {
  beforeEach(async () => {
    await launch(inExecutor('one'), inExecutor('two'));
    run();
    await subscribe();
  });

  test('messages go both ways', async () => {
    const ids = { agent_id: { value: 'node-1' }, executor_id: { value: 'Exec_1' } };
    world.call(who, 'MESSAGE', { ...ids, data: 'aGk=' });
    expect(commands.at(-1)?.event).toEqual({ type: 'MESSAGE', message: { data: 'aGk=' } });
    expect((await call({ type: 'MESSAGE', message: { data: 'eW8=' } })).status).toBe(202);
    expect(who.sink.events.at(-1)).toEqual({ type: 'MESSAGE', message: { ...ids, data: 'eW8=' } });
  });

  test('KILL reaches the executor, with its grace', async () => {
    const kill_policy = { grace_period: { nanoseconds: 7_000_000_000 } };
    world.call(who, 'KILL', { task_id: { value: 'one' }, kill_policy });
    await clock.settle();
    expect(commands.map((one) => one.event)).toEqual([
      { type: 'KILL', kill: { task_id: { value: 'one' }, kill_policy } },
    ]);
    // Lost with the stream, it is sent again on the next.
    expect(types(await subscribe([inExecutor('one'), inExecutor('two')]))).toEqual([
      'SUBSCRIBED',
      'KILL',
    ]);
  });

  test('an executor that dies leaves its tasks FAILED, and its framework is told of it', async () => {
    await update('one', 'TASK_RUNNING', 1);
    exit(3);
    await clock.settle();
    expect(who.sink.events).toContainEqual({
      type: 'FAILURE',
      failure: { agent_id: { value: 'node-1' }, executor_id: { value: 'Exec_1' }, status: 768 },
    });
    expect(told('two')).toEqual([]);
    await acknowledgeAll();
    await clock.advance(6_000);
    const dead = 'TASK_FAILED REASON_EXECUTOR_TERMINATED';
    expect(told('one')).toEqual(['TASK_RUNNING', dead]);
    expect(told('two')).toEqual([dead]);
    expect(world.pods()).toHaveLength(1);
    await acknowledgeAll();
    expect(world.pods()).toEqual([]);
  });

  test('last words that come after the end still count', async () => {
    exit(0);
    await update('one', 'TASK_FINISHED', 1);
    await clock.advance(6_000);
    expect(told('one')).toEqual(['TASK_FINISHED']);
    expect(told('two')).toEqual(['TASK_FAILED REASON_EXECUTOR_TERMINATED']);
  });

  test('an executor whose image cannot be had fails its tasks', async () => {
    const broken = { ...EXECUTOR, executor_id: { value: 'Broken' } };
    await launch(inExecutor('lost', { executor: broken }));
    const pod = (): Pod | undefined =>
      world.pods().find((one) => one.metadata.annotations?.['mezzo.dev/executor-id'] === 'Broken');
    const set = (phase: string, state: object, message = ''): void => {
      const status = { phase, message, containerStatuses: [{ name: 'task', state }] };
      world.api.update(PODS, { ...pod(), status } as KubeObject, { subresource: 'status' });
    };
    set('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } });
    await clock.settle();
    expect(pod()?.metadata.deletionTimestamp).toBeDefined();
    expect(pod()?.metadata.annotations?.[ANNOTATION.killReason]).toContain('no such image');
    set('Failed', { waiting: { reason: 'ImagePullBackOff' } });
    await clock.advance(6_000);
    expect(told('lost')).toEqual(['TASK_FAILED REASON_CONTAINER_LAUNCH_FAILED']);
    await acknowledgeAll();
    expect(pod()).toBeUndefined();
  });

  test('an executor that runs and never subscribes is given up', async () => {
    const silent = { ...EXECUTOR, executor_id: { value: 'Silent' } };
    await launch(inExecutor('quiet', { executor: silent }));
    const podOfSilent = (): Pod | undefined =>
      world.pods().find((one) => one.metadata.annotations?.['mezzo.dev/executor-id'] === 'Silent');
    const state = { running: { startedAt: at() } };
    const status = { phase: 'Running', containerStatuses: [{ name: 'task', state }] };
    world.api.update(PODS, { ...podOfSilent(), status } as KubeObject, { subresource: 'status' });
    await clock.advance(59_000);
    expect(told('quiet')).toEqual([]);
    await clock.advance(2_000);
    expect(told('quiet')).toEqual(['TASK_FAILED REASON_EXECUTOR_REGISTRATION_TIMEOUT']);
    expect(podOfSilent()?.metadata.deletionTimestamp).toBeDefined();
    // The other one did, and goes on.
    expect(podOf().metadata.deletionTimestamp).toBeUndefined();
  });

  test('SHUTDOWN is told, and enforced after the grace', async () => {
    world.call(who, 'SHUTDOWN', {
      agent_id: { value: 'node-1' },
      executor_id: { value: 'Exec_1' },
    });
    await clock.settle();
    expect(commands.at(-1)?.event).toEqual({ type: 'SHUTDOWN' });
    expect(podOf().metadata.deletionTimestamp).toBeUndefined();
    await clock.advance(5_000);
    expect(podOf().metadata.deletionTimestamp).toBeDefined();
  });

  test('TEARDOWN shuts executors down', async () => {
    world.call(who, 'TEARDOWN');
    await clock.settle();
    expect(commands.map((one) => one.event?.type)).toContain('SHUTDOWN');
    expect(world.pods().filter((pod) => pod.metadata.deletionTimestamp === undefined)).toEqual([]);
  });

  test('a task that was killed before its executor came is KILLED', async () => {
    await launch(
      inExecutor('late', { executor: { ...EXECUTOR, executor_id: { value: 'Exec_2' } } }),
    );
    world.call(who, 'KILL', { task_id: { value: 'late' } });
    await clock.settle();
    expect(told('late')).toEqual([]);
    const pod = world
      .pods()
      .find((one) => one.metadata.annotations?.['mezzo.dev/executor-id'] === 'Exec_2');
    const status = { phase: 'Running', podIP: '10.1.0.6', containerStatuses: [] };
    world.api.update(PODS, { ...pod, status } as KubeObject, { subresource: 'status' });
    await call(
      { type: 'SUBSCRIBE', executor_id: { value: 'Exec_2' }, subscribe: {} },
      { peer: '10.1.0.6' },
    );
    await clock.settle();
    expect(told('late')).toEqual(['TASK_KILLED REASON_TASK_KILLED_DURING_LAUNCH']);
  });

  test('reconciliation knows them', async () => {
    await update('one', 'TASK_RUNNING', 1);
    world.call(who, 'RECONCILE', { tasks: [] });
    const answers = who.sink.updates().filter((one) => one.reason === 'REASON_RECONCILIATION');
    expect(new Map(answers.map((one) => [one.task_id.value, one.state]))).toEqual(
      new Map([
        ['one', 'TASK_RUNNING'],
        ['two', 'TASK_STAGING'],
      ]),
    );
  });
});
