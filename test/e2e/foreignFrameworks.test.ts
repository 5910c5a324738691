import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
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
import { ForeignProgram } from '../support/foreignProgram.ts';
import { MesosFrameworkClient } from '../support/mesosFrameworkClient.ts';
import { realNodesSuite } from './realNodes.ts';

/** Frameworks that others wrote, unmodified: mesos-go speaks protobuf (and JSON when asked), npm mesos-framework JSON. */

const MINUTE = 60_000;
const TASKS = 6;
const EXAMPLES = 40;

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let agent: ManagedProcess | undefined;
let fetcherImage: string;
let binaries: Record<'msh' | 'example-scheduler' | 'example-executor', string>;
let program: ForeignProgram | undefined;
let npm: MesosFrameworkClient | undefined;
/** Every Pod there ever was for a task, by task id. */
const pods = new Map<string, Set<string>>();

interface PodObject {
  readonly metadata: {
    readonly uid: string;
    readonly name: string;
    readonly annotations: { readonly [key: string]: string };
  };
}
async function taskPods(): Promise<readonly PodObject[]> {
  const text = await cluster.kubectl(['get', 'pods', '-l', 'mezzo.dev/framework', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: readonly PodObject[] };
  for (const { metadata } of items) {
    const { annotations, name } = metadata;
    const id = annotations['mezzo.dev/task-id'] ?? annotations['mezzo.dev/executor-id'] ?? name;
    pods.set(id, (pods.get(id) ?? new Set()).add(metadata.uid));
  }
  return items;
}
/** Looks at the Pods each time it asks. */
const until = (
  what: string,
  check: () => Promise<boolean> | boolean,
  timeoutMs = MINUTE,
): Promise<unknown> =>
  waitFor(
    what,
    async () => {
      await taskPods();
      return (await check()) ? true : undefined;
    },
    { timeoutMs },
  );
const start = (httpPort?: number): Promise<OperatorEndpoints> =>
  startOperator({
    dir,
    kubeconfigPath: cluster.kubeconfigPath,
    lifetime: 'parent',
    operatorArgs: ['--fetcher-image', fetcherImage],
    ...(httpPort === undefined ? {} : { httpPort }),
  });

const runMsh = (...words: readonly string[]): ForeignProgram => {
  program = new ForeignProgram(binaries.msh, [
    '-master',
    new URL(operator.schedulerUrl).host,
    ...words,
  ]);
  return program;
};
/** mesos-go's example: a custom executor, which it serves itself, and tasks that are told RUNNING and FINISHED at once. */
async function runExampleScheduler(codec: string): Promise<ForeignProgram> {
  const [node] = cluster.realNodes?.nodes ?? [];
  // The host's end of the nodes' bridge: where the fetcher finds the executor.
  const host = (node?.address ?? '').replace(/\.\d+$/, '.1');
  const [metricsPort] = await freePorts(1);
  const flags = {
    url: `${operator.schedulerUrl}/api/v1/scheduler`,
    codec,
    executor: binaries['example-executor'],
    'server.address': host,
    'metrics.port': metricsPort,
    tasks: EXAMPLES,
    cpu: 0.3,
    memory: 16,
    'exec.cpu': 0.1,
    failoverTimeout: '5m',
  };
  const words = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
  program = new ForeignProgram(binaries['example-scheduler'], [...words, '-verbose']);
  return program;
}

/** Tasks of ACCEPT calls that example-scheduler could not send. */
function notLaunched(lines: readonly string[]): readonly string[] {
  const lost: string[] = [];
  let meant: string[] = [];
  for (const line of lines) {
    const [, id] = /launching task (\d+) using offer/.exec(line) ?? [];
    if (id !== undefined) meant.push(id);
    else if (line.includes('received offer id')) meant = [];
    else if (line.includes('failed to launch tasks')) lost.push(...meant.splice(0));
  }
  return lost;
}

const statesOf = (one: ForeignProgram): readonly string[] =>
  one.matches(/status update from agent .*: (TASK_\w+)$/);

realNodesSuite('frameworks that others wrote, on a real kubelet', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-foreign-'));
    binaries = await ensureAssets(['msh', 'example-scheduler', 'example-executor']);
    const building = buildMezzoImage(join(dir, 'mezzo.tar'));
    cluster = await startTestCluster({ realNodes: 1 });
    const image = await building;
    fetcherImage = image.reference;
    await cluster.realNodes?.importImage(image.path);
    await applyCrds(cluster.kubectl);
    operator = await start();
    await waitFor(
      'the operator to lead',
      async () => (await fetch(`${operator.schedulerUrl}/state`)).ok || undefined,
      { timeoutMs: MINUTE },
    );
    [agent] = await startAgents({
      dir,
      kubeconfigPath: cluster.kubeconfigPath,
      lifetime: 'parent',
      nodes: cluster.realNodes?.nodes ?? [],
      schedulerUrl: operator.schedulerUrl,
    });
    await waitFor(
      "the agent's stream to the operator",
      async () =>
        (await operator.process.logTail(50)).includes('agent serves executors') || undefined,
      { timeoutMs: MINUTE },
    );
  }, 8 * MINUTE);

  afterEach(async () => {
    await program?.stop();
    await npm?.stop();
    pods.clear();
  });

  afterAll(async () => {
    await agent?.stop();
    await operator?.process.stop();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 2 * MINUTE);

  test(
    'msh of mesos-go runs a command to its end through protobuf, and its Pod printed what the command says',
    async () => {
      const one = runMsh('--', 'sh', '-c', 'echo "six times seven is $((6*7))"; sleep 3');
      await until('TASK_RUNNING', () => statesOf(one).includes('TASK_RUNNING'), 2 * MINUTE);
      const [pod] = await taskPods();
      await until('its output', async () => {
        const log = await cluster.kubectl(['logs', pod?.metadata.name ?? '']);
        return log === 'six times seven is 42\n';
      });
      expect(await one.exited).toBe(0);
      expect(statesOf(one)).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
      await until('its Pod to be gone', async () => (await taskPods()).length === 0);
      expect([...pods.values()].map((uids) => uids.size)).toEqual([1]);
    },
    4 * MINUTE,
  );

  test(
    'msh -pod launches a task group with the default executor; a command that fails is told as such',
    async () => {
      const one = runMsh('-pod', '--', 'sh', '-c', 'exit 7');
      expect(await one.exited).toBe(3);
      expect(one.lines.join('\n')).toMatch(/unexpected state TASK_FAILED .*status 7/);
      await until('its Pod to be gone', async () => (await taskPods()).length === 0);
    },
    4 * MINUTE,
  );

  test(
    'npm mesos-framework lives through kill -9 of the operator: each of its tasks runs once and finishes',
    async () => {
      npm = new MesosFrameworkClient(operator.schedulerUrl, 'sleep 12', TASKS);
      const client = npm;
      const told = (): readonly string[] => [
        ...new Set(client.events.flatMap((one) => one.task ?? [])),
      ];
      await until('every task to be told of', () => told().length === TASKS, 2 * MINUTE);
      await operator.process.kill('SIGKILL');
      operator = await start(Number(new URL(operator.schedulerUrl).port));
      await until('the client to end', () => client.events.at(-1)?.event === 'torn down', MINUTE);
      expect(await client.exited).toBe(0);
      const ids = client.events.flatMap((one) =>
        one.event === 'subscribed' ? [one.frameworkId] : [],
      );
      expect(ids).toHaveLength(2);
      expect(new Set(ids).size).toBe(1);
      expect(told()).toHaveLength(TASKS);
      for (const id of told()) {
        // An update whose acknowledgement died with the operator comes again, and reconciliation tells the latest.
        expect([...new Set(client.states(id))]).toEqual([
          'TASK_STARTING',
          'TASK_RUNNING',
          'TASK_FINISHED',
        ]);
        expect(pods.get(id)?.size).toBe(1);
      }
      expect([...pods.keys()].sort()).toEqual([...told()].sort());
    },
    4 * MINUTE,
  );

  test.each(['protobuf', 'json'])(
    'example-scheduler of mesos-go, in %s, lives through kill -9 of the operator: its executor and each task once',
    async (codec) => {
      const one = await runExampleScheduler(codec);
      const finished = (): readonly string[] => one.matches(/Task (\d+) is in state TASK_FINISHED/);
      await until('the first tasks to finish', () => finished().length >= 10, 3 * MINUTE).catch(
        (cause: unknown) => {
          throw new Error(one.lines.slice(-20).join('\n'), { cause });
        },
      );
      // Held while the operator dies: an ACCEPT that fails it never repeats, and what it meant to launch is its own loss.
      one.signal('SIGSTOP');
      expect(finished().length).toBeLessThan(EXAMPLES);
      const before = one.matches(/launching task (\d+) using offer/);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await operator.process.kill('SIGKILL');
      operator = await start(Number(new URL(operator.schedulerUrl).port));
      one.signal('SIGCONT');
      await until(
        'every task to finish',
        () => finished().length + notLaunched(one.lines).length >= EXAMPLES,
        3 * MINUTE,
      );
      // Updates whose acknowledgement died with the operator come again, and this framework counts them again.
      const told = new Set([...finished(), ...notLaunched(one.lines)]);
      expect(before.filter((id) => !told.has(id))).toEqual([]);
      expect(told.size).toBeGreaterThanOrEqual(EXAMPLES - 3);
      expect(one.lines.filter((line) => line.includes('unexpected state'))).toEqual([]);
      expect(new Set(one.matches(/FrameworkID (\S+)/)).size).toBe(1);
      expect(pods.get('default')?.size).toBe(1);
      await cluster.kubectl(['delete', 'mfw', '--all', '-A', '--wait=false']);
      await until('its executor to be gone', async () => (await taskPods()).length === 0);
    },
    8 * MINUTE,
  );
});
