import { chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, tryExec } from '../support/exec.ts';
import type { DebianRecipe } from './types.ts';

const APT_TIMEOUT_MS = 300_000;

/** Downloads Debian packages and unpacks them into `dir`; the system's package state is not touched. */
export async function unpackDebian(
  packages: readonly string[],
  dir: string,
  stateDir: string,
): Promise<void> {
  const debs = join(dir, 'debs');
  await mkdir(debs, { recursive: true });
  await downloadPackages(packages, debs, stateDir);
  for (const deb of await readdir(debs)) {
    if (deb.endsWith('.deb')) await exec('dpkg', ['-x', join(debs, deb), dir]);
  }
  await rm(debs, { recursive: true });
}

async function downloadPackages(
  packages: readonly string[],
  cwd: string,
  stateDir: string,
): Promise<void> {
  const download = (extra: readonly string[]) =>
    tryExec('apt-get', [...extra, 'download', ...packages], { cwd, timeoutMs: APT_TIMEOUT_MS });
  const first = await download([]).catch((error: unknown) => {
    throw new Error(
      `apt-get is not on this machine, and ${packages[0]} is taken from Debian; put the files into a folder and name it in MEZZO_ASSETS`,
      { cause: error },
    );
  });
  if (first.code === 0) return;
  // The system's package lists may be empty (a container image) or stale; fetch lists of our own.
  const lists = join(stateDir, 'lists');
  const cache = join(stateDir, 'cache');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  const own = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`];
  await exec('apt-get', [...own, 'update', '-q'], { timeoutMs: APT_TIMEOUT_MS });
  const second = await download(own);
  if (second.code !== 0) {
    throw new Error(`apt-get download failed: ${(second.stderr || second.stdout).trim()}`);
  }
}

/** Makes a unit's files from Debian packages in `dir`. */
export async function buildFromDebian(
  recipe: DebianRecipe,
  dir: string,
  stateDir: string,
): Promise<void> {
  const tree = join(dir, 'tree');
  await unpackDebian(recipe.packages, tree, stateDir);
  for (const [file, path] of Object.entries(recipe.files)) {
    if (recipe.bundled === true) {
      await writeFile(join(dir, file), wrapper(path), 'utf8');
      await chmod(join(dir, file), 0o755);
    } else {
      await cp(join(tree, path), join(dir, file));
    }
  }
  if (recipe.bundled !== true) await rm(tree, { recursive: true });
}

/** Runs the unpacked file with the libraries unpacked beside it. */
function wrapper(path: string): string {
  return `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
for lib in "$here"/tree/usr/lib/*-linux-* "$here"/tree/lib/*-linux-*; do
  [ -d "$lib" ] && LD_LIBRARY_PATH="$lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$here/tree/${path}" "$@"
`;
}
