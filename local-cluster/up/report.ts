import type { Kubectl } from '../kubectl.ts';
import { readWorkload, renderTable } from './jobTable.ts';
import { findProcesses } from './processes.ts';
import type { ClusterState } from './state.ts';

/** What runs where, and the jobs with their tasks. */
export async function report(state: ClusterState, kubectl: Kubectl): Promise<string> {
  const lines = [
    ['kubeconfig', `export KUBECONFIG=${state.kubeconfigPath}`],
    ['API server', state.apiUrl],
    ['nodes', state.nodes],
    [
      'scheduler API',
      state.schedulerUrl === undefined ? undefined : `${state.schedulerUrl}/api/v1/scheduler`,
    ],
    ['metrics', state.metricsUrl === undefined ? undefined : `${state.metricsUrl}/metrics`],
    ['state and logs', `${state.dir} (*.log)`],
    ['processes', await processLine(state.dir)],
  ];
  const width = Math.max(...lines.map(([label = '']) => label.length));
  const text = lines
    .filter(([, value]) => value !== undefined)
    .map(([label = '', value]) => `  ${label.padEnd(width)}  ${value}`);
  const table =
    state.schedulerUrl === undefined ? [] : ['', renderTable(await readWorkload(kubectl))];
  return `${[`Mezzo "${state.name}", since ${state.startedAt}`, ...text, ...table].join('\n')}\n`;
}

async function processLine(dir: string): Promise<string> {
  const all = await findProcesses(dir);
  const dead = all.filter(({ alive }) => !alive).map(({ name, pidPath }) => `${name} (${pidPath})`);
  const alive = `${all.length - dead.length} of ${all.length} run`;
  return dead.length === 0 ? alive : `${alive}; not running: ${dead.join(', ')}`;
}
