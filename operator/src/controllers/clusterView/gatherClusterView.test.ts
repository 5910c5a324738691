import { beforeEach, describe, expect, test } from '@jest/globals';
import { ControllersByHand } from '../../../../test/support/controllers.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld, RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { frameworkId } from '../../model/ids.ts';
import { ANNOTATION, LABEL } from '../../model/labels.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import {
  AGENTS,
  FRAMEWORKS,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  RESERVATIONS,
  ROLES,
} from '../../schema/mezzoKinds.ts';
import { TASK_STATES } from '../../state/taskState.ts';
import { frameworkObjectName } from '../framework/names.ts';
import type { FrameworkSummary } from '../framework/types.ts';
import { gatherClusterView } from './gatherClusterView.ts';
import { MESOS_STATES } from './mesosTaskState.ts';
import { BUCKETS, type ClusterView } from './types.ts';

let all: OperatorWorld;
let clock: FakeClock;
let operator: ControllersByHand;

function look(summaries: readonly FrameworkSummary[] = []): ClusterView {
  return gatherClusterView({
    ...operator.set.viewInput(),
    summaries,
    outstanding: (framework) => operator.set.scheduling.outstanding(framework),
    nowMs: clock.nowMs(),
    inverseAnswers: operator.set.scheduling.inverseAnswers(),
  });
}

function ofFramework(status?: Pod['status']): Pod {
  const pod = taskPod({ job: 'ext', role: 'web', cpus: '1' });
  const {
    [LABEL.job]: _job,
    [LABEL.jobKind]: _kind,
    [LABEL.jobUid]: _uid,
    ...labels
  } = pod.metadata.labels ?? {};
  const annotations = {
    ...pod.metadata.annotations,
    [ANNOTATION.frameworkId]: 'Marathon_1',
    [ANNOTATION.taskId]: 'Task.A',
    [ANNOTATION.taskName]: 'a task',
  };
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...labels, [LABEL.framework]: 'fw' }, annotations },
    ...(status === undefined ? {} : { status }),
  };
}

const inHours = (hours: number): string =>
  new Date(clock.nowMs() + hours * 3_600_000).toISOString();

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  all.make(ROLES, 'web', { path: 'web', weight: 3 });
  all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' }, guarantees: { cpus: '1' } });
  all.node('node-1', { cpu: '4', memory: '8Gi' });
  all.node('node-2', { cpu: '4', memory: '8Gi' });
  all.pod(taskPod({ job: 'shop', cpus: '500m', status: RUNNING }));
  all.make(FRAMEWORKS, 'fw', {
    frameworkId: 'Marathon_1',
    frameworkName: 'marathon',
    principal: 'alice',
    roles: ['web', 'other'],
    capabilities: ['MULTI_ROLE'],
    failoverTimeoutSeconds: 60,
  });
  operator = new ControllersByHand(all, clock);
});

test('every state of a task has a Mesos state of the right bucket', () => {
  const buckets = Object.fromEntries(TASK_STATES.map((one) => [one, BUCKETS[MESOS_STATES[one]]]));
  expect(buckets).toMatchObject({
    PENDING: 'live',
    KILLING: 'live',
    PARTITIONED: 'unreachable',
    LOST: 'completed',
    FINISHED: 'completed',
  });
});

describe('frameworks', () => {
  test('are those with an id, and the job scheduler, each with what its tasks hold', () => {
    all.pod(ofFramework(RUNNING));
    all.make(FRAMEWORKS, 'never-subscribed', { principal: 'bob' });
    const { frameworks } = look();
    expect(frameworks.map((one) => one.id)).toEqual(['mezzo-jobs', 'Marathon_1']);
    expect(frameworks[1]).toMatchObject({
      name: 'marathon',
      principal: 'alice',
      namespace: 'apps',
      connected: false,
      failoverTimeoutMs: 60_000,
      allocated: { resources: { cpus: 1000 } },
    });
    expect(frameworks[0]?.allocated.resources['cpus']).toBe(500);
  });

  test('are as connected as the hub says, whatever their object says', () => {
    const summary = { id: 'Marathon_1', connected: true, completed: false, tasks: [] };
    expect(look([summary as never]).frameworks[1]?.connected).toBe(true);
  });
});

describe('tasks', () => {
  test('keep the ids their framework chose', () => {
    all.pod(ofFramework(RUNNING));
    expect(look().tasks.find((one) => one.framework === 'Marathon_1')).toMatchObject({
      id: 'Task.A',
      name: 'a task',
      agent: 'node-1',
      role: 'web',
      state: 'TASK_RUNNING',
    });
  });

  test('are in the state their framework was told, until they have ended', () => {
    all.pod(ofFramework(RUNNING));
    const tasks = [{ id: 'Task.A', agent: 'node-1', state: 'TASK_STARTING' }];
    const summary = { id: 'Marathon_1', connected: true, completed: false, tasks } as never;
    const state = (): string | undefined =>
      look([summary]).tasks.find((one) => one.id === 'Task.A')?.state;
    expect(state()).toBe('TASK_STARTING');
    all.report('ext-0-0', { phase: 'Succeeded' });
    expect(state()).toBe('TASK_FINISHED');
  });

  test('that have ended hold nothing any more', () => {
    all.pod(ofFramework({ phase: 'Failed' }));
    const view = look();
    expect(view.tasks.find((one) => one.id === 'Task.A')?.state).toBe('TASK_FAILED');
    expect(view.frameworks[1]?.allocated.resources).toEqual({});
    expect(view.agents[0]?.allocated.resources['cpus']).toBe(500);
  });
});

describe('tasks of a group', () => {
  const DISCOVERY = { visibility: 'CLUSTER', name: 'db' };
  const group = (status: Pod['status']): Pod => {
    const pod = ofFramework(status);
    const {
      [ANNOTATION.taskId]: _id,
      [ANNOTATION.taskName]: _name,
      ...annotations
    } = pod.metadata.annotations ?? {};
    const told = [
      { id: 'web', name: 'the web', labels: [{ key: 'a', value: 'b' }] },
      { id: 'db', name: 'the db', discovery: DISCOVERY },
    ];
    const container = (index: number, cpu: string) => ({
      name: `task-${index}`,
      image: `image-${index}`,
      resources: { requests: { cpu } },
    });
    return {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: { ...annotations, [ANNOTATION.taskGroup]: JSON.stringify(told) },
      },
      spec: { ...pod.spec, containers: [container(0, '100m'), container(1, '300m')] },
    };
  };
  const tasks = (summaries: readonly FrameworkSummary[] = []) =>
    look(summaries).tasks.filter((one) => one.framework === 'Marathon_1');

  test('are told of one by one, each with its container', () => {
    all.pod(group(RUNNING));
    expect(tasks()).toMatchObject([
      {
        id: 'web',
        name: 'the web',
        container: 'task-0',
        image: 'image-0',
        resources: { cpus: 100 },
        labels: [{ key: 'a', value: 'b' }],
        discovery: undefined,
      },
      {
        id: 'db',
        container: 'task-1',
        resources: { cpus: 300 },
        labels: undefined,
        discovery: DISCOVERY,
      },
    ]);
    expect(look().frameworks[1]?.allocated.resources['cpus']).toBe(400);
  });

  test('end each in its own way', () => {
    const ended = (name: string, exitCode: number) =>
      ({ name, state: { terminated: { exitCode } } }) as never;
    all.pod(group(RUNNING));
    const states = (): string[] => tasks().map((one) => one.state);
    all.report('ext-0-0', { ...RUNNING, containerStatuses: [ended('task-0', 0)] });
    expect(states()[0]).toBe('TASK_FINISHED');
    all.report('ext-0-0', {
      phase: 'Failed',
      containerStatuses: [ended('task-0', 0), ended('task-1', 3)],
    } as never);
    expect(states()).toEqual(['TASK_FINISHED', 'TASK_FAILED']);
  });

  test('of a Pod whose annotation somebody broke are one task, not none', () => {
    const pod = group(RUNNING);
    const annotations = { ...pod.metadata.annotations, [ANNOTATION.taskGroup]: '[{' };
    all.pod({ ...pod, metadata: { ...pod.metadata, annotations } });
    expect(tasks()).toHaveLength(1);
  });
});

test('tasks of a custom executor are told of one by one, each with its own state and amounts', () => {
  const pod = ofFramework(RUNNING);
  const id = frameworkId('Marathon_1');
  const stored = (task: string, cpus: number, state: string): object => ({
    info: {
      name: `${task}-name`,
      task_id: { value: task },
      agent_id: { value: 'node-1' },
      resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: cpus } }],
    },
    state,
    updates: [],
    known: [],
  });
  const {
    [ANNOTATION.taskId]: _id,
    [ANNOTATION.taskName]: _name,
    ...own
  } = pod.metadata.annotations ?? {};
  const annotations = {
    ...own,
    [ANNOTATION.executorId]: 'Exec_1',
    [ANNOTATION.executorInfo]: '{"executor_id":{"value":"Exec_1"}}',
    'executor-task.mezzo.dev/one': JSON.stringify(stored('one', 1, 'TASK_RUNNING')),
    'executor-task.mezzo.dev/two': JSON.stringify(stored('two', 0.5, 'TASK_STAGING')),
  };
  const labels = { ...pod.metadata.labels, [LABEL.framework]: frameworkObjectName(id) };
  all.pod({ ...pod, metadata: { ...pod.metadata, labels, annotations } });
  const tasks = look().tasks.filter((task) => task.framework === 'Marathon_1');
  expect(
    tasks.map(({ id: task, name, executor, state, resources }) => [
      task,
      name,
      executor,
      state,
      resources,
    ]),
  ).toEqual([
    ['one', 'one-name', 'Exec_1', 'TASK_RUNNING', { cpus: 1000 }],
    ['two', 'two-name', 'Exec_1', 'TASK_STAGING', { cpus: 500 }],
  ]);
});

describe('agents', () => {
  test('with what is total, allocated and reserved, and by whom', async () => {
    all.make(RESERVATIONS, 'kept', {
      role: 'web',
      agent: 'node-2',
      resources: { cpus: '2' },
      principal: 'ops',
      labels: { team: 'a' },
    });
    await operator.look('reservation', 'kept');
    const [first, second] = look().agents.toSorted((left, right) => (left.id < right.id ? -1 : 1));
    expect(first).toMatchObject({
      total: { resources: { cpus: 4000 } },
      allocated: { resources: { cpus: 500 } },
      active: true,
      unreachable: false,
    });
    expect(second?.reservations).toEqual([
      {
        role: 'web',
        resources: { cpus: 2000 },
        name: 'kept',
        principal: 'ops',
        labels: { team: 'a' },
        wanted: { cpus: 2000 },
        hereOnly: true,
      },
    ]);
    expect(look().roles.find((one) => one.role === 'web')?.reserved).toEqual({ cpus: 2000 });
  });

  test('frozen ones are deactivated', () => {
    all.make(AGENTS, 'node-2', { freeze: true });
    expect(look().agents.find((one) => one.id === 'node-2')).toMatchObject({
      active: false,
      deactivated: true,
      reason: 'AgentFrozen',
    });
  });

  test('in an open window of mode Drain are draining until they are empty', () => {
    all.make(MAINTENANCE_WINDOWS, 'now', {
      agents: ['node-1', 'node-2'],
      start: inHours(-1),
      durationSeconds: 7_200,
    });
    expect(look().agents.map((one) => [one.id, one.drain])).toEqual([
      ['node-1', 'DRAINING'],
      ['node-2', 'DRAINED'],
    ]);
  });
});

test('windows that are over are no longer in the schedule; selectors become agents', () => {
  const of = (name: string, start: string, more: object = { agents: ['node-1'] }): unknown =>
    all.make(MAINTENANCE_WINDOWS, name, { start, durationSeconds: 600, ...more });
  of('over', inHours(-2));
  of('later', inHours(3));
  of('soon', inHours(1), { selector: { hostname: 'node-2' } });
  expect(look().windows.map((one) => [one.name, one.agents, one.active])).toEqual([
    ['soon', ['node-2'], false],
    ['later', ['node-1'], false],
  ]);
});

test('roles without an object are told of while a framework has them', () => {
  const { roles } = look();
  expect(roles.find((one) => one.role === 'web')).toMatchObject({
    weight: 3,
    roleObject: 'web',
    quotaObject: 'web',
    limits: { cpus: 2000 },
    guarantees: { cpus: 1000 },
    frameworks: ['mezzo-jobs', 'Marathon_1'],
  });
  expect(roles.find((one) => one.role === 'other')).toMatchObject({
    weight: 1,
    roleObject: undefined,
    quotaObject: undefined,
  });
});
