import { describe, expect, test } from '@jest/globals';
import { ANNOTATION } from '../model/labels.ts';
import { type PodView, taskStateOf } from './podState.ts';
import type { TaskState } from './taskState.ts';

const POD: PodView = { phase: 'Pending', ready: false, containersStarted: false, annotations: {} };

interface Row {
  readonly name: string;
  readonly pod: Partial<PodView>;
  readonly state: TaskState;
  readonly reason: string;
}

const RUNNING: Partial<PodView> = { phase: 'Running', containersStarted: true, ready: true };

const ROWS: readonly Row[] = [
  { name: 'bound, nothing started', pod: {}, state: 'ASSIGNED', reason: 'Assigned' },
  {
    name: 'an image that cannot be pulled',
    pod: { waitingReason: 'ImagePullBackOff' },
    state: 'ASSIGNED',
    reason: 'ImagePullBackOff',
  },
  {
    name: 'started, not ready yet',
    pod: { phase: 'Running', containersStarted: true },
    state: 'STARTING',
    reason: 'Starting',
  },
  { name: 'ready', pod: RUNNING, state: 'RUNNING', reason: 'Ready' },
  {
    name: 'ready once, its probe fails now',
    pod: { ...RUNNING, ready: false, wasReady: true },
    state: 'RUNNING',
    reason: 'NotReady',
  },
  {
    name: 'exited with 0',
    pod: { phase: 'Succeeded', exitCode: 0 },
    state: 'FINISHED',
    reason: 'Completed',
  },
  {
    name: 'exited with 3',
    pod: { phase: 'Failed', exitCode: 3, terminatedReason: 'Error' },
    state: 'FAILED',
    reason: 'Error',
  },
  {
    name: 'out of memory',
    pod: { phase: 'Failed', exitCode: 137, terminatedReason: 'OOMKilled' },
    state: 'FAILED',
    reason: 'OOMKilled',
  },
  {
    name: 'ran longer than its deadline',
    pod: { phase: 'Failed', podReason: 'DeadlineExceeded' },
    state: 'FAILED',
    reason: 'DeadlineExceeded',
  },
  {
    name: 'refused by the kubelet',
    pod: { phase: 'Failed', podReason: 'OutOfcpu' },
    state: 'LOST',
    reason: 'OutOfcpu',
  },
  {
    name: 'evicted by the kubelet',
    pod: { phase: 'Failed', podReason: 'Evicted' },
    state: 'LOST',
    reason: 'Evicted',
  },
  {
    name: 'refused by the kubelet, then released',
    pod: { phase: 'Failed', podReason: 'OutOfcpu', deletionTimestampMs: 5000 },
    state: 'LOST',
    reason: 'OutOfcpu',
  },
  {
    name: 'node silent',
    pod: { ...RUNNING, phase: 'Unknown' },
    state: 'PARTITIONED',
    reason: 'NodeUnreachable',
  },
  {
    name: 'declared lost',
    pod: { ...RUNNING, annotations: { [ANNOTATION.lost]: 'node-1' }, deletionTimestampMs: 5 },
    state: 'LOST',
    reason: 'NodeUnreachable',
  },
  {
    name: 'declared lost, then seen to have failed',
    pod: { phase: 'Failed', exitCode: 1, annotations: { [ANNOTATION.lost]: 'node-1' } },
    state: 'FAILED',
    reason: 'Error',
  },
  {
    name: 'deleted by somebody',
    pod: { ...RUNNING, deletionTimestampMs: 5000 },
    state: 'KILLING',
    reason: 'Killed',
  },
  {
    name: 'marked for preemption, not deleted yet',
    pod: { ...RUNNING, annotations: { [ANNOTATION.preemptedBy]: 'p-1' } },
    state: 'PREEMPTING',
    reason: 'Preempted',
  },
  {
    name: 'marked for a restart',
    pod: { ...RUNNING, annotations: { [ANNOTATION.intent]: 'restart' } },
    state: 'RESTARTING',
    reason: 'Restarted',
  },
  {
    name: 'marked for a drain',
    pod: { ...RUNNING, annotations: { [ANNOTATION.intent]: 'drain' } },
    state: 'DRAINING',
    reason: 'Drained',
  },
  {
    name: 'with an intent nobody knows, deleted',
    pod: { ...RUNNING, deletionTimestampMs: 1, annotations: { [ANNOTATION.intent]: 'toString' } },
    state: 'KILLING',
    reason: 'Killed',
  },
  {
    name: 'preempted and gone',
    pod: {
      phase: 'Failed',
      exitCode: 143,
      finishedAtMs: 6000,
      deletionTimestampMs: 35_000,
      deletionGracePeriodMs: 30_000,
      annotations: { [ANNOTATION.preemptedBy]: 'p-1' },
    },
    state: 'KILLED',
    reason: 'Preempted',
  },
  {
    name: 'exited with 0 on SIGTERM half-way through its work',
    pod: {
      phase: 'Succeeded',
      exitCode: 0,
      finishedAtMs: 6000,
      deletionTimestampMs: 35_000,
      deletionGracePeriodMs: 30_000,
    },
    state: 'KILLED',
    reason: 'Killed',
  },
  {
    name: 'finished first, deleted later',
    pod: {
      phase: 'Succeeded',
      exitCode: 0,
      finishedAtMs: 4000,
      deletionTimestampMs: 35_000,
      deletionGracePeriodMs: 30_000,
    },
    state: 'FINISHED',
    reason: 'Completed',
  },
  {
    name: 'finished between the intent and the deletion',
    pod: { phase: 'Succeeded', exitCode: 0, annotations: { [ANNOTATION.preemptedBy]: 'p-1' } },
    state: 'FINISHED',
    reason: 'Completed',
  },
];

describe('taskStateOf', () => {
  test.each(ROWS)('$name: $state', ({ pod, state, reason }) => {
    expect(taskStateOf({ ...POD, ...pod })).toMatchObject({ state, reason });
  });

  test('says what the exit code was', () => {
    expect(taskStateOf({ ...POD, phase: 'Failed', exitCode: 3 }).message).toBe('exited with 3');
  });
});
