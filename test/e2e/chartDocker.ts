import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeNodeRootfs } from '../../images/build.ts';
import { unpackDebian } from '../../local-cluster/assets/debian.ts';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { buildImage } from '../../local-cluster/images/buildImage.ts';
import { killCgroup } from '../../local-cluster/nodes/cgroups.ts';
import { exec } from '../../local-cluster/support/exec.ts';
import { withFileLock } from '../../local-cluster/support/fileLock.ts';
import { type ManagedProcess, startProcess } from '../../local-cluster/support/managedProcess.ts';
import { cacheRoot, REPOSITORY } from '../../local-cluster/support/paths.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';

export interface DockerEngine {
  /** How testcontainers finds it. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const PACKAGES = ['docker.io', 'containerd', 'runc', 'libdevmapper1.02.1'] as const;
const SYSTEM_SOCKET = '/var/run/docker.sock';
const CGROUP = `/mezzo-docker-${process.pid}`;
const PATH = '/usr/local/bin:/usr/bin:/bin';
const BASE = 'mezzo.local/node:24';
const BUILD_BASE = 'mezzo.local/node-build:24';

/** Why no engine can be had here; undefined when one answers already or a private one can be started. */
export async function noEngineReason(): Promise<string | undefined> {
  if (await answers(SYSTEM_SOCKET)) return undefined;
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'no Docker engine answers, and starting one needs Linux and root';
  if (!existsSync('/usr/bin/apt-get'))
    return 'no Docker engine answers, and a private one is made of Debian packages';
  return undefined;
}

/** The engine of this machine, or one of our own: unpacked, not installed, and gone when stopped. */
export async function startEngine(scratch: string): Promise<DockerEngine> {
  if (await answers(SYSTEM_SOCKET))
    return { env: { DOCKER_HOST: `unix://${SYSTEM_SOCKET}` }, stop: () => Promise.resolve() };
  const tree = await unpackedEngine();
  const socket = join(scratch, 'docker.sock');
  const dockerd = await startDockerd(tree, socket, scratch);
  const giveUp = (): string | undefined => dockerd.ended() && 'dockerd ended';
  await waitFor('dockerd', async () => (await answers(socket)) || undefined, {
    timeoutMs: 60_000,
    giveUp,
  });
  const env = {
    DOCKER_HOST: `unix://${socket}`,
    // Otherwise it asks for the bridge network's gateway, and there is no bridge.
    TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
  };
  const stop = async (): Promise<void> => {
    await dockerd.stop(20_000);
    await killCgroup(CGROUP);
  };
  return { env, stop };
}

function startDockerd(tree: string, socket: string, scratch: string): Promise<ManagedProcess> {
  const libraries = ['usr/lib', 'lib'].map((dir) => join(tree, dir, 'x86_64-linux-gnu'));
  return startProcess({
    name: 'dockerd',
    command: join(tree, 'usr', 'sbin', 'dockerd'),
    dir: scratch,
    lifetime: 'parent',
    env: {
      ...process.env,
      LD_LIBRARY_PATH: libraries.join(':'),
      PATH: `${join(tree, 'usr', 'bin')}:${join(tree, 'usr', 'sbin')}:${process.env['PATH']}`,
    },
    args: [
      `--data-root=${join(scratch, 'data')}`,
      `--exec-root=${join(scratch, 'exec')}`,
      `--pidfile=${join(scratch, 'docker.pid')}`,
      `--host=unix://${socket}`,
      // Neither networks nor packet filters: the machine's own stay as they are.
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      `--cgroup-parent=${CGROUP}`,
    ],
  });
}

async function unpackedEngine(): Promise<string> {
  const target = join(cacheRoot(), 'docker-engine');
  if (existsSync(target)) return target;
  await withFileLock(`${target}.lock`, { timeoutMs: 300_000 }, async () => {
    if (existsSync(target)) return;
    const scratch = await mkdtemp(`${target}-`);
    try {
      await unpackDebian(PACKAGES, join(scratch, 'tree'), join(scratch, 'apt'));
      await rename(join(scratch, 'tree'), target);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
  return target;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 2_000 }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

export interface BaseImages {
  readonly base: string;
  readonly buildBase: string;
  readonly tars: readonly string[];
}

/**
 * What stands in for the images of the Dockerfile's two bases where no registry can be reached: Node alone,
 * and Node with npm, a shell and a full npm cache, so that npm needs no network. Kept between runs.
 */
export async function localBaseImages(): Promise<BaseImages> {
  const lock = await readFile(join(REPOSITORY, 'package-lock.json'));
  const key = createHash('sha256').update(lock).update(process.version).digest('hex').slice(0, 16);
  const dir = join(cacheRoot(), 'images');
  const tars = [join(dir, `node-${key}.tar`), join(dir, `node-build-${key}.tar`)] as const;
  await withFileLock(join(dir, `node-${key}.lock`), { timeoutMs: 10 * 60_000 }, async () => {
    if (!tars.every((tar) => existsSync(tar))) await writeBaseImages(...tars);
  });
  return { base: BASE, buildBase: BUILD_BASE, tars };
}

async function writeBaseImages(base: string, buildBase: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'mezzo-base-'));
  try {
    const rootfs = join(scratch, 'rootfs');
    await writeNodeRootfs(rootfs);
    const entrypoint = ['node'];
    await buildImage({ rootfs, tags: [BASE], entrypoint, env: { PATH } }, base);
    await addBuildTools(rootfs);
    const registry = (await exec('npm', ['config', 'get', 'registry'], { cwd: scratch })).trim();
    const env = {
      PATH,
      npm_config_registry: registry,
      npm_config_cache: '/npm-cache',
      npm_config_offline: 'true',
      npm_config_update_notifier: 'false',
    };
    await buildImage({ rootfs, tags: [BUILD_BASE], entrypoint, env }, buildBase);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function addBuildTools(rootfs: string): Promise<void> {
  const { busybox } = await ensureAssets(['busybox']);
  const bin = join(rootfs, 'bin');
  await mkdir(bin, { recursive: true });
  await cp(busybox, join(bin, 'busybox'));
  for (const applet of ['sh', 'env']) await symlink('busybox', join(bin, applet));
  await mkdir(join(rootfs, 'usr', 'bin'), { recursive: true });
  await symlink('../../bin/busybox', join(rootfs, 'usr', 'bin', 'env'));
  // npm-cli.js, two folders below the package.
  const cli = await realpath((await exec('sh', ['-c', 'command -v npm'])).trim());
  const npm = join(rootfs, 'usr', 'local', 'lib', 'node_modules', 'npm');
  await mkdir(dirname(npm), { recursive: true });
  await cp(dirname(dirname(cli)), npm, { recursive: true, dereference: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(rootfs, 'usr/local/bin/npm'));
  await fillNpmCache(join(rootfs, 'npm-cache'));
}

/** Installs as the Dockerfile does, into a cache of its own. */
async function fillNpmCache(cache: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mezzo-npm-'));
  try {
    for (const file of ['package.json', 'package-lock.json'])
      await cp(join(REPOSITORY, file), join(folder, file));
    const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    const args = ['install', ...flags, `--cache=${cache}`];
    await exec('npm', args, { cwd: folder, timeoutMs: 5 * 60_000 });
    await rm(join(cache, '_logs'), { recursive: true, force: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
