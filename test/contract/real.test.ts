import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestCluster } from '../../local-cluster/testCluster.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import { NAMESPACES } from '../../operator/src/schema/kubeKinds.ts';
import { createKubeApi } from '../../operator/src/store/kube/createKubeApi.ts';
import { createSystemClock } from '../../operator/src/store/system/systemClock.ts';
import { type ContractEnv, eventually, jobRef } from './fixtures.ts';
import { kubeApiContract } from './kubeApi.contract.ts';

const NAMESPACE = 'contract';
const CRDS = join(import.meta.dirname, '../../crds');

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** A real API server without controllers or kubelets: what happens to an object is the server's doing alone. */
async function startReal(): Promise<ContractEnv> {
  const cluster = await startTestCluster({
    controllerManager: false,
    // Nobody makes service accounts here, and the suite's Pods need none.
    apiServerArgs: ['--disable-admission-plugins=ServiceAccount'],
  });
  const kube = createKubeApi({
    source: { kind: 'file', path: cluster.kubeconfigPath },
    clock: createSystemClock(),
    log: silent,
  });
  const files = (await readdir(CRDS)).filter((name) => name.endsWith('.yaml'));
  for (const file of files) await cluster.apply(await readFile(join(CRDS, file), 'utf8'));
  await kube.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  const isServed = (): Promise<boolean> =>
    kube.list(jobRef, { namespace: NAMESPACE }).then(
      () => true,
      () => false,
    );
  await eventually(isServed, () => 'the custom kinds to be served', 30_000);
  return {
    kube,
    namespace: NAMESPACE,
    compact: async () => {
      await cluster.compactEtcd();
      // The server's watch cache still knows what etcd forgot; a new server does not.
      await cluster.restartApiServer();
      await eventually(isServed, () => 'the restarted API server', 30_000);
    },
    stop: async () => {
      await kube.close();
      await cluster.stop();
    },
  };
}

kubeApiContract('real', startReal);
