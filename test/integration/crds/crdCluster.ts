import { join } from 'node:path';
import { ensureAssets } from '../../../local-cluster/assets/ensure.ts';
import { type ExecResult, tryExec } from '../../../local-cluster/support/exec.ts';
import { startTestCluster } from '../../../local-cluster/testCluster.ts';
import { KIND_TABLE } from '../../../operator/src/schema/kindTable.ts';
import { RawApi } from './rawApi.ts';

const CRDS = join(import.meta.dirname, '../../../crds');

/** A real API server that serves the committed CRDs. */
export interface CrdCluster {
  readonly api: RawApi;
  /** Runs kubectl to its end, whatever its exit code; warnings are on its standard error. */
  kubectl(args: readonly string[]): Promise<ExecResult>;
  stop(): Promise<void>;
}

export async function startCrdCluster(): Promise<CrdCluster> {
  const cluster = await startTestCluster({ controllerManager: false });
  const { kubectl } = await ensureAssets(['kubectl']);
  // kubectl remembers what a server at an address serves; ports are used again by other clusters.
  const cache = join(cluster.dir, 'kubectl-cache');
  const flags = ['--kubeconfig', cluster.kubeconfigPath, '--cache-dir', cache];
  await cluster.kubectl(['create', '-f', CRDS]);
  await cluster.kubectl([
    'wait',
    '--for=condition=Established',
    '--timeout=30s',
    ...KIND_TABLE.map(({ ref }) => `crd/${ref.plural}.${ref.group}`),
  ]);
  return {
    api: new RawApi(cluster.kubeconfigPath),
    kubectl: (args) => tryExec(kubectl, [...flags, ...args]),
    stop: () => cluster.stop(),
  };
}
