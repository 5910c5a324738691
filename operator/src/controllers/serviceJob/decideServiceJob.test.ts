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
import { decideServiceJob } from './decideServiceJob.ts';
import type { ServiceJobFacts } from './types.ts';

type Spec = ServiceJobFacts['spec'];
type Status = ServiceJobFacts['status'];

const SPEC: Spec = {
  role: 'web',
  instances: 2,
  template: { image: 'app:1', resources: { cpus: '1' } },
};

const facts = (
  tasks: readonly TaskShape[],
  more: Partial<ServiceJobFacts> & { readonly change?: Partial<Spec> } = {},
): ServiceJobFacts => {
  const { change, ...rest } = more;
  return factsOf<Spec, Status>({ ...SPEC, ...change }, more.status ?? {}, tasks, rest);
};
const running = (instance: number, more: TaskShape = {}): TaskShape => ({
  instance,
  status: RUNNING,
  ...more,
});
const secondsAgo = (seconds: number): string => isoTime(NOW_MS - seconds * 1000);

interface Row {
  readonly sentence: string;
  readonly facts: ServiceJobFacts;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

const CONDITIONS: readonly Row[] = [
  {
    sentence: 'all instances run',
    facts: facts([running(0), running(1)]),
    status: 'True',
    reason: 'AllInstancesRunning',
    message: '2 of 2 instances run',
  },
  {
    sentence: 'scaled to nothing, nothing is missing',
    facts: facts([], { change: { instances: 0 } }),
    status: 'True',
    reason: 'AllInstancesRunning',
    message: '0 of 0 instances run',
  },
  {
    sentence: 'an instance waits, and the report says why',
    facts: facts([running(0)], { pendingReport: { summary: 'all agents are full', heldBack: [] } }),
    status: 'False',
    reason: 'InstancesPending',
    message: '1 of 2 instances run, 1 wait: all agents are full',
  },
  {
    sentence: 'a Pod exists and its container does not run yet',
    facts: facts([running(0), { instance: 1 }]),
    status: 'False',
    reason: 'InstancesStarting',
    message: '1 of 2 instances run',
  },
  {
    sentence: 'an image that cannot be pulled is named, with the remedy',
    facts: facts([running(0), { instance: 1, agent: 'node-7', status: PULL_FAILS }]),
    status: 'False',
    reason: 'ImagePullBackOff',
    message:
      '1 of 2 instances run; instance 1 on node-7: ImagePullBackOff: Back-off pulling image "app:1"; check spec.template.image and whether the agents can pull it',
  },
  {
    sentence: 'an instance that failed and has no newer task is told with its exit code',
    facts: facts([running(0), { instance: 1, agent: 'node-7', status: ended(3, secondsAgo(1)) }]),
    status: 'False',
    reason: 'InstancesFailing',
    message: '1 of 2 instances run; instance 1 on node-7: Error: exited with 3',
  },
  {
    sentence: 'an old failure of an instance that runs again does not hide why another waits',
    facts: facts([
      { instance: 0, generation: 0, status: ended(3, secondsAgo(90)) },
      running(0, { generation: 1 }),
    ]),
    status: 'False',
    reason: 'InstancesPending',
    message: '1 of 2 instances run, 1 wait: waiting for an offer',
  },
  {
    sentence: 'a service that exits well again and again is held back',
    facts: facts([running(0), { instance: 1, status: ended(0, secondsAgo(1), secondsAgo(3)) }]),
    status: 'False',
    reason: 'InstancesThrottled',
    message: '1 of 2 instances run, 1 ended soon after their start and are held back',
  },
  {
    sentence: 'not every instance has the newest template',
    facts: facts([running(0), running(1, { hash: 'hash-0' })]),
    status: 'False',
    reason: 'Updating',
    message: '2 of 2 instances run, 1 of them with the newest template',
  },
  {
    sentence: 'a job that is wrong says so before anything else',
    facts: facts([running(0), { instance: 1, status: PULL_FAILS }], {
      fault: { reason: 'RoleNotFound', message: 'spec.role `x` does not exist' },
    }),
    status: 'False',
    reason: 'RoleNotFound',
    message: 'spec.role `x` does not exist',
  },
  {
    sentence: 'a Pod that the API server refused is told with its answer',
    facts: facts([running(0)], {
      rejection: { reason: 'PodForbidden', message: 'exceeded quota: pods' },
    }),
    status: 'False',
    reason: 'PodForbidden',
    message: 'exceeded quota: pods',
  },
];

describe('the condition Ready', () => {
  test.each(CONDITIONS)('$sentence', ({ facts: given, status, reason, message }) => {
    const { condition, status: written } = decideServiceJob(given);
    expect(condition).toEqual({ type: 'Ready', status, reason, message });
    expect(written.conditions).toEqual([
      {
        type: 'Ready',
        status,
        reason,
        message,
        observedGeneration: 3,
        lastTransitionTime: isoTime(NOW_MS),
      },
    ]);
  });
});

describe('status', () => {
  test('counts instances by state', () => {
    const { status } = decideServiceJob(
      facts(
        [
          running(0),
          running(1, { hash: 'hash-0' }),
          { instance: 2 },
          { instance: 3, status: PULL_FAILS },
          running(4, { metadata: { deletionTimestamp: secondsAgo(1) } }),
          { instance: 5, status: ended(0, secondsAgo(1), secondsAgo(3)) },
        ],
        { change: { instances: 7 } },
      ),
    );
    expect(status).toMatchObject({
      observedGeneration: 3,
      selector: 'mezzo.dev/job-uid=uid-shop',
      replicas: 5,
      templateHash: 'hash-1',
      counts: {
        desired: 7,
        running: 2,
        assigned: 2,
        starting: 0,
        killing: 1,
        pending: 1,
        throttled: 1,
        updated: 4,
      },
      pending: { instances: 2, since: '2026-01-01T00:28:30Z', summary: 'waiting for an offer' },
    });
  });
  test('tells nothing of waiting once nobody waits', () => {
    const before: Status = { pending: { instances: 1, summary: 'full' } };
    expect(
      decideServiceJob(facts([running(0), running(1)], { status: before })).status.pending,
    ).toBeUndefined();
  });
  test('keeps what others wrote into it', () => {
    const record = { id: 'r', pod: 'apps/p', by: 'x', rule: 'y', at: secondsAgo(9) };
    const { status } = decideServiceJob(
      facts([running(0), running(1)], { status: { preempted: [record] } }),
    );
    expect(status.preempted).toEqual([record]);
  });
});

describe('instances', () => {
  test('what is missing is asked for under the name of its slot', () => {
    const { demand } = decideServiceJob(facts([running(0), { instance: 1, status: ended(1) }]));
    expect(demand.map(({ task, notBeforeMs }) => [task.podName, notBeforeMs])).toEqual([
      ['shop-abcde-1-1', undefined],
    ]);
  });
  test('a job that is wrong starts nothing and keeps what runs', () => {
    const fault = { reason: 'RoleNotFound', message: '' };
    const plan = decideServiceJob(facts([running(0)], { fault }));
    expect(plan).toMatchObject({ demand: [], kills: [] });
  });
  test('scaling down kills the highest instance, saying why', () => {
    const plan = decideServiceJob(facts([running(0), running(1), running(2)]));
    expect(plan.kills.map(({ task, intent, why }) => [task.instance, intent, why])).toEqual([
      [2, 'kill', 'the job was scaled down'],
    ]);
  });
  test('a kill that was begun and not done is done again, once nobody else can be about to', () => {
    const begun = (seconds: number): TaskShape =>
      running(1, {
        annotations: {
          [ANNOTATION.intent]: 'restart',
          [ANNOTATION.killReason]: 'its template changed',
          [ANNOTATION.killedAt]: secondsAgo(seconds),
        },
      });
    const fresh = decideServiceJob(facts([running(0), begun(1)]));
    expect(fresh).toMatchObject({ kills: [], wakeAtMs: NOW_MS + 4_000 });
    const old = decideServiceJob(facts([running(0), begun(6)]));
    expect(old.kills.map(({ task, intent, why }) => [task.instance, intent, why])).toEqual([
      [1, 'restart', 'its template changed'],
    ]);
  });
});

describe('a changed template', () => {
  const old = (instance: number): TaskShape => running(instance, { hash: 'hash-0' });

  test('is rolled out one instance at a time, the lowest first', () => {
    const plan = decideServiceJob(facts([old(0), old(1)]));
    expect(plan.kills.map(({ task, intent, why }) => [task.instance, intent, why])).toEqual([
      [0, 'restart', 'its template changed'],
    ]);
    expect(plan.status.update).toEqual({
      state: 'ROLLING_FORWARD',
      targetHash: 'hash-1',
      previousHash: 'hash-0',
      updatedInstances: 0,
      startedAt: isoTime(NOW_MS),
    });
  });
  test('waits for an instance that is not back yet', () => {
    expect(decideServiceJob(facts([{ instance: 0 }, old(1)])).kills).toEqual([]);
  });
  test('waits until a new instance was ready for spec.update.watchSeconds', () => {
    const ready = (seconds: number): TaskShape =>
      running(0, {
        status: {
          ...RUNNING,
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: secondsAgo(seconds) }],
        },
      });
    const early = decideServiceJob(facts([ready(4), old(1)]));
    expect(early).toMatchObject({ kills: [], wakeAtMs: NOW_MS + 6_000 });
    expect(decideServiceJob(facts([ready(10), old(1)])).kills).toHaveLength(1);
  });
  test('takes as many at once as spec.update.batchSize says', () => {
    const plan = decideServiceJob(
      facts([old(0), old(1)], { change: { update: { batchSize: 2 } } }),
    );
    expect(plan.kills.map(({ task }) => task.instance)).toEqual([0, 1]);
  });
  test('stops where it is while it is paused, and says how to go on', () => {
    const plan = decideServiceJob(
      facts([running(0), old(1)], { change: { update: { paused: true } } }),
    );
    expect(plan.kills).toEqual([]);
    expect(plan.status.update).toMatchObject({
      state: 'ROLL_FORWARD_PAUSED',
      updatedInstances: 1,
      message: 'spec.update.paused is true; set it to false to go on',
    });
  });
  const update = {
    state: 'ROLLING_FORWARD' as const,
    targetHash: 'hash-1',
    previousHash: 'hash-0',
    updatedInstances: 1,
    startedAt: secondsAgo(60),
  };
  test('is done when every instance has it and has been watched', () => {
    const plan = decideServiceJob(facts([running(0), running(1)], { status: { update } }));
    expect(plan.status.update).toMatchObject({
      state: 'ROLLED_FORWARD',
      previousHash: 'hash-0',
      updatedInstances: 2,
      startedAt: secondsAgo(60),
      finishedAt: isoTime(NOW_MS),
    });
  });
  test('that was changed back before anybody had it does not stay under way', () => {
    const status = { update: { ...update, targetHash: 'hash-2' } };
    expect(
      decideServiceJob(facts([running(0), running(1)], { status })).status.update,
    ).toMatchObject({
      state: 'ABORTED',
      finishedAt: isoTime(NOW_MS),
      message: 'the template was changed back',
    });
  });
  test('that has ended is left as it was recorded', () => {
    const finished = { ...update, state: 'ROLLED_FORWARD' as const, finishedAt: secondsAgo(5) };
    const plan = decideServiceJob(
      facts([running(0), running(1)], { status: { update: finished } }),
    );
    expect(plan.status.update).toBe(finished);
  });
  test('is not rolled out while the job is wrong', () => {
    const fault = { reason: 'RoleNotFound', message: '' };
    expect(decideServiceJob(facts([old(0), old(1)], { fault })).kills).toEqual([]);
  });
});
