import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import {
  FrameworkHarness,
  launchOf,
  type Subscription,
  taskInfo,
} from '../../../../../test/support/frameworkHarness.ts';
import { withPorts } from '../../../../../test/support/taskPods.ts';
import { frameworkId } from '../../../model/ids.ts';

let clock: FakeClock;
let all: FrameworkHarness;
beforeEach(() => {
  clock = new FakeClock();
  all = new FrameworkHarness(clock, { agentPorts: { begin: 31_000, end: 31_009 } });
});
afterEach(() => all.stop());

const RESOURCES = { cpus: 4000, mem: 2 ** 30 };
function offer(who: Subscription): { readonly id: string; readonly ports: unknown } {
  const { id } = all.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
  const event = who.sink.events.at(-1);
  const wire = event?.type === 'OFFERS' ? event.offers.offers[0] : undefined;
  return { id, ports: wire?.resources.find((one) => one.name === 'ports') };
}

test('a port goes from the offer to the host, once', async () => {
  const who = await all.subscribe();
  const first = offer(who);
  expect(first.ports).toMatchObject({ ranges: { range: [{ begin: 31_000, end: 31_009 }] } });
  const tasks = [
    taskInfo('a', withPorts([31_003, 31_003])),
    taskInfo('same', withPorts([31_003, 31_003])),
    taskInfo('beyond', withPorts([31_010, 31_010])),
  ];
  all.call(who, 'ACCEPT', launchOf([first.id], tasks));
  await clock.settle();
  expect(all.podOf('a').spec.containers[0]?.ports).toEqual([
    { containerPort: 31_003, hostPort: 31_003, protocol: 'TCP' },
  ]);
  for (const [task, port] of [
    ['same', 31_003],
    ['beyond', 31_010],
  ] as const)
    expect(who.sink.updates(task)).toMatchObject([
      {
        state: 'TASK_ERROR',
        reason: 'REASON_TASK_INVALID',
        message: expect.stringContaining(`port ${port} is not among`),
      },
    ]);
  expect(offer(who).ports).toMatchObject({
    ranges: {
      range: [
        { begin: 31_000, end: 31_002 },
        { begin: 31_004, end: 31_009 },
      ],
    },
  });
});

test('two frameworks are never offered the same port of an agent', async () => {
  const who = await all.subscribe();
  const other = await all.subscribe({ name: 'other' });
  const { id } = offer(who);
  expect(offer(other).ports).toBeUndefined();
  all.call(who, 'DECLINE', { offer_ids: [{ value: id }] });
  expect(offer(other).ports).toBeDefined();
});
