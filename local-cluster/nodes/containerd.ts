import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { PAUSE_IMAGE } from '../images/baseImages.ts';
import { exec, tryExec } from '../support/exec.ts';
import { type Lifetime, type ManagedProcess, startProcess } from '../support/managedProcess.ts';
import { waitFor } from '../support/waitFor.ts';

export interface ContainerdOptions {
  readonly dir: string;
  readonly lifetime: Lifetime;
  /** Words that put a command onto the node. */
  readonly prefix: readonly string[];
  readonly binaries: { containerd: string; ctr: string; runc: string; cni: string; nft: string };
  readonly podCidr: string;
}

export interface Containerd {
  readonly process: ManagedProcess;
  /** Socket path; it is in the node's folder, so it can be reached from outside the node too. */
  readonly socket: string;
  importImage(tarPath: string): Promise<void>;
}

const READY_TIMEOUT_MS = 30_000;
const IMPORT_TIMEOUT_MS = 180_000;
/** Unix socket paths have room for this many characters. */
const MAX_SOCKET_PATH = 103;

/** Starts a node's containerd with its own root, network plugins and the pause image pinned. */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { dir, binaries } = options;
  const socket = join(dir, 'containerd.sock');
  if (socket.length > MAX_SOCKET_PATH) {
    throw new Error(`${socket} is too long for a socket; set MEZZO_CACHE to a shorter folder`);
  }
  const cniConfig = join(dir, 'cni');
  await mkdir(cniConfig, { recursive: true });
  await writeFile(join(cniConfig, '10-mezzo.conflist'), cniConflist(options.podCidr));
  const config = join(dir, 'containerd.toml');
  await writeFile(config, containerdConfig(socket, cniConfig, options));
  // `nft` is for the network plugin that forwards host ports.
  const { containerd, runc, nft } = binaries;
  const bin = [dirname(containerd), dirname(runc), dirname(nft), process.env['PATH'] ?? ''];
  const child = await startProcess({
    name: 'containerd',
    command: binaries.containerd,
    args: ['--config', config],
    dir,
    lifetime: options.lifetime,
    prefix: options.prefix,
    env: { ...process.env, PATH: bin.join(delimiter) },
  });
  const ctr = ['--address', socket, '--namespace', 'k8s.io'];
  const answers = async () =>
    existsSync(socket) && (await tryExec(binaries.ctr, [...ctr, 'version'])).code === 0
      ? true
      : undefined;
  await waitFor('containerd', answers, {
    timeoutMs: READY_TIMEOUT_MS,
    giveUp: () => child.ended() && `it ended (${child.ended()}), see ${child.logPath}`,
  });
  const importImage = async (tarPath: string) => {
    const args = [...ctr, 'images', 'import', tarPath];
    await exec(binaries.ctr, args, { timeoutMs: IMPORT_TIMEOUT_MS });
  };
  return { process: child, socket, importImage };
}

function containerdConfig(socket: string, cniConfig: string, options: ContainerdOptions): string {
  const { binaries } = options;
  // Paths under /var/lib and /run are the node's own, see nodeNamespace.ts.
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.internal.v1.tracing', 'io.containerd.nri.v1.nri']

[grpc]
  address = '${socket}'

[plugins.'io.containerd.internal.v1.opt']
  path = '/var/lib/containerd-opt'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '${PAUSE_IMAGE}'

[plugins.'io.containerd.cri.v1.runtime']
  # Where a machine may not lower oom_score_adj, runc would fail without this.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['${binaries.cni}']
    conf_dir = '${cniConfig}'
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = '${binaries.runc}'
        SystemdCgroup = false
`;
}

/** Routed links (ptp) rather than a bridge: Services then work without the kernel's br_netfilter. */
function cniConflist(podCidr: string): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'mezzo',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: '/run/cni',
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true }, backend: 'nftables' },
    ],
  });
}
