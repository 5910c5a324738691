import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import { type OperatorEndpoints, startOperator } from '../../local-cluster/up/hostProcesses.ts';
import { ForeignProgram } from '../support/foreignProgram.ts';
import { MesosFrameworkClient } from '../support/mesosFrameworkClient.ts';
import { realNodesSuite } from './realNodes.ts';

/** Frameworks that others wrote, unmodified: msh of mesos-go speaks protobuf, npm mesos-framework JSON. */

const MINUTE = 60_000;
const TASKS = 6;

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let msh: string;
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
    const id = metadata.annotations['mezzo.dev/task-id'] ?? metadata.name;
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
    ...(httpPort === undefined ? {} : { httpPort }),
  });

const runMsh = (...words: readonly string[]): ForeignProgram => {
  program = new ForeignProgram(msh, ['-master', new URL(operator.schedulerUrl).host, ...words]);
  return program;
};
const statesOf = (one: ForeignProgram): readonly string[] =>
  one.matches(/status update from agent .*: (TASK_\w+)$/);

realNodesSuite('frameworks that others wrote, on a real kubelet', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-foreign-'));
    ({ msh } = await ensureAssets(['msh']));
    cluster = await startTestCluster({ realNodes: 1 });
    await applyCrds(cluster.kubectl);
    operator = await start();
    await waitFor(
      'the operator to lead',
      async () => (await fetch(`${operator.schedulerUrl}/state`)).ok || undefined,
      { timeoutMs: MINUTE },
    );
  }, 5 * MINUTE);

  afterEach(async () => {
    await program?.stop();
    await npm?.stop();
    pods.clear();
  });

  afterAll(async () => {
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
});
