import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNodeHostFiles } from '../../../agent-daemonset/src/adapters/nodeHostFiles.ts';
import { procFiles, somePods, v2Files } from '../../../agent-daemonset/src/fixtures/cgroupTrees.ts';
import { inspectHardware } from '../../../agent-daemonset/src/inventory/inspectHardware.ts';
import { kubeconfig } from '../../../local-cluster/kubeconfig.ts';
import { REPOSITORY } from '../../../local-cluster/support/paths.ts';
import { waitFor } from '../../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import { AgentReport } from '../../../operator/src/schema/http/agentReport.ts';
import type { AgentObject } from '../../../operator/src/schema/mezzoKinds.ts';

/**
 * The agent as a process of its own against a real API server, as a user who may do nothing but patch the status
 * of Agents. Its Pods are files in a folder, since this tier runs no kubelet.
 */

const NODE = 'node-1';
const MAIN = join(REPOSITORY, 'agent-daemonset/src/main.ts');
const PATIENCE = { timeoutMs: 60_000, pollMs: 200 };

const RIGHTS = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-agent}
rules:
  - {apiGroups: [mezzo.dev], resources: [agents/status], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-agent}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: test-agent}]
`;

/** The agent's process and what it printed. */
interface AgentProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
}

function startAgent(args: readonly string[]): AgentProcess {
  const chunks: Buffer[] = [];
  const env = { PATH: process.env['PATH'] ?? '' };
  const child = spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, exited, output: () => Buffer.concat(chunks).toString() };
}

let cluster: TestCluster;
let directory: string;
let flags: readonly string[];
let receiver: Server;
let reports: AgentReport[];
const running: AgentProcess[] = [];

async function writeTree(root: string, tree: { readonly [path: string]: string }): Promise<void> {
  for (const [path, text] of Object.entries(tree)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

beforeAll(async () => {
  cluster = await startTestCluster({ controllerManager: false });
  await cluster.apply(readFileSync(join(REPOSITORY, 'crds/mezzo.dev_agents.yaml'), 'utf8'));
  await cluster.apply(RIGHTS);
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd/agents.mezzo.dev']);
  directory = await mkdtemp(join(tmpdir(), 'mezzo-agent-'));
  const config = join(directory, 'kubeconfig');
  const credentials = await cluster.pki.issueTo('test-agent', { commonName: 'test-agent' });
  const authority = cluster.pki.authority.certificate;
  await writeFile(config, kubeconfig({ url: cluster.url, authority, user: 'agent', credentials }));
  await writeTree(directory, {
    ...v2Files(somePods(), 'systemd'),
    // An idle machine, whatever this one is busy with.
    ...procFiles(4, 1000),
    '/proc/cpuinfo': readFileSync('/proc/cpuinfo', 'utf8'),
    '/proc/sys/kernel/osrelease': readFileSync('/proc/sys/kernel/osrelease', 'utf8'),
  });
  reports = [];
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      reports.push(AgentReport.parse(JSON.parse(Buffer.concat(chunks).toString())));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const paths = ['--sys', join(directory, 'sys'), '--proc', join(directory, 'proc')];
  const pace = ['--interval-seconds', '1', '--warmup-samples', '2', '--http-port', '0'];
  const report = ['--report-url', `http://127.0.0.1:${port}/agent/v1/report`];
  flags = ['--node', NODE, '--kubeconfig', config, ...paths, ...pace, ...report];
}, 600_000);

afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  receiver?.close();
  receiver?.closeAllConnections();
  await cluster?.stop();
  if (directory) await rm(directory, { recursive: true, force: true });
}, 60_000);

async function statusWhen(
  what: string,
  isSo: (status: NonNullable<AgentObject['status']>) => boolean,
): Promise<NonNullable<AgentObject['status']>> {
  return waitFor(
    what,
    async () => {
      const text = await cluster.kubectl(['get', 'agents.mezzo.dev', NODE, '-o', 'json']);
      const { status } = JSON.parse(text) as AgentObject;
      return status !== undefined && isSo(status) ? status : undefined;
    },
    PATIENCE,
  );
}

const makeAgent = () =>
  cluster.apply(
    `{apiVersion: mezzo.dev/v1alpha1, kind: Agent, metadata: {name: ${NODE}}, spec: {}}`,
  );

describe('the agent process', () => {
  let agent: AgentProcess;

  test('waits quietly for its Agent object, then fills its status; and reports usage', async () => {
    agent = startAgent([...flags]);
    running.push(agent);
    await waitFor('first report', () => reports[0], PATIENCE);
    expect(agent.output()).not.toContain('"level":"warn"');
    await makeAgent();
    const status = await statusWhen('inventory', ({ hardware }) => hardware !== undefined);
    const paths = { proc: join(directory, 'proc'), sys: join(directory, 'sys') };
    const inventory = inspectHardware(createNodeHostFiles(), paths);
    expect(status.hardware).toEqual(inventory);
    expect(inventory.cpu?.threads).toBeGreaterThan(0);
    expect(status.revocable?.memoryBytes).toBe(0);
    expect(status.observedGeneration).toBe(-1);
    expect(Date.now() - Date.parse(status.agentHeartbeat ?? '')).toBeLessThan(60_000);
    const report = reports.at(-1);
    expect(report?.node).toBe(NODE);
    expect(report?.pods.map(({ uid }) => uid).sort()).toEqual(
      somePods()
        .map(({ uid }) => uid)
        .sort(),
    );
  }, 120_000);

  test('its idle Pods lend CPU', async () => {
    const { revocable } = await statusWhen(
      'revocable CPU',
      (status) => (status.revocable?.cpuMillis ?? 0) > 0,
    );
    expect(revocable?.cpuMillis).toBeLessThanOrEqual(2250);
  }, 120_000);

  test('outlives an API server that is killed, and writes again when it is back', async () => {
    await cluster.killApiServer();
    const sent = reports.length;
    await waitFor('reports go on', () => (reports.length > sent + 3 ? true : undefined), PATIENCE);
    await cluster.restartApiServer();
    const backMs = Date.now();
    await statusWhen(
      'a heartbeat after the outage',
      ({ agentHeartbeat }) => Date.parse(agentHeartbeat ?? '') > backMs,
    );
    expect(agent.child.exitCode).toBeNull();
  }, 240_000);

  test('ends in order on SIGTERM', async () => {
    agent.child.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
    expect(agent.output()).toContain('"msg":"stopped"');
  });

  test('a second life does not write the same inventory again', async () => {
    const managers = async () => {
      const args = ['get', 'agents.mezzo.dev', NODE, '-o', 'json', '--show-managed-fields'];
      const { metadata } = JSON.parse(await cluster.kubectl(args)) as {
        metadata: { managedFields: { manager: string; time: string }[] };
      };
      return new Map(metadata.managedFields.map(({ manager, time }) => [manager, time]));
    };
    const before = await managers();
    expect([...before.keys()]).toEqual(
      expect.arrayContaining(['mezzo-agent', 'mezzo-agent-usage']),
    );
    const second = startAgent([...flags]);
    running.push(second);
    await waitFor('a write', () => managers().then((now) => changed(before, now)), PATIENCE);
    expect((await managers()).get('mezzo-agent')).toBe(before.get('mezzo-agent'));
    second.child.kill('SIGTERM');
    expect(await second.exited).toBe(0);
  }, 120_000);

  const changed = (
    before: ReadonlyMap<string, string>,
    now: ReadonlyMap<string, string>,
  ): true | undefined =>
    before.get('mezzo-agent-usage') === now.get('mezzo-agent-usage') ? undefined : true;
});

describe('what it refuses to start with', () => {
  test.each([
    { args: [], code: 2, says: '--node is missing' },
    { args: ['--node', 'n', '--bogus'], code: 2, says: "Unknown option '--bogus'" },
    { args: ['--node', 'n', '--kubeconfig', '/does/not/exist'], code: 1, says: 'ENOENT' },
  ])(
    '$args: exit code $code',
    async ({ args, code, says }) => {
      const agent = startAgent(args);
      running.push(agent);
      expect(await agent.exited).toBe(code);
      expect(agent.output()).toContain(says);
    },
    30_000,
  );
});
