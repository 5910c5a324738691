import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exec } from '../support/exec.ts';
import { buildImage } from './buildImage.ts';

let dir = '';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mezzo-image-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

async function rootfs(name: string, mtime: Date): Promise<string> {
  const root = join(dir, name);
  await mkdir(join(root, 'bin'), { recursive: true });
  await writeFile(join(root, 'bin', 'tool'), '#!/bin/sh\n');
  await chmod(join(root, 'bin', 'tool'), 0o755);
  await symlink('tool', join(root, 'bin', 'alias'));
  await utimes(join(root, 'bin', 'tool'), mtime, mtime);
  return root;
}

describe('an image built from a folder', () => {
  test('has the same bytes whenever its files were written', async () => {
    const spec = { tags: ['mezzo.local/tool:1'], entrypoint: ['/bin/tool'], env: { A: 'b' } };
    const build = async (name: string, mtime: Date) =>
      readFile(
        await buildImage({ ...spec, rootfs: await rootfs(name, mtime) }, join(dir, `${name}.tar`)),
      );
    const first = await build('one', new Date(1_000_000));
    const second = await build('two', new Date(2_000_000_000));
    expect(first.equals(second)).toBe(true);
  });

  test('is an OCI layout whose blobs have the digests it names', async () => {
    const tags = ['mezzo.local/tool:1', 'docker.io/library/tool:latest'];
    const spec = { rootfs: await rootfs('one', new Date()), tags, cmd: ['tool'], user: '1000' };
    const tar = await buildImage(spec, join(dir, 'image.tar'));
    const out = join(dir, 'out');
    await mkdir(out);
    await exec('tar', ['-xf', tar, '-C', out]);
    const blob = (digest: string) => readFile(join(out, 'blobs', digest.replace(':', '/')));
    const checked = async (digest: string) => {
      const bytes = await blob(digest);
      expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
      return bytes;
    };
    const index = JSON.parse(await readFile(join(out, 'index.json'), 'utf8'));
    expect(index.manifests.map((one: { annotations: object }) => one.annotations)).toEqual([
      { 'io.containerd.image.name': tags[0], 'org.opencontainers.image.ref.name': '1' },
      { 'io.containerd.image.name': tags[1], 'org.opencontainers.image.ref.name': 'latest' },
    ]);
    const manifest = JSON.parse((await checked(index.manifests[0].digest)).toString());
    const config = JSON.parse((await checked(manifest.config.digest)).toString());
    expect(config.config).toEqual({ Env: [], Cmd: ['tool'], User: '1000' });
    expect(config.rootfs.diff_ids).toEqual([manifest.layers[0].digest]);
    await checked(manifest.layers[0].digest);
    await writeFile(join(dir, 'layer.tar'), await blob(manifest.layers[0].digest));
    const listing = await exec('tar', ['-tvf', join(dir, 'layer.tar')]);
    expect(listing).toMatch(/^drwxr-xr-x 0\/0 .* bin$/m);
    expect(listing).toMatch(/^lrwxrwxrwx 0\/0 .* bin\/alias -> tool$/m);
    expect(listing).toMatch(/^-rwxr-xr-x 0\/0 .* bin\/tool$/m);
  });
});
