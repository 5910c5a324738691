import { join } from 'node:path';
import { adminAccess, apiCall } from '../apiProbe.ts';
import { ensureAssets } from '../assets/ensure.ts';
import type { AssetOptions } from '../assets/types.ts';
import type { ControlPlane } from '../controlPlane.ts';
import { baseImages } from '../images/baseImages.ts';
import { describeEnd, type ManagedProcess } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';
import { createCgroup, enterCgroup, killCgroup } from './cgroups.ts';
import { clusterCgroup } from './clusterCgroup.ts';
import { startContainerd } from './containerd.ts';
import { restoreKernelSettings, saveKernelSettings } from './kernelSettings.ts';
import { startKubelet } from './kubelet.ts';
import { startKubeProxy } from './kubeProxy.ts';
import { createNodeNamespace } from './nodeNamespace.ts';
import type { NodeNetwork } from './nodeNetwork.ts';
import { forgetOwner, recordOwner, sweepOrphans } from './orphans.ts';

export interface RealNode {
  readonly name: string;
  readonly address: string;
  /** Parent of the node's Pod cgroups, below each controller: `/mezzo-1a2b3c4d/mezzo-node-1`. */
  readonly cgroupRoot: string;
  readonly dir: string;
  /** Process whose namespaces are the node's: `nsenter -t <pid> -m -n …` runs a command on it. */
  readonly pid: number;
  importImage(tarPath: string): Promise<void>;
  /** Kills the kubelet, as if the node had gone silent; its containers run on. */
  killKubelet(): Promise<void>;
  restartKubelet(): Promise<void>;
}

export interface RealNodes {
  readonly nodes: readonly RealNode[];
  /** Imports an image into every node. */
  importImage(tarPath: string): Promise<void>;
  /** Kills everything that runs on the nodes and removes their cgroups. */
  stop(): Promise<void>;
}

export interface RealNodesOptions {
  readonly count?: number;
  readonly assets?: AssetOptions;
  readonly log?: (line: string) => void;
}

const READY_TIMEOUT_MS = 90_000;
const BINARIES = [
  'kubelet',
  'kube-proxy',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'runc',
  'cni',
  'nft',
  'pause',
] as const;

type Binaries = Record<(typeof BINARIES)[number], string>;

/** Starts nodes that really run containers (Linux, as root) and waits until they are Ready. */
export async function startRealNodes(
  cluster: ControlPlane,
  options: RealNodesOptions = {},
): Promise<RealNodes> {
  const { count = 2 } = options;
  requireRoot();
  const { network } = cluster;
  if (network === undefined) {
    throw new Error(
      'real nodes need a control plane on their network: start it with `network: true` (or startTestCluster({ nodes: … }))',
    );
  }
  const binaries = await ensureAssets(BINARIES, options.assets);
  const images = await baseImages(options.assets);
  const cgroup = clusterCgroup(cluster.dir);
  const stop = async () => {
    await killCgroup(cgroup.nodes);
    await restoreKernelSettings();
    await forgetOwner(cluster.dir);
  };
  try {
    await sweepOrphans();
    await saveKernelSettings();
    await recordOwner(cluster.dir, cluster.lifetime);
    await createCgroup(cgroup.daemons);
    await publishApiServer(cluster);
    const indexes = Array.from({ length: count }, (_, index) => index + 1);
    const nodes = await Promise.all(
      indexes.map((index) => startNode({ cluster, network, binaries, images, index, count })),
    );
    await awaitReady(cluster, nodes);
    const importImage = async (tarPath: string) => {
      await Promise.all(nodes.map(({ node }) => node.importImage(tarPath)));
    };
    return { nodes: nodes.map(({ node }) => node), importImage, stop };
  } catch (error) {
    await stop().catch((failed: unknown) => options.log?.(`clean-up failed: ${String(failed)}`));
    throw error;
  }
}

function requireRoot(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('real nodes need Linux and root; use --nodes fake:2 (kwok) instead');
  }
}

interface StartedNode {
  readonly node: RealNode;
  readonly daemons: () => readonly ManagedProcess[];
}

interface NodeInput {
  readonly cluster: ControlPlane;
  readonly network: NodeNetwork;
  readonly binaries: Binaries;
  readonly images: readonly string[];
  readonly index: number;
  readonly count: number;
}

async function startNode(input: NodeInput): Promise<StartedNode> {
  const { cluster, network, binaries, index } = input;
  const name = `mezzo-node-${index}`;
  const dir = join(cluster.dir, name);
  const { lifetime } = cluster;
  const cgroup = clusterCgroup(cluster.dir);
  const cgroupRoot = `${cgroup.nodes}/${name}`;
  await createCgroup(cgroupRoot);
  const namespace = await createNodeNamespace({
    name,
    dir,
    lifetime,
    cgroup: cgroup.daemons,
    pauseBinary: binaries.pause,
  });
  await network.attach(namespace.pid, index, input.count);
  const prefix = [...enterCgroup(cgroup.daemons), ...namespace.enter];
  const podCidr = network.podCidr(index);
  const containerd = await startContainerd({ dir, lifetime, prefix, binaries, podCidr });
  for (const image of input.images) await containerd.importImage(image);
  const address = network.nodeAddress(index);
  const kubelet = () =>
    startKubelet({
      cluster,
      name,
      dir,
      address,
      cgroupRoot,
      prefix,
      containerdSocket: containerd.socket,
      binary: binaries.kubelet,
      labels: nodeLabels(index),
    });
  let current = await kubelet();
  const { clusterCidr } = network;
  const proxy = await startKubeProxy({ cluster, name, dir, clusterCidr, prefix, binaries });
  const node: RealNode = {
    name,
    address,
    cgroupRoot,
    dir,
    pid: namespace.pid,
    importImage: (tarPath) => containerd.importImage(tarPath),
    killKubelet: () => current.kill('SIGKILL'),
    restartKubelet: async () => {
      await current.kill('SIGKILL');
      current = await kubelet();
    },
  };
  return { node, daemons: () => [namespace.holder, containerd.process, current, proxy] };
}

function nodeLabels(index: number): Record<string, string> {
  const zone = `zone-${String.fromCharCode(96 + (((index - 1) % 26) + 1))}`;
  return {
    'topology.kubernetes.io/region': 'local',
    'topology.kubernetes.io/zone': zone,
  };
}

/** Gives the Service `kubernetes` its endpoint, which the API server is told not to keep. */
async function publishApiServer(cluster: ControlPlane): Promise<void> {
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'kubernetes' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [cluster.advertiseAddress], conditions: { ready: true } }],
    ports: [{ name: 'https', port: cluster.port, protocol: 'TCP' }],
  };
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
  const call = { method: 'POST', path, body: JSON.stringify(slice) } as const;
  const answer = await apiCall(adminAccess(cluster), call);
  const made = answer.status === 201 || answer.status === 409;
  if (!made) throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`);
}

interface NodeList {
  readonly items: readonly {
    metadata: { name: string };
    status: { conditions?: readonly { type: string; status: string; message: string }[] };
  }[];
}

async function awaitReady(cluster: ControlPlane, started: readonly StartedNode[]): Promise<void> {
  const dead = () =>
    started.flatMap(({ daemons }) => daemons()).find((child) => child.ended() !== undefined);
  const names = new Set(started.map(({ node }) => node.name));
  const ready = async () => {
    const answer = await apiCall(adminAccess(cluster), { path: '/api/v1/nodes' });
    const list = JSON.parse(answer.body) as NodeList;
    const waiting = list.items
      .filter(({ metadata }) => names.has(metadata.name))
      .map((item) => item.status.conditions?.find(({ type }) => type === 'Ready'))
      .filter((condition) => condition?.status !== 'True');
    if (list.items.length >= names.size && waiting.length === 0) return true;
    throw new Error(waiting[0]?.message ?? `${list.items.length} of ${names.size} registered`);
  };
  await waitFor('nodes to be Ready', ready, {
    timeoutMs: READY_TIMEOUT_MS,
    pollMs: 200,
    giveUp: () => dead() && 'a daemon of a node ended',
  }).catch(async (error: unknown) => {
    const ended = dead();
    if (ended === undefined) throw error;
    throw new Error(await describeEnd(ended), { cause: error });
  });
}
