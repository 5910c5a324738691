import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { BUSYBOX_IMAGE } from '../../local-cluster/images/baseImages.ts';
import { freePorts } from '../../local-cluster/support/freePorts.ts';
import { type ManagedProcess, startProcess } from '../../local-cluster/support/managedProcess.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import {
  CHART,
  type ChartCluster,
  eventually,
  NAMESPACE,
  NO_REAL_NODES,
  RELEASE,
  startChartCluster,
} from './chartCluster.ts';

/** Role `idle` holds 1.2 cores and sleeps; role `small` does the same with a tenth of it. */
const jobs = ['idle', 'small'].map((role) => ({
  apiVersion: 'mezzo.dev/v1alpha1',
  kind: 'ServiceJob',
  metadata: { name: role, namespace: 'default' },
  spec: {
    role,
    instances: 2,
    template: {
      image: BUSYBOX_IMAGE,
      imagePullPolicy: 'Never',
      command: ['sleep', '86400'],
      killGraceSeconds: 1,
      resources: { cpus: role === 'idle' ? '600m' : '60m', mem: '32Mi' },
    },
  },
}));
const roles = ['idle', 'small'].map((path) => ({
  apiVersion: 'mezzo.dev/v1alpha1',
  kind: 'Role',
  metadata: { name: path },
  spec: { path },
}));

interface Alert {
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const run = NO_REAL_NODES === undefined ? describe : describe.skip;
const title = NO_REAL_NODES === undefined ? 'Prometheus' : `Prometheus (${NO_REAL_NODES})`;

let cluster: ChartCluster;
let prometheus: ManagedProcess | undefined;
let url: string;

/** The rules as the chart renders them, each alert with its values but a shorter wait. */
async function renderedRules(): Promise<string> {
  const short = ['AllocatedCpuUnused', 'MezzoNoLeader'].map(
    (alert) => `--set=prometheusRule.alerts.${alert}.for=5s`,
  );
  const text = await cluster.helm(
    'helm',
    'template',
    RELEASE,
    CHART,
    `--namespace=${NAMESPACE}`,
    '--show-only=templates/monitoring/prometheusrule.yaml',
    '--set=prometheusRule.enabled=true',
    ...short,
  );
  return dump((load(text) as { spec: object }).spec);
}

async function startPrometheus(binary: string, targets: readonly string[]): Promise<void> {
  const [port = 0] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  const dir = cluster.scratch;
  await writeFile(join(dir, 'rules.yml'), await renderedRules());
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [join(dir, 'rules.yml')],
    scrape_configs: [{ job_name: 'mezzo', honor_labels: true, static_configs: [{ targets }] }],
  };
  await writeFile(join(dir, 'prometheus.yml'), dump(config));
  prometheus = await startProcess({
    name: 'prometheus',
    command: binary,
    dir,
    lifetime: 'parent',
    args: [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'tsdb')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  });
}

async function ask<T>(path: string): Promise<T> {
  const reply = await fetch(`${url}/api/v1/${path}`);
  return ((await reply.json()) as { data: T }).data;
}

async function alerts(name: string): Promise<readonly Alert[]> {
  const { alerts: all } = await ask<{ alerts: readonly Alert[] }>('alerts');
  return all.filter(({ labels }) => labels['alertname'] === name);
}

async function valueOf(query: string): Promise<number> {
  const { result } = await ask<{ result: readonly { value: readonly [number, string] }[] }>(
    `query?query=${encodeURIComponent(query)}`,
  );
  return Number(result[0]?.value[1]);
}

async function awaitFiring(name: string): Promise<readonly Alert[]> {
  let seen: readonly Alert[] = [];
  await eventually(`${name} firing`, 90_000, async () => {
    seen = await alerts(name);
    return seen.some(({ state }) => state === 'firing') || JSON.stringify(seen);
  });
  return seen;
}

run(title, () => {
  beforeAll(async () => {
    const { prometheus: binary } = await ensureAssets(['prometheus']);
    cluster = await startChartCluster();
    const install = ['install', RELEASE, CHART, `--namespace=${NAMESPACE}`, '--create-namespace'];
    await cluster.helm('helm', ...install, '--wait', '--timeout=4m', ...cluster.values);
    await cluster.apply([...roles, ...jobs].map((object) => dump(object)).join('---\n'));
    const selector = 'app.kubernetes.io/component=operator';
    const operators = await cluster.get<{ items: readonly Pod[] }>(
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      selector,
    );
    await startPrometheus(
      binary,
      operators.items.map(({ status }) => `${status?.podIP}:8081`),
    );
  }, 30 * 60_000);

  afterAll(async () => {
    await prometheus?.stop();
    await cluster?.stop();
  }, 120_000);

  test("loads every rule of the chart and scrapes both operators' metrics", async () => {
    await eventually('two targets up', 60_000, async () => {
      const up = await valueOf('sum(up)');
      return up === 2 || `${up} up`;
    });
    const { groups } = await ask<{ groups: readonly { rules: readonly { health: string }[] }[] }>(
      'rules',
    );
    const health = groups.flatMap(({ rules }) => rules.map((rule) => rule.health));
    expect(health.length).toBeGreaterThan(10);
    expect(health.filter((state) => state === 'err')).toEqual([]);
    expect(await valueOf('sum(mezzo_leader)')).toBe(1);
  }, 90_000);

  test('knows what roles hold and what they use', async () => {
    await eventually('1.2 cores allocated, memory measured', 90_000, async () => {
      const cores = await valueOf('role:mezzo_allocated_cpu_cores:max{role="idle"}');
      const usedBytes = await valueOf('role:mezzo_used_memory_bytes:max{role="idle"}');
      return (
        (Math.abs(cores - 1.2) < 1e-9 && usedBytes > 0) || `${cores} cores, ${usedBytes} bytes`
      );
    });
  }, 120_000);

  test('AllocatedCpuUnused fires for the role that holds a core and more and sleeps', async () => {
    const [alert, ...others] = await awaitFiring('AllocatedCpuUnused');
    expect(others).toEqual([]);
    expect(alert).toMatchObject({
      state: 'firing',
      labels: { alertname: 'AllocatedCpuUnused', role: 'idle', severity: 'info' },
    });
    expect(alert?.annotations['summary']).toMatch(/^Role idle uses [0-9.]+% of the CPU/);
    expect(alert?.annotations['runbook_url']).toMatch(/runbooks\/AllocatedCpuUnused\.md$/);
  }, 120_000);

  test('it ends when the job gives back what it does not use', async () => {
    const small = '{"spec":{"instances":1}}';
    const patch = ['patch', 'servicejob', 'idle', '-n', 'default', '--type=merge', '-p', small];
    await cluster.kubectl(patch);
    await eventually('no alert', 60_000, async () => {
      const left = await alerts('AllocatedCpuUnused');
      return left.length === 0 || JSON.stringify(left);
    });
  }, 90_000);

  test('MezzoNoLeader fires when the operator is gone, and not before', async () => {
    expect(await alerts('MezzoNoLeader')).toEqual([]);
    await cluster.kubectl(['scale', 'deploy/mezzo-operator', '-n', NAMESPACE, '--replicas=0']);
    const [alert] = await awaitFiring('MezzoNoLeader');
    expect(alert?.labels['severity']).toBe('critical');
  }, 120_000);
});
