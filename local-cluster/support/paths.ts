import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the repository. */
export const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Operating system and processor in the words of Go and of the release pages: `linux`, `amd64`. */
export function platform(): { os: string; arch: string } {
  return { os: process.platform, arch: GO_ARCH[process.arch] ?? process.arch };
}

/** Folder for everything that is kept between runs, outside the tree (`MEZZO_CACHE` overrides). */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['MEZZO_CACHE'] ?? join(homedir(), '.cache', 'mezzo'));
}

/** State folder of the cluster with this name. */
export function clusterDir(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheRoot(env), 'clusters', name);
}
