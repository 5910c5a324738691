import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from '../controlPlane.ts';
import { kubeconfig } from '../kubeconfig.ts';
import { type ManagedProcess, startProcess } from '../support/managedProcess.ts';

export interface KubeletOptions {
  readonly cluster: ControlPlane;
  readonly name: string;
  readonly dir: string;
  readonly address: string;
  readonly cgroupRoot: string;
  readonly containerdSocket: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly prefix: readonly string[];
  readonly binary: string;
}

/** What one node offers to Pods, whatever the machine has. */
const NODE_CPUS = 2;
const NODE_MEMORY_BYTES = 6 * 1024 ** 3;

/** Starts a node's kubelet; it registers itself. */
export async function startKubelet(options: KubeletOptions): Promise<ManagedProcess> {
  const { cluster, dir, name } = options;
  const { pki } = cluster;
  const user = `system:node:${name}`;
  const credentials = await pki.issueTo(`kubelet-${name}`, {
    commonName: user,
    organizations: ['system:nodes'],
  });
  await pki.issueTo(`kubelet-serving-${name}`, {
    commonName: user,
    organizations: ['system:nodes'],
    hosts: [name, options.address],
  });
  const access = { url: cluster.url, authority: pki.authority.certificate };
  const config = join(dir, 'kubelet.json');
  const kubeconfigPath = join(dir, 'kubelet.kubeconfig');
  await writeFile(kubeconfigPath, kubeconfig({ ...access, user, credentials }), { mode: 0o600 });
  await writeFile(config, JSON.stringify(kubeletConfig(options), null, 2));
  const labels = Object.entries(options.labels).map(([key, value]) => `${key}=${value}`);
  return startProcess({
    name: 'kubelet',
    command: options.binary,
    dir,
    lifetime: cluster.lifetime,
    prefix: options.prefix,
    args: [
      `--config=${config}`,
      `--kubeconfig=${kubeconfigPath}`,
      `--hostname-override=${name}`,
      `--node-ip=${options.address}`,
      `--node-labels=${labels.join(',')}`,
      '--v=1',
    ],
  });
}

function kubeletConfig(options: KubeletOptions): object {
  const { pki } = options.cluster;
  const serving = `kubelet-serving-${options.name}`;
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: options.address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki.path('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki.path(`${serving}.crt`),
    tlsPrivateKeyFile: pki.path(`${serving}.key`),
    containerRuntimeEndpoint: `unix://${options.containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: options.cgroupRoot,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    resolvConf: '',
    // There is no cluster DNS: an address that refuses at once beats one that lets a program wait.
    clusterDNS: ['127.0.0.1'],
    clusterDomain: 'cluster.local',
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    systemReserved: reserved(),
    enforceNodeAllocatable: ['pods'],
    // The disk and memory are the whole machine's: only real trouble there may evict Pods here.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
    },
    imageGCHighThresholdPercent: 100, // images are local and cannot be pulled again
    serializeImagePulls: false,
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '10s',
    readOnlyPort: 0,
    shutdownGracePeriod: '0s',
  };
}

/** The kubelet sees the whole machine; what is above a node's share is reserved. */
function reserved(): Record<string, string> {
  const extraCpus = Math.max(0, cpus().length - NODE_CPUS);
  const extraBytes = Math.max(0, totalmem() - NODE_MEMORY_BYTES);
  return { cpu: `${extraCpus * 1000}m`, memory: `${Math.floor(extraBytes / 1024)}Ki` };
}
