import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import { type OperatorEndpoints, startOperator } from '../../local-cluster/up/hostProcesses.ts';
import { clientVersion, MesosFrameworkClient } from '../support/mesosFrameworkClient.ts';
import { MesosHttpClient, type WireStatus } from '../support/mesosHttpClient.ts';
import { realNodesSuite } from './realNodes.ts';

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly annotations: { readonly [key: string]: string };
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly phase: string };
}
interface FrameworkObject {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly connected?: boolean; readonly completed?: boolean };
}

const MINUTE = 60_000;

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let npm: MesosFrameworkClient | undefined;
let framework: MesosHttpClient | undefined;

const list = async <T>(...args: string[]): Promise<readonly T[]> =>
  (JSON.parse(await cluster.kubectl(['get', ...args, '-o', 'json'])) as { items: readonly T[] })
    .items;
const taskPods = (): Promise<readonly PodObject[]> => list('pods', '-l', 'mezzo.dev/framework');
const until = (
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = MINUTE,
): Promise<unknown> =>
  waitFor(what, async () => ((await check()) ? true : undefined), { timeoutMs });
const start = (): Promise<OperatorEndpoints> =>
  startOperator({ dir, kubeconfigPath: cluster.kubeconfigPath, lifetime: 'parent' });
const isLeading = async (): Promise<boolean> =>
  (await fetch(`${operator.schedulerUrl}/metrics/snapshot`)).ok &&
  (
    (await (await fetch(`${operator.schedulerUrl}/metrics/snapshot`)).json()) as {
      'master/elected': number;
    }
  )['master/elected'] === 1;

/** A task of the plain client, in the words of the wire. */
const task =
  (id: string, command: string, more: object = {}) =>
  (agent: string) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agent },
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.05 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 16 } },
    ],
    command: { value: command },
    ...more,
  });
const endOf = (id: string): WireStatus | undefined =>
  framework?.statuses.findLast((one) => one.task_id.value === id);

realNodesSuite('external frameworks on real kubelets', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-frameworks-'));
    cluster = await startTestCluster({ realNodes: 1 });
    await applyCrds(cluster.kubectl);
    operator = await start();
    await until('the operator to lead', isLeading);
  }, 5 * MINUTE);

  afterEach(async () => {
    await npm?.stop();
    framework?.close();
  });

  afterAll(async () => {
    await operator?.process.stop();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 2 * MINUTE);

  test(
    'npm mesos-framework, as published, runs a command to TASK_FINISHED, and its Pod printed what the command says',
    async () => {
      expect(clientVersion()).toBe('0.5.3');
      const client = new MesosFrameworkClient(
        operator.schedulerUrl,
        'echo "six times seven is $((6*7))"; sleep 3',
      );
      npm = client;
      await until('TASK_RUNNING', () => client.states().includes('TASK_RUNNING'), 2 * MINUTE);
      const [pod] = await taskPods();
      expect(pod?.metadata.annotations['mezzo.dev/task-id']).toMatch(
        /^npm-mesos-framework\.hello-1\./,
      );
      await until('its output', async () => {
        const log = await cluster.kubectl(['logs', pod?.metadata.name ?? '']);
        return log === 'six times seven is 42\n';
      });
      expect(await client.exited).toBe(0);
      expect(client.states()).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
      await until('its Pod to be released', async () => (await taskPods()).length === 0);
      await until('its Framework to be completed', async () =>
        (await list<FrameworkObject>('mfw')).every((one) => one.status?.completed === true),
      );
    },
    4 * MINUTE,
  );

  test(
    'exit codes, memory limits, missing images and kills are told as Mesos tells them',
    async () => {
      framework = new MesosHttpClient(operator.schedulerUrl, { failoverTimeoutSeconds: 300 });
      await framework.subscribe();
      framework.launch(
        task('fails', 'exit 3'),
        task('oom', 'x=a; while :; do x=$x$x$x$x; done'),
        task('no-image', 'true', {
          container: { type: 'DOCKER', docker: { image: '127.0.0.1:1/nothing:1' } },
        }),
        task('privileged', 'true', {
          container: { type: 'DOCKER', docker: { image: 'x', privileged: true } },
        }),
        task('Sleeper_1.A', 'trap "echo bye; exit 0" TERM; sleep 3600 & wait'),
      );
      await until(
        'the sleeper to run',
        () => endOf('Sleeper_1.A')?.state === 'TASK_RUNNING',
        2 * MINUTE,
      );
      await framework.call('KILL', { task_id: { value: 'Sleeper_1.A' } });
      const ends = ['fails', 'oom', 'no-image', 'privileged', 'Sleeper_1.A'];
      const last = ['TASK_FAILED', 'TASK_ERROR', 'TASK_KILLED'];
      await until(
        'every task to end',
        () => ends.every((id) => last.includes(endOf(id)?.state ?? '')),
        3 * MINUTE,
      );
      const told = ends.map((id) => [endOf(id)?.state, endOf(id)?.reason]);
      expect(told).toEqual([
        ['TASK_FAILED', undefined],
        ['TASK_FAILED', 'REASON_CONTAINER_LIMITATION_MEMORY'],
        ['TASK_FAILED', 'REASON_CONTAINER_LAUNCH_FAILED'],
        ['TASK_ERROR', 'REASON_TASK_INVALID'],
        ['TASK_KILLED', undefined],
      ]);
      expect(endOf('fails')?.message).toBe('Command exited with status 3');
      await until('all Pods to be released', async () => (await taskPods()).length === 0);
      await framework.call('TEARDOWN');
    },
    5 * MINUTE,
  );

  test(
    'kill -9 of the operator: the task runs on, the update that was owed comes again, nothing is doubled',
    async () => {
      framework = new MesosHttpClient(operator.schedulerUrl, { failoverTimeoutSeconds: 300 });
      await framework.subscribe();
      framework.launch(task('survivor', 'until [ -f stop ]; do sleep 1; done; echo done'));
      await until('the task to run', () => endOf('survivor')?.state === 'TASK_RUNNING', 2 * MINUTE);
      const [before] = await taskPods();
      const told = endOf('survivor')?.uuid;
      framework.acknowledges = false;
      framework.launch(task('owed', 'exit 5'));
      await until('its first update', () => endOf('owed')?.state === 'TASK_STARTING', MINUTE);
      const owed = endOf('owed');
      await operator.process.kill('SIGKILL');
      framework.close();
      operator = await start();
      await until('the next operator to lead', isLeading);
      framework.url = operator.schedulerUrl;
      framework.statuses.length = 0;
      framework.acknowledges = true;
      await framework.subscribe();
      await until('the task to have failed', () => endOf('owed')?.state === 'TASK_FAILED', MINUTE);
      const states = framework.statuses.filter((one) => one.task_id.value === 'owed');
      expect(states.map((one) => one.state)).toEqual([
        'TASK_STARTING',
        'TASK_RUNNING',
        'TASK_FAILED',
      ]);
      expect(states[0]?.uuid).toBe(owed?.uuid);
      const survivors = await taskPods();
      expect(
        survivors.filter((pod) => pod.metadata.annotations['mezzo.dev/task-id'] === 'survivor'),
      ).toMatchObject([{ metadata: { uid: before?.metadata.uid }, status: { phase: 'Running' } }]);
      await framework.call('RECONCILE', { tasks: [] });
      const ofSurvivor = () =>
        framework?.statuses.filter((one) => one.task_id.value === 'survivor') ?? [];
      await until('the survivor to be known', () =>
        ofSurvivor().some((one) => one.state === 'TASK_RUNNING' && one.uuid === undefined),
      );
      // An acknowledgement that died with the operator makes it tell the same update again, and no other.
      const again = ofSurvivor().filter((one) => one.uuid !== undefined);
      expect(again.every((one) => one.uuid === told)).toBe(true);
      await cluster.kubectl(['exec', before?.metadata.name ?? '', '--', 'touch', 'stop']);
      await until('the survivor to finish', () => endOf('survivor')?.state === 'TASK_FINISHED');
      await framework.call('TEARDOWN');
      await until('all Pods to be released', async () => (await taskPods()).length === 0);
    },
    6 * MINUTE,
  );

  test(
    'TEARDOWN, and kubectl delete of the Framework, end its tasks',
    async () => {
      for (const how of ['call', 'kubectl'] as const) {
        framework = new MesosHttpClient(operator.schedulerUrl, { failoverTimeoutSeconds: 300 });
        await framework.subscribe();
        framework.launch(task(`ends-by-${how}`, 'sleep 3600'));
        await until(
          'the task to run',
          () => endOf(`ends-by-${how}`)?.state === 'TASK_RUNNING',
          2 * MINUTE,
        );
        if (how === 'call') await framework.call('TEARDOWN');
        else await cluster.kubectl(['delete', 'mfw', framework.id ?? '', '--wait=false']);
        await until('its stream to end', () => framework?.ended === true);
        await until('its Pod to be gone', async () => (await taskPods()).length === 0);
      }
    },
    5 * MINUTE,
  );
});
