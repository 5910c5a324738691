import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, tryExec } from '../support/exec.ts';
import { type Lifetime, type ManagedProcess, startProcess } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';
import { enterCgroup } from './cgroups.ts';

export interface NodeNamespace {
  readonly pid: number;
  /** Words that run a command as if on the node. */
  readonly enter: readonly string[];
  readonly holder: ManagedProcess;
}

export interface NodeNamespaceOptions {
  readonly name: string;
  readonly dir: string;
  readonly lifetime: Lifetime;
  readonly cgroup: string;
  readonly pauseBinary: string;
}

/**
 * What a node has of its own in the file system. kubelet and containerd have fixed paths under these
 * (device plugins, shim sockets, container logs), so two on one machine would meet there, and would
 * leave things behind. Mounts made inside are gone with the last process inside.
 */
const PREPARE = `set -e
name=$1 dir=$2; shift 2
mount --make-rprivate /
mount --bind "$dir/var-lib" /var/lib
mount --bind "$dir/var-log" /var/log
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/containerd /run/lock
mount --make-rshared /
echo "$name" > /proc/sys/kernel/hostname
: > "$dir/prepared"
exec "$@"`;

/** Starts the process that holds a node's mount, network and host-name namespaces. */
export async function createNodeNamespace(options: NodeNamespaceOptions): Promise<NodeNamespace> {
  const { dir, name } = options;
  if (/^\/(run|var\/lib|var\/log)(\/|$)/.test(dir)) {
    throw new Error(
      `${dir} is under a folder that every node replaces with its own; set MEZZO_CACHE to another place`,
    );
  }
  await mkdir(join(dir, 'var-lib', 'kubelet'), { recursive: true });
  await mkdir(join(dir, 'var-log', 'pods'), { recursive: true });
  await writeFile(join(dir, 'prepare.sh'), PREPARE);
  const unshare = ['unshare', '--mount', '--net', '--uts', '--propagation', 'private', '--'];
  const holder = await startProcess({
    name: 'node',
    command: options.pauseBinary,
    args: [],
    dir,
    lifetime: options.lifetime,
    prefix: [
      ...enterCgroup(options.cgroup),
      ...unshare,
      '/bin/sh',
      join(dir, 'prepare.sh'),
      name,
      dir,
    ],
  });
  const prepared = async () =>
    (await tryExec('test', ['-e', join(dir, 'prepared')])).code === 0 ? true : undefined;
  await waitFor(`namespaces of ${name}`, prepared, {
    timeoutMs: 10_000,
    pollMs: 10,
    giveUp: () => holder.ended() && `its holder ended (${holder.ended()}), see ${holder.logPath}`,
  });
  const enter = ['nsenter', '-t', String(holder.pid), '-m', '-n', '-u', '--'];
  await exec('nsenter', [...enter.slice(1), 'true']);
  return { pid: holder.pid, enter, holder };
}
