import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AssetName } from '../assets/catalog.ts';
import { ensureAssets } from '../assets/ensure.ts';
import type { AssetOptions } from '../assets/types.ts';
import { type ControlPlane, startControlPlane } from '../controlPlane.ts';
import { FETCHER_IMAGE, fetcherImage } from '../images/fetcherImage.ts';
import { type Kubectl, kubectlFor } from '../kubectl.ts';
import { startFakeNodes } from '../nodes/fakeNodes.ts';
import { type RealNode, startRealNodes } from '../nodes/realNodes.ts';
import { exec } from '../support/exec.ts';
import { freePorts } from '../support/freePorts.ts';
import type { Lifetime } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';
import { applyCrds, applyExamples } from './apply.ts';
import type { Console } from './console.ts';
import {
  agentMesosHost,
  type OperatorEndpoints,
  startAgents,
  startFramework,
  startOperator,
} from './hostProcesses.ts';
import { notRunningYet, readWorkload } from './jobTable.ts';
import type { UpOptions } from './options.ts';
import { type ClusterState, writeState } from './state.ts';

export interface BringUpInput {
  readonly options: UpOptions;
  readonly dir: string;
  readonly console: Console;
}

const CONTROL_PLANE: readonly AssetName[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kubectl',
];
const REAL: readonly AssetName[] = [
  ...(['kubelet', 'kube-proxy', 'containerd', 'ctr', 'runc', 'cni', 'nft'] as const),
  ...(['pause', 'busybox'] as const),
];
const RUNNING_TIMEOUT_MS = 90_000;

/** Brings everything up in order; what was started before a failure is left for the caller to take down. */
export async function bringUp(input: BringUpInput): Promise<ClusterState> {
  const { options, dir, console } = input;
  const lifetime: Lifetime = options.detach ? 'detached' : 'parent';
  const assets: AssetOptions = { from: options.assetsFrom, log: (line) => console.note(line) };
  const [agentMesosPort = 0] = await freePorts(1);
  const { state, kubectl, nodes, operator } = options.useCurrent
    ? await useCurrentContext(input, lifetime, assets)
    : await makeCluster(input, { lifetime, assets, agentMesosPort });
  if (operator === undefined) return state;
  const { kubeconfigPath } = state;
  const { schedulerUrl, metricsUrl } = operator;
  const agentUrls = Object.fromEntries(
    nodes.map(({ name }, index) => [name, `http://${agentMesosHost(index)}:${agentMesosPort}`]),
  );
  const full: ClusterState = { ...state, schedulerUrl, metricsUrl, agentUrls };
  await writeState(full);
  if (nodes.length > 0) {
    await console.step('starting the node agents', () =>
      startAgents({ dir, kubeconfigPath, lifetime, nodes, schedulerUrl, agentMesosPort }),
    );
  } else if (options.useCurrent) {
    console.note('no node agents are started on foreign nodes: install the chart for them');
  }
  await console.step('applying the example roles, quotas and jobs', () => applyExamples(kubectl));
  const framework = await console.step('starting the example framework', () =>
    startFramework({ dir, lifetime, schedulerUrl }),
  );
  await console.step('waiting for tasks to run', () =>
    awaitRunning(
      kubectl,
      () => [operator.process, framework].find((child) => child.ended() !== undefined)?.logPath,
    ),
  );
  return full;
}

/** Installs the CRDs and starts the operator, which does not wait for nodes. */
async function install(
  kubectl: Kubectl,
  { dir, kubeconfigPath }: ClusterState,
  lifetime: Lifetime,
  more: Pick<Parameters<typeof startOperator>[0], 'agentMesosPort' | 'operatorArgs'> = {},
): Promise<OperatorEndpoints> {
  await applyCrds(kubectl);
  return startOperator({ dir, kubeconfigPath, lifetime, ...more });
}

interface Cluster {
  readonly state: ClusterState;
  readonly kubectl: Kubectl;
  readonly nodes: readonly RealNode[];
  readonly operator: OperatorEndpoints | undefined;
}

interface Own {
  readonly lifetime: Lifetime;
  readonly assets: AssetOptions;
  readonly agentMesosPort: number;
}

async function makeCluster(
  { options, dir, console }: BringUpInput,
  { lifetime, assets, agentMesosPort }: Own,
): Promise<Cluster> {
  const { kind, count } = options.nodes;
  const names: readonly AssetName[] = [
    ...CONTROL_PLANE,
    ...(kind === 'real' ? REAL : (['kwok'] as const)),
  ];
  await console.step('cluster binaries', () => ensureAssets(names, assets));
  const cluster: ControlPlane = await console.step('control plane', () =>
    startControlPlane({ dir, lifetime, assets, network: kind === 'real' }),
  );
  const state: ClusterState = {
    name: options.name,
    dir,
    startedAt: new Date().toISOString(),
    kubeconfigPath: cluster.kubeconfigPath,
    apiUrl: cluster.url,
    nodes: `${kind}:${count}`,
    foreign: false,
  };
  await writeState(state);
  const kubectl = await kubectlFor(cluster.kubeconfigPath, assets);
  const rest = options.onlyCluster ? '' : ', the CRDs and the operator';
  const title = `${count} ${kind} node${count === 1 ? '' : 's'}${rest}`;
  const [nodes, operator] = await console.step(title, () =>
    Promise.all([
      startNodes(cluster, options.nodes, assets),
      options.onlyCluster
        ? undefined
        : install(kubectl, state, lifetime, {
            operatorArgs: ['--fetcher-image', FETCHER_IMAGE],
            ...(kind === 'real' ? { agentMesosPort } : {}),
          }),
    ]),
  );
  return { state, kubectl, nodes, operator };
}

async function startNodes(
  cluster: ControlPlane,
  { kind, count }: UpOptions['nodes'],
  assets: AssetOptions,
): Promise<readonly RealNode[]> {
  if (kind === 'real') {
    const [real, image] = await Promise.all([
      startRealNodes(cluster, { count, assets }),
      fetcherImage(),
    ]);
    await real.importImage(image);
    return real.nodes;
  }
  await startFakeNodes(cluster, { count, assets });
  return [];
}

/** Uses the cluster that kubectl would use now. */
async function useCurrentContext(
  { options, dir, console }: BringUpInput,
  lifetime: Lifetime,
  assets: AssetOptions,
): Promise<Cluster> {
  const { kubeconfigPath, apiUrl } = await console.step("the kubeconfig's current context", () =>
    freezeCurrentContext(dir, assets),
  );
  const kubectl = await kubectlFor(kubeconfigPath, assets);
  const startedAt = new Date().toISOString();
  const { name } = options;
  const where = { kubeconfigPath, apiUrl, nodes: 'its own', foreign: true };
  const state: ClusterState = { name, dir, startedAt, ...where };
  await writeState(state);
  const operator = await console.step('the CRDs and the operator', () =>
    install(kubectl, state, lifetime),
  );
  return { state, kubectl, nodes: [], operator };
}

/** Copies the current context into a kubeconfig of our own, so that a later switch changes nothing here. */
async function freezeCurrentContext(
  dir: string,
  assets: AssetOptions,
): Promise<{ kubeconfigPath: string; apiUrl: string }> {
  const { kubectl: binary } = await ensureAssets(['kubectl'], assets);
  const view = ['config', 'view', '--minify', '--flatten', '--raw'];
  const text = await exec(binary, view).catch((error: unknown) => {
    throw new Error('there is no current context; choose one: kubectl config use-context NAME', {
      cause: error,
    });
  });
  await mkdir(dir, { recursive: true });
  const kubeconfigPath = join(dir, 'kubeconfig');
  await writeFile(kubeconfigPath, text, { mode: 0o600 });
  const kubectl = await kubectlFor(kubeconfigPath, assets);
  await kubectl(['version', '--request-timeout=10s']);
  const server = ['config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}'];
  return { kubeconfigPath, apiUrl: await kubectl(server) };
}

async function awaitRunning(kubectl: Kubectl, deadLog: () => string | undefined): Promise<void> {
  const running = async () => {
    const workload = await readWorkload(kubectl);
    const waiting = [...notRunningYet(workload)];
    if (!workload.jobs.some(({ kind }) => kind === 'Framework')) {
      waiting.push('the example framework has not subscribed');
    }
    if (waiting.length === 0) return true;
    throw new Error(`\n   ${waiting.join('\n   ')}`);
  };
  await waitFor('tasks to be RUNNING', running, {
    timeoutMs: RUNNING_TIMEOUT_MS,
    pollMs: 1_000,
    giveUp: () => deadLog() && `a process ended; see ${deadLog()}`,
  });
}
