import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PidRecord } from '../support/managedProcess.ts';
import { processStartTime } from '../support/processTable.ts';
import { waitFor } from '../support/waitFor.ts';

export interface FoundProcess extends PidRecord {
  readonly pidPath: string;
  readonly alive: boolean;
}

/** Every pid file of a cluster's folder, with whether that very process still lives. */
export async function findProcesses(dir: string): Promise<readonly FoundProcess[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const found: FoundProcess[] = [];
  for (const entry of entries) {
    const path = join(dir, entry.name);
    // One level down are the nodes' folders; below those are file systems of containers.
    if (entry.isDirectory() && entry.name.startsWith('mezzo-node-')) {
      found.push(...(await readPidFiles(path)));
    }
  }
  return [...(await readPidFiles(dir)), ...found];
}

async function readPidFiles(dir: string): Promise<readonly FoundProcess[]> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.endsWith('.pid')).sort();
  return Promise.all(
    names.map(async (name) => {
      const pidPath = join(dir, name);
      const record = JSON.parse(await readFile(pidPath, 'utf8')) as PidRecord;
      return { ...record, pidPath, alive: isSame(record) };
    }),
  );
}

/** A pid is given out again; together with its start time it names one process. */
function isSame(record: PidRecord): boolean {
  return record.startTime !== '' && processStartTime(record.pid) === record.startTime;
}

/** Ends processes politely, then by force; resolves when all are gone and their pid files removed. */
export async function endProcesses(
  processes: readonly FoundProcess[],
  graceMs: number,
): Promise<void> {
  const signalAll = (signal: NodeJS.Signals) => {
    for (const found of processes) if (isSame(found)) kill(found.pid, signal);
  };
  const gone = () => (processes.some(isSame) ? undefined : true);
  signalAll('SIGTERM');
  await waitFor('processes to end', gone, { timeoutMs: graceMs, pollMs: 20 }).catch(async () => {
    signalAll('SIGKILL');
    const names = processes.map(({ name }) => name).join(', ');
    await waitFor(`${names} to end after SIGKILL`, gone, { timeoutMs: 10_000, pollMs: 20 });
  });
  for (const { pidPath } of processes) await rm(pidPath, { force: true });
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}
