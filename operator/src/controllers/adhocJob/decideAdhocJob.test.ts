import { describe, expect, test } from '@jest/globals';
import { factsOf, NOW_MS } from '../../../../test/support/jobFacts.ts';
import {
  ended,
  PULL_FAILS,
  RUNNING,
  type TaskShape,
} from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { isoTime } from '../shared/conditions.ts';
import { type AdhocJobFacts, decideAdhocJob, expiryOf } from './decideAdhocJob.ts';

type Spec = AdhocJobFacts['spec'];
type Status = AdhocJobFacts['status'];

const SPEC: Spec = {
  role: 'web',
  instances: 2,
  template: { image: 'app:1', resources: { cpus: '1' } },
};

const facts = (
  tasks: readonly TaskShape[],
  more: Partial<AdhocJobFacts> & { readonly change?: Partial<Spec> } = {},
): AdhocJobFacts => {
  const { change, startedAtMs, ...rest } = more;
  return {
    ...factsOf<Spec, Status>({ ...SPEC, ...change }, more.status ?? {}, tasks, {
      ...rest,
      kind: 'AdhocJob',
    }),
    startedAtMs,
  };
};
const secondsAgo = (seconds: number): string => isoTime(NOW_MS - seconds * 1000);
const done = (instance: number): TaskShape => ({ instance, status: ended(0, secondsAgo(5)) });
const failed = (instance: number, failures = 0, more: TaskShape = {}): TaskShape => ({
  instance,
  generation: failures,
  status: ended(2, secondsAgo(5)),
  annotations: { [ANNOTATION.failures]: String(failures) },
  ...more,
});
const runs = (instance: number): TaskShape => ({ instance, status: RUNNING });

interface Row {
  readonly sentence: string;
  readonly facts: AdhocJobFacts;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

const CONDITIONS: readonly Row[] = [
  {
    sentence: 'every instance finished',
    facts: facts([done(0), done(1)]),
    status: 'True',
    reason: 'AllInstancesFinished',
    message: '2 of 2 instances finished',
  },
  {
    sentence: 'some run',
    facts: facts([done(0), runs(1)]),
    status: 'Unknown',
    reason: 'Running',
    message: '1 of 2 instances finished, 1 run',
  },
  {
    sentence: 'all wait, and the report says why',
    facts: facts([], { pendingReport: { summary: 'all agents are full', heldBack: [] } }),
    status: 'Unknown',
    reason: 'InstancesPending',
    message: '0 of 2 instances finished, 2 wait: all agents are full',
  },
  {
    sentence: 'an image that cannot be pulled is named',
    facts: facts([runs(0), { instance: 1, status: PULL_FAILS }]),
    status: 'Unknown',
    reason: 'ImagePullBackOff',
    message:
      '0 of 2 instances finished; instance 1 on node-1: ImagePullBackOff: Back-off pulling image "app:1"; check spec.template.image and whether the agents can pull it',
  },
  {
    sentence: 'a failure that is tried again is told while it waits',
    facts: facts([done(0), failed(1)], { change: { maxRetries: 2 } }),
    status: 'Unknown',
    reason: 'InstancesRetrying',
    message:
      '1 of 2 instances finished, failed ones are tried again, each up to 2 time(s) (spec.maxRetries); instance 1 on node-1: Error: exited with 2',
  },
  {
    sentence: 'an instance that failed for good fails the job once the others have ended',
    facts: facts([done(0), failed(1)]),
    status: 'False',
    reason: 'InstancesFailed',
    message:
      '1 of 2 instances finished, 1 failed for good; instance 1 on node-1: Error: exited with 2',
  },
  {
    sentence: 'while others still run it has not failed yet',
    facts: facts([runs(0), failed(1)]),
    status: 'Unknown',
    reason: 'Running',
    message: '0 of 2 instances finished, 1 run',
  },
  {
    sentence: 'a job that is wrong says so',
    facts: facts([], { fault: { reason: 'RoleNotFound', message: 'no such role' } }),
    status: 'Unknown',
    reason: 'RoleNotFound',
    message: 'no such role',
  },
  {
    sentence: 'a job that took too long has failed',
    facts: facts([done(0), runs(1)], {
      change: { maxRunSeconds: 60 },
      startedAtMs: NOW_MS - 60_000,
    }),
    status: 'False',
    reason: 'RanTooLong',
    message: '1 of 2 instances finished within spec.maxRunSeconds (60)',
  },
];

describe('the condition Succeeded', () => {
  test.each(CONDITIONS)('$sentence', ({ facts: given, status, reason, message }) => {
    expect(decideAdhocJob(given).condition).toEqual({ type: 'Succeeded', status, reason, message });
  });
  test('stays as it was told at the end, when the Pods that told it are gone', () => {
    const first = decideAdhocJob(facts([done(0), failed(1)]));
    const later = decideAdhocJob(facts([], { status: first.status }));
    expect(later.condition).toEqual(first.condition);
    expect(later.status).toEqual(first.status);
  });
});

describe('completion', () => {
  test('is recorded before a finished Pod may go', () => {
    const first = decideAdhocJob(facts([{ instance: 0, status: ended(0, secondsAgo(500)) }]));
    expect(first.releases).toEqual([]);
    expect(first.status).toMatchObject({ finished: '0', failed: '' });
    const next = decideAdhocJob(
      facts([{ instance: 0, status: ended(0, secondsAgo(500)) }], { status: first.status }),
    );
    expect(next.releases.map((task) => task.instance)).toEqual([0]);
  });
  test('writes result and time of the end once', () => {
    const { status } = decideAdhocJob(facts([done(0), done(1)]));
    expect(status).toMatchObject({
      result: 'Succeeded',
      finishedAt: isoTime(NOW_MS),
      finished: '0-1',
      counts: { desired: 2, finished: 2, failed: 0, pending: 0, running: 0 },
    });
    const later = decideAdhocJob(facts([done(0), done(1)], { status, nowMs: NOW_MS + 60_000 }));
    expect(later.status.finishedAt).toBe(isoTime(NOW_MS));
  });
  test('asks for what is missing, not for what has finished', () => {
    expect(decideAdhocJob(facts([done(0)])).demand.map((one) => one.task.podName)).toEqual([
      'shop-abcde-1-0',
    ]);
  });
  test('never more at once than spec.parallelism', () => {
    const change = { instances: 5, parallelism: 2 };
    expect(decideAdhocJob(facts([], { change })).demand).toHaveLength(2);
    const one = decideAdhocJob(facts([done(0), runs(1)], { change }));
    expect(one.demand.map(({ task }) => task.instance)).toEqual([2]);
    expect(one.status.counts).toMatchObject({ pending: 3, running: 1 });
  });
});

describe('retries', () => {
  test('a failed instance is tried again later, under the next name, with its count of failures', () => {
    const plan = decideAdhocJob(facts([done(0), failed(1)], { change: { maxRetries: 1 } }));
    expect(plan.demand).toMatchObject([
      { task: { podName: 'shop-abcde-1-1' }, failures: 1, notBeforeMs: NOW_MS + 25_000 },
    ]);
    expect(plan.wakeAtMs).toBe(NOW_MS + 25_000);
    expect(plan.status).toMatchObject({ failures: 1, failed: '' });
  });
  test('after the last of them it has failed for good', () => {
    const plan = decideAdhocJob(facts([done(0), failed(1, 1)], { change: { maxRetries: 1 } }));
    expect(plan.demand).toEqual([]);
    expect(plan.status).toMatchObject({ failures: 2, failed: '1', result: 'Failed' });
  });
  test('failures are counted over all instances, those of Pods that are gone included', () => {
    const change = { maxRetries: 5 };
    const finishedAfter = (instance: number, failures: number): TaskShape => ({
      ...done(instance),
      generation: failures,
      annotations: { [ANNOTATION.failures]: String(failures) },
    });
    const first = decideAdhocJob(facts([finishedAfter(0, 3), runs(1)], { change }));
    expect(first.status).toMatchObject({ failures: 3, settledFailures: 3, finished: '0' });
    const again = decideAdhocJob(
      facts([finishedAfter(0, 3), failed(1, 0)], { change, status: first.status }),
    );
    expect(again.status).toMatchObject({ failures: 4, settledFailures: 3 });
    const later = decideAdhocJob(facts([failed(1, 1)], { change, status: again.status }));
    expect(later.status).toMatchObject({ failures: 5, settledFailures: 3 });
    const over = decideAdhocJob(facts([finishedAfter(1, 2)], { change, status: later.status }));
    expect(over.status).toMatchObject({ failures: 5, settledFailures: 5, result: 'Succeeded' });
  });
  test('failures that are not seen any more are not forgotten', () => {
    const status: Status = { failures: 4 };
    expect(decideAdhocJob(facts([runs(0), runs(1)], { status })).status.failures).toBe(4);
  });
});

describe('spec.maxRunSeconds', () => {
  const late = { change: { maxRunSeconds: 60 }, startedAtMs: NOW_MS - 61_000 };
  const why = 'the job ran longer than spec.maxRunSeconds (60)';

  test('ends what still runs and starts nothing more', () => {
    const plan = decideAdhocJob(facts([runs(0)], late));
    expect(plan.demand).toEqual([]);
    expect(plan.kills.map((kill) => [kill.task.instance, kill.why])).toEqual([[0, why]]);
    expect(plan.status.result).toBe('Failed');
  });
  test('goes on ending it in every later look, until it is gone', () => {
    const { status } = decideAdhocJob(facts([runs(0)], late));
    const next = decideAdhocJob(facts([runs(0)], { ...late, status }));
    expect(next.kills.map((kill) => [kill.task.instance, kill.why])).toEqual([[0, why]]);
    expect(next.condition.reason).toBe('RanTooLong');
  });
  test('lets the Pods it stopped go like any other', () => {
    const { status } = decideAdhocJob(facts([runs(0)], late));
    const stopped: TaskShape = {
      instance: 0,
      status: ended(143, secondsAgo(300)),
      annotations: { [ANNOTATION.killedAt]: secondsAgo(301) },
      metadata: { deletionTimestamp: secondsAgo(301) },
    };
    const plan = decideAdhocJob(facts([stopped], { ...late, status }));
    expect(plan.releases.map((task) => task.instance)).toEqual([0]);
  });
  test('does not end a job that was quick enough', () => {
    const plan = decideAdhocJob(facts([done(0), done(1)], late));
    expect(plan.status.result).toBe('Succeeded');
  });
  test('wakes the job when its time is over', () => {
    const change = { maxRunSeconds: 60 };
    const plan = decideAdhocJob(
      facts([runs(0), runs(1)], { change, startedAtMs: NOW_MS - 20_000 }),
    );
    expect(plan).toMatchObject({ kills: [], wakeAtMs: NOW_MS + 40_000 });
  });
});

describe('spec.ttlSecondsAfterFinished', () => {
  test.each<[string, Partial<Spec>, Status, number | undefined]>([
    [
      'counts from the end',
      { ttlSecondsAfterFinished: 30 },
      { finishedAt: secondsAgo(10) },
      NOW_MS + 20_000,
    ],
    [
      'may be zero',
      { ttlSecondsAfterFinished: 0 },
      { finishedAt: secondsAgo(10) },
      NOW_MS - 10_000,
    ],
    ['does not count while it runs', { ttlSecondsAfterFinished: 30 }, {}, undefined],
    ['is for ever when left out', {}, { finishedAt: secondsAgo(10) }, undefined],
  ])('%s', (_sentence, change, status, expected) => {
    expect(expiryOf(facts([], { change, status }))).toBe(expected);
  });
});
