import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { timestamp } from '../../../../../test/support/fakeApi/objectRules.ts';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  type Subscription,
} from '../../../../../test/support/frameworkHarness.ts';
import { POD_CONTEXT, parsedTask } from '../../../../../test/support/taskPods.ts';
import { frameworkId } from '../../../model/ids.ts';
import type { KubeObject } from '../../../ports/kubeApi.ts';
import { NODES, PODS } from '../../../schema/kubeKinds.ts';
import type { ContainerStatus, Pod } from '../../../schema/kubeObjects.ts';
import type { WireTaskStatus } from '../../../schema/mesos/event.ts';
import { ExecutorInfo } from '../../../schema/mesos/task.ts';
import { taskGroupToPod } from './groupToPod.ts';
import type { PodContext, Translated } from './podContext.ts';
import { type TranslatedTask, taskToPod } from './taskToPod.ts';

let clock: FakeClock;
let all: FrameworkHarness;
let pod: Pod;

beforeEach(() => {
  clock = new FakeClock();
  all = new FrameworkHarness(clock);
});
afterEach(() => all.stop());

const contextOf = (who: Subscription): PodContext => {
  const [object] = all.frameworkObjects();
  if (object === undefined) throw new Error('no Framework object');
  const { name, namespace = '', uid = '' } = object.metadata;
  const place = { id: frameworkId(who.id), namespace, objectName: name, objectUid: uid };
  return { ...POD_CONTEXT, place };
};
function create(translated: Translated<TranslatedTask>): void {
  if (!translated.ok) throw new Error(translated.refusal);
  const { spec, ...rest } = translated.value.pod;
  pod = all.api.create(PODS, { ...rest, spec: { ...spec, nodeName: 'node-1' } } as Pod) as Pod;
}
const stored = (): Pod => all.api.get(PODS, keyOf()) as Pod;
const keyOf = () => ({ name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' });
const report = (status: NonNullable<Pod['status']>): void => {
  all.api.update(PODS, { ...stored(), status } as KubeObject, { subresource: 'status' });
};
const runs = (name: string, ready = false): ContainerStatus => ({
  name,
  ready,
  state: { running: { startedAt: timestamp(clock.nowMs() - 1_000) } },
  containerID: `containerd://${name}`,
});
const exits = (name: string, exitCode: number): ContainerStatus => ({
  name,
  state: {
    terminated: {
      exitCode,
      startedAt: timestamp(clock.nowMs() - 5_000),
      finishedAt: timestamp(clock.nowMs()),
    },
  },
});
/** Acknowledges everything that is owed, until nothing more comes. */
async function acknowledgeAll(who: Subscription): Promise<void> {
  for (let seen = 0; seen < who.sink.updates().length; ) {
    const updates = who.sink.updates().slice(seen);
    seen += updates.length;
    for (const one of updates) if (one.uuid !== undefined) all.acknowledge(who, one);
    await clock.settle();
  }
}
const statesOf = (who: Subscription, task: string): string[] =>
  who.sink.updates(task).map((one) => one.state);
const lastOf = (who: Subscription, task: string): WireTaskStatus | undefined =>
  who.sink.updates(task).at(-1);

describe('health', () => {
  const health_check = { type: 'TCP', tcp: { port: 80 } };
  const is = (ready: boolean): void => {
    const lastTransitionTime = timestamp(clock.nowMs());
    report({
      phase: 'Running',
      conditions: [
        { type: 'ContainersReady', status: ready ? 'True' : 'False', lastTransitionTime },
      ],
      containerStatuses: [runs('task', ready)],
    });
  };

  test('each change is told once it is known that the one before was read, through a restart', async () => {
    let who = await all.subscribe({ capabilities: [{ type: 'PARTITION_AWARE' }] });
    create(taskToPod(parsedTask('web', { health_check }), contextOf(who)));
    await clock.advance(5_000);
    is(true);
    await acknowledgeAll(who);
    expect(who.sink.updates('web').map((one) => [one.state, one.healthy])).toEqual([
      ['TASK_STARTING', undefined],
      ['TASK_RUNNING', undefined],
      ['TASK_RUNNING', true],
    ]);
    await clock.advance(60_000);
    is(false);
    await clock.settle();
    const failing = lastOf(who, 'web');
    expect(failing).toMatchObject({
      healthy: false,
      reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
      container_status: { container_id: { value: 'task' } },
    });
    // Healthy again before the failure was acknowledged: that comes second, not instead.
    await clock.advance(60_000);
    is(true);
    await clock.settle();
    expect(lastOf(who, 'web')?.healthy).toBe(false);
    all.restart();
    who = await all.subscribe({
      id: { value: who.id },
      capabilities: [{ type: 'PARTITION_AWARE' }],
    });
    await acknowledgeAll(who);
    // What was owed is derived anew: the state of now, which had not been acknowledged.
    expect(who.sink.updates('web').map((one) => one.healthy)).toEqual([true]);
    await clock.advance(250);
    all.restart();
    who = await all.subscribe({ id: { value: who.id } });
    await clock.advance(60_000);
    expect(who.sink.updates('web')).toEqual([]);
  });
});

describe('groups', () => {
  const executor = ExecutorInfo.parse({ type: 'DEFAULT', executor_id: { value: 'E' } });
  async function group(): Promise<Subscription> {
    const who = await all.subscribe({ failover_timeout: 600 });
    const infos = [parsedTask('A.1'), parsedTask('b_2')];
    create(taskGroupToPod(infos, executor, contextOf(who)));
    report({ phase: 'Running', containerStatuses: [runs('task-0'), runs('task-1')] });
    await acknowledgeAll(who);
    return who;
  }

  test('each task has updates of its own, and the Pod stays until the last is acknowledged', async () => {
    const who = await group();
    expect(statesOf(who, 'A.1')).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
    expect(statesOf(who, 'b_2')).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
    expect(new Set(who.sink.updates().map((one) => one.uuid)).size).toBe(4);
    report({ phase: 'Running', containerStatuses: [exits('task-0', 0), runs('task-1')] });
    await acknowledgeAll(who);
    expect(lastOf(who, 'A.1')?.state).toBe('TASK_FINISHED');
    expect(stored().metadata.deletionTimestamp).toBeUndefined();
    expect(stored().metadata.finalizers).toContain('mezzo.dev/task');
    report({ phase: 'Succeeded', containerStatuses: [exits('task-0', 0), exits('task-1', 0)] });
    await acknowledgeAll(who);
    expect(lastOf(who, 'b_2')?.state).toBe('TASK_FINISHED');
    await clock.advance(5_000);
    expect(all.api.peek(PODS, keyOf())).toBeUndefined();
  });

  test('when one fails the others are killed, and each is told its own end', async () => {
    const who = await group();
    report({ phase: 'Running', containerStatuses: [exits('task-0', 3), runs('task-1')] });
    await acknowledgeAll(who);
    await clock.settle();
    expect(stored().metadata).toMatchObject({
      annotations: { 'mezzo.dev/killing': 'task-1' },
      deletionTimestamp: expect.any(String),
    });
    await clock.advance(2_000);
    report({ phase: 'Failed', containerStatuses: [exits('task-0', 3), exits('task-1', 0)] });
    await acknowledgeAll(who);
    expect(lastOf(who, 'A.1')).toMatchObject({ state: 'TASK_FAILED' });
    expect(lastOf(who, 'b_2')).toMatchObject({
      state: 'TASK_KILLED',
      message: expect.stringContaining("task 'A.1' of its group ended"),
    });
  });

  test('a restart repeats what one of them is owed, and nothing of the other', async () => {
    const who = await group();
    report({ phase: 'Succeeded', containerStatuses: [exits('task-0', 0), exits('task-1', 0)] });
    await clock.settle();
    const owed = lastOf(who, 'b_2');
    all.acknowledge(who, lastOf(who, 'A.1') as WireTaskStatus);
    await clock.advance(1_000);
    all.restart();
    const again = await all.subscribe({ id: { value: who.id }, failover_timeout: 600 });
    await clock.settle();
    expect(again.sink.updates('A.1')).toEqual([]);
    expect(again.sink.updates('b_2')).toMatchObject([{ state: 'TASK_FINISHED', uuid: owed?.uuid }]);
  });

  test('a kill of one ends all, as the default executor does', async () => {
    const who = await group();
    all.call(who, 'KILL', { task_id: { value: 'b_2' } });
    await clock.settle();
    expect(stored().metadata.annotations?.['mezzo.dev/killing']).toBe('task-0,task-1');
    expect(stored().metadata.deletionTimestamp).toBeDefined();
  });
});

describe('an agent that is not heard of', () => {
  const node = (status: string): void => {
    const found = all.api.get(NODES, { name: 'node-1' });
    const lastTransitionTime = timestamp(clock.nowMs());
    const conditions = [{ type: 'Ready', status, lastTransitionTime }];
    all.api.update(NODES, { ...found, status: { conditions } } as KubeObject, {
      subresource: 'status',
    });
  };
  async function running(capabilities: readonly object[]): Promise<Subscription> {
    const who = await all.subscribe({ capabilities });
    create(taskToPod(parsedTask('t'), contextOf(who)));
    report({ phase: 'Running', containerStatuses: [runs('task')] });
    await acknowledgeAll(who);
    return who;
  }

  test('partition-aware: unreachable, and running again when it is back', async () => {
    const who = await running([{ type: 'PARTITION_AWARE' }]);
    node('Unknown');
    await clock.settle();
    expect(lastOf(who, 't')).toMatchObject({
      state: 'TASK_UNREACHABLE',
      source: 'SOURCE_MASTER',
      reason: 'REASON_AGENT_REMOVED',
      unreachable_time: { nanoseconds: Math.floor(clock.nowMs() / 1000) * 1e9 },
    });
    expect(lastOf(who, 't')?.uuid).toBeUndefined();
    all.call(who, 'RECONCILE', { tasks: [] });
    expect(lastOf(who, 't')).toMatchObject({
      state: 'TASK_UNREACHABLE',
      reason: 'REASON_RECONCILIATION',
    });
    node('True');
    await clock.settle();
    expect(lastOf(who, 't')).toMatchObject({
      state: 'TASK_RUNNING',
      reason: 'REASON_AGENT_REREGISTERED',
    });
    expect(stored().metadata.deletionTimestamp).toBeUndefined();
  });

  test('without partition awareness it is lost, and so it is made to end', async () => {
    const who = await running([]);
    node('Unknown');
    await clock.settle();
    expect(lastOf(who, 't')).toMatchObject({ state: 'TASK_LOST', reason: 'REASON_AGENT_REMOVED' });
    expect(stored().metadata.deletionTimestamp).toBeDefined();
    const told = who.sink.updates('t').length;
    node('True');
    await clock.settle();
    expect(who.sink.updates('t')).toHaveLength(told);
  });

  test('one that is merely not ready is there', async () => {
    const who = await running([{ type: 'PARTITION_AWARE' }]);
    node('False');
    await clock.settle();
    expect(lastOf(who, 't')?.state).toBe('TASK_RUNNING');
  });
});

test('a fetcher whose image is not there ends its task', async () => {
  const who = await all.subscribe();
  const command = { value: 'x', uris: [{ value: 'http://files.test/a' }] };
  create(taskToPod(parsedTask('t', { command }), contextOf(who)));
  const waiting = { reason: 'ImagePullBackOff', message: 'no such image' };
  report({ phase: 'Pending', initContainerStatuses: [{ name: 'fetch', state: { waiting } }] });
  await clock.settle();
  expect(stored().metadata.deletionGracePeriodSeconds).toBe(0);
  report({ phase: 'Failed' });
  await acknowledgeAll(who);
  expect(lastOf(who, 't')).toMatchObject({
    state: 'TASK_FAILED',
    reason: 'REASON_CONTAINER_LAUNCH_FAILED',
    message: expect.stringContaining('no such image'),
  });
});
