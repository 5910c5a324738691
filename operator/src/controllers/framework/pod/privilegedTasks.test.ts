import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  launchOf,
  type Subscription,
  taskInfo,
} from '../../../../../test/support/frameworkHarness.ts';
import { dockerImage } from '../../../../../test/support/taskPods.ts';
import { frameworkId } from '../../../model/ids.ts';
import { principalNamed } from './askedPrivileges.ts';

let clock: FakeClock;
let all: FrameworkHarness;
beforeEach(() => {
  clock = new FakeClock();
  all = new FrameworkHarness(clock);
});
afterEach(() => all.stop());

const RESOURCES = { cpus: 4000, mem: 2 ** 30 };
const PRIVILEGED = dockerImage('x', { privileged: true });
function accept(who: Subscription, ...tasks: readonly object[]): void {
  const { id } = all.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
  all.call(who, 'ACCEPT', launchOf([id], tasks));
}

test('a task that asks for the node is refused, its permission named, and its neighbour runs', async () => {
  const who = await all.subscribe();
  accept(who, taskInfo('bad', PRIVILEGED), taskInfo('good'));
  await clock.settle();
  expect(who.sink.updates('bad')).toMatchObject([
    {
      state: 'TASK_ERROR',
      reason: 'REASON_TASK_INVALID',
      message: expect.stringContaining('verb use on taskprivileges.mezzo.dev "privileged"'),
    },
  ]);
  expect(all.podOf('good').metadata.name).toBeDefined();
  expect(all.pods()).toHaveLength(1);
});

test('one whose principal holds the permission is created as that principal', async () => {
  all.authorizer.granted.add('alice use privileged tenants');
  const who = await all.subscribe();
  accept(who, taskInfo('p', PRIVILEGED));
  await clock.settle();
  expect(all.podOf('p').spec.containers[0]?.securityContext).toMatchObject({ privileged: true });
});

test('nobody to ask is no permission', async () => {
  all.authorizer.granted.add('alice use privileged tenants');
  const who = await all.subscribe();
  all.authorizer.unavailable = true;
  accept(who, taskInfo('p', PRIVILEGED));
  await clock.settle();
  expect(who.sink.updates('p')).toMatchObject([{ state: 'TASK_ERROR' }]);
});

test('a framework that is gone when the answer comes launches nothing', async () => {
  all.authorizer.granted.add('alice use privileged tenants');
  const who = await all.subscribe();
  accept(who, taskInfo('p', PRIVILEGED));
  all.call(who, 'TEARDOWN');
  await clock.settle();
  expect(all.pods()).toHaveLength(0);
});

test('a service account is asked about with its groups', () => {
  expect(principalNamed('system:serviceaccount:team:runner').groups).toEqual([
    'system:authenticated',
    'system:serviceaccounts',
    'system:serviceaccounts:team',
  ]);
  expect(principalNamed('alice').groups).toEqual(['system:authenticated']);
});
