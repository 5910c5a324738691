import { type ApiAccess, apiGet } from './apiProbe.ts';
import type { ClusterPki } from './clusterPki.ts';
import {
  describeEnd,
  type Lifetime,
  type ManagedProcess,
  startProcess,
} from './support/managedProcess.ts';
import { waitFor } from './support/waitFor.ts';

export interface ApiServerOptions {
  readonly binary: string;
  readonly dir: string;
  readonly etcdUrl: string;
  readonly port: number;
  readonly pki: ClusterPki;
  readonly lifetime: Lifetime;
  /** Address that Pods and nodes reach the API server at. */
  readonly advertiseAddress: string;
  readonly bindAddress: string;
  readonly serviceCidr: string;
  readonly extraArgs: readonly string[];
}

const READY_TIMEOUT_MS = 60_000;

/** Starts kube-apiserver and waits until it is ready. */
export async function startApiServer(options: ApiServerOptions): Promise<ManagedProcess> {
  const process = await startProcess({
    name: 'kube-apiserver',
    command: options.binary,
    dir: options.dir,
    lifetime: options.lifetime,
    args: flags(options),
  });
  try {
    await waitReady(options, process);
  } catch (error) {
    const why = new Error(await describeEnd(process), { cause: error });
    await process.kill('SIGKILL');
    throw why;
  }
  return process;
}

async function waitReady(options: ApiServerOptions, process: ManagedProcess): Promise<void> {
  const access: ApiAccess = {
    url: `https://${options.bindAddress}:${options.port}`,
    authority: options.pki.authority.certificate,
    credentials: options.pki.admin,
  };
  const ready = async () => {
    const { status, body } = await apiGet(access, '/readyz');
    if (status === 200) return true;
    throw new Error(`/readyz answered ${status}: ${body.slice(0, 300)}`);
  };
  await waitFor('kube-apiserver', ready, {
    timeoutMs: READY_TIMEOUT_MS,
    giveUp: () => process.ended() && 'it ended',
  });
  // The namespace is made by a start-up hook of the server; tests and `apply` count on it.
  const namespace = async () =>
    (await apiGet(access, '/api/v1/namespaces/default')).status === 200 ? true : undefined;
  await waitFor('namespace default', namespace, { timeoutMs: READY_TIMEOUT_MS });
}

function flags(options: ApiServerOptions): readonly string[] {
  const { pki } = options;
  return [
    `--etcd-servers=${options.etcdUrl}`,
    `--secure-port=${options.port}`,
    `--bind-address=${options.bindAddress}`,
    `--advertise-address=${options.advertiseAddress}`,
    '--endpoint-reconciler-type=none',
    `--tls-cert-file=${pki.path('apiserver.crt')}`,
    `--tls-private-key-file=${pki.path('apiserver.key')}`,
    `--client-ca-file=${pki.path('ca.crt')}`,
    `--kubelet-certificate-authority=${pki.path('ca.crt')}`,
    `--kubelet-client-certificate=${pki.path('kubelet-client.crt')}`,
    `--kubelet-client-key=${pki.path('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--service-cluster-ip-range=${options.serviceCidr}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${pki.path('service-accounts.pub')}`,
    `--service-account-signing-key-file=${pki.path('service-accounts.key')}`,
    ...options.extraArgs,
  ];
}
