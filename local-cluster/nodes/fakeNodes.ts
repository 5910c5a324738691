import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adminAccess, apiCall, createAll } from '../apiProbe.ts';
import { ensureAssets } from '../assets/ensure.ts';
import type { AssetOptions } from '../assets/types.ts';
import type { ControlPlane } from '../controlPlane.ts';
import { describeEnd, startProcess } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';

export interface FakeNodes {
  readonly names: readonly string[];
  stop(): Promise<void>;
}

export interface FakeNodesOptions {
  readonly count?: number;
  /** What every node offers; by default 2 CPUs and 6 GiB like the real nodes. */
  readonly allocatable?: Readonly<Record<string, string>>;
  readonly assets?: AssetOptions;
}

const STAGES = join(dirname(fileURLToPath(import.meta.url)), 'kwokStages.yaml');
const ALLOCATABLE = { cpu: '2', memory: '6Gi', pods: '110', 'ephemeral-storage': '100Gi' };
const READY_TIMEOUT_MS = 120_000;
const OPTIONS = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageNodesWithLabelSelector: mezzo.dev/fake-node=true
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 8
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 16
  cidr: 10.180.0.0/14
`;

/** Starts nodes that only pretend (kwok): Pods run, end and are deleted in the API alone. */
export async function startFakeNodes(
  cluster: ControlPlane,
  options: FakeNodesOptions = {},
): Promise<FakeNodes> {
  const { count = 2, allocatable = ALLOCATABLE } = options;
  const { kwok } = await ensureAssets(['kwok'], options.assets);
  const config = join(cluster.dir, 'kwok.yaml');
  await writeFile(config, OPTIONS);
  const child = await startProcess({
    name: 'kwok',
    command: kwok,
    args: [`--kubeconfig=${cluster.kubeconfigPath}`, `--config=${config}`, `--config=${STAGES}`],
    dir: cluster.dir,
    lifetime: cluster.lifetime,
  });
  const names = Array.from({ length: count }, (_, index) => `mezzo-fake-${index + 1}`);
  const access = adminAccess(cluster);
  try {
    const nodes = names.map((name, index) => node(name, index, allocatable));
    await createAll(access, '/api/v1/nodes', nodes);
    const selector = encodeURIComponent('mezzo.dev/fake-node=true');
    const ready = async () => {
      const path = `/api/v1/nodes?labelSelector=${selector}`;
      const { items } = JSON.parse((await apiCall(access, { path })).body) as NodeList;
      const there = items.filter(isReady).length;
      if (there >= count) return true;
      throw new Error(`${there} of ${count} Ready`);
    };
    await waitFor('fake nodes', ready, {
      timeoutMs: READY_TIMEOUT_MS,
      pollMs: Math.max(300, count), // the answer is some kilobytes per node
      giveUp: () => child.ended() && 'kwok ended',
    });
  } catch (error) {
    const ended = child.ended() === undefined ? undefined : await describeEnd(child);
    await child.stop();
    throw ended === undefined ? error : new Error(ended, { cause: error });
  }
  return { names, stop: () => child.stop() };
}

interface NodeList {
  readonly items: readonly {
    status: { conditions?: readonly { type: string; status: string }[] };
  }[];
}

const isReady = (item: NodeList['items'][number]): boolean =>
  item.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
  false;

function node(name: string, index: number, allocatable: Readonly<Record<string, string>>): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'mezzo.dev/fake-node': 'true',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/region': 'local',
        'topology.kubernetes.io/zone': `zone-${String.fromCharCode(97 + (index % 3))}`,
      },
    },
    status: { allocatable, capacity: allocatable },
  };
}
