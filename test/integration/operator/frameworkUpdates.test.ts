import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { ContainerStatus, Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { FRAMEWORKS, type FrameworkObject } from '../../../operator/src/schema/mezzoKinds.ts';
import {
  MesosHttpClient,
  type PlannedTask,
  type WireStatus,
} from '../../support/mesosHttpClient.ts';
import { eventually, OperatorCluster, type OperatorProcess } from './operatorCluster.ts';

/** What a framework is owed outlives the operator: it is on the Pods, and nowhere else. */

let all: OperatorCluster;
let operator: OperatorProcess;
let framework: MesosHttpClient;
let started = 0;

const scalar = (name: string, value: number): object => ({
  name,
  type: 'SCALAR',
  scalar: { value },
});
const task =
  (id: string, more: object = {}): PlannedTask =>
  (agent) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agent },
    resources: [scalar('cpus', 0.05), scalar('mem', 16)],
    command: { value: 'sleep 3600' },
    ...more,
  });
const executor = {
  type: 'DEFAULT',
  executor_id: { value: 'G' },
  resources: [scalar('cpus', 0.05), scalar('mem', 32), scalar('disk', 10)],
};

const statusesOf = (id: string): readonly WireStatus[] =>
  framework.statuses.filter((one) => one.task_id.value === id);
const told = (id: string, state: string): Promise<WireStatus> =>
  eventually(`${id} to be ${state}`, () =>
    Promise.resolve(statusesOf(id).findLast((one) => one.state === state)),
  );
const pods = async (): Promise<readonly Pod[]> =>
  (await all.kube.list<Pod>(PODS, { labelSelector: 'mezzo.dev/framework' })).items;
const podOf = async (part: string): Promise<Pod | undefined> =>
  (await pods()).find((one) => JSON.stringify(one.metadata.annotations).includes(part));

async function acknowledge(status: WireStatus): Promise<void> {
  const { agent_id, task_id, uuid } = status;
  await framework.call('ACKNOWLEDGE', { agent_id, task_id, uuid });
}
/** Plays the kubelet: every container ended with this code. */
async function end(pod: Pod, ...exitCodes: readonly number[]): Promise<void> {
  const at = new Date(Date.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const containerStatuses: ContainerStatus[] = exitCodes.map((exitCode, index) => ({
    name: pod.spec.containers[index]?.name ?? '',
    image: 'x',
    imageID: 'x',
    ready: false,
    restartCount: 0,
    state: { terminated: { exitCode, startedAt: at, finishedAt: at } },
  }));
  const phase = exitCodes.every((code) => code === 0) ? 'Succeeded' : 'Failed';
  await all.kube.patch(
    PODS,
    { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' },
    'merge',
    { status: { phase, containerStatuses } },
    { subresource: 'status' },
  );
}
async function begin(): Promise<void> {
  started += 1;
  operator = await all.startOperator(`operator-${started}`);
  await eventually('the process to lead', async () =>
    (await operator.isLeading()) ? true : undefined,
  );
  if (framework === undefined) return;
  framework.url = operator.url;
  framework.statuses.length = 0;
  await subscribe();
}
/** A leader answers 503 until it has read everything anew. */
const subscribe = (): Promise<true> =>
  eventually('the subscription', () =>
    framework.subscribe().then(
      () => true,
      () => undefined,
    ),
  );
const acknowledgedOn = (id: string, step: string, key = 'mezzo.dev/acknowledged'): Promise<true> =>
  eventually(`${step} of ${id} to be acknowledged on its Pod`, async () =>
    (await podOf(id))?.metadata.annotations?.[key] === step ? true : undefined,
  );
async function killAndRestart(whileDown: () => Promise<void> = async () => {}): Promise<void> {
  await operator.process.kill('SIGKILL');
  framework.close();
  await whileDown();
  await begin();
}

beforeAll(async () => {
  all = await OperatorCluster.start({ fakeNodes: 1 });
  await begin();
  framework = new MesosHttpClient(operator.url, { failoverTimeoutSeconds: 600 });
  framework.acknowledges = false;
  await subscribe();
}, 240_000);
afterAll(async () => {
  framework?.close();
  await all?.stop();
}, 60_000);

describe('an operator killed with -9', () => {
  test('leaves every update that was owed, in order, under its own uuid', async () => {
    framework.launch(task('Task_1.A'));
    const starting = await told('Task_1.A', 'TASK_STARTING');
    await killAndRestart();
    expect((await told('Task_1.A', 'TASK_STARTING')).uuid).toBe(starting.uuid);
    await acknowledge(starting);
    const running = await told('Task_1.A', 'TASK_RUNNING');
    await acknowledgedOn('Task_1.A', 'starting');
    await killAndRestart();
    expect((await told('Task_1.A', 'TASK_RUNNING')).uuid).toBe(running.uuid);
    expect(statusesOf('Task_1.A').map((one) => one.state)).toEqual(['TASK_RUNNING']);
    await acknowledge(running);
    await acknowledgedOn('Task_1.A', 'running');
  }, 120_000);

  test('hears afterwards how a task ended meanwhile, and keeps its Pod until that is acknowledged', async () => {
    const pod = await podOf('Task_1.A');
    if (pod === undefined) throw new Error('the task has no Pod');
    await killAndRestart(() => end(pod, 3));
    const failed = await told('Task_1.A', 'TASK_FAILED');
    expect(failed.message).toBe('Command exited with status 3');
    await all.cluster.kubectl([
      'delete',
      'pod',
      pod.metadata.name,
      '-n',
      pod.metadata.namespace ?? '',
      '--wait=false',
    ]);
    await killAndRestart();
    // Deleted by somebody after it had ended: the end stays what it was.
    expect((await told('Task_1.A', 'TASK_FAILED')).uuid).toBe(failed.uuid);
    expect(await podOf('Task_1.A')).toBeDefined();
    await acknowledge(failed);
    await eventually('its Pod to be released', async () =>
      (await podOf('Task_1.A')) === undefined ? true : undefined,
    );
  }, 120_000);

  test('owes each task of a group its own updates', async () => {
    framework.launchGroup(executor, task('g.1', { executor }), task('g_2', { executor }));
    for (const state of ['TASK_STARTING', 'TASK_RUNNING'])
      for (const id of ['g.1', 'g_2']) await acknowledge(await told(id, state));
    const pod = await podOf('g_2');
    if (pod === undefined) throw new Error('the group has no Pod');
    await end(pod, 0, 0);
    await acknowledge(await told('g.1', 'TASK_FINISHED'));
    const second = await told('g_2', 'TASK_FINISHED');
    await acknowledgedOn('g_2', 'ended', 'mezzo.dev/acknowledged.task-0');
    await killAndRestart();
    expect((await told('g_2', 'TASK_FINISHED')).uuid).toBe(second.uuid);
    expect(statusesOf('g.1')).toEqual([]);
    await acknowledge(second);
    await eventually('the Pod to be released', async () =>
      (await podOf('g_2')) === undefined ? true : undefined,
    );
  }, 120_000);

  test('and a framework that is gone for good leaves no Pod behind, acknowledged or not', async () => {
    framework.launch(task('left-1'), task('left-2'));
    await told('left-1', 'TASK_STARTING');
    const pod = await eventually('its Pod', () => podOf('left-2'));
    await end(pod, 1);
    await framework.call('TEARDOWN');
    // 202 says that the call was taken; a master that dies before it is written down has not heard it.
    await eventually('the end to be durable', async () => {
      const { items } = await all.kube.list<FrameworkObject>(FRAMEWORKS, {});
      return items.every(({ status }) => status?.completed === true) ? true : undefined;
    });
    await operator.process.kill('SIGKILL');
    framework.close();
    started += 1;
    operator = await all.startOperator(`operator-${started}`);
    await eventually('every Pod to be gone', async () =>
      (await pods()).length === 0 ? true : undefined,
    );
  }, 120_000);
});
