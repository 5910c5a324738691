import { ensureAssets } from './assets/ensure.ts';
import type { AssetOptions } from './assets/types.ts';
import { exec } from './support/exec.ts';

export interface Kubectl {
  /** Runs kubectl with these arguments; resolves to its standard output, throws with its errors. */
  (args: readonly string[], input?: string): Promise<string>;
}

const TIMEOUT_MS = 120_000;

/** A kubectl bound to one kubeconfig. */
export async function kubectlFor(kubeconfigPath: string, assets?: AssetOptions): Promise<Kubectl> {
  const { kubectl } = await ensureAssets(['kubectl'], assets);
  return (args, input) =>
    exec(kubectl, ['--kubeconfig', kubeconfigPath, ...args], {
      timeoutMs: TIMEOUT_MS,
      ...(input === undefined ? {} : { input }),
    });
}

/** Applies YAML or JSON text on the server side. */
export function applyText(
  kubectl: Kubectl,
  text: string,
  flags: readonly string[] = [],
): Promise<string> {
  return kubectl(['apply', '--server-side', '--force-conflicts', ...flags, '-f', '-'], text);
}
