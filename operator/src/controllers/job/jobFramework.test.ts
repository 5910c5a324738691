import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import { HandScheduling } from '../../../../test/support/handScheduling.ts';
import { OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { JOBS_FRAMEWORK, rolePath } from '../../model/ids.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { LaunchFailure } from '../scheduling/types.ts';
import type { CapacityHold } from './decideMatch.ts';
import { createJobFramework, type Demand, type JobFramework } from './jobFramework.ts';

const SHOP = 'ServiceJob/apps/shop';
const WEB = rolePath('web');
const SIZE = { cpus: 4000, mem: 2 ** 32 };
const FORBIDDEN: LaunchFailure = { reason: 'Forbidden', message: 'exceeded quota: pods' };

let clock: FakeClock;
let all: OperatorWorld;
let scheduling: HandScheduling;
let jobs: JobFramework;
let rejected: string[];
let unplaced: number;
let holds: CapacityHold[];

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  all.node('node-1', { cpu: '4', memory: '4Gi' });
  scheduling = new HandScheduling(all.kube);
  rejected = [];
  unplaced = 0;
  holds = [];
  jobs = createJobFramework({
    scheduling,
    world: all.world,
    clock,
    log: silentLog,
    holds: () => holds,
    onRejection: (jobKey) => rejected.push(jobKey),
    onUnplaced: () => {
      unplaced += 1;
    },
  });
});

interface Wish {
  readonly job?: string;
  readonly role?: string;
  readonly cpus?: number;
  readonly notBeforeMs?: number;
  readonly hash?: string;
}

const demand = (instance: number, wish: Wish = {}): Demand => {
  const job = wish.job ?? 'shop';
  return {
    task: {
      group: {
        jobKey: `ServiceJob/apps/${job}`,
        jobUid: `uid-${job}`,
        role: rolePath(wish.role ?? 'web'),
        tier: 'preemptible',
        priority: 0,
        resources: { cpus: wish.cpus ?? 1000 },
        revocable: {},
        constraints: [],
      },
      instance,
      generation: 0,
      podName: `${job}-${instance}-0`,
      sinceMs: 0,
    },
    notBeforeMs: wish.notBeforeMs,
    templateHash: wish.hash ?? 'hash-1',
    buildPod: () => taskPod({ job, instance }),
  };
};

const offer = async (role = WEB): Promise<void> => {
  scheduling.offer(JOBS_FRAMEWORK, { role, resources: SIZE });
  await clock.settle();
};
const pods = (): string[] => [...all.api.all(PODS)].map((pod) => pod.metadata.name);
const waiting = (): string[] => jobs.waiting().map((task) => task.podName);
const count = (text: string): number =>
  scheduling.log.filter((line) => line.startsWith(text)).length;

describe('demand', () => {
  test('registers the framework with the first role and asks for offers', () => {
    jobs.setDemand(SHOP, [demand(0)]);
    expect(scheduling.registrationOf(JOBS_FRAMEWORK)?.roles).toEqual(['web']);
    expect(scheduling.log.at(-1)).toBe('revive mezzo-jobs [web]');
  });
  test('that is placed becomes Pods and waits no more', async () => {
    jobs.setDemand(SHOP, [demand(0), demand(1)]);
    expect(waiting()).toEqual(['shop-0-0', 'shop-1-0']);
    await offer();
    expect(pods()).toEqual(['shop-0-0', 'shop-1-0']);
    expect(waiting()).toEqual([]);
  });
  test('that finds no room is told of, and its offer goes back for a while', async () => {
    jobs.setDemand(SHOP, [demand(0, { cpus: 9000 })]);
    await offer();
    expect(pods()).toEqual([]);
    expect(unplaced).toBe(1);
    expect(scheduling.log.at(-1)).toBe('decline hand-1 5000');
  });
  test('asks anew when it changes, not when it is merely repeated', () => {
    jobs.setDemand(SHOP, [demand(0)]);
    jobs.setDemand(SHOP, [demand(0)]);
    expect(count('revive')).toBe(1);
    jobs.setDemand(SHOP, [demand(0), demand(1)]);
    expect(count('revive')).toBe(2);
    jobs.setDemand(SHOP, [demand(0), demand(1, { hash: 'hash-2' })]);
    expect(count('revive')).toBe(3);
  });
  test('that has ended suppresses its role once an offer came in vain', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    jobs.setDemand('ServiceJob/apps/batch', [
      demand(0, { job: 'batch', role: 'batch', cpus: 9000 }),
    ]);
    jobs.setDemand(SHOP, []);
    await offer();
    expect(scheduling.log).toContain('suppress mezzo-jobs [web]');
  });
  test('is not launched twice while its Pod is on its way', async () => {
    const never = new Promise<never>(() => undefined);
    const slow = new HandScheduling({ ...all.kube, create: () => never });
    const waitingForReply = createJobFramework({
      scheduling: slow,
      world: all.world,
      clock,
      log: silentLog,
      holds: () => [],
      onRejection: () => undefined,
      onUnplaced: () => undefined,
    });
    waitingForReply.setDemand(SHOP, [demand(0)]);
    for (let round = 0; round < 2; round += 1) {
      slow.offer(JOBS_FRAMEWORK, { resources: SIZE });
      await clock.settle();
    }
    expect(slow.log.filter((line) => line.startsWith('accept'))).toHaveLength(1);
    expect(waitingForReply.waiting()).toEqual([]);
  });
  test('may be launched again when the Pod it became is gone before anybody looked', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    await offer();
    expect(pods()).toEqual(['shop-0-0']);
    const [pod] = all.api.all(PODS);
    const { finalizers: _held, ...metadata } = pod?.metadata ?? { name: '' };
    all.api.update(PODS, { ...pod, metadata });
    all.api.delete(PODS, { name: 'shop-0-0', namespace: 'apps' }, { gracePeriodSeconds: 0 });
    jobs.setDemand(SHOP, [demand(0)]);
    expect(waiting()).toEqual(['shop-0-0']);
  });
  test('that is held back comes due by itself', async () => {
    jobs.setDemand(SHOP, [demand(0, { notBeforeMs: clock.nowMs() + 30_000 })]);
    await offer();
    expect(pods()).toEqual([]);
    expect(waiting()).toEqual([]);
    const revives = count('revive');
    await clock.advance(30_000);
    expect(count('revive')).toBe(revives + 1);
    expect(waiting()).toEqual(['shop-0-0']);
  });
});

describe('offers', () => {
  test('that are rescinded before they are answered are not answered', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    const { id } = scheduling.offer(JOBS_FRAMEWORK, { resources: SIZE });
    scheduling.rescind(id);
    await clock.settle();
    expect(count('accept')).toBe(0);
  });
  test('leave alone what is held for another instance', async () => {
    holds = [
      {
        agent: 'node-1' as never,
        role: WEB,
        jobKey: 'ServiceJob/apps/vip',
        instance: 0,
        resources: { cpus: 3500 },
      },
    ];
    jobs.setDemand(SHOP, [demand(0)]);
    await offer();
    expect(pods()).toEqual([]);
  });
  test('nudge asks again for a role that is known, and for no other', () => {
    jobs.setDemand(SHOP, [demand(0)]);
    const before = count('revive');
    jobs.nudge(WEB);
    jobs.nudge(rolePath('nowhere'));
    expect(count('revive')).toBe(before + 1);
  });
});

describe('a Pod that the API server refuses', () => {
  const refuseOnce = async (): Promise<void> => {
    scheduling.failNext = FORBIDDEN;
    await offer();
  };
  test('is told to its job and tried again later and later', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    await refuseOnce();
    expect(rejected).toEqual([SHOP]);
    expect(jobs.rejectionOf(SHOP)).toMatchObject({
      reason: 'PodForbidden',
      message: 'exceeded quota: pods',
    });
    expect(waiting()).toEqual([]);
    await clock.advance(2_000);
    expect(waiting()).toEqual(['shop-0-0']);
    await refuseOnce();
    await clock.advance(3_900);
    expect(waiting()).toEqual([]);
    await clock.advance(200);
    expect(waiting()).toEqual(['shop-0-0']);
  });
  test('never waits longer than two minutes', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      await refuseOnce();
      await clock.advance(120_000);
    }
    expect(waiting()).toEqual(['shop-0-0']);
  });
  test('is forgotten when it succeeds', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    await refuseOnce();
    await clock.advance(2_000);
    await offer();
    expect(pods()).toEqual(['shop-0-0']);
    expect(waiting()).toEqual([]);
    expect(jobs.rejectionOf(SHOP)).toBeUndefined();
  });
  test.each<[string, readonly Demand[]]>([
    ['the job wants that instance no more', [demand(1)]],
    ['the job wants nothing any more', []],
    [
      'its template was mended: then it is tried at once',
      [demand(0, { hash: 'hash-2' }), demand(1)],
    ],
  ])('is forgotten when %s', async (_why, next) => {
    jobs.setDemand(SHOP, [demand(0)]);
    await refuseOnce();
    jobs.setDemand(SHOP, next);
    expect(jobs.rejectionOf(SHOP)).toBeUndefined();
    expect(waiting()).toEqual(next.map((one) => one.task.podName));
  });
  test('does not keep other jobs waiting', async () => {
    jobs.setDemand(SHOP, [demand(0)]);
    await refuseOnce();
    jobs.setDemand('ServiceJob/apps/other', [demand(0, { job: 'other' })]);
    await offer();
    expect(pods()).toEqual(['other-0-0']);
    expect(jobs.rejectionOf('ServiceJob/apps/other')).toBeUndefined();
  });
});
