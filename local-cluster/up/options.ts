import { parseArgs } from 'node:util';
import { parseSource } from '../assets/chain.ts';
import type { Source } from '../assets/types.ts';

export interface UpOptions {
  readonly name: string;
  readonly nodes: { readonly kind: 'real' | 'fake'; readonly count: number };
  /** Use the kubeconfig's current context instead of making a cluster. */
  readonly useCurrent: boolean;
  readonly detach: boolean;
  /** Stop after the cluster: no CRDs, operator or examples. */
  readonly onlyCluster: boolean;
  readonly assetsFrom: Source | undefined;
}

/** A mistake in the command line: told without a stack. */
export class UsageError extends Error {}

export const UP_HELP = `npm run up -- [flags]      a local Kubernetes with Mezzo and examples running on it

  --detach                  return when everything runs (default: stay, show events; Ctrl-C ends all)
  --nodes real:N | fake:N   real kubelets and containers (Linux, root), or kwok's pretended nodes
                            (default: real:2 as root on Linux, otherwise fake:2)
  --cluster current         use the kubeconfig's current context instead of making a cluster
  --only cluster            only the cluster: no CRDs, operator or examples
  --assets-from download|build
                            where missing cluster binaries may come from (default: try both in order)
  --name NAME               a second cluster beside the first (default: mezzo)
  --help

npm run status shows what runs; npm run down removes all of it. Both take --name.
Environment: MEZZO_ASSETS (folder with binaries), MEZZO_CACHE (default ~/.cache/mezzo), MEZZO_ASSETS_FROM.
`;

const MAX_REAL = 20;
const MAX_FAKE = 5_000;

/** Reads the flags of `up`; undefined asks for the help text. */
export function parseUpOptions(args: readonly string[]): UpOptions | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  if (values.cluster !== undefined && values.cluster !== 'current') {
    throw new UsageError(`--cluster is "${values.cluster}"; it takes only "current"`);
  }
  if (values.only !== undefined && values.only !== 'cluster') {
    throw new UsageError(`--only is "${values.only}"; it takes only "cluster"`);
  }
  const useCurrent = values.cluster === 'current';
  if (useCurrent && (values.nodes !== undefined || values.only !== undefined)) {
    throw new UsageError('--cluster current makes no cluster; leave out --nodes and --only');
  }
  return {
    name: parseName(values.name),
    nodes: parseNodes(values.nodes),
    useCurrent,
    detach: values.detach === true,
    onlyCluster: values.only === 'cluster',
    assetsFrom: parseSource(values['assets-from']),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        detach: { type: 'boolean' },
        nodes: { type: 'string' },
        cluster: { type: 'string' },
        only: { type: 'string' },
        'assets-from': { type: 'string' },
        name: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Names a folder, so only what is harmless in a path. */
export function parseName(name = 'mezzo'): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) return name;
  throw new UsageError(`--name is "${name}"; use up to 31 of a-z, 0-9 and "-"`);
}

const mayBeReal = (): boolean => process.platform === 'linux' && process.getuid?.() === 0;

function parseNodes(text = mayBeReal() ? 'real:2' : 'fake:2'): UpOptions['nodes'] {
  const [, kind, digits] = /^(real|fake):(\d{1,4})$/.exec(text) ?? [];
  const count = Number(digits);
  const most = kind === 'real' ? MAX_REAL : MAX_FAKE;
  if ((kind !== 'real' && kind !== 'fake') || count < 1 || count > most) {
    throw new UsageError(
      `--nodes is "${text}"; use real:N (1 to ${MAX_REAL}) or fake:N (1 to ${MAX_FAKE})`,
    );
  }
  if (kind === 'real' && !mayBeReal()) {
    throw new UsageError(`--nodes ${text} needs Linux and root; use fake:${count} or sudo`);
  }
  return { kind, count };
}
