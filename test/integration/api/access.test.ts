import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePorts } from '../../../local-cluster/support/freePorts.ts';
import {
  describeEnd,
  type ManagedProcess,
  startProcess,
} from '../../../local-cluster/support/managedProcess.ts';
import { waitFor } from '../../../local-cluster/support/waitFor.ts';
import { ALL_RULES } from '../../conformance/allRules.ts';
import { runSuite } from '../../conformance/runSuite.ts';
import { MesosHttpClient, type PlannedTask } from '../../support/mesosHttpClient.ts';
import { OperatorCluster } from '../operator/operatorCluster.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const PATIENCE = { timeoutMs: 60_000 };

let all: OperatorCluster;
let operator: ManagedProcess;
let url: string;
const clients: MesosHttpClient[] = [];

const OBJECTS = `
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: team-a}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: mezzo-agent, namespace: mezzo-system}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: mezzo-system}
spec: {serviceAccountName: mezzo-agent, nodeName: NODE, containers: [{name: agent, image: x}]}
---
apiVersion: mezzo.dev/v1alpha1
kind: Role
metadata: {name: eng-web}
spec: {path: eng/web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: framework-pods}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: eng-web-frameworks}
rules: [{apiGroups: [mezzo.dev], resources: [roles], resourceNames: [eng/web], verbs: [offer]}]
`;

/** The operator with every check on: no anonymous callers, reviews by the API server, Pods created as their owner. */
async function startSecureOperator(): Promise<void> {
  const [httpPort, metricsPort] = await freePorts(2);
  url = `http://127.0.0.1:${httpPort}`;
  const secrets = join(all.cluster.dir, 'basic');
  await mkdir(secrets, { recursive: true });
  await writeFile(join(secrets, 'old-client'), 'a secret\n');
  operator = await startProcess({
    name: 'secure-operator',
    command: process.execPath,
    args: [
      '--no-warnings',
      join(REPOSITORY, 'operator/src/main.ts'),
      `--kubeconfig=${all.cluster.kubeconfigPath}`,
      '--http-host=127.0.0.1',
      `--http-port=${httpPort}`,
      `--metrics-port=${metricsPort}`,
      '--namespace=mezzo-system',
      '--framework-namespace=team-a',
      `--basic-secrets-dir=${secrets}`,
      '--impersonate',
    ],
    dir: all.cluster.dir,
    cwd: REPOSITORY,
    lifetime: 'parent',
  });
  const serving = async () => {
    const response = await fetch(`${url}/api/v1/scheduler`, { method: 'POST' });
    return response.status === 503 ? undefined : true;
  };
  await waitFor('the operator to lead', serving, {
    ...PATIENCE,
    giveUp: () => operator.ended() && 'it ended',
  }).catch(async (cause: unknown) => {
    throw new Error(await describeEnd(operator), { cause });
  });
}

beforeAll(async () => {
  all = await OperatorCluster.start();
  const nodes = await all.cluster.kubectl(['get', 'nodes', '-o', 'name']);
  const node = nodes.split('\n')[0]?.replace('node/', '') ?? '';
  await all.cluster.apply(OBJECTS.replace('NODE', node));
  await startSecureOperator();
}, 240_000);
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(async () => {
  await operator?.stop(2_000);
  await all?.stop();
}, 60_000);

const tokenOf = async (account: string, namespace: string, ...more: string[]): Promise<string> =>
  (await all.cluster.kubectl(['create', 'token', account, '-n', namespace, ...more])).trim();

function clientWith(authorization: string): MesosHttpClient {
  const client = new MesosHttpClient(url, {
    failoverTimeoutSeconds: 0,
    role: 'eng/web',
    authorization,
  });
  clients.push(client);
  return client;
}
/** What the master said to a subscription: `subscribed`, its status, or its ERROR. */
const attempt = (client: MesosHttpClient): Promise<string> =>
  client.subscribe().then(
    () => 'subscribed',
    (error: unknown) => String(error),
  );

const task =
  (id: string): PlannedTask =>
  (agent) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agent },
    resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } }],
    command: { value: 'true' },
  });

describe('who may subscribe', () => {
  test('nobody without good credentials for this very service', async () => {
    const otherAudience = await tokenOf('runner', 'team-a');
    for (const authorization of [
      '',
      'Bearer garbage',
      `Bearer ${otherAudience}`,
      `Basic ${btoa('old-client:wrong')}`,
    ])
      expect(await attempt(clientWith(authorization))).toContain('SUBSCRIBE: 401');
  });

  test('each missing permission is named until none is missing; then Pods are made as the principal', async () => {
    const bearer = `Bearer ${await tokenOf('runner', 'team-a', '--audience', 'mezzo')}`;
    expect(await attempt(clientWith(bearer))).toContain(
      'lacks the permission to offer roles.mezzo.dev "eng/web"',
    );
    const account = '--serviceaccount=team-a:runner';
    await all.cluster.kubectl([
      'create',
      'clusterrolebinding',
      'offer',
      '--clusterrole=eng-web-frameworks',
      account,
    ]);
    const refusedForPods = async () => {
      const said = await attempt(clientWith(bearer));
      return said.includes('create pods in namespace "team-a"') ? true : undefined;
    };
    // A refusal is remembered for five seconds.
    await waitFor('the other permission to be missed', refusedForPods, PATIENCE);
    await all.cluster.kubectl([
      '-n',
      'team-a',
      'create',
      'rolebinding',
      'pods',
      '--clusterrole=framework-pods',
      account,
    ]);
    let client = clientWith(bearer);
    const subscribed = async () => {
      client = clientWith(bearer);
      return (await attempt(client)) === 'subscribed' ? true : undefined;
    };
    await waitFor('the subscription', subscribed, PATIENCE);

    client.launch(task('allowed'));
    const running = () => client.statuses.some((one) => one.state === 'TASK_RUNNING') || undefined;
    await waitFor('a task to run in a namespace of level restricted', running, PATIENCE);

    await all.cluster.kubectl(['-n', 'team-a', 'delete', 'rolebinding', 'pods']);
    const unauthorized = () => {
      if (!client.statuses.some((one) => one.task_id.value.startsWith('late')))
        client.launch(task(`late-${Date.now()}`));
      return client.statuses.find((one) => one.reason === 'REASON_TASK_UNAUTHORIZED');
    };
    const refused = await waitFor('the API server to refuse the Pod', unauthorized, PATIENCE);
    expect(refused).toMatchObject({
      state: 'TASK_ERROR',
      message: expect.stringContaining('team-a:runner'),
    });
  }, 180_000);

  test('HTTP Basic: a principal of the Secret, under the same checks', async () => {
    const client = clientWith(`Basic ${btoa('old-client:a secret')}`);
    expect(await attempt(client)).toContain("principal 'old-client' lacks the permission to offer");
    await all.cluster.kubectl([
      'create',
      'clusterrolebinding',
      'offer-old',
      '--clusterrole=eng-web-frameworks',
      '--user=old-client',
    ]);
    await all.cluster.kubectl([
      '-n',
      'team-a',
      'create',
      'rolebinding',
      'pods-old',
      '--clusterrole=framework-pods',
      '--user=old-client',
    ]);
    const subscribed = async () =>
      (await attempt(clientWith(`Basic ${btoa('old-client:a secret')}`))) === 'subscribed'
        ? true
        : undefined;
    await waitFor('the subscription', subscribed, PATIENCE);
  }, 90_000);
});

test('an agent speaks for the node its token is bound to, and for no other', async () => {
  const nodes = (await all.cluster.kubectl(['get', 'nodes', '-o', 'name'])).trim().split('\n');
  const [own = '', other = ''] = nodes.map((name) => name.replace('node/', ''));
  const bound = [
    '--audience',
    'mezzo',
    '--bound-object-kind',
    'Pod',
    '--bound-object-name',
    'agent',
  ];
  const report = async (token: string, node: string): Promise<number> => {
    const response = await fetch(`${url}/agent/v1/report`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        node,
        atMs: Date.now(),
        nodeUsage: { cpuMillis: 1, memoryBytes: 1 },
        pods: [],
      }),
    });
    return response.status;
  };
  const token = await tokenOf('mezzo-agent', 'mezzo-system', ...bound);
  expect(await report(token, own)).toBe(202);
  expect(await report(token, other)).toBe(403);
  const unbound = await tokenOf('mezzo-agent', 'mezzo-system', '--audience', 'mezzo');
  expect(await report(unbound, own)).toBe(403);
  expect(await report(await tokenOf('runner', 'team-a', '--audience', 'mezzo'), own)).toBe(403);
}, 60_000);

test('the rules of the conformance suite that are about credentials hold', async () => {
  const token = await tokenOf('runner', 'team-a', '--audience', 'mezzo');
  const outcomes = await runSuite({
    target: { url: new URL(url), authorization: `Bearer ${token}` },
    roles: ['eng/web', 'eng/web', 'eng/web'],
    rules: ALL_RULES.filter(({ needs }) => needs === 'token' || needs === 'refusesUnknown'),
    agentsPretend: true,
    cleansUp: false,
  });
  expect(outcomes.length).toBeGreaterThanOrEqual(6);
  expect(outcomes.filter((one) => one.kind !== 'passed')).toEqual([]);
}, 120_000);
