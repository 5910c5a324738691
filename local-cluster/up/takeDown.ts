import { existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cgroupProcesses, killCgroup } from '../nodes/cgroups.ts';
import { clusterCgroup } from '../nodes/clusterCgroup.ts';
import { restoreKernelSettings } from '../nodes/kernelSettings.ts';
import { removeStaleLink } from '../nodes/nodeNetwork.ts';
import { forgetOwner } from '../nodes/orphans.ts';
import { tryExec } from '../support/exec.ts';
import { endProcesses, type FoundProcess, findProcesses } from './processes.ts';

/** Clients end before the servers they talk to, so that nobody waits for an answer. */
const ORDER = [
  /^(framework|agent-.*|operator)$/,
  /^(kwok|kube-controller-manager)$/,
  /^kube-apiserver$/,
  /^etcd$/,
  /^fabric$/,
] as const;

const GRACE_MS = 6_000;

/**
 * Removes everything a cluster has on this machine, whether it is whole, half started or crashed.
 *
 * Guarantees: kills a process only when pid and start time are those of the pid file, or when it is
 * in the cluster's own cgroup. Returns a line for each thing removed; none when there was nothing.
 */
export async function takeDown(dir: string): Promise<readonly string[]> {
  const removed: string[] = [];
  const alive = (await findProcesses(dir)).filter((found) => found.alive);
  const [clients, ...servers] = ORDER;
  await endGroup(alive, clients, removed);
  await removeNodes(dir, removed);
  for (const group of servers) await endGroup(alive, group, removed);
  const leftOver = (await findProcesses(dir)).filter((found) => found.alive);
  await endGroup(leftOver, /./, removed);
  if (process.platform === 'linux') {
    const link = await removeStaleLink(dir);
    if (link !== undefined) removed.push(`removed network link ${link}`);
    removed.push(...(await unmountBelow(dir)));
  }
  if (existsSync(dir)) {
    await rm(dir, { recursive: true, force: true });
    removed.push(`deleted ${dir}`);
    await rmdir(dirname(dir)).catch(() => undefined); // other clusters may be in it
  }
  return removed;
}

async function endGroup(
  processes: readonly FoundProcess[],
  pattern: RegExp,
  removed: string[],
): Promise<void> {
  const group = processes.filter(({ name }) => pattern.test(name));
  if (group.length === 0) return;
  await endProcesses(group, GRACE_MS);
  removed.push(`stopped ${group.map(({ name, pid }) => `${name} (${pid})`).join(', ')}`);
}

async function removeNodes(dir: string, removed: string[]): Promise<void> {
  if (process.platform !== 'linux') return;
  const { nodes } = clusterCgroup(dir);
  const names = (await readdir(dir).catch(() => [])).filter((name) =>
    name.startsWith('mezzo-node-'),
  );
  const running = await cgroupProcesses(nodes);
  const killed = await killCgroup(nodes);
  await restoreKernelSettings();
  await forgetOwner(dir);
  if (running.length > 0) {
    removed.push(`killed ${killed} processes of ${names.join(', ')}, removed cgroup ${nodes}`);
  }
}

/** A safety net: the nodes mount in namespaces of their own, which end with them. */
async function unmountBelow(dir: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const points = table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(join(dir, '/')))
    .sort()
    .reverse();
  for (const point of points) await tryExec('umount', ['-l', point]);
  return points.map((point) => `unmounted ${point}`);
}
