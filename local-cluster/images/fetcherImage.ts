import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeNodeRootfs } from '../../images/build.ts';
import { bundle } from '../../images/bundle.ts';
import { withFileLock } from '../support/fileLock.ts';
import { cacheRoot } from '../support/paths.ts';
import { buildImage } from './buildImage.ts';

/** The image that fetches the URIs of framework tasks: the fetcher alone, so that it changes only when the fetcher does. */
export const FETCHER_IMAGE = 'mezzo.local/fetcher:1';

const LOCK_TIMEOUT_MS = 120_000;
const PATH = '/usr/local/bin:/usr/bin:/bin';

/** Tar of the fetcher's image, built from the working tree and this Node; built anew when either has changed. */
export async function fetcherImage(): Promise<string> {
  const dir = join(cacheRoot(), 'images');
  await mkdir(dir, { recursive: true });
  const scratch = await mkdtemp(join(dir, 'rootfs-'));
  try {
    const entry = 'images/fetcher/main.ts';
    const [built] = await bundle(join(scratch, 'bundle'), { fetcher: entry });
    if (built === undefined) throw new Error(`${entry} was not bundled`);
    const content = createHash('sha256')
      .update(process.version)
      .update(await readFile(built.path));
    const target = join(dir, `fetcher-${process.arch}-${content.digest('hex').slice(0, 16)}.tar`);
    await withFileLock(`${target}.lock`, { timeoutMs: LOCK_TIMEOUT_MS }, async () => {
      if ((await readdir(dir)).includes(target.slice(dir.length + 1))) return;
      const rootfs = join(scratch, 'rootfs');
      await writeNodeRootfs(rootfs);
      await mkdir(join(rootfs, 'app'));
      await copyFile(built.path, join(rootfs, 'app', 'fetcher.mjs'));
      const env = { PATH };
      const spec = {
        rootfs,
        tags: [FETCHER_IMAGE],
        entrypoint: ['node'],
        user: '65532:65532',
        env,
      };
      await buildImage(spec, target);
    });
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
