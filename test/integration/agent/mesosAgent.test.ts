import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePorts } from '../../../local-cluster/support/freePorts.ts';
import {
  describeEnd,
  type ManagedProcess,
  startProcess,
} from '../../../local-cluster/support/managedProcess.ts';
import { ROLES, SERVICE_JOBS } from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, template } from '../operator/operatorCluster.ts';

/**
 * What old clients read from a Mesos agent, through every part there is: the agent's process, its own token, the operator's
 * reviews, the API server's RBAC. The nodes pretend to run Pods, so the logs are files the test wrote.
 */

const REPOSITORY = join(import.meta.dirname, '../../..');

let all: OperatorCluster;
let operator: ManagedProcess;
let agent: ManagedProcess;
let agentUrl: string;
let node: string;
const tokens: { [account: string]: string } = {};

async function start(name: string, main: string, args: readonly string[]): Promise<ManagedProcess> {
  return await startProcess({
    name,
    command: process.execPath,
    args: ['--no-warnings', join(REPOSITORY, main), ...args],
    dir: all.cluster.dir,
    cwd: REPOSITORY,
    lifetime: 'parent',
  });
}

const token = async (account: string, namespace: string, ...more: readonly string[]) =>
  (
    await all.cluster.kubectl([
      'create',
      'token',
      account,
      '-n',
      namespace,
      '--audience=mezzo',
      ...more,
    ])
  ).trim();

beforeAll(async () => {
  all = await OperatorCluster.start({ fakeNodes: 1 });
  const names = await all.cluster.kubectl(['get', 'nodes', '-o', 'name']);
  node = names.trim().replace('node/', '');
  await all.cluster.apply(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: mezzo-agent, namespace: mezzo-system}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: mezzo-system}
spec: {serviceAccountName: mezzo-agent, nodeName: ${node}, containers: [{name: agent, image: x}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: logs, namespace: team}
rules:
  - {apiGroups: [""], resources: [pods], verbs: [list]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: logs, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: logs}
subjects: [{kind: ServiceAccount, name: reader, namespace: team}]
`);
  for (const account of ['reader', 'stranger']) tokens[account] = await token(account, 'team');
  const [httpPort = 0, metricsPort, mesosPort] = await freePorts(3);
  const url = `http://127.0.0.1:${httpPort}`;
  operator = await start('secure-operator', 'operator/src/main.ts', [
    `--kubeconfig=${all.cluster.kubeconfigPath}`,
    '--http-host=127.0.0.1',
    `--http-port=${httpPort}`,
    `--metrics-port=${metricsPort}`,
    '--namespace=mezzo-system',
  ]);
  await eventually('the operator to lead', async () => {
    const response = await fetch(`${url}/api/v1`, { method: 'POST' });
    return response.status === 503 ? undefined : true;
  }).catch(async (cause: unknown) => {
    throw new Error(await describeEnd(operator), { cause });
  });
  const tokenFile = join(all.cluster.dir, 'agent-token');
  const bound = ['--bound-object-kind=Pod', '--bound-object-name=agent'];
  await writeFile(tokenFile, await token('mezzo-agent', 'mezzo-system', ...bound));
  agentUrl = `http://127.0.0.1:${mesosPort}`;
  agent = await start('agent', 'agent-daemonset/src/main.ts', [
    '--node',
    node,
    '--kubeconfig',
    all.cluster.kubeconfigPath,
    '--http-port=0',
    '--report-url',
    `${url}/agent/v1/report`,
    '--token-file',
    tokenFile,
    `--mesos-port=${mesosPort}`,
    '--pod-logs-dir',
    join(all.cluster.dir, 'pod-logs'),
    '--pods-dir',
    join(all.cluster.dir, 'pods'),
  ]);
  await eventually('the agent to serve', async () => (await get('/health')).ok || undefined).catch(
    async (cause: unknown) => {
      throw new Error(await describeEnd(agent), { cause });
    },
  );
}, 240_000);
afterAll(async () => {
  await agent?.stop(2_000);
  await operator?.stop(2_000);
  await all?.stop();
}, 60_000);

const get = (path: string, account?: string): Promise<Response> =>
  fetch(agentUrl + path, {
    headers: account === undefined ? {} : { authorization: `Bearer ${tokens[account] ?? ''}` },
  });

interface AgentState {
  readonly id: string;
  readonly hostname: string;
  readonly frameworks: readonly {
    readonly id: string;
    readonly executors: readonly { readonly id: string; readonly directory: string }[];
  }[];
}

test('who may read the logs of a task with kubectl reads them here, and nobody else', async () => {
  await all.make(ROLES, 'eng', { path: 'eng' });
  const spec = { role: 'eng', tier: 'production', instances: 1, template: template('100m') };
  await all.make(SERVICE_JOBS, 'shop', spec);
  const [pod] = await all.running('shop', 1);
  const { name = '', uid = '' } = pod?.metadata ?? {};
  const logs = join(all.cluster.dir, 'pod-logs', `team_${name}_${uid}`, 'task');
  await mkdir(logs, { recursive: true });
  await writeFile(join(logs, '0.log'), '2026-11-21T10:00:00Z stdout F hello\n');
  const sandbox = join(all.cluster.dir, 'pods', uid, 'volumes/kubernetes.io~empty-dir/sandbox');
  await mkdir(sandbox, { recursive: true });
  await writeFile(join(sandbox, 'private'), 'own');

  expect((await get('/state')).status).toBe(401);
  const executor = await eventually('the task to be shown', async () => {
    const state = (await (await get('/slave(1)/state', 'reader')).json()) as AgentState;
    expect(state.id).toBe(node);
    return state.frameworks[0]?.executors[0];
  });
  const path = encodeURIComponent(executor.directory);
  const read = (file: string, account: string): Promise<Response> =>
    get(`/files/read?path=${path}%2F${file}&offset=0`, account);
  expect(await (await read('stdout', 'reader')).json()).toEqual({ offset: 0, data: 'hello\n' });
  // The right to read logs is not that to look into a running task.
  expect((await read('private', 'reader')).status).toBe(404);
  expect((await read('stdout', 'stranger')).status).toBe(404);
  const unseen = (await (await get('/state', 'stranger')).json()) as AgentState;
  expect(unseen.frameworks).toEqual([]);

  await all.cluster.kubectl([
    '-n',
    'team',
    'patch',
    'role',
    'logs',
    '--type=json',
    '-p',
    JSON.stringify([EXEC]),
  ]);
  const allowed = async () => {
    const response = await read('private', 'reader');
    return response.ok ? await response.json() : undefined;
  };
  // A refusal is remembered for five seconds.
  expect(await eventually('the other right to count', allowed)).toEqual({ offset: 0, data: 'own' });
}, 180_000);

const EXEC = {
  op: 'add',
  path: '/rules/-',
  value: { apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] },
};

test('without the operator nobody is shown anything', async () => {
  await operator.stop(2_000);
  await eventually('the last answer to be forgotten', async () =>
    (await get('/state', 'reader')).status === 503 ? true : undefined,
  );
}, 60_000);
