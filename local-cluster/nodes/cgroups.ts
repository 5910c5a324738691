import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../support/waitFor.ts';

const ROOT = '/sys/fs/cgroup';
const V2_CONTROLLERS = '+cpu +cpuset +io +memory +pids';
const KILL_TIMEOUT_MS = 20_000;

const isUnified = (): boolean => existsSync(join(ROOT, 'cgroup.controllers'));

/** The mounted hierarchies: one on cgroup v2, one per controller on v1. */
async function hierarchies(): Promise<readonly string[]> {
  if (isUnified()) return [ROOT];
  const names = await readdir(ROOT, { withFileTypes: true });
  // Links such as `cpu,cpuacct` lead to hierarchies that are listed by themselves.
  return names.filter((entry) => entry.isDirectory()).map((entry) => join(ROOT, entry.name));
}

/** Creates a cgroup (a path like `/mezzo-1a2b/node-1`) in every hierarchy, ready for a kubelet. */
export async function createCgroup(path: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    let dir = hierarchy;
    for (const part of path.split('/').filter(Boolean)) {
      const parent = dir;
      dir = join(dir, part);
      if (isUnified()) await writeFile(join(parent, 'cgroup.subtree_control'), V2_CONTROLLERS);
      await mkdir(dir, { recursive: true });
      if (existsSync(join(hierarchy, 'cpuset.cpus')) && !isUnified()) await copyCpuset(parent, dir);
    }
  }
}

/** On v1 a new cpuset is empty, and an empty one takes no process. */
async function copyCpuset(parent: string, dir: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if ((await readFile(join(dir, file), 'utf8')).trim() !== '') continue;
    await writeFile(join(dir, file), await readFile(join(parent, file), 'utf8'));
  }
}

/** Words that put a command into this cgroup, in the hierarchy that `killCgroup` reads. */
export function enterCgroup(path: string): readonly string[] {
  const procs = join(trackingHierarchy(), path, 'cgroup.procs');
  return ['/bin/sh', '-c', 'echo $$ > "$0"; exec "$@"', procs];
}

function trackingHierarchy(): string {
  return isUnified() ? ROOT : join(ROOT, 'pids');
}

async function subtree(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => subtree(join(dir, entry.name))),
  );
  return existsSync(dir) ? [...below.flat(), dir] : []; // deepest first
}

/** Whether nodes of any local cluster have cgroups on this machine. */
export async function anyClusterCgroup(): Promise<boolean> {
  const names = await readdir(trackingHierarchy()).catch(() => []);
  return names.some((name) => /^mezzo-[0-9a-f]{8}$/.test(name));
}

/** Every process in a cgroup and below it. */
export async function cgroupProcesses(path: string): Promise<readonly number[]> {
  const dirs = await subtree(join(trackingHierarchy(), path));
  const texts = await Promise.all(
    dirs.map((dir) => readFile(join(dir, 'cgroup.procs'), 'utf8').catch(() => '')),
  );
  return texts.flatMap((text) => text.split('\n').filter(Boolean).map(Number));
}

/** Kills every process in a cgroup and below it, then removes the cgroups; returns how many were killed. */
export async function killCgroup(path: string): Promise<number> {
  const killed = new Set<number>();
  await waitFor(
    `processes in cgroup ${path} to end`,
    async () => {
      const pids = await cgroupProcesses(path);
      for (const pid of pids) {
        killed.add(pid);
        killQuietly(pid);
      }
      return pids.length === 0 ? true : undefined;
    },
    { timeoutMs: KILL_TIMEOUT_MS, pollMs: 50 },
  );
  await waitFor(`cgroup ${path} to be removed`, () => removeCgroup(path), {
    timeoutMs: KILL_TIMEOUT_MS,
    pollMs: 50,
  });
  return killed.size;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

async function removeCgroup(path: string): Promise<true> {
  for (const hierarchy of await hierarchies()) {
    for (const dir of await subtree(join(hierarchy, path))) await rmdir(dir);
  }
  return true;
}
