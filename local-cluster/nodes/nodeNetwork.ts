// The network of a cluster with real nodes:
//
//   this machine              fabric (namespace)            node i (namespace)
//   mezzo<k> 10.S.255.1 ----- bridge ---------------------- eth0 10.S.255.(10+i)
//   route 10.S.i.0/24 via node i                            Pods 10.S.i.0/24
//   route services via node 1                               kube-proxy's rules
//
// S = 200 + k. Forwarding, bridging and packet filters happen inside the namespaces only: the machine's
// own settings stay as they are, and all of it goes with the namespaces.

import { ensureAssets } from '../assets/ensure.ts';
import type { AssetOptions } from '../assets/types.ts';
import { exec, tryExec } from '../support/exec.ts';
import { type Lifetime, type ManagedProcess, startProcess } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';

export interface NodeNetwork {
  /** Address of this machine as nodes and Pods see it. */
  readonly hostAddress: string;
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  readonly linkName: string;
  nodeAddress(index: number): string;
  podCidr(index: number): string;
  /** Connects the network namespace of process `pid` as node `index` of `count`. */
  attach(pid: number, index: number, count: number): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeNetworkOptions {
  readonly dir: string;
  readonly lifetime: Lifetime;
  readonly assets?: AssetOptions | undefined;
}

const SLOTS = 50;
const FIRST_OCTET = 200;

const ip = (...args: readonly string[]): Promise<string> => exec('ip', args);

/** Runs `ip` in the network namespace of a process. */
const ipIn = (pid: number, ...args: readonly string[]): Promise<string> =>
  exec('nsenter', ['-t', String(pid), '-n', 'ip', ...args]);

/** Makes the fabric and this machine's end of it, in the first free address range. */
export async function createNodeNetwork(options: NodeNetworkOptions): Promise<NodeNetwork> {
  await requireTools();
  const { pause } = await ensureAssets(['pause'], options.assets);
  const holder = await startProcess({
    name: 'fabric',
    command: pause,
    args: [],
    dir: options.dir,
    lifetime: options.lifetime,
    prefix: ['unshare', '--net', '--'],
  });
  try {
    await awaitOwnNetwork(holder);
    const slot = await claimSlot(holder.pid, options.dir);
    return network(slot, holder);
  } catch (error) {
    await holder.kill('SIGKILL');
    throw error;
  }
}

/** Both come with every Linux distribution, but not with every container image. */
async function requireTools(): Promise<void> {
  for (const [tool, flag] of [
    ['ip', '-V'],
    ['nsenter', '-V'],
    ['unshare', '-V'],
  ] as const) {
    await exec(tool, [flag]).catch((error: unknown) => {
      throw new Error(
        'real nodes need ip, nsenter and unshare: install iproute2 and util-linux, or use --nodes fake:2',
        { cause: error },
      );
    });
  }
}

/** Waits until a process that `unshare` starts has left this process's network namespace. */
async function awaitOwnNetwork(holder: ManagedProcess): Promise<void> {
  const own = await exec('readlink', ['/proc/self/ns/net']);
  const left = async () =>
    (await exec('readlink', [`/proc/${holder.pid}/ns/net`])) === own ? undefined : true;
  await waitFor(`${holder.name}'s network namespace`, left, {
    timeoutMs: 10_000,
    pollMs: 10,
    giveUp: () => holder.ended() && `its holder ended (${holder.ended()}), see ${holder.logPath}`,
  });
}

/** The link's name is the lock: the kernel makes it once. */
async function claimSlot(fabric: number, dir: string): Promise<number> {
  await ipIn(fabric, 'link', 'add', 'br0', 'type', 'bridge');
  await ipIn(fabric, 'link', 'set', 'br0', 'up');
  for (let slot = 0; slot < SLOTS; slot++) {
    const range = `10.${FIRST_OCTET + slot}.0.0/16`;
    if ((await ip('-4', 'route', 'show', 'root', range)).trim() !== '') continue;
    const link = `mezzo${slot}`;
    const peer = ['peer', 'name', 'up0', 'netns', String(fabric)];
    const made = await tryExec('ip', ['link', 'add', link, 'type', 'veth', ...peer]);
    if (made.code === 0) {
      await ip('link', 'set', link, 'alias', dir);
      await ip('addr', 'add', `10.${FIRST_OCTET + slot}.255.1/24`, 'dev', link);
      await ip('link', 'set', link, 'up');
      await ipIn(fabric, 'link', 'set', 'up0', 'master', 'br0', 'up');
      return slot;
    }
    if (!/exists/i.test(made.stderr)) throw new Error(`ip link add ${link}: ${made.stderr.trim()}`);
  }
  throw new Error(`all ${SLOTS} address ranges from 10.${FIRST_OCTET}.0.0/16 on are in use`);
}

function network(slot: number, holder: ManagedProcess): NodeNetwork {
  const prefix = `10.${FIRST_OCTET + slot}`;
  const linkName = `mezzo${slot}`;
  const nodeAddress = (index: number) => `${prefix}.255.${10 + index}`;
  const podCidr = (index: number) => `${prefix}.${index}.0/24`;
  const hostAddress = `${prefix}.255.1`;
  const serviceCidr = `${prefix}.128.0/20`;
  const attach = async (pid: number, index: number, count: number) => {
    const port = `node${index}`;
    const peer = ['peer', 'name', 'eth0', 'netns', String(pid)];
    await ipIn(holder.pid, 'link', 'add', port, 'type', 'veth', ...peer);
    await ipIn(holder.pid, 'link', 'set', port, 'master', 'br0', 'up');
    await ipIn(pid, 'link', 'set', 'lo', 'up');
    await ipIn(pid, 'addr', 'add', `${nodeAddress(index)}/24`, 'dev', 'eth0');
    await ipIn(pid, 'link', 'set', 'eth0', 'up');
    await ipIn(pid, 'route', 'add', 'default', 'via', hostAddress);
    for (let other = 1; other <= count; other++) {
      if (other === index) continue;
      await ipIn(pid, 'route', 'add', podCidr(other), 'via', nodeAddress(other));
    }
    const forward = 'echo 1 > /proc/sys/net/ipv4/ip_forward';
    await exec('nsenter', ['-t', String(pid), '-n', 'sh', '-c', forward]);
    await ip('route', 'replace', podCidr(index), 'via', nodeAddress(index), 'dev', linkName);
    if (index === 1) {
      await ip('route', 'replace', serviceCidr, 'via', nodeAddress(1), 'dev', linkName);
    }
  };
  const stop = async () => {
    await holder.kill('SIGKILL');
    await removeLink(linkName);
  };
  const clusterCidr = `${prefix}.0.0/17`;
  return { hostAddress, serviceCidr, clusterCidr, linkName, nodeAddress, podCidr, attach, stop };
}

async function removeLink(name: string): Promise<void> {
  // The kernel removes it with its namespace, a moment later; asking twice does no harm.
  await tryExec('ip', ['link', 'del', name]);
  const gone = async () =>
    (await tryExec('ip', ['link', 'show', name])).code !== 0 ? true : undefined;
  await waitFor(`network link ${name} to be removed`, gone, { timeoutMs: 10_000, pollMs: 20 });
}

/** Removes the link that an earlier run left for this folder; returns its name if there was one. */
export async function removeStaleLink(dir: string): Promise<string | undefined> {
  const listed = await tryExec('ip', ['-json', 'link', 'show']);
  if (listed.code !== 0) return undefined;
  const links = JSON.parse(listed.stdout) as { ifname: string; ifalias?: string }[];
  const stale = links.find((link) => /^mezzo\d+$/.test(link.ifname) && link.ifalias === dir);
  if (stale !== undefined) await removeLink(stale.ifname);
  return stale?.ifname;
}
