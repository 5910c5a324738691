import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AssetOptions } from './assets/types.ts';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './controlPlane.ts';
import { applyText, type Kubectl, kubectlFor } from './kubectl.ts';
import { startFakeNodes } from './nodes/fakeNodes.ts';
import { type RealNodes, startRealNodes } from './nodes/realNodes.ts';

/** A real API server for tests; several may run side by side. */
export interface TestCluster extends ControlPlane {
  readonly kubectl: Kubectl;
  /** Applies YAML or JSON text. */
  apply(text: string): Promise<string>;
  /** Nodes asked for with `realNodes`. */
  readonly realNodes: RealNodes | undefined;
}

export interface TestClusterOptions extends Partial<ControlPlaneOptions> {
  readonly realNodes?: number;
  readonly fakeNodes?: number;
}

/** Starts etcd, API server and controller-manager in a folder of their own, which `stop` deletes. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'mezzo-test-')));
  const log = (line: string) => process.stderr.write(`[assets] ${line}\n`);
  const assets = { log, ...options.assets };
  const network = options.network === true || options.realNodes !== undefined;
  const controlPlane = await startControlPlane({ ...options, dir, assets, network });
  const stops = [() => controlPlane.stop()];
  const stop = async () => {
    for (const end of stops.reverse()) await end();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    return await withNodes(controlPlane, options, { assets, stops, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Parts {
  readonly assets: AssetOptions;
  readonly stops: (() => Promise<void>)[];
  readonly stop: () => Promise<void>;
}

async function withNodes(
  controlPlane: ControlPlane,
  options: TestClusterOptions,
  { assets, stops, stop }: Parts,
): Promise<TestCluster> {
  const kubectl = await kubectlFor(controlPlane.kubeconfigPath, assets);
  let realNodes: RealNodes | undefined;
  if (options.realNodes !== undefined) {
    realNodes = await startRealNodes(controlPlane, { count: options.realNodes, assets });
    const started = realNodes;
    stops.push(() => started.stop());
  }
  if (options.fakeNodes !== undefined) {
    const fake = await startFakeNodes(controlPlane, { count: options.fakeNodes, assets });
    stops.push(() => fake.stop());
  }
  return {
    ...controlPlane,
    kubectl,
    apply: (text) => applyText(kubectl, text),
    realNodes,
    stop,
  };
}
