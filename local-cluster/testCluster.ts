import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './controlPlane.ts';
import { applyText, type Kubectl, kubectlFor } from './kubectl.ts';

/** A real API server for tests; several may run side by side. */
export interface TestCluster extends ControlPlane {
  readonly kubectl: Kubectl;
  /** Applies YAML or JSON text. */
  apply(text: string): Promise<string>;
}

export type TestClusterOptions = Partial<ControlPlaneOptions>;

/** Starts etcd, API server and controller-manager in a folder of their own, which `stop` deletes. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'mezzo-test-')));
  const log = (line: string) => process.stderr.write(`[assets] ${line}\n`);
  const assets = { log, ...options.assets };
  const controlPlane = await startControlPlane({ ...options, dir, assets });
  const kubectl = await kubectlFor(controlPlane.kubeconfigPath, assets);
  return {
    ...controlPlane,
    kubectl,
    apply: (text) => applyText(kubectl, text),
    stop: async () => {
      await controlPlane.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
