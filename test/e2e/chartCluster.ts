import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildMezzoImage, MEZZO_IMAGE } from '../../images/build.ts';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { BUSYBOX_IMAGE } from '../../local-cluster/images/baseImages.ts';
import { tryExec } from '../../local-cluster/support/exec.ts';
import { type ManagedProcess, startProcess } from '../../local-cluster/support/managedProcess.ts';
import { REPOSITORY } from '../../local-cluster/support/paths.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';

/** Why tests with real nodes cannot run here; undefined when they can. */
export const NO_REAL_NODES: string | undefined =
  process.platform === 'linux' && process.getuid?.() === 0
    ? undefined
    : 'real nodes need Linux and root';

export const CHART = join(REPOSITORY, 'charts', 'mezzo');
export const NAMESPACE = 'mezzo-system';
export const RELEASE = 'mezzo';

export interface ChartCluster extends TestCluster {
  readonly scratch: string;
  /** Values that fit this cluster: its image, its cgroups, and an address in place of DNS. */
  readonly values: readonly string[];
  helm(version: 'helm' | 'helm3', ...args: readonly string[]): Promise<string>;
  /** Parsed output of `kubectl get … -o json`. */
  get<T>(...args: readonly string[]): Promise<T>;
}

const HELM_TIMEOUT_MS = 6 * 60_000;

/** Real kubelets with the image built from local files, and the scheduler that Deployments and DaemonSets need. */
export async function startChartCluster(): Promise<ChartCluster> {
  const binaries = await ensureAssets(['helm', 'helm3', 'kube-scheduler']);
  const scratch = await mkdtemp(join(tmpdir(), 'mezzo-chart-e2e-'));
  const image = await buildMezzoImage(join(scratch, 'mezzo.tar'));
  const cluster = await startTestCluster({ realNodes: 2 });
  let scheduler: ManagedProcess;
  try {
    await cluster.realNodes?.importImage(image.path);
    scheduler = await startScheduler(cluster, binaries['kube-scheduler']);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfigPath, HELM_CACHE_HOME: scratch };
  return {
    ...cluster,
    scratch,
    values: valuesFor(cluster),
    helm: async (version, ...args) => {
      const options = { env, timeoutMs: HELM_TIMEOUT_MS };
      const { code, stdout, stderr } = await tryExec(binaries[version], args, options);
      if (code === 0) return `${stdout}${stderr}`;
      throw new Error(
        `${version} ${args.join(' ')} failed:\n${stdout}${stderr}\n${await describe(cluster)}`,
      );
    },
    get: async <T>(...args: readonly string[]) =>
      JSON.parse(await cluster.kubectl(['get', ...args, '-o', 'json'])) as T,
    stop: async () => {
      await scheduler.stop();
      await cluster.stop();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

function startScheduler(cluster: TestCluster, command: string): Promise<ManagedProcess> {
  return startProcess({
    name: 'kube-scheduler',
    command,
    dir: cluster.dir,
    lifetime: 'parent',
    args: [
      `--kubeconfig=${cluster.kubeconfigPath}`,
      '--leader-elect=false',
      // Nobody asks it anything; 0 means no listener.
      '--secure-port=0',
    ],
  });
}

function valuesFor(cluster: TestCluster): readonly string[] {
  const [node] = cluster.realNodes?.nodes ?? [];
  if (node === undefined) throw new Error('the cluster has no real nodes');
  const address = cluster.serviceCidr.replace(/\.\d+\/\d+$/, '.200');
  const url = `http://${address}:8080`;
  const values = {
    'image.repository': MEZZO_IMAGE.repository,
    'image.tag': MEZZO_IMAGE.tag,
    'image.pullPolicy': 'Never',
    'operator.defaultTaskImage': BUSYBOX_IMAGE,
    'service.clusterIP': address,
    'agent.reportUrl': `${url}/agent/v1/report`,
    'agent.cgroupRoot': `${dirname(node.cgroupRoot)}/$(MEZZO_NODE_NAME)`,
    'helmTest.operatorUrl': url,
  };
  return Object.entries(values).map(([name, value]) => `--set=${name}=${value}`);
}

/** What a person would look at first when an install does not come up. */
async function describe(cluster: TestCluster): Promise<string> {
  const look = (...args: readonly string[]) =>
    cluster.kubectl(args).catch((error: unknown) => String(error));
  const logs = ['logs', '-n', NAMESPACE, '--all-containers', '--prefix', '--tail=40'];
  return [
    await look('get', 'pods', '-A', '-o', 'wide'),
    await look('describe', 'pods', '-n', NAMESPACE),
    await look(...logs, '-l', `app.kubernetes.io/instance=${RELEASE}`),
    await look('get', 'events', '-A', '--sort-by=.lastTimestamp'),
  ].join('\n');
}

/** Waits with what was last seen in the error. */
export async function eventually(
  what: string,
  timeoutMs: number,
  check: () => Promise<true | string>,
): Promise<void> {
  let last = 'nothing';
  const look = async (): Promise<true | undefined> => {
    const seen = await check();
    if (seen !== true) last = seen;
    return seen === true ? true : undefined;
  };
  await waitFor(what, look, { timeoutMs, pollMs: 500 }).catch((error: unknown) => {
    throw new Error(`${what}: last seen: ${last}`, { cause: error });
  });
}
