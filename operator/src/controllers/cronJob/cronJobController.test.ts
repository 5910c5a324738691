import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import {
  EventList,
  OperatorWorld,
  RUNNING,
  taskPod,
} from '../../../../test/support/operatorWorld.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  CRON_JOBS,
  type CronJobObject,
} from '../../schema/mezzoKinds.ts';
import { createCronJobController } from './cronJobController.ts';

type Spec = CronJobObject['spec'];

/** The clock begins at 2026-01-01T00:00:00Z, minute 29453760. */
let clock: FakeClock;
let all: OperatorWorld;
let events: EventList;

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  events = new EventList();
});

const make = (more: Partial<Spec> = {}): void => {
  all.make(CRON_JOBS, 'tick', {
    schedule: '*/5 * * * *',
    jobTemplate: {
      labels: { team: 'a' },
      spec: { role: 'web', template: { image: 'app:1', resources: { cpus: '1' } } },
    },
    ...more,
  });
};
const look = async (): Promise<WorkResult> =>
  await createCronJobController({
    world: all.world,
    kube: all.kube,
    clock,
    recorder: events,
  }).reconcile('apps/tick');
const cron = (): CronJobObject =>
  all.api.get(CRON_JOBS, { name: 'tick', namespace: 'apps' }) as CronJobObject;
const runs = (): AdhocJobObject[] => [...all.api.all(ADHOC_JOBS)] as AdhocJobObject[];
const names = (): string[] =>
  runs()
    .map((run) => run.metadata.name)
    .toSorted();
const endRun = (name: string, result: 'Succeeded' | 'Failed'): void => {
  const run = all.api.get(ADHOC_JOBS, { name, namespace: 'apps' }) as AdhocJobObject;
  const finishedAt = new Date(clock.nowMs()).toISOString();
  all.api.update(
    ADHOC_JOBS,
    { ...run, status: { ...run.status, result, finishedAt } } as AdhocJobObject,
    { subresource: 'status' },
  );
};

describe('a schedule', () => {
  test('is waited for until its next time', async () => {
    make();
    expect(await look()).toEqual({ kind: 'requeueAfter', delayMs: 300_000 });
    expect(runs()).toEqual([]);
    expect(cron().status).toMatchObject({
      nextScheduleTime: '2026-01-01T00:05:00Z',
      active: [],
      missed: 0,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'Scheduled',
          message: 'next run at 2026-01-01T00:05:00Z',
        },
      ],
    });
    expect(cron().status).not.toHaveProperty('lastScheduleTime');
  });
  test('is looked at every ten minutes at least, since clocks step', async () => {
    make({ schedule: '0 0 1 * *' });
    expect(await look()).toEqual({ kind: 'requeueAfter', delayMs: 600_000 });
  });
  test('that is wrong says so and starts nothing', async () => {
    make({ schedule: '0 0 30 2 *' });
    expect(await look()).toEqual({ kind: 'awaitChange' });
    expect(cron().status?.conditions).toMatchObject([
      {
        type: 'Ready',
        status: 'False',
        reason: 'InvalidSchedule',
        message: 'spec.schedule `0 0 30 2 *` never fires: none of its months has such a day',
      },
    ]);
    expect(runs()).toEqual([]);
  });
  test('that is suspended says so and counts what it misses', async () => {
    make({ suspend: true });
    await clock.advance(600_000);
    await look();
    expect(runs()).toEqual([]);
    expect(cron().status).toMatchObject({
      missed: 2,
      conditions: [{ reason: 'Suspended', status: 'False' }],
    });
    expect(events.lines).toEqual(['tick: Warning CronMissed: 2 scheduled start(s) were missed']);
  });
});

describe('a run', () => {
  test('is an AdhocJob named by its minute, owned by the CronJob, made of its template', async () => {
    make();
    await clock.advance(300_000);
    await look();
    expect(runs()).toMatchObject([
      {
        metadata: {
          name: 'tick-29453765',
          labels: { team: 'a', 'mezzo.dev/cron-job': 'tick' },
          annotations: { 'mezzo.dev/scheduled-at': '2026-01-01T00:05:00Z' },
          ownerReferences: [
            { kind: 'CronJob', name: 'tick', uid: cron().metadata.uid, controller: true },
          ],
        },
        spec: { role: 'web', template: { image: 'app:1' } },
      },
    ]);
    expect(cron().status).toMatchObject({
      lastScheduleTime: '2026-01-01T00:05:00Z',
      nextScheduleTime: '2026-01-01T00:10:00Z',
      active: ['tick-29453765'],
    });
    expect(events.lines).toEqual([
      'tick: Normal RunStarted: started tick-29453765 for 2026-01-01T00:05:00Z',
    ]);
  });
  test.each([
    ['while it is active', () => undefined],
    ['when it has ended', () => endRun('tick-29453765', 'Succeeded')],
  ])('is not started twice, though the record of it was lost: %s', async (_when, then) => {
    make();
    await clock.advance(300_000);
    await look();
    then();
    const { status: _lost, ...bare } = cron();
    all.api.update(CRON_JOBS, { ...bare, status: {} } as CronJobObject, { subresource: 'status' });
    await look();
    expect(names()).toEqual(['tick-29453765']);
    expect(cron().status?.missed).toBe(0);
  });
  test('of an outage: the latest is made up, the others count as missed', async () => {
    make();
    await clock.advance(17 * 60_000);
    await look();
    expect(names()).toEqual(['tick-29453775']);
    expect(cron().status?.missed).toBe(2);
  });
  test('that ended well is told with its time', async () => {
    make();
    await clock.advance(300_000);
    await look();
    await clock.advance(7_000);
    endRun('tick-29453765', 'Succeeded');
    await look();
    expect(cron().status).toMatchObject({
      active: [],
      lastSuccessfulTime: '2026-01-01T00:05:07.000Z',
    });
  });
});

/** A second run is due while the first is under way. */
async function collide(collisionPolicy: Spec['collisionPolicy']): Promise<void> {
  make(collisionPolicy === undefined ? {} : { collisionPolicy });
  await clock.advance(300_000);
  await look();
  all.pod(taskPod({ job: 'tick-29453765', kind: 'AdhocJob', status: RUNNING }));
  await clock.advance(300_000);
  await look();
}

describe('a run that is due while another is active', () => {
  test('CancelNew: is dropped and told', async () => {
    await collide('CancelNew');
    expect(names()).toEqual(['tick-29453765']);
    expect(events.lines.at(-1)).toBe(
      'tick: Warning CronSkippedCollision: 1 run(s) not started: an earlier run is still active (spec.collisionPolicy CancelNew)',
    );
  });
  test('Allow: runs beside it', async () => {
    await collide('Allow');
    expect(names()).toEqual(['tick-29453765', 'tick-29453770']);
  });
  test('KillExisting: waits until the last Pod of the stopped run has ended', async () => {
    await collide('KillExisting');
    expect(names()).toEqual([]);
    expect(cron().status).toMatchObject({
      waitingScheduleTime: '2026-01-01T00:10:00Z',
      active: ['tick-29453765'],
    });
    await clock.advance(20_000);
    expect(await look()).toEqual({ kind: 'requeueAfter', delayMs: 1_000 });
    expect(names()).toEqual([]);
    expect(cron().status?.active).toEqual(['tick-29453765']);
    const pod = all.api.get(PODS, { name: 'tick-29453765-0-0', namespace: 'apps' });
    all.api.update(PODS, { ...pod, status: { phase: 'Failed' } } as never, {
      subresource: 'status',
    });
    await look();
    expect(names()).toEqual(['tick-29453770']);
    expect(cron().status).toMatchObject({ active: ['tick-29453770'] });
    expect(cron().status).not.toHaveProperty('waitingScheduleTime');
    expect(cron().status?.missed).toBe(0);
  });
});

test('of ended runs only the newest are kept, good and bad ones apart', async () => {
  make({ historyLimits: { succeeded: 2, failed: 1 } });
  for (const result of ['Succeeded', 'Failed', 'Succeeded', 'Succeeded', 'Failed'] as const) {
    await clock.advance(300_000);
    await look();
    endRun(names().at(-1) as string, result);
  }
  await look();
  expect(names()).toEqual(['tick-29453775', 'tick-29453780', 'tick-29453785']);
});

test('nothing is written when nothing changed', async () => {
  make();
  await look();
  const before = all.api.resourceVersion;
  await clock.advance(1_000);
  await look();
  expect(all.api.resourceVersion).toBe(before);
});
