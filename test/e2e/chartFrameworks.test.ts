import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAuthority, issue } from '../../local-cluster/pki/certificate.ts';
import { exec } from '../../local-cluster/support/exec.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import { MesosHttpClient, type PlannedTask } from '../support/mesosHttpClient.ts';
import {
  CHART,
  type ChartCluster,
  eventually,
  NAMESPACE,
  RELEASE,
  startChartCluster,
} from './chartCluster.ts';
import { realNodesSuite } from './realNodes.ts';

// What a framework, an old UI and an operator of old meet where the chart was installed with TLS and the agents' old
// endpoints, with real tokens and rights.

const MINUTE = 60_000;
const OBJECTS = `
apiVersion: mezzo.dev/v1alpha1
kind: Role
metadata: {name: eng}
spec: {path: eng}
---
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hello, namespace: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: mallory, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ops, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: offer-eng}
rules: [{apiGroups: [mezzo.dev], resources: [roles], resourceNames: [eng], verbs: [offer]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: hello-offers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: offer-eng}
subjects: [{kind: ServiceAccount, name: hello, namespace: team}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: hello-pods, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: hello, namespace: team}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ops}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: ops, namespace: default}]
`;

const authority = createAuthority('e2e');
let cluster: ChartCluster;
let dir: string;
let files: Server;
let leader: string;
let framework: MesosHttpClient;
const tokens = new Map<string, string>();

interface List<T> {
  readonly items: readonly T[];
}

const auth = (account: string): { readonly authorization: string } => ({
  authorization: `Bearer ${tokens.get(account) ?? ''}`,
});

/** Puts a certificate for these hosts into the Secret, in place of the one there. */
async function writeSecret(hosts: readonly string[]): Promise<void> {
  const pair = issue(authority, { commonName: 'mezzo', hosts });
  const values = {
    'tls.crt': pair.certificate,
    'tls.key': pair.key,
    'ca.crt': authority.certificate,
  };
  await cluster.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: 'mezzo-cert', namespace: NAMESPACE },
      stringData: values,
    }),
  );
}

/** Names and addresses of the certificate shown at an address. */
function hostsShown(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host, port: 8080, ca: authority.certificate, rejectUnauthorized: false };
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

async function operatorAddresses(): Promise<readonly string[]> {
  const args = ['pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/component=operator'];
  const { items } = await cluster.get<List<Pod>>(...args);
  return items.flatMap(({ status }) => status?.podIP ?? []);
}

async function findLeader(): Promise<string | undefined> {
  for (const ip of await operatorAddresses()) {
    const text = await (await fetch(`http://${ip}:8081/metrics`)).text();
    if (/^mezzo_leader 1$/m.test(text)) return ip;
  }
  return undefined;
}

const operatorCall = async (account: string, call: object): Promise<Response> =>
  await fetch(`https://${leader}:8080/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...auth(account) },
    body: JSON.stringify(call),
  });

const refusalOf = async (reply: Response): Promise<string> =>
  `${reply.status} ${await reply.text()}`;

interface WireAgent {
  readonly agent_info: { readonly id: { readonly value: string }; readonly port: number };
  readonly deactivated: boolean;
  readonly drain_info?: { readonly state: string };
}

async function agentNamed(name: string): Promise<WireAgent | undefined> {
  const reply = await operatorCall('ops', { type: 'GET_AGENTS' });
  const { get_agents } = (await reply.json()) as { get_agents: { agents?: readonly WireAgent[] } };
  return get_agents.agents?.find((one) => one.agent_info.id.value === name);
}

const agentId = (name: string): object => ({ agent_id: { value: name } });

/** Where the file server of this test is for Pods. */
const fileUrl = (name: string): string =>
  `http://${cluster.advertiseAddress}:${(files.address() as AddressInfo).port}/${name}`;

async function serveFiles(): Promise<void> {
  await mkdir(join(dir, 'files'));
  await writeFile(join(dir, 'files', 'inner'), 'packed\n');
  await exec('tar', ['-C', dir, '-czf', join(dir, 'files.tar.gz'), 'files']);
  await writeFile(join(dir, 'tool'), '#!/bin/sh\necho tool\n');
  files = createServer((request, response) => {
    readFile(join(dir, (request.url ?? '/').slice(1))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => files.listen(0, cluster.advertiseAddress, resolve));
}

const COMMAND =
  'cat files/inner && bin/tool && echo oops >&2 && echo mine > out.txt && exec sleep 3600';

const task =
  (id: string): PlannedTask =>
  (agent) => ({
    name: id,
    task_id: { value: id },
    agent_id: { value: agent },
    resources: [
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.05 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
    ],
    command: {
      value: COMMAND,
      uris: [
        { value: fileUrl('files.tar.gz'), cache: true },
        { value: fileUrl('tool'), executable: true, output_file: 'bin/tool', cache: false },
      ],
    },
  });

const lastOf = (id: string) => framework.statuses.filter((one) => one.task_id.value === id).at(-1);

async function awaitState(id: string, state: string): Promise<void> {
  await eventually(`${id} to be ${state}`, 2 * MINUTE, () => {
    const last = lastOf(id);
    return Promise.resolve(last?.state === state || JSON.stringify(last ?? framework.errors));
  });
}

function nodeOf(id: string): { readonly name: string; readonly address: string } {
  const name = lastOf(id)?.agent_id?.value;
  const node = cluster.realNodes?.nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no node is named ${name}`);
  return node;
}

/** Asks the agent of the node on which the task `id` runs. */
const askAgent = async (id: string, path: string, account?: string): Promise<Response> =>
  await fetch(`http://${nodeOf(id).address}:5051${path}`, {
    headers: account === undefined ? {} : auth(account),
  });

interface AgentState {
  readonly id: string;
  readonly port: number;
  readonly frameworks: readonly {
    readonly id: string;
    readonly executors: readonly { readonly id: string; readonly directory: string }[];
  }[];
}

async function directoryOf(id: string): Promise<string> {
  const state = (await (await askAgent(id, '/state', 'hello')).json()) as AgentState;
  const executors = state.frameworks.flatMap((one) => one.executors);
  return executors.find((one) => one.id === id)?.directory ?? '';
}

realNodesSuite('frameworks and operators of a cluster with the chart', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-chart-frameworks-'));
    setDefaultCACertificates([...getCACertificates('default'), authority.certificate]);
    cluster = await startChartCluster();
    await serveFiles();
    await cluster.kubectl(['create', 'ns', NAMESPACE]);
    const address = cluster.serviceCidr.replace(/\.\d+\/\d+$/, '.200');
    await writeSecret([address]);
    const url = `https://${address}:8080`;
    const more = [
      'tls.enabled=true,tls.secretName=mezzo-cert,rbac.markAgentGone=true',
      'agent.mesosApi.enabled=true,agent.mesosApi.hostPort=true',
      `agent.reportUrl=${url}/agent/v1/report,helmTest.operatorUrl=${url}`,
    ].map((set) => `--set=${set}`);
    const install = ['install', RELEASE, CHART, '--namespace', NAMESPACE, '--wait', '--timeout=4m'];
    await cluster.helm('helm', ...install, ...cluster.values, ...more);
    await cluster.apply(OBJECTS);
    const accounts = { hello: 'team', mallory: 'default', ops: 'default' };
    for (const [name, namespace] of Object.entries(accounts)) {
      const create = ['create', 'token', name, '-n', namespace, '--audience=mezzo'];
      tokens.set(name, (await cluster.kubectl([...create, '--duration=2h'])).trim());
    }
  }, 15 * MINUTE);

  afterAll(async () => {
    framework?.close();
    files?.closeAllConnections();
    files?.close();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 3 * MINUTE);

  test(
    'helm test is green over TLS',
    async () => {
      const output = await cluster.helm('helm', 'test', RELEASE, '-n', NAMESPACE, '--timeout=3m');
      expect(output).toMatch(/Phase: +Succeeded/);
    },
    4 * MINUTE,
  );

  test(
    'a certificate that is changed in the Secret is served without a restart',
    async () => {
      const addresses = await operatorAddresses();
      await writeSecret([...addresses, cluster.serviceCidr.replace(/\.\d+\/\d+$/, '.200')]);
      await eventually('the new certificate', 3 * MINUTE, async () => {
        const shown = await Promise.all(addresses.map(hostsShown));
        const isNew = shown.every((hosts, index) => hosts.includes(addresses[index] ?? '?'));
        return isNew || shown.join('; ');
      });
      await eventually('a leader', MINUTE, async () => {
        leader = (await findLeader()) ?? '';
        return leader !== '' || 'none';
      });
    },
    5 * MINUTE,
  );

  test(
    'a framework subscribes with its token, and its task gets what its URIs name',
    async () => {
      const url = `https://${leader}:8080`;
      const stranger = new MesosHttpClient(url, { failoverTimeoutSeconds: 0, role: 'eng' });
      await expect(stranger.subscribe()).rejects.toThrow(/SUBSCRIBE: 401/);
      framework = new MesosHttpClient(url, {
        failoverTimeoutSeconds: 600,
        role: 'eng',
        ...auth('hello'),
      });
      await framework.subscribe();
      framework.launch(task('fetched'));
      await awaitState('fetched', 'TASK_RUNNING');
    },
    4 * MINUTE,
  );

  test(
    "the agent of its node serves the task's state, files and logs to its framework",
    async () => {
      await eventually('its output', MINUTE, async () => {
        const path = `/files/download?path=${await directoryOf('fetched')}/stdout`;
        const text = await (await askAgent('fetched', path, 'hello')).text();
        return text === 'packed\ntool\n' || text;
      });
      const directory = await directoryOf('fetched');
      const read = async (path: string, account = 'hello'): Promise<unknown> => {
        const reply = await askAgent('fetched', path, account);
        return reply.ok ? await reply.json() : reply.status;
      };
      const node = nodeOf('fetched').name;
      expect(await read('/slave(1)/state')).toMatchObject({ id: node, port: 5051 });
      const entries = (await read(`/files/browse?path=${directory}`)) as { path: string }[];
      expect(entries.map((one) => one.path.slice(directory.length + 1)).toSorted()).toEqual(
        expect.arrayContaining(['bin', 'files', 'files.tar.gz', 'out.txt', 'stderr', 'stdout']),
      );
      expect(await read(`/files/read?path=${directory}/out.txt&offset=0`)).toEqual({
        offset: 0,
        data: 'mine\n',
      });
      expect(await read(`/files/read?path=${directory}/stderr&offset=0`)).toEqual({
        offset: 0,
        data: 'oops\n',
      });
      await eventually('a measurement', MINUTE, async () => {
        const all = await read('/monitor/statistics');
        return JSON.stringify(all).includes('"executor_id":"fetched"') || JSON.stringify(all);
      });
      expect(await read('/metrics/snapshot')).toMatchObject({ 'slave/tasks_running': 1 });
      expect(await read('/files/debug')).toBe(403);
      expect(JSON.stringify(await read('/files/debug', 'ops'))).toContain('/sandbox');
    },
    3 * MINUTE,
  );

  test('and to nobody else', async () => {
    const directory = await directoryOf('fetched');
    const path = `/files/read?path=${directory}/out.txt&offset=0`;
    expect((await askAgent('fetched', path)).status).toBe(401);
    expect((await askAgent('fetched', path, 'mallory')).status).toBe(404);
    const state = (await (await askAgent('fetched', '/state', 'mallory')).json()) as AgentState;
    expect(state.frameworks).toEqual([]);
    expect(await (await askAgent('fetched', '/monitor/statistics', 'mallory')).json()).toEqual([]);
  });

  test('offers and GET_AGENTS tell the port at which agents are', async () => {
    const node = nodeOf('fetched');
    expect(await agentNamed(node.name)).toMatchObject({
      agent_info: { port: 5051 },
      pid: `slave(1)@${node.address}:5051`,
    });
  });

  test(
    'an agent is deactivated, let work again, and drained',
    async () => {
      const { name } = nodeOf('fetched');
      const send = async (type: string): Promise<string> =>
        await refusalOf(await operatorCall('ops', { type, [type.toLowerCase()]: agentId(name) }));
      const seen = async (what: string, check: (agent: WireAgent) => boolean): Promise<void> =>
        await eventually(what, 2 * MINUTE, async () => {
          const agent = await agentNamed(name);
          return (agent !== undefined && check(agent)) || JSON.stringify(agent);
        });
      expect(await send('DEACTIVATE_AGENT')).toMatch(/^200/);
      await seen('deactivated', (agent) => agent.deactivated);
      expect(lastOf('fetched')?.state).toBe('TASK_RUNNING');
      expect(await send('REACTIVATE_AGENT')).toMatch(/^200/);
      await seen('reactivated', (agent) => !agent.deactivated);
      const drain = { type: 'DRAIN_AGENT', drain_agent: agentId(name) };
      expect(await refusalOf(await operatorCall('hello', drain))).toMatch(
        /^403 .*Missing: .*maintenancewindows/,
      );
      expect(await send('DRAIN_AGENT')).toMatch(/^200/);
      await awaitState('fetched', 'TASK_KILLED');
      await seen('drained', (agent) => agent.drain_info?.state === 'DRAINED');
      expect(await send('REACTIVATE_AGENT')).toMatch(/^200/);
      await seen('reactivated', (agent) => !agent.deactivated && agent.drain_info === undefined);
    },
    5 * MINUTE,
  );

  test('the operator and its agents were refused nothing', async () => {
    const logs = ['logs', '-n', NAMESPACE, '--prefix', '--tail=-1', '-l'];
    for (const component of ['operator', 'agent']) {
      const text = await cluster.kubectl([...logs, `app.kubernetes.io/component=${component}`]);
      expect(text).not.toBe('');
      const refused = text.split('\n').filter((line) => /forbidden/i.test(line));
      // What a caller was refused is told as the outcome of its call.
      expect(refused.filter((line) => !line.includes('"msg":"operator call"'))).toEqual([]);
    }
  });

  test(
    'an agent that does not answer is marked gone, one that answers is not',
    async () => {
      const node = cluster.realNodes?.nodes.find(
        (one) => !leader.startsWith(podPrefixOf(one.address)),
      );
      if (node === undefined) throw new Error('the leader is on every node');
      const { name } = node;
      const gone = { type: 'MARK_AGENT_GONE', mark_agent_gone: agentId(name) };
      expect(await refusalOf(await operatorCall('ops', gone))).toMatch(/^409 .*still answers/);
      const operator = `--as=system:serviceaccount:${NAMESPACE}:mezzo-operator`;
      await expect(cluster.kubectl(['delete', 'node', name, operator])).rejects.toThrow(
        /only Nodes that are not Ready/,
      );
      await node.killKubelet();
      await eventually('the agent to be marked gone', 3 * MINUTE, async () => {
        const reply = await operatorCall('ops', gone);
        return reply.status === 200 || (await refusalOf(reply));
      });
      const names = await cluster.kubectl(['get', 'nodes', '-o', 'name']);
      expect(names).not.toContain(name);
      await eventually('the agent to leave', MINUTE, async () => {
        const agent = await agentNamed(name);
        return agent === undefined || JSON.stringify(agent);
      });
    },
    6 * MINUTE,
  );
});

/** Pods of node 10.n.255.1k are 10.n.k.*, see nodeNetwork.ts. */
function podPrefixOf(nodeAddress: string): string {
  const [a, b, , d] = nodeAddress.split('.');
  return `${a}.${b}.${Number(d) - 10}.`;
}
