import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unitOf } from '../assets/catalog.ts';
import { ensureAssets } from '../assets/ensure.ts';
import type { AssetOptions } from '../assets/types.ts';
import { exec } from '../support/exec.ts';
import { withFileLock } from '../support/fileLock.ts';
import { cacheRoot } from '../support/paths.ts';
import { buildImage, writeRootfs } from './buildImage.ts';

export const PAUSE_IMAGE = 'mezzo.local/pause:1';
export const BUSYBOX_IMAGE = 'mezzo.local/busybox:1';
/** Also known by the name that examples on the web use. */
const BUSYBOX_ALIAS = 'docker.io/library/busybox:1.36';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const LOCK_TIMEOUT_MS = 120_000;

/** Tars of the two images every real node has, built from local files once per version. */
export async function baseImages(assets?: AssetOptions): Promise<readonly string[]> {
  const { arch } = process;
  const name = (unit: 'pause' | 'busybox') => `${unit}-${unitOf(unit).version}-${arch}.tar`;
  return [
    await once(name('pause'), (rootfs, target) => buildPause(rootfs, target, assets)),
    await once(name('busybox'), (rootfs, target) => buildBusybox(rootfs, target, assets)),
  ];
}

async function once(
  file: string,
  build: (rootfs: string, target: string) => Promise<unknown>,
): Promise<string> {
  const dir = join(cacheRoot(), 'images');
  const target = join(dir, file);
  if (existsSync(target)) return target;
  await withFileLock(`${target}.lock`, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
    if (existsSync(target)) return;
    const rootfs = await mkdtemp(join(dir, 'rootfs-'));
    try {
      await build(rootfs, target);
    } finally {
      await rm(rootfs, { recursive: true, force: true });
    }
  });
  return target;
}

async function buildPause(rootfs: string, target: string, assets?: AssetOptions): Promise<void> {
  const { pause } = await ensureAssets(['pause'], assets);
  await copyFile(pause, join(rootfs, 'pause'));
  const user = '65535:65535';
  await buildImage({ rootfs, tags: [PAUSE_IMAGE], entrypoint: ['/pause'], user }, target);
}

async function buildBusybox(rootfs: string, target: string, assets?: AssetOptions): Promise<void> {
  const { busybox } = await ensureAssets(['busybox'], assets);
  await mkdir(join(rootfs, 'bin'));
  await copyFile(busybox, join(rootfs, 'bin', 'busybox'));
  const applets = (await exec(busybox, ['--list'])).trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') await symlink('busybox', join(rootfs, 'bin', applet));
  }
  await writeRootfs(rootfs, {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    root: null,
    tmp: null,
    var: null,
    usr: null,
  });
  await chmod(join(rootfs, 'tmp'), 0o1777);
  await symlink('../bin', join(rootfs, 'usr', 'bin'));
  const tags = [BUSYBOX_IMAGE, BUSYBOX_ALIAS];
  await buildImage({ rootfs, tags, cmd: ['sh'], env: { PATH } }, target);
}
