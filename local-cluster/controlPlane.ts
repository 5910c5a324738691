import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiAccess, apiCall } from './apiProbe.ts';
import { startApiServer } from './apiServer.ts';
import { ensureAssets } from './assets/ensure.ts';
import type { AssetOptions } from './assets/types.ts';
import { type ClusterPki, createClusterPki } from './clusterPki.ts';
import { startEtcd } from './etcd.ts';
import { kubeconfig } from './kubeconfig.ts';
import { createNodeNetwork, type NodeNetwork } from './nodes/nodeNetwork.ts';
import { freePorts } from './support/freePorts.ts';
import { type Lifetime, type ManagedProcess, startProcess } from './support/managedProcess.ts';

export interface ControlPlaneOptions {
  /** State folder: certificates, kubeconfig, etcd's data, logs, pid files. Emptied of an earlier cluster. */
  readonly dir: string;
  /** Whether service accounts, garbage collection and node health are wanted (default: yes). */
  readonly controllerManager?: boolean;
  /** `parent` (default): everything dies with this process. */
  readonly lifetime?: Lifetime;
  /** Makes the network that real nodes join (Linux, root); the API server then listens there. */
  readonly network?: boolean;
  readonly assets?: AssetOptions;
  /** Further flags of kube-apiserver, e.g. `--max-requests-inflight=5`. */
  readonly apiServerArgs?: readonly string[];
  readonly controllerManagerArgs?: readonly string[];
}

export interface ControlPlane {
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  readonly advertiseAddress: string;
  readonly serviceCidr: string;
  readonly kubeconfigPath: string;
  /** The administrator's kubeconfig as text. */
  readonly kubeconfig: string;
  readonly pki: ClusterPki;
  readonly lifetime: Lifetime;
  readonly network: NodeNetwork | undefined;
  /** Name → process id of what runs now. */
  pids(): Readonly<Record<string, number>>;
  /** kill -9 of the API server; its port stays reserved for the restart. */
  killApiServer(): Promise<void>;
  /** Starts the API server again on the same port (killing it first if it runs); waits until ready. */
  restartApiServer(extraArgs?: readonly string[]): Promise<void>;
  /** Makes etcd forget every old revision. */
  compactEtcd(): Promise<void>;
  /** Deletes what is stored under a path, such as `/registry/pods/a/`, past the API server and all finalizers. */
  emptyEtcd(path: string): Promise<void>;
  /** Stops every process; the folder stays. */
  stop(): Promise<void>;
}

type Binaries = Record<'etcd' | 'kube-apiserver', string>;

const LOOPBACK = '127.0.0.1';
const DEFAULT_SERVICE_CIDR = '10.96.0.0/16';

/** Starts etcd, kube-apiserver and kube-controller-manager on free ports of this machine. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dir, lifetime = 'parent', assets } = options;
  const binaries = await ensureAssets(['etcd', 'kube-apiserver'], assets);
  await rm(join(dir, 'etcd'), { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const network =
    options.network === true ? await createNodeNetwork({ dir, lifetime, assets }) : undefined;
  try {
    return await startOn(network, binaries, options);
  } catch (error) {
    await network?.stop();
    throw error;
  }
}

async function startOn(
  network: NodeNetwork | undefined,
  binaries: Binaries,
  options: ControlPlaneOptions,
): Promise<ControlPlane> {
  const { dir, lifetime = 'parent' } = options;
  const advertiseAddress = network?.hostAddress ?? LOOPBACK;
  const serviceCidr = network?.serviceCidr ?? DEFAULT_SERVICE_CIDR;
  const withManager = options.controllerManager !== false;
  const [clientPort = 0, peerPort = 0, port = 0, managerPort = 0] = await freePorts(4);
  const pki = await createClusterPki(join(dir, 'pki'), apiHosts(advertiseAddress, serviceCidr));
  const etcd = await startEtcd({ binary: binaries.etcd, dir, clientPort, peerPort, lifetime });
  const serve = (extraArgs: readonly string[]) =>
    startApiServer({
      binary: binaries['kube-apiserver'],
      bindAddress: advertiseAddress,
      dir,
      etcdUrl: etcd.url,
      port,
      pki,
      lifetime,
      advertiseAddress,
      serviceCidr,
      extraArgs: [...(options.apiServerArgs ?? []), ...extraArgs],
    });
  const running: { api?: ManagedProcess; manager?: ManagedProcess } = {};
  const url = `https://${advertiseAddress}:${port}`;
  const access = { url, authority: pki.authority.certificate };
  const admin = kubeconfig({ ...access, user: 'admin', credentials: pki.admin });
  const kubeconfigPath = join(dir, 'kubeconfig');
  const stop = async () => {
    await running.manager?.stop(3_000);
    await running.api?.stop(3_000);
    await etcd.process.stop(3_000);
    await network?.stop();
  };
  try {
    await writeFile(kubeconfigPath, admin, { mode: 0o600 });
    running.api = await serve([]);
    if (withManager) {
      await prepareNamespace({ ...access, credentials: pki.admin });
      const credentials = pki.controllerManager;
      const text = kubeconfig({ ...access, user: 'controller-manager', credentials });
      running.manager = await startControllerManager(options, pki, text, managerPort);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dir,
    url,
    port,
    advertiseAddress,
    serviceCidr,
    kubeconfigPath,
    pki,
    lifetime,
    network,
    stop,
    kubeconfig: admin,
    pids: () => pidsOf([etcd.process, running.api, running.manager]),
    killApiServer: async () => running.api?.kill('SIGKILL'),
    restartApiServer: async (extraArgs = []) => {
      await running.api?.kill('SIGKILL');
      running.api = await serve(extraArgs);
    },
    compactEtcd: () => etcd.compact(),
    emptyEtcd: (path) => etcd.deleteUnder(path),
  };
}

/**
 * Makes what a Pod in namespace default needs, as the controller-manager does a few seconds later in
 * every namespace: so nobody has to wait for it.
 */
async function prepareNamespace(access: ApiAccess): Promise<void> {
  const objects = {
    serviceaccounts: { kind: 'ServiceAccount', metadata: { name: 'default' } },
    configmaps: {
      kind: 'ConfigMap',
      metadata: { name: 'kube-root-ca.crt' },
      data: { 'ca.crt': access.authority },
    },
  };
  for (const [plural, object] of Object.entries(objects)) {
    const path = `/api/v1/namespaces/default/${plural}`;
    const body = JSON.stringify({ apiVersion: 'v1', ...object });
    const answer = await apiCall(access, { method: 'POST', path, body });
    const made = answer.status === 201 || answer.status === 409;
    if (!made) throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`);
  }
}

function pidsOf(processes: readonly (ManagedProcess | undefined)[]): Record<string, number> {
  const live = processes.filter((child) => child !== undefined && child.ended() === undefined);
  return Object.fromEntries(live.map((child) => [child?.name, child?.pid]));
}

/** Every name and address a client may call the API server by. */
function apiHosts(advertiseAddress: string, serviceCidr: string): readonly string[] {
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const full = 'kubernetes.default.svc.cluster.local';
  const serviceAddress = serviceCidr.replace(/\.\d+\/\d+$/, '.1');
  return ['localhost', ...names, full, LOOPBACK, serviceAddress, advertiseAddress];
}

async function startControllerManager(
  options: ControlPlaneOptions,
  pki: ClusterPki,
  config: string,
  port: number,
): Promise<ManagedProcess> {
  const { dir, lifetime = 'parent' } = options;
  const binaries = await ensureAssets(['kube-controller-manager'], options.assets);
  const path = join(dir, 'controller-manager.kubeconfig');
  await writeFile(path, config, { mode: 0o600 });
  return startProcess({
    name: 'kube-controller-manager',
    command: binaries['kube-controller-manager'],
    dir,
    lifetime,
    args: [
      `--kubeconfig=${path}`,
      `--bind-address=${LOOPBACK}`,
      `--secure-port=${port}`,
      '--leader-elect=false',
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${pki.path('service-accounts.key')}`,
      `--root-ca-file=${pki.path('ca.crt')}`,
      ...(options.controllerManagerArgs ?? []),
    ],
  });
}
