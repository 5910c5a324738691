import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { dump, loadAll } from 'js-yaml';
import { ensureAssets } from '../../../local-cluster/assets/ensure.ts';
import { exec } from '../../../local-cluster/support/exec.ts';
import { REPOSITORY } from '../../../local-cluster/support/paths.ts';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import { LABEL, TASK_FINALIZER } from '../../../operator/src/model/labels.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import {
  createKubeApi,
  type KubeApiClient,
} from '../../../operator/src/store/kube/createKubeApi.ts';
import { createSystemClock } from '../../../operator/src/store/system/systemClock.ts';
import {
  parseUninstallFlags,
  uninstall,
  uninstallCommand,
} from '../../../operator/src/uninstall.ts';

const NAMESPACE = 'mezzo-system';
const OPTIONS = {
  namespace: NAMESPACE,
  deployment: 'mezzo-operator',
  lease: 'mezzo-operator',
  stopTimeoutMs: 1_000,
} as const;

const clock = createSystemClock();
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly labels?: { readonly [key: string]: string } };
}

let cluster: TestCluster;
/** Acts with the rights that the chart gives to the hook, no more. */
let api: KubeApiClient;

const toYaml = (objects: readonly object[]): string =>
  objects.map((object) => dump(object)).join('---\n');

beforeAll(async () => {
  const { helm } = await ensureAssets(['helm']);
  cluster = await startTestCluster({
    controllerManagerArgs: ['--use-service-account-credentials=true'],
  });
  const chart = join(REPOSITORY, 'charts', 'mezzo');
  const template = ['template', 'mezzo', chart, '-n', NAMESPACE, '--kube-version=1.36.0'];
  const manifests = (loadAll(await exec(helm, template)) as (Manifest | null)[]).filter(
    (manifest) => manifest !== null,
  );
  await cluster.kubectl(['create', 'ns', NAMESPACE]);
  const wanted = manifests.filter(
    ({ kind, metadata }) =>
      kind === 'CustomResourceDefinition' ||
      kind === 'Deployment' ||
      (metadata.labels?.['app.kubernetes.io/component'] === 'uninstall' && kind !== 'Job'),
  );
  await cluster.apply(toYaml(wanted));
  await cluster.apply(toYaml(manifests.filter(({ kind }) => kind === 'ServiceAccount')));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  api = createKubeApi({
    source: { kind: 'kubeConfig', kubeConfig: await kubeConfigOfHook() },
    clock,
    log: silent,
  });
}, 20 * 60_000);

afterAll(async () => {
  await api?.close();
  await cluster?.stop();
});

async function kubeConfigOfHook(): Promise<KubeConfig> {
  const token = await cluster.kubectl(['create', 'token', 'mezzo-uninstall', '-n', NAMESPACE]);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(cluster.kubeconfig);
  const [server] = kubeConfig.clusters;
  if (server === undefined) throw new Error('the kubeconfig names no cluster');
  kubeConfig.loadFromClusterAndUser(server, { name: 'hook', token: token.trim() });
  return kubeConfig;
}

const job = (name: string) => ({
  apiVersion: 'mezzo.dev/v1alpha1',
  kind: 'ServiceJob',
  metadata: { name, namespace: 'default', finalizers: ['mezzo.dev/job', 'example.org/theirs'] },
  spec: { role: 'eng', template: { image: 'busybox', resources: { cpus: '1', mem: '64Mi' } } },
});

const task = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    labels: { [LABEL.framework]: 'mezzo' },
    finalizers: [TASK_FINALIZER, 'example.org/theirs'],
  },
  // No such scheduler: the Pod is never placed, so its deletion needs no kubelet.
  spec: { schedulerName: 'nobody', containers: [{ name: 'task', image: 'busybox' }] },
});

async function installSomething(): Promise<void> {
  await cluster.kubectl(['scale', 'deployment', 'mezzo-operator', '-n', NAMESPACE, '--replicas=1']);
  await cluster.apply(
    toYaml([
      job('web'),
      task('task-ended'),
      task('task-alive'),
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' } },
      {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'mezzo-operator', namespace: NAMESPACE },
      },
    ]),
  );
  const resources = '{"cpu":"4","mezzo.dev/revocable-cpu":"2"}';
  const patch = `{"status":{"capacity":${resources},"allocatable":${resources}}}`;
  await cluster.kubectl([
    'patch',
    'node',
    'node-a',
    '--subresource=status',
    '--type=merge',
    '-p',
    patch,
  ]);
  await cluster.kubectl(['delete', 'pod', 'task-ended', '--wait=false']);
  await eventually(async () => expect(await names('pods', NAMESPACE)).not.toEqual([]));
}

/** What other owners' finalizers hold goes, so that the next test starts clean. */
async function clear(): Promise<void> {
  for (const kind of ['pods', 'servicejobs.mezzo.dev'])
    for (const name of await names(kind, 'default')) {
      const patch = '{"metadata":{"finalizers":null}}';
      await cluster.kubectl(['patch', kind, name, '-n', 'default', '--type=merge', '-p', patch]);
      await cluster.kubectl(['delete', kind, name, '-n', 'default', '--ignore-not-found']);
    }
}

async function names(kind: string, namespace: string): Promise<string[]> {
  const path = '-o=jsonpath={.items[*].metadata.name}';
  const output = await cluster.kubectl(['get', kind, '-n', namespace, path]);
  return output.split(' ').filter((name) => name !== '');
}

async function field(kind: string, name: string, path: string, namespace = 'default') {
  return JSON.parse(
    (await cluster.kubectl(['get', kind, name, '-n', namespace, `-o=jsonpath=${path}`])) || '[]',
  ) as unknown;
}

describe('uninstall', () => {
  test('stop: jobs and tasks go, and nothing waits for the operator', async () => {
    await installSomething();
    const report = await uninstall({ api, clock, log: silent }, { ...OPTIONS, tasks: 'stop' });
    expect(report).toMatchObject({ jobsDeleted: 1, tasksLeftAfterStop: 2, nodesCleaned: 1 });
    await eventually(async () => expect(await names('pods', NAMESPACE)).toEqual([]));
    expect(await names('leases', NAMESPACE)).toEqual([]);
    // What is left is held by somebody else's finalizer only.
    for (const name of ['task-ended', 'task-alive']) {
      expect(await field('pod', name, '{.metadata.finalizers}')).toEqual(['example.org/theirs']);
      expect(await field('pod', name, '["{.metadata.deletionTimestamp}"]')).not.toEqual(['']);
    }
    expect(await field('servicejob', 'web', '{.metadata.finalizers}')).toEqual([
      'example.org/theirs',
    ]);
    expect(await field('node', 'node-a', '{.status.capacity}')).toEqual({ cpu: '4' });
    expect(await field('node', 'node-a', '{.status.allocatable}')).toEqual({ cpu: '4' });
    await clear();
  }, 120_000);

  test('keep: jobs and tasks live on without our finalizers', async () => {
    await installSomething();
    const report = await uninstall({ api, clock, log: silent }, { ...OPTIONS, tasks: 'keep' });
    expect(report).toEqual({
      jobsDeleted: 0,
      tasksLeftAfterStop: 0,
      finalizersRemoved: 3,
      nodesCleaned: 1,
    });
    expect(await names('pods', NAMESPACE)).toEqual([]);
    expect(await field('pod', 'task-alive', '["{.metadata.deletionTimestamp}"]')).toEqual(['']);
    expect(await field('pod', 'task-alive', '{.metadata.finalizers}')).toEqual([
      'example.org/theirs',
    ]);
    expect(await field('servicejob', 'web', '["{.metadata.deletionTimestamp}"]')).toEqual(['']);
    await clear();
  }, 120_000);

  test('releases nothing while an operator may still run', async () => {
    await installSomething();
    await holdOperatorPods();
    const early = {
      ...clock,
      monotonicMs: () => clock.monotonicMs() * 1000,
      setTimer: clock.setTimer.bind(clock),
      nowMs: clock.nowMs.bind(clock),
    };
    await expect(
      uninstall({ api, clock: early, log: silent }, { ...OPTIONS, tasks: 'keep' }),
    ).rejects.toThrow(/did not stop within 90000 ms; nothing was released/);
    expect(await field('pod', 'task-alive', '{.metadata.finalizers}')).toContain(TASK_FINALIZER);
    await releaseOperatorPods();
    await clear();
  }, 120_000);

  test('may be run again when all is done, the Deployment included', async () => {
    const args = ['--namespace', NAMESPACE, '--deployment', 'mezzo-operator', '--tasks', 'stop'];
    await uninstallCommand(args, { api, clock, log: silent });
    await cluster.kubectl(['delete', 'deployment', 'mezzo-operator', '-n', NAMESPACE]);
    expect(await uninstallCommand(args, { api, clock, log: silent })).toBe(0);
  }, 60_000);

  test.each([
    [[], /--namespace and --deployment/],
    [['--namespace', 'a', '--deployment', 'b', '--tasks', 'drop'], /stop or keep, not "drop"/],
    [['--namespace', 'a', '--deployment', 'b', '--stop-timeout-seconds', 'x'], /whole number/],
    [['--nmaespace', 'a'], /--nmaespace/],
  ])('refuses the flags %j', (args, message) => {
    const parsed = parseUninstallFlags(args);
    expect(parsed.ok ? '' : parsed.refusal).toMatch(message);
  });
});

/** A finalizer keeps the operator's Pods from going, as an unreachable node would. */
const holdOperatorPods = () => setOperatorPodFinalizers('["example.org/theirs"]');
const releaseOperatorPods = () => setOperatorPodFinalizers('null');

async function setOperatorPodFinalizers(finalizers: string): Promise<void> {
  for (const name of await names('pods', NAMESPACE)) {
    const patch = `{"metadata":{"finalizers":${finalizers}}}`;
    await cluster.kubectl(['patch', 'pod', name, '-n', NAMESPACE, '--type=merge', '-p', patch]);
  }
}

/** Repeats an attempt that throws until it does not, for 30 s. */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
