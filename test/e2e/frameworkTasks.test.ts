import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildMezzoImage } from '../../images/build.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import { type OperatorEndpoints, startOperator } from '../../local-cluster/up/hostProcesses.ts';
import {
  MesosHttpClient,
  type PlannedTask,
  type WireOfferView,
  type WireStatus,
} from '../support/mesosHttpClient.ts';
import { realNodesSuite } from './realNodes.ts';

/** What a framework's tasks become on real kubelets, and what it is told of them. One cluster for all. */

const MINUTE = 60_000;
const TERMINAL = /^TASK_(FINISHED|FAILED|KILLED|ERROR|LOST|GONE|DROPPED)$/;

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let framework: MesosHttpClient;

const until = (
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = MINUTE,
): Promise<unknown> =>
  waitFor(what, async () => ((await check()) ? true : undefined), { timeoutMs });

const statusesOf = (id: string): readonly WireStatus[] =>
  framework.statuses.filter((one) => one.task_id.value === id);
const lastOf = (id: string): WireStatus | undefined => statusesOf(id).at(-1);
const statesOf = (id: string): readonly string[] => statusesOf(id).map((one) => one.state);
const hasEnded = (id: string): boolean => TERMINAL.test(lastOf(id)?.state ?? '');

const scalar = (name: string, value: number): object => ({
  name,
  type: 'SCALAR',
  scalar: { value },
});

const task =
  (id: string, command: string, more: object = {}): PlannedTask =>
  (agent) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agent },
    resources: [scalar('cpus', 0.05), scalar('mem', 16)],
    command: { value: command },
    ...more,
  });

const portOf = ({ resources }: WireOfferView): number =>
  resources.find((one) => one.name === 'ports')?.ranges?.range[0]?.begin ?? 0;

const WEB = [
  'mkdir files',
  'echo packed > files/inner',
  'tar -czf files.tar.gz files',
  "printf '#!/bin/sh\\necho tool\\n' > tool",
  'echo hello > index.html',
  'echo ok > health',
  'exec httpd -f -p "$WEB_PORT" -h .',
].join(' && ');

/** Serves its sandbox under the first port of its offer, which has to answer for its health. */
const web: PlannedTask = (agent, offer) => {
  const port = portOf(offer);
  const variables = [{ name: 'WEB_PORT', value: String(port) }];
  return {
    ...task('Web_1.A', WEB)(agent, offer),
    resources: [
      scalar('cpus', 0.05),
      scalar('mem', 16),
      { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: port, end: port }] } },
    ],
    command: { value: WEB, environment: { variables } },
    health_check: {
      type: 'HTTP',
      http: { port, path: '/health' },
      delay_seconds: 0,
      interval_seconds: 1,
      timeout_seconds: 5,
      consecutive_failures: 3,
      grace_period_seconds: 30,
    },
  };
};

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly annotations: { readonly [key: string]: string };
  };
  readonly spec: {
    readonly containers: readonly { readonly ports?: readonly { readonly hostPort: number }[] }[];
  };
}
async function podOf(id: string): Promise<PodObject | undefined> {
  const text = await cluster.kubectl(['get', 'pods', '-l', 'mezzo.dev/framework', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: readonly PodObject[] };
  return items.find((one) => one.metadata.annotations['mezzo.dev/task-id'] === id);
}
async function nodeAddress(): Promise<string> {
  const [node] = cluster.realNodes?.nodes ?? [];
  if (node === undefined) throw new Error('the cluster has no node');
  return node.address;
}

realNodesSuite('tasks of a framework on a real kubelet', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-tasks-'));
    const building = buildMezzoImage(join(dir, 'mezzo.tar'));
    cluster = await startTestCluster({ realNodes: 1 });
    const image = await building;
    await cluster.realNodes?.importImage(image.path);
    await applyCrds(cluster.kubectl);
    await cluster.kubectl(['create', 'secret', 'generic', 'db', '--from-literal=password=xyzzy']);
    operator = await startOperator({
      dir,
      kubeconfigPath: cluster.kubeconfigPath,
      lifetime: 'parent',
      operatorArgs: ['--fetcher-image', image.reference],
    });
    framework = new MesosHttpClient(operator.schedulerUrl, { failoverTimeoutSeconds: 300 });
    await until('the operator to lead', () =>
      framework.subscribe().then(
        () => true,
        () => false,
      ),
    );
  }, 5 * MINUTE);

  afterAll(async () => {
    framework?.close();
    await operator?.process.stop();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 2 * MINUTE);

  test(
    'each kind of end is told in its own words',
    async () => {
      framework.launch(
        // The kubelet looks at disks every minute or two: its end is waited for last.
        task('flood', 'dd if=/dev/zero of=big bs=1M count=40; sleep 3600', {
          resources: [scalar('cpus', 0.05), scalar('mem', 32), scalar('disk', 10)],
        }),
        task('oom', 'x=a; while :; do x=$x$x$x$x; done'),
        task('no-image', 'true', {
          container: { type: 'DOCKER', docker: { image: '127.0.0.1:1/nothing:1' } },
        }),
        task('slow', 'sleep 3600', { max_completion_time: { nanoseconds: 2_000_000_000 } }),
        task('no-file', 'true', {
          command: { value: 'true', uris: [{ value: 'http://127.0.0.1:1/none' }] },
        }),
        task('no-secret', 'true', {
          command: {
            value: 'true',
            environment: {
              variables: [
                { name: 'S', type: 'SECRET', secret: { reference: { name: 'none', key: 'k' } } },
              ],
            },
          },
        }),
        task('nothing', 'true', { resources: [scalar('cpus', 0)] }),
      );
      const ids = ['oom', 'no-image', 'slow', 'no-file', 'no-secret', 'nothing'];
      await until('every task to end', () => ids.every(hasEnded), 3 * MINUTE);
      expect(ids.map((id) => [id, lastOf(id)?.state, lastOf(id)?.reason])).toEqual([
        ['oom', 'TASK_FAILED', 'REASON_CONTAINER_LIMITATION_MEMORY'],
        ['no-image', 'TASK_FAILED', 'REASON_CONTAINER_LAUNCH_FAILED'],
        ['slow', 'TASK_FAILED', 'REASON_MAX_COMPLETION_TIME_REACHED'],
        ['no-file', 'TASK_FAILED', 'REASON_CONTAINER_LAUNCH_FAILED'],
        ['no-secret', 'TASK_FAILED', 'REASON_CONTAINER_LAUNCH_FAILED'],
        ['nothing', 'TASK_FINISHED', undefined],
      ]);
      expect(lastOf('no-file')?.message).toContain('Failed to fetch all URIs: http://127.0.0.1:1');
      expect(lastOf('no-secret')?.message).toContain('secret "none" not found');
      expect(lastOf('oom')?.limitation?.resources).toMatchObject([
        { name: 'mem', scalar: { value: 16 } },
      ]);
      expect(statesOf('oom')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FAILED']);
      expect(statesOf('no-image')).toEqual(['TASK_STARTING', 'TASK_FAILED']);
    },
    4 * MINUTE,
  );

  test(
    'a port answers at the host, files and a secret arrive, and ill health ends the task',
    async () => {
      framework.launch(web);
      await until('it to be healthy', () => lastOf('Web_1.A')?.healthy === true, 2 * MINUTE);
      expect(lastOf('Web_1.A')?.container_status?.container_id?.value).toMatch(/^[0-9a-f]{64}$/);
      const pod = await podOf('Web_1.A');
      const port = pod?.spec.containers[0]?.ports?.[0]?.hostPort ?? 0;
      const base = `http://${await nodeAddress()}:${port}`;
      expect(await (await fetch(`${base}/index.html`)).text()).toBe('hello\n');

      const secret = { type: 'REFERENCE', reference: { name: 'db', key: 'password' } };
      const command = {
        value: 'cat files/inner && bin/tool && echo "$PASSWORD"; sleep 2',
        environment: { variables: [{ name: 'PASSWORD', type: 'SECRET', secret }] },
        uris: [
          { value: `${base}/files.tar.gz` },
          { value: `${base}/tool`, executable: true, output_file: 'bin/tool' },
        ],
      };
      framework.launch(task('reader', '', { command }));
      await until('it to run', () => statesOf('reader').includes('TASK_RUNNING'), 2 * MINUTE);
      const reader = (await podOf('reader'))?.metadata.name ?? '';
      await until(
        'its output',
        async () => (await cluster.kubectl(['logs', reader])) === 'packed\ntool\nxyzzy\n',
      );
      await until('it to finish', () => hasEnded('reader'));
      expect(statesOf('reader')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);

      await cluster.kubectl(['exec', pod?.metadata.name ?? '', '--', 'rm', 'health']);
      await until('it to be killed', () => hasEnded('Web_1.A'), 2 * MINUTE);
      expect(statusesOf('Web_1.A').map((one) => [one.state, one.healthy])).toEqual([
        ['TASK_STARTING', undefined],
        ['TASK_RUNNING', undefined],
        ['TASK_RUNNING', true],
        ['TASK_RUNNING', false],
        ['TASK_KILLED', false],
      ]);
    },
    5 * MINUTE,
  );

  test(
    'two tasks of a group share a Pod, and when one fails the other is killed',
    async () => {
      const executor = {
        type: 'DEFAULT',
        executor_id: { value: 'Group.1' },
        resources: [scalar('cpus', 0.05), scalar('mem', 32), scalar('disk', 10)],
      };
      const member = (id: string, command: string): PlannedTask => task(id, command, { executor });
      framework.launchGroup(
        executor,
        member('server', 'echo shared > index.html; httpd -f -p 8080 -h .'),
        member('client', 'until wget -qO- http://127.0.0.1:8080/; do sleep 1; done; exit 3'),
      );
      await until('both to end', () => hasEnded('server') && hasEnded('client'), 2 * MINUTE);
      expect(statesOf('client')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FAILED']);
      expect(lastOf('client')?.message).toBe('Command exited with status 3');
      expect(statesOf('server')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLED']);
      expect(lastOf('server')?.message).toContain("task 'client' of its group ended");
    },
    4 * MINUTE,
  );

  test(
    'a task that fills its sandbox beyond the disk it asked for is ended',
    async () => {
      await until('it to end', () => hasEnded('flood'), 3 * MINUTE);
      expect(lastOf('flood')).toMatchObject({
        state: 'TASK_FAILED',
        reason: 'REASON_CONTAINER_LIMITATION_DISK',
        message: expect.stringContaining('exceeds the limit "10Mi"'),
        limitation: { resources: [{ name: 'disk', scalar: { value: 10 } }] },
      });
      await until('every Pod to be released', async () => {
        const names = await cluster.kubectl([
          'get',
          'pods',
          '-l',
          'mezzo.dev/framework',
          '-o',
          'name',
        ]);
        return names.trim() === '';
      });
    },
    4 * MINUTE,
  );
});
