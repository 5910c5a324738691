import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What `status` and `down` need to know of a cluster; written as soon as it is known. */
export interface ClusterState {
  readonly name: string;
  readonly dir: string;
  readonly startedAt: string;
  readonly kubeconfigPath: string;
  readonly apiUrl: string;
  readonly nodes: string;
  /** True when the cluster is the user's own and must outlive us. */
  readonly foreign: boolean;
  readonly schedulerUrl?: string;
  readonly metricsUrl?: string;
  /** Where agents serve what old clients read from Mesos agents, by node. */
  readonly agentUrls?: Readonly<Record<string, string>>;
}

const file = (dir: string): string => join(dir, 'cluster.json');

export async function writeState(state: ClusterState): Promise<void> {
  await mkdir(state.dir, { recursive: true });
  await writeFile(file(state.dir), `${JSON.stringify(state, null, 2)}\n`);
}

export async function readState(dir: string): Promise<ClusterState | undefined> {
  if (!existsSync(file(dir))) return undefined;
  return JSON.parse(await readFile(file(dir), 'utf8')) as ClusterState;
}
