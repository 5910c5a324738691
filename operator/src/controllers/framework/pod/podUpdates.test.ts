import { describe, expect, test } from '@jest/globals';
import type { ContainerState, Pod } from '../../../schema/kubeObjects.ts';
import { END_CAUSES, ENDINGS, stateFor } from './endings.ts';
import { updatesOf } from './podUpdates.ts';

const AT = '2026-01-01T00:00:10Z';
const BEFORE = '2026-01-01T00:00:05Z';

interface PodFacts {
  readonly phase?: NonNullable<Pod['status']>['phase'];
  readonly state?: ContainerState;
  readonly reason?: string;
  readonly message?: string;
  /** Time the deletion was asked for. */
  readonly killedAt?: string;
  readonly annotations?: { readonly [key: string]: string };
  /** Reason of the DisruptionTarget condition. */
  readonly disruption?: string;
  readonly initMessage?: string;
}

function podWith({
  phase = 'Pending',
  state,
  reason,
  message,
  killedAt,
  annotations,
  disruption,
  initMessage,
}: PodFacts): Pod {
  const graceMs = killedAt !== undefined && killedAt > AT ? 0 : 3000;
  return {
    metadata: {
      name: 'p',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(annotations === undefined ? {} : { annotations }),
      ...(killedAt === undefined
        ? {}
        : {
            // The API server gives an ended Pod no grace.
            deletionTimestamp: new Date(Date.parse(killedAt) + graceMs).toISOString(),
            deletionGracePeriodSeconds: graceMs / 1000,
          }),
    },
    spec: {
      containers: [
        { name: 'task', image: 'x', resources: { limits: { cpu: '1', memory: '64Mi' } } },
      ],
    },
    status: {
      phase,
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      ...(state === undefined ? {} : { containerStatuses: [{ name: 'task', state }] }),
      ...(initMessage === undefined
        ? {}
        : {
            initContainerStatuses: [
              { name: 'fetch', state: { terminated: { exitCode: 1, message: initMessage } } },
            ],
          }),
      ...(disruption === undefined
        ? {}
        : { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: disruption }] }),
    },
  };
}
const ended = (exitCode: number, reason?: string): ContainerState => ({
  terminated: {
    exitCode,
    startedAt: BEFORE,
    finishedAt: AT,
    ...(reason === undefined ? {} : { reason }),
  },
});
const stepsOf = (facts: PodFacts, gone = false): string[] =>
  updatesOf(podWith(facts), gone).map((one) => one.state);

describe('steps a Pod has gone through', () => {
  test.each([
    ['just created', {}, ['TASK_STARTING']],
    [
      'pulling its image',
      { state: { waiting: { reason: 'ContainerCreating' } } },
      ['TASK_STARTING'],
    ],
    [
      'running',
      { phase: 'Running', state: { running: { startedAt: AT } } },
      ['TASK_STARTING', 'TASK_RUNNING'],
    ],
    [
      'ended before anybody looked',
      { phase: 'Succeeded', state: ended(0) },
      ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED'],
    ],
    ['never started', { phase: 'Failed', reason: 'OutOfcpu' }, ['TASK_STARTING', 'TASK_DROPPED']],
    [
      'being killed',
      { phase: 'Running', state: { running: { startedAt: AT } }, killedAt: AT },
      ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'],
    ],
  ] as const)('%s', (_name, facts, expected) => {
    expect(stepsOf(facts)).toEqual(expected);
  });
});

describe('how a task ended', () => {
  test.each([
    ['exit 0', { phase: 'Succeeded', state: ended(0) }, 'TASK_FINISHED', undefined, 'status 0'],
    ['exit 3', { phase: 'Failed', state: ended(3) }, 'TASK_FAILED', undefined, 'status 3'],
    ['a signal', { phase: 'Failed', state: ended(139) }, 'TASK_FAILED', undefined, 'signal 11'],
    [
      'out of memory',
      { phase: 'Failed', state: ended(137, 'OOMKilled') },
      'TASK_FAILED',
      'REASON_CONTAINER_LIMITATION_MEMORY',
      'Memory',
    ],
    [
      'no such program',
      { phase: 'Failed', state: ended(128, 'StartError') },
      'TASK_FAILED',
      'REASON_CONTAINER_LAUNCH_FAILED',
      'StartError',
    ],
    [
      'too long',
      { phase: 'Failed', reason: 'DeadlineExceeded', state: ended(137) },
      'TASK_FAILED',
      'REASON_MAX_COMPLETION_TIME_REACHED',
      'Deadline',
    ],
    [
      'evicted for memory',
      { phase: 'Failed', reason: 'Evicted', message: 'low on resource: memory' },
      'TASK_FAILED',
      'REASON_CONTAINER_LIMITATION_MEMORY',
      'memory',
    ],
    [
      'evicted for disk',
      { phase: 'Failed', reason: 'Evicted', message: 'ephemeral-storage' },
      'TASK_FAILED',
      'REASON_CONTAINER_LIMITATION_DISK',
      'ephemeral',
    ],
    [
      'refused by the node',
      { phase: 'Failed', reason: 'OutOfmemory' },
      'TASK_DROPPED',
      'REASON_RESOURCES_UNKNOWN',
      'OutOfmemory',
    ],
    [
      'its node went',
      { phase: 'Failed', reason: 'NodeLost' },
      'TASK_GONE',
      'REASON_AGENT_REMOVED',
      'NodeLost',
    ],
    [
      'killed, and it exited 0',
      { phase: 'Succeeded', state: ended(0), killedAt: BEFORE },
      'TASK_KILLED',
      undefined,
      'terminated',
    ],
    [
      'its record deleted after it had ended',
      { phase: 'Succeeded', state: ended(0), killedAt: '2026-01-01T00:01:00Z' },
      'TASK_FINISHED',
      undefined,
      'status 0',
    ],
    [
      'preempted',
      {
        phase: 'Failed',
        state: ended(143),
        killedAt: BEFORE,
        annotations: { 'mezzo.dev/preempted-by': 'x/y' },
      },
      'TASK_GONE',
      'REASON_CONTAINER_PREEMPTED',
      'x/y',
    ],
    [
      'drained',
      {
        phase: 'Failed',
        state: ended(143),
        killedAt: BEFORE,
        annotations: { 'mezzo.dev/intent': 'drain' },
      },
      'TASK_KILLED',
      'REASON_AGENT_DRAINING',
      'drained',
    ],
    [
      'drowned in its own files',
      {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'Usage of EmptyDir volume "sandbox" exceeds the limit "10Mi".',
      },
      'TASK_FAILED',
      'REASON_CONTAINER_LIMITATION_DISK',
      'EmptyDir',
    ],
    [
      'evicted for anything else',
      { phase: 'Failed', reason: 'Evicted', message: 'low on resource: pids' },
      'TASK_GONE',
      'REASON_CONTAINER_PREEMPTED',
      'pids',
    ],
    [
      'preempted by the kubelet for a critical Pod',
      { phase: 'Failed', reason: 'Preempting' },
      'TASK_GONE',
      'REASON_CONTAINER_PREEMPTED',
      'Preempting',
    ],
    [
      'refused for a port that is taken',
      { phase: 'Failed', reason: 'NodePorts' },
      'TASK_DROPPED',
      'REASON_RESOURCES_UNKNOWN',
      'NodePorts',
    ],
    [
      'shut down with its node',
      { phase: 'Failed', reason: 'Terminated', message: 'node shutdown', state: ended(143) },
      'TASK_GONE',
      'REASON_AGENT_REMOVED',
      'shutdown',
    ],
    [
      'its files could not be fetched',
      { phase: 'Failed', initMessage: 'http://x: 404' },
      'TASK_FAILED',
      'REASON_CONTAINER_LAUNCH_FAILED',
      'http://x: 404',
    ],
    [
      'killed before it started',
      { phase: 'Failed', killedAt: BEFORE },
      'TASK_KILLED',
      'REASON_TASK_KILLED_DURING_LAUNCH',
      'before its command',
    ],
    [
      'told to end, whatever the clocks say',
      {
        phase: 'Succeeded',
        state: ended(0),
        killedAt: '2026-01-01T01:00:00Z',
        annotations: { 'mezzo.dev/killing': 'task' },
      },
      'TASK_KILLED',
      undefined,
      'terminated',
    ],
    [
      'ended before it was decided to end it, whatever the clocks say',
      {
        phase: 'Failed',
        state: ended(3),
        killedAt: BEFORE,
        annotations: { 'mezzo.dev/killing': '' },
      },
      'TASK_FAILED',
      undefined,
      'status 3',
    ],
    [
      'told to end, and its image was never there',
      {
        phase: 'Failed',
        killedAt: BEFORE,
        annotations: {
          'mezzo.dev/killing': 'task',
          'mezzo.dev/kill-reason': 'launch failed: ImagePullBackOff: no',
        },
      },
      'TASK_FAILED',
      'REASON_CONTAINER_LAUNCH_FAILED',
      'ImagePullBackOff',
    ],
    [
      'declared lost',
      {
        phase: 'Running',
        state: { running: { startedAt: AT } },
        annotations: { 'mezzo.dev/lost': 'x' },
      },
      'TASK_UNREACHABLE',
      'REASON_AGENT_REMOVED',
      'did not come back',
    ],
  ] as const)('%s', (_name, facts, state, reason, message) => {
    const last = updatesOf(podWith(facts), false).at(-1);
    expect(last).toMatchObject({ step: 'ended', state, message: expect.stringContaining(message) });
    expect(last?.reason).toBe(reason);
  });
});

test.each([
  ['DeletionByPodGC', 'TASK_GONE', 'REASON_AGENT_REMOVED'],
  ['DeletionByTaintManager', 'TASK_GONE', 'REASON_AGENT_REMOVED'],
  ['PreemptionByScheduler', 'TASK_GONE', 'REASON_CONTAINER_PREEMPTED'],
  ['EvictionByEvictionAPI', 'TASK_KILLED', 'REASON_AGENT_DRAINING'],
  ['SomethingNew', 'TASK_KILLED', undefined],
] as const)('a Pod that Kubernetes ended by %s is %s', (disruption, state, reason) => {
  const ending = updatesOf(
    podWith({ phase: 'Failed', state: ended(143), killedAt: AT, disruption }),
    false,
  ).at(-1);
  expect([ending?.state, ending?.reason]).toEqual([state, reason]);
});

test('an end for want of memory names the limit that was passed, in MB', () => {
  const pod = podWith({
    phase: 'Failed',
    state: ended(137, 'OOMKilled'),
    annotations: { 'mezzo.dev/role-path': 'eng' },
  });
  expect(updatesOf(pod, false).at(-1)?.limitation).toEqual({
    resources: [{ name: 'mem', type: 'SCALAR', scalar: { value: 64 }, role: 'eng' }],
  });
});

test('every end is told in words of the wire', () => {
  expect(Object.keys(ENDINGS).toSorted()).toEqual([...END_CAUSES].toSorted());
  const terminal = /^TASK_(FINISHED|FAILED|KILLED|GONE|DROPPED|UNREACHABLE)$/;
  for (const cause of END_CAUSES) expect(ENDINGS[cause].state).toMatch(terminal);
});

describe('in a group each task has an end of its own', () => {
  const pod: Pod = {
    metadata: {
      name: 'g',
      deletionTimestamp: '2026-01-01T01:00:00Z',
      deletionGracePeriodSeconds: 3,
      annotations: {
        'mezzo.dev/killing': 'task-1,task-2',
        'mezzo.dev/kill-reason': "task 'b' of its group ended",
      },
    },
    spec: { containers: [] },
    status: {
      phase: 'Failed',
      containerStatuses: [
        { name: 'task-0', state: ended(0) },
        { name: 'task-1', state: ended(0) },
        { name: 'task-2', state: ended(143) },
      ],
    },
  };
  test.each([
    ['task-0', ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']],
    ['task-1', ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']],
    ['task-2', ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']],
  ])('%s', (container, states) => {
    expect(updatesOf(pod, false, container).map((one) => one.state)).toEqual(states);
  });
});

test('frameworks that are not partition-aware know one kind of loss', () => {
  for (const state of ['TASK_DROPPED', 'TASK_GONE', 'TASK_UNREACHABLE', 'TASK_UNKNOWN'] as const) {
    expect(stateFor(state, false)).toBe('TASK_LOST');
    expect(stateFor(state, true)).toBe(state);
  }
  expect(stateFor('TASK_KILLED', false)).toBe('TASK_KILLED');
});
