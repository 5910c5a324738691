import { describe } from '@jest/globals';

/** Why tests with real nodes cannot run here; undefined when they can. */
export const NO_REAL_NODES: string | undefined =
  process.platform === 'linux' && process.getuid?.() === 0
    ? undefined
    : 'real nodes need Linux and root';

/** A suite on real kubelets, reported as skipped with its reason where there can be none. */
export function realNodesSuite(name: string, body: () => void): void {
  if (NO_REAL_NODES === undefined) describe(name, body);
  else describe.skip(`${name} (${NO_REAL_NODES})`, body);
}
