import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exec } from '../support/exec.ts';
import { unpackDebian } from './debian.ts';
import type { GoRecipe } from './types.ts';

const MODULES = join(dirname(fileURLToPath(import.meta.url)), 'go');
const BUILD_TIMEOUT_MS = 40 * 60_000;

/** Builds a unit's files from its pinned Go module into `dir`. */
export async function buildWithGo(
  recipe: GoRecipe,
  dir: string,
  stateDir: string,
  log: (line: string) => void,
): Promise<void> {
  await requireGo();
  const sysroot = join(dir, 'sysroot');
  const cgo = await cgoEnvironment(recipe, sysroot, stateDir);
  const env = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly -buildvcs=false', ...cgo };
  for (const [file, name] of Object.entries(recipe.packages)) {
    const tags = recipe.tags === undefined ? [] : ['-tags', recipe.tags];
    const ldflags = `-s -w ${recipe.ldflags ?? ''}`.trim();
    const output = ['-o', join(dir, file)];
    await exec('go', ['build', '-trimpath', ...tags, '-ldflags', ldflags, ...output, name], {
      cwd: join(MODULES, recipe.group),
      env,
      timeoutMs: BUILD_TIMEOUT_MS,
      onBeat: (seconds) => log(`  go build ${file}: ${seconds} s`),
    });
  }
  await rm(sysroot, { recursive: true, force: true });
}

async function requireGo(): Promise<void> {
  await exec('go', ['version']).catch((error: unknown) => {
    throw new Error(
      'building needs Go >= 1.26, and `go` is not on PATH; install it (https://go.dev/dl), or put the binaries into a folder and name it in MEZZO_ASSETS',
      { cause: error },
    );
  });
}

async function cgoEnvironment(
  recipe: GoRecipe,
  sysroot: string,
  stateDir: string,
): Promise<Record<string, string>> {
  if (recipe.cgoDebian === undefined) return { CGO_ENABLED: '0' };
  await exec('cc', ['--version']).catch((error: unknown) => {
    throw new Error('building this needs a C compiler: apt-get install gcc libc6-dev', {
      cause: error,
    });
  });
  if (recipe.cgoDebian.length === 0) return { CGO_ENABLED: '1' };
  await unpackDebian(recipe.cgoDebian, sysroot, stateDir);
  const triplet = (await exec('cc', ['-dumpmachine'])).trim();
  const flags = {
    CGO_CFLAGS: `-I${sysroot}/usr/include`,
    CGO_LDFLAGS: `-L${sysroot}/usr/lib/${triplet}`,
    PKG_CONFIG_LIBDIR: `${sysroot}/usr/lib/${triplet}/pkgconfig`,
    PKG_CONFIG_SYSROOT_DIR: sysroot,
  };
  return { CGO_ENABLED: '1', ...flags, ...(await pkgConfig(sysroot, stateDir, triplet)) };
}

/** Uses the system's pkg-config, or one unpacked beside the libraries. */
async function pkgConfig(
  sysroot: string,
  stateDir: string,
  triplet: string,
): Promise<Record<string, string>> {
  const found = await exec('pkg-config', ['--version']).catch(() => undefined);
  if (found !== undefined) return {};
  await unpackDebian(['pkgconf-bin', 'libpkgconf3'], sysroot, stateDir);
  return {
    PKG_CONFIG: `${sysroot}/usr/bin/pkgconf`,
    LD_LIBRARY_PATH: `${sysroot}/usr/lib/${triplet}`,
  };
}
