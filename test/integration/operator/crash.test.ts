import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { ROLES, SERVICE_JOBS } from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, type OperatorProcess, template } from './operatorCluster.ts';

let all: OperatorCluster;
let leader: OperatorProcess;

beforeAll(async () => {
  all = await OperatorCluster.start();
  await all.make(ROLES, 'web', { path: 'web' });
  leader = await all.startOperator('operator-1');
}, 240_000);
afterAll(async () => {
  await all?.stop();
}, 60_000);

const uidsOf = (pods: readonly Pod[]): string[] =>
  pods.map((pod) => pod.metadata.uid ?? '').toSorted();

/** Instances that more than one Pod runs at this moment. */
function doubled(pods: readonly Pod[]): string[] {
  const seen = new Map<string, number>();
  for (const pod of pods.filter((one) => one.status?.phase === 'Running')) {
    const key = `${pod.metadata.labels?.['mezzo.dev/job']}#${pod.metadata.labels?.['mezzo.dev/instance']}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return [...seen].filter(([, count]) => count > 1).map(([key]) => key);
}

const leads = (operator: OperatorProcess): Promise<true> =>
  eventually('the process to lead', async () => ((await operator.isLeading()) ? true : undefined));

describe('kill -9', () => {
  test('of the only operator: its tasks run on, the next one takes them over and doubles none', async () => {
    await all.make(SERVICE_JOBS, 'solid', {
      role: 'web',
      instances: 3,
      template: template('100m'),
    });
    const before = await all.running('solid', 3);
    await leader.process.kill('SIGKILL');
    expect(uidsOf(await all.runningOf('solid'))).toEqual(uidsOf(before));

    leader = await all.startOperator('operator-2');
    await leads(leader);
    // Work that only a leader does proves that it has looked at everything.
    await all.make(SERVICE_JOBS, 'proof', { role: 'web', template: template('100m') });
    await all.running('proof', 1);
    expect(uidsOf(await all.running('solid', 3))).toEqual(uidsOf(before));
    expect((await all.podsOf('solid')).length).toBe(3);
  }, 120_000);

  test('in the middle of starting many: none is missing and none doubled', async () => {
    const most: string[] = [];
    await all.make(SERVICE_JOBS, 'many', { role: 'web', instances: 24, template: template('50m') });
    await eventually('some of them', async () =>
      (await all.podsOf('many')).length >= 3 ? true : undefined,
    );
    await leader.process.kill('SIGKILL');
    leader = await all.startOperator('operator-3');
    await leads(leader);
    const pods = await eventually('all of them', async () => {
      const running = await all.runningOf('many');
      most.push(...doubled(running));
      return running.length === 24 ? running : undefined;
    });
    expect(most).toEqual([]);
    const instances = pods.map((pod) => Number(pod.metadata.labels?.['mezzo.dev/instance']));
    expect(instances.toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: 24 }, (_, index) => index),
    );
    await all.remove(SERVICE_JOBS, 'many');
    await all.running('many', 0);
  }, 120_000);

  test('of the leader of two: the other takes over and goes on with what it wanted', async () => {
    const standby = await all.startOperator('operator-4');
    expect(await standby.isLeading()).toBe(false);
    const redirect = await fetch(`${standby.url}/api/v1/scheduler`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(redirect.status).toBe(307);
    expect(redirect.headers.get('location')).toContain(new URL(leader.url).port);

    const before = await all.running('solid', 3);
    await leader.process.kill('SIGKILL');
    await all.change(SERVICE_JOBS, 'solid', { spec: { instances: 5 } });
    const after = await all.running('solid', 5);
    expect(await standby.isLeading()).toBe(true);
    expect(uidsOf(after)).toEqual(expect.arrayContaining(uidsOf(before)));
    expect(doubled(await all.podsOf('solid'))).toEqual([]);
  }, 120_000);
});
