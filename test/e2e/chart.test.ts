import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BUSYBOX_IMAGE } from '../../local-cluster/images/baseImages.ts';
import { TASK_FINALIZER } from '../../operator/src/model/labels.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import type { AgentObject, ServiceJobObject } from '../../operator/src/schema/mezzoKinds.ts';
import {
  CHART,
  type ChartCluster,
  eventually,
  NAMESPACE,
  NO_REAL_NODES,
  RELEASE,
  startChartCluster,
} from './chartCluster.ts';

// One cluster, two lives of the release. Helm 4 installs with the defaults, which keep CRDs and tasks; helm 3 then
// installs over what was kept, with `crds.keep=false`, which must leave nothing at all.

const JOBS = `
apiVersion: mezzo.dev/v1alpha1
kind: Role
metadata: {name: eng}
spec: {path: eng}
---
apiVersion: mezzo.dev/v1alpha1
kind: Quota
metadata: {name: eng}
spec: {role: eng, limits: {cpus: "1", mem: 1Gi}}
---
apiVersion: mezzo.dev/v1alpha1
kind: ServiceJob
metadata: {name: web, namespace: default}
spec:
  role: eng
  instances: 2
  template:
    image: ${BUSYBOX_IMAGE}
    imagePullPolicy: Never
    command: [sleep, "86400"]
    killGraceSeconds: 1
    resources: {cpus: 100m, mem: 32Mi}
`;

const run = NO_REAL_NODES === undefined ? describe : describe.skip;
const title = NO_REAL_NODES === undefined ? 'chart' : `chart (${NO_REAL_NODES})`;

interface List<T> {
  readonly items: readonly T[];
}

let cluster: ChartCluster;

const release = ['--namespace', NAMESPACE, '--wait', '--timeout=4m'];
const tasks = async (): Promise<readonly Pod[]> =>
  (await cluster.get<List<Pod>>('pods', '-n', 'default', '-l', 'mezzo.dev/job=web')).items;
const uids = async (): Promise<string[]> =>
  (await tasks()).map(({ metadata }) => metadata.uid ?? '').sort();

async function awaitTasksRunning(count: number): Promise<void> {
  await eventually(`${count} tasks Running`, 120_000, async () => {
    const seen = (await tasks()).map((pod) => `${pod.metadata.name} ${pod.status?.phase}`);
    const running = seen.filter((line) => line.endsWith(' Running'));
    return seen.length === count && running.length === count ? true : await why(seen);
  });
}

async function why(seen: readonly string[]): Promise<string> {
  const job = await cluster.get<ServiceJobObject>('servicejob', 'web', '-n', 'default');
  return `${seen.join(', ')}; status ${JSON.stringify(job.status)}`;
}

/** Everything that bears the release's labels, in any namespace, CRDs included. */
async function leftovers(): Promise<string[]> {
  const kinds =
    'deployments,daemonsets,jobs,pods,services,serviceaccounts,configmaps,poddisruptionbudgets,networkpolicies,' +
    'roles.rbac.authorization.k8s.io,rolebindings,clusterroles,clusterrolebindings,customresourcedefinitions,' +
    'validatingadmissionpolicies,validatingadmissionpolicybindings';
  const selector = `app.kubernetes.io/instance=${RELEASE}`;
  const names = await cluster.kubectl(['get', kinds, '-A', '-l', selector, '-o', 'name']);
  return names.split('\n').filter((name) => name !== '');
}

run(title, () => {
  beforeAll(async () => {
    cluster = await startChartCluster();
  }, 30 * 60_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 120_000);

  test('helm 4 installs; operator and agent run as containers on the real kubelets', async () => {
    const install = ['install', RELEASE, CHART, '--create-namespace', ...release];
    expect(await cluster.helm('helm', ...install, ...cluster.values)).toContain(
      'helm -n mezzo-system test mezzo',
    );
    const { items } = await cluster.get<List<Pod>>('pods', '-n', NAMESPACE);
    const running = items.filter(({ status }) => status?.phase === 'Running');
    const count = (component: string) =>
      running.filter(
        ({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component,
      ).length;
    expect(count('operator')).toBe(2);
    expect(count('agent')).toBe(2);
    const user = ['exec', '-n', NAMESPACE, 'deploy/mezzo-operator', '--', 'node', '-p'];
    expect((await cluster.kubectl([...user, 'process.getuid()'])).trim()).toBe('65532');
  }, 400_000);

  test('each node is an Agent whose agent found its hardware', async () => {
    await eventually('hardware of both agents', 60_000, async () => {
      const { items } = await cluster.get<List<AgentObject>>('agents.mezzo.dev');
      const found = items.filter(({ status }) => status?.hardware !== undefined);
      return found.length === 2 || `${items.length} agents: ${JSON.stringify(items)}`;
    });
  }, 90_000);

  test('jobs run', async () => {
    await cluster.apply(JOBS);
    await awaitTasksRunning(2);
    for (const { metadata } of await tasks()) expect(metadata.finalizers).toContain(TASK_FINALIZER);
  }, 180_000);

  test('agents report what tasks use', async () => {
    await eventually('usage of role eng', 60_000, async () => {
      const metrics = await metricsOfLeader();
      const used = /^mezzo_role_used_memory_bytes\{role="eng"\} ([0-9.e+]+)$/m.exec(metrics)?.[1];
      return Number(used ?? 0) > 0 || `mezzo_role_used_memory_bytes ${used}`;
    });
  }, 90_000);

  test('helm 4 test is green', async () => {
    const output = await cluster.helm('helm', 'test', RELEASE, '-n', NAMESPACE, '--timeout=3m');
    expect(output).toMatch(/Phase: +Succeeded/);
  }, 240_000);

  test('an upgrade replaces the operator and leaves the tasks alone', async () => {
    const before = await uids();
    const upgrade = ['upgrade', RELEASE, CHART, '--reuse-values', ...release];
    await cluster.helm('helm', ...upgrade, '--set=operator.logLevel=debug');
    const args = ['deployment', 'mezzo-operator', '-n', NAMESPACE];
    expect(JSON.stringify(await cluster.get(...args))).toContain('"value":"debug"');
    await awaitTasksRunning(2);
    expect(await uids()).toEqual(before);
  }, 400_000);

  test('the operator was refused nothing that it asked of the API server', async () => {
    const logs = ['logs', '-n', NAMESPACE, '--prefix', '--tail=-1', '-l'];
    for (const component of ['operator', 'agent']) {
      const text = await cluster.kubectl([...logs, `app.kubernetes.io/component=${component}`]);
      expect(text).not.toBe('');
      expect(text.split('\n').filter((line) => /forbidden/i.test(line))).toEqual([]);
    }
  });

  test('uninstalling with the defaults keeps CRDs, jobs and tasks, and nothing that waits', async () => {
    const before = await uids();
    await cluster.helm('helm', 'uninstall', RELEASE, ...release);
    // Helm does not wait for the Pods of what it deleted.
    await eventually('only the CRDs left', 60_000, async () => {
      const left = await leftovers();
      const crds = left.filter((name) => name.startsWith('customresourcedefinition'));
      return (left.length === 9 && crds.length === 9) || left.join(', ');
    });
    expect(await cluster.kubectl(['get', 'leases', '-n', NAMESPACE, '-o', 'name'])).toBe('');
    expect(await uids()).toEqual(before);
    for (const { metadata } of await tasks()) expect(metadata.finalizers ?? []).toEqual([]);
    expect(JSON.stringify(await cluster.get('nodes'))).not.toContain('mezzo.dev/revocable');
    await cluster.kubectl(['delete', 'ns', NAMESPACE, '--timeout=60s']);
  }, 400_000);

  test('helm 3 installs over what was kept, and the tasks that ran on are taken up again', async () => {
    const before = await uids();
    const install = ['install', RELEASE, CHART, '--create-namespace', ...release];
    await cluster.helm('helm3', ...install, ...cluster.values, '--set=crds.keep=false');
    const scaled = '{"spec":{"instances":3}}';
    await cluster.kubectl(['patch', 'sj', 'web', '-n', 'default', '--type=merge', '-p', scaled]);
    await awaitTasksRunning(3);
    expect(await uids()).toEqual(expect.arrayContaining(before));
  }, 400_000);

  test('helm 3 test is green', async () => {
    const output = await cluster.helm('helm3', 'test', RELEASE, '-n', NAMESPACE, '--timeout=3m');
    expect(output).toMatch(/Phase: +Succeeded/);
  }, 240_000);

  test('helm 3 upgrades', async () => {
    const before = await uids();
    const upgrade = ['upgrade', RELEASE, CHART, '--reuse-values', ...release];
    await cluster.helm('helm3', ...upgrade, '--set=operator.replicas=1');
    const args = ['pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/component=operator'];
    await eventually('one operator', 60_000, async () => {
      const { items } = await cluster.get<List<Pod>>(...args);
      return items.length === 1 || `${items.length} operators`;
    });
    expect(await uids()).toEqual(before);
  }, 400_000);

  test('uninstalling with crds.keep=false leaves nothing', async () => {
    await cluster.helm('helm3', 'uninstall', RELEASE, ...release);
    await eventually('nothing left', 60_000, async () => {
      const left = [
        ...(await leftovers()),
        ...(await tasks()).map(({ metadata }) => metadata.name),
      ];
      return left.length === 0 || left.join(', ');
    });
    await cluster.kubectl(['delete', 'ns', NAMESPACE, '--timeout=60s']);
  }, 400_000);
});

async function metricsOfLeader(): Promise<string> {
  const args = ['pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/component=operator'];
  const { items } = await cluster.get<List<Pod>>(...args);
  for (const { status } of items) {
    const reply = await fetch(`http://${status?.podIP}:8081/metrics`);
    const text = await reply.text();
    if (/^mezzo_leader 1$/m.test(text)) return text;
  }
  return '';
}
