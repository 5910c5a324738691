// Containers outlive the kubelet and containerd that die with a killed parent (a test run ended by
// kill -9). Each cluster with real nodes is written down, and the next one that starts ends the
// containers of those whose owner is gone.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import type { Lifetime } from '../support/managedProcess.ts';
import { cacheRoot } from '../support/paths.ts';
import { processStartTime } from '../support/processTable.ts';
import { killCgroup } from './cgroups.ts';
import { clusterCgroup } from './clusterCgroup.ts';
import { removeStaleLink } from './nodeNetwork.ts';

interface OwnerRecord {
  readonly dir: string;
  readonly lifetime: Lifetime;
  readonly pid: number;
  readonly startTime: string;
}

const recordsDir = (): string => join(cacheRoot(), 'running');
const recordPath = (dir: string): string =>
  join(recordsDir(), `${clusterCgroup(dir).nodes.slice(1)}.json`);

export async function recordOwner(dir: string, lifetime: Lifetime): Promise<void> {
  const { pid } = process;
  const record: OwnerRecord = { dir, lifetime, pid, startTime: processStartTime(pid) ?? '' };
  await mkdir(recordsDir(), { recursive: true });
  await writeFile(recordPath(dir), JSON.stringify(record));
}

export async function forgetOwner(dir: string): Promise<void> {
  await rm(recordPath(dir), { force: true });
}

/** Ends what is left of clusters that were to die with an owner which is gone; returns their folders. */
export async function sweepOrphans(): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const name of await readdir(recordsDir()).catch(() => [])) {
    const text = await readFile(join(recordsDir(), name), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const { dir, lifetime, pid, startTime } = JSON.parse(text) as OwnerRecord;
    if (lifetime === 'detached' || processStartTime(pid) === startTime) continue;
    await killCgroup(clusterCgroup(dir).nodes);
    await removeStaleLink(dir);
    if (dir.startsWith(tmpdir() + sep)) await rm(dir, { recursive: true, force: true });
    await forgetOwner(dir);
    swept.push(dir);
  }
  return swept;
}
