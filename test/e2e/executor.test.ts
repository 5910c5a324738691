import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildMezzoImage } from '../../images/build.ts';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { freePorts } from '../../local-cluster/support/freePorts.ts';
import type { ManagedProcess } from '../../local-cluster/support/managedProcess.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import {
  type OperatorEndpoints,
  startAgents,
  startOperator,
} from '../../local-cluster/up/hostProcesses.ts';
import { MesosHttpClient, type PlannedTask } from '../support/mesosHttpClient.ts';
import { realNodesSuite } from './realNodes.ts';

/**
 * Custom executors on a real kubelet: one of our own that speaks JSON, and mesos-go's, which speaks protobuf and reads the
 * environment. The agent and the operator are killed in the middle.
 */

const MINUTE = 60_000;
const OWN = 'Own_1.A';
const GO = 'Go_1';

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let agent: ManagedProcess;
let framework: MesosHttpClient;
let files: Server;
let imageReference: string;
let httpPort: number;
let script: string;
let goUrl: string;

const until = (
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = MINUTE,
): Promise<unknown> =>
  waitFor(what, async () => ((await check()) ? true : undefined), { timeoutMs });

const statesOf = (id: string): readonly string[] =>
  framework.statuses.filter((one) => one.task_id.value === id).map((one) => one.state);
const isNow = (id: string, state: string) => (): boolean => statesOf(id).at(-1) === state;

const scalar = (name: string, value: number): object => ({
  name,
  type: 'SCALAR',
  scalar: { value },
});

const own = (): object => ({
  type: 'CUSTOM',
  executor_id: { value: OWN },
  resources: [scalar('cpus', 0.1), scalar('mem', 96)],
  command: { shell: false, value: 'node', arguments: ['node', '-e', script] },
  container: {
    type: 'MESOS',
    mesos: { image: { type: 'DOCKER', docker: { name: imageReference } } },
  },
});

const inOwn =
  (id: string): PlannedTask =>
  (agentId) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agentId },
    resources: [scalar('cpus', 0.05), scalar('mem', 16)],
    executor: own(),
  });

const inGo =
  (id: string): PlannedTask =>
  (agentId) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agentId },
    resources: [scalar('cpus', 0.05), scalar('mem', 16)],
    executor: {
      executor_id: { value: GO },
      resources: [scalar('cpus', 0.1), scalar('mem', 64)],
      command: {
        value: './example-executor',
        uris: [{ value: goUrl, executable: true }],
      },
    },
  });

interface Known {
  readonly text: string;
  readonly started: number;
  readonly subscriptions: number;
}

const known = (): readonly Known[] =>
  framework.messages.map(
    ({ data }) => JSON.parse(Buffer.from(data, 'base64').toString('utf8')) as Known,
  );

/** Delivery is not promised, as in Mesos: said until it is answered. */
async function ask(text: string): Promise<Known> {
  const agent_id = { value: 'mezzo-node-1' };
  const data = Buffer.from(text).toString('base64');
  let answer: Known | undefined;
  await until(`an answer to "${text}"`, async () => {
    await framework.call('MESSAGE', { agent_id, executor_id: { value: OWN }, data });
    await new Promise((resolve) => setTimeout(resolve, 500));
    answer = known().findLast((one) => one.text === text);
    return answer !== undefined;
  });
  return answer as Known;
}

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly annotations: { readonly [key: string]: string };
  };
  readonly spec: {
    readonly containers: readonly { readonly resources: { readonly requests: object } }[];
  };
}

async function podsOf(executor: string): Promise<readonly PodObject[]> {
  const text = await cluster.kubectl(['get', 'pods', '-l', 'mezzo.dev/framework', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: readonly PodObject[] };
  return items.filter((one) => one.metadata.annotations['mezzo.dev/executor-id'] === executor);
}

async function startMezzo(): Promise<void> {
  operator = await startOperator({
    dir,
    kubeconfigPath: cluster.kubeconfigPath,
    lifetime: 'parent',
    httpPort,
    operatorArgs: ['--fetcher-image', imageReference],
  });
}

async function startAgent(): Promise<void> {
  const [started] = await startAgents({
    dir,
    kubeconfigPath: cluster.kubeconfigPath,
    lifetime: 'parent',
    nodes: cluster.realNodes?.nodes ?? [],
    schedulerUrl: operator.schedulerUrl,
  });
  if (started === undefined) throw new Error('the cluster has no node');
  agent = started;
  await until("the agent's stream to the operator", async () =>
    (await operator.process.logTail(50)).includes('agent serves executors'),
  );
}

const subscribe = (): Promise<unknown> =>
  until('the operator to lead', () =>
    framework.subscribe().then(
      () => true,
      () => false,
    ),
  );

/** Serves the executor's program to the fetcher, at the host's end of the nodes' bridge. */
async function serveGo(): Promise<void> {
  const { 'example-executor': program } = await ensureAssets(['example-executor']);
  const [node] = cluster.realNodes?.nodes ?? [];
  const host = (node?.address ?? '').replace(/\.\d+$/, '.1');
  const [port = 0] = await freePorts(1);
  files = createServer((_request, response) => {
    createReadStream(program).pipe(response);
  });
  await new Promise<void>((resolve) => {
    files.listen(port, host, resolve);
  });
  goUrl = `http://${host}:${port}/example-executor`;
}

realNodesSuite('custom executors on a real kubelet', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-executor-'));
    script = await readFile(join(import.meta.dirname, 'customExecutor.cjs'), 'utf8');
    const building = buildMezzoImage(join(dir, 'mezzo.tar'));
    cluster = await startTestCluster({ realNodes: 1 });
    const image = await building;
    imageReference = image.reference;
    await cluster.realNodes?.importImage(image.path);
    await applyCrds(cluster.kubectl);
    [httpPort = 0] = await freePorts(1);
    await serveGo();
    await startMezzo();
    await startAgent();
    framework = new MesosHttpClient(operator.schedulerUrl, { failoverTimeoutSeconds: 300 });
    await subscribe();
  }, 8 * MINUTE);

  afterAll(async () => {
    framework?.close();
    files?.close();
    await agent?.stop();
    await operator?.process.stop();
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  }, MINUTE);

  test(
    'one Pod runs the tasks that are sent to it and grows with them',
    async () => {
      framework.launch(inOwn('a'), inOwn('b'));
      await until(
        'both tasks to run',
        () => isNow('a', 'TASK_RUNNING')() && isNow('b', 'TASK_RUNNING')(),
      );
      framework.launch(inOwn('c'), inOwn('d'));
      await until(
        'two more to run',
        () => isNow('c', 'TASK_RUNNING')() && isNow('d', 'TASK_RUNNING')(),
      );
      const pods = await podsOf(OWN);
      expect(pods).toHaveLength(1);
      expect(pods[0]?.spec.containers[0]?.resources.requests).toEqual({
        cpu: '300m',
        memory: '160Mi',
      });
      await framework.call('KILL', { task_id: { value: 'd' } });
      await until('d to be killed', isNow('d', 'TASK_KILLED'));
    },
    3 * MINUTE,
  );

  test(
    'messages go both ways, and an agent that is killed and started again loses nothing',
    async () => {
      const before = await ask('hello');
      // It ends while its agent is away.
      await ask('finish a 3000');
      await agent.kill('SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      expect(isNow('a', 'TASK_RUNNING')()).toBe(true);
      await startAgent();
      await until('a to be told finished', isNow('a', 'TASK_FINISHED'));
      const after = await ask('hello again');
      expect(after.started).toBe(before.started);
      expect(after.subscriptions).toBeGreaterThan(before.subscriptions);
    },
    3 * MINUTE,
  );

  test(
    'an operator that is killed loses nothing either',
    async () => {
      const before = await ask('still there');
      await ask('finish b 2000');
      await operator.process.kill('SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      await startMezzo();
      await subscribe();
      await until('b to be told finished', isNow('b', 'TASK_FINISHED'));
      framework.launch(inOwn('e'));
      await until('e to run', isNow('e', 'TASK_RUNNING'));
      expect(await podsOf(OWN)).toHaveLength(1);
      const after = await ask('and now');
      expect(after.started).toBe(before.started);
      // The agent kept its stream.
      expect(after.subscriptions).toBe(before.subscriptions);
      expect(statesOf('b')).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
    },
    3 * MINUTE,
  );

  test(
    'SHUTDOWN ends it, and what it leaves behind is told',
    async () => {
      await framework.call('SHUTDOWN', {
        executor_id: { value: OWN },
        agent_id: { value: 'mezzo-node-1' },
      });
      await until('e to be told failed', isNow('e', 'TASK_FAILED'));
      expect(framework.failures).toContainEqual({
        agent_id: { value: 'mezzo-node-1' },
        executor_id: { value: OWN },
        status: 0,
      });
      await until('its Pod to go', async () => (await podsOf(OWN)).length === 0);
    },
    3 * MINUTE,
  );

  test(
    "mesos-go's example executor runs two tasks, unmodified",
    async () => {
      framework.launch(inGo('go-1'), inGo('go-2'));
      await until(
        'both to finish',
        () => isNow('go-1', 'TASK_FINISHED')() && isNow('go-2', 'TASK_FINISHED')(),
        2 * MINUTE,
      );
      expect(statesOf('go-1')).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
      expect(statesOf('go-2')).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
      expect(await podsOf(GO)).toHaveLength(1);
    },
    3 * MINUTE,
  );
});
