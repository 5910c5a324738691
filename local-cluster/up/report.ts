import { relative } from 'node:path';
import type { Kubectl } from '../kubectl.ts';
import { readWorkload, renderTable } from './jobTable.ts';
import { findProcesses } from './processes.ts';
import type { ClusterState } from './state.ts';

export interface Report {
  readonly text: string;
  /** Everything that was started runs, and the API server answers. */
  readonly healthy: boolean;
}

/** What runs where, and the jobs with their tasks. */
export async function report(state: ClusterState, kubectl: Kubectl): Promise<Report> {
  const processes = await findProcesses(state.dir);
  const dead = processes.filter(({ alive }) => !alive);
  const table = await tableOrFault(state, kubectl);
  const lines: readonly (readonly [label: string, value: string | undefined])[] = [
    ['kubeconfig', `export KUBECONFIG=${state.kubeconfigPath}`],
    ['API server', state.apiUrl],
    ['nodes', state.nodes],
    ['scheduler API', state.schedulerUrl && `${state.schedulerUrl}/api/v1/scheduler`],
    ['metrics', state.metricsUrl && `${state.metricsUrl}/metrics`],
    ...Object.entries(state.agentUrls ?? {}).map(
      ([node, url]) => [`agent ${node}`, `${url}/state`] as const,
    ),
    ['state and logs', `${state.dir} (*.log)`],
    ['processes', `${processes.length - dead.length} of ${processes.length} run`],
    ['not running', dead.map(({ pidPath }) => nameIn(state.dir, pidPath)).join(', ') || undefined],
  ];
  const shown = lines.filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([label]) => label.length));
  const head = shown.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
  const title = `Mezzo "${state.name}", since ${state.startedAt}`;
  const remedy = dead.length === 0 ? [] : ['', 'npm run down removes it; npm run up starts anew.'];
  const text = `${[title, ...head, '', table.text, ...remedy].join('\n').trimEnd()}\n`;
  return { text, healthy: dead.length === 0 && table.ok };
}

/** `mezzo-node-1/kubelet` for a pid file in a node's folder. */
const nameIn = (dir: string, pidPath: string): string =>
  relative(dir, pidPath).replace(/\.pid$/, '');

async function tableOrFault(
  state: ClusterState,
  kubectl: Kubectl,
): Promise<{ ok: boolean; text: string }> {
  try {
    if (state.schedulerUrl !== undefined) {
      return { ok: true, text: renderTable(await readWorkload(kubectl)) };
    }
    await kubectl(['get', '--raw', '/readyz', '--request-timeout=5s']);
    return { ok: true, text: '' };
  } catch (error) {
    const last = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
    return { ok: false, text: `No answer from the API server: ${last}` };
  }
}
