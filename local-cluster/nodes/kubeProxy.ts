import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { ControlPlane } from '../controlPlane.ts';
import { kubeconfig } from '../kubeconfig.ts';
import { type ManagedProcess, startProcess } from '../support/managedProcess.ts';

export interface KubeProxyOptions {
  readonly cluster: ControlPlane;
  readonly name: string;
  readonly dir: string;
  readonly clusterCidr: string;
  readonly prefix: readonly string[];
  readonly binaries: { 'kube-proxy': string; nft: string };
}

/** Starts a node's kube-proxy, so that Pods reach Services by their cluster address. */
export async function startKubeProxy(options: KubeProxyOptions): Promise<ManagedProcess> {
  const { cluster, dir, name, binaries } = options;
  const user = 'system:kube-proxy';
  const credentials = await cluster.pki.issueTo('kube-proxy', { commonName: user });
  const kubeconfigPath = join(dir, 'kube-proxy.kubeconfig');
  const access = { url: cluster.url, authority: cluster.pki.authority.certificate };
  await writeFile(kubeconfigPath, kubeconfig({ ...access, user, credentials }), { mode: 0o600 });
  const config = join(dir, 'kube-proxy.json');
  const contents = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: kubeconfigPath },
    clusterCIDR: options.clusterCidr,
    hostnameOverride: name,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // The table of connections is the whole machine's: leave its size alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
  await writeFile(config, JSON.stringify(contents, null, 2));
  return startProcess({
    name: 'kube-proxy',
    command: binaries['kube-proxy'],
    args: [`--config=${config}`, '--v=1'],
    dir,
    lifetime: cluster.lifetime,
    prefix: options.prefix,
    env: { ...process.env, PATH: [dirname(binaries.nft), process.env['PATH']].join(delimiter) },
  });
}
