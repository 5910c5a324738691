import { access, constants, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../support/fileLock.ts';
import { cacheRoot, platform } from '../support/paths.ts';
import { buildFromDebian } from './debian.ts';
import { downloadUnit } from './download.ts';
import { buildWithGo } from './goBuild.ts';
import type { AssetOptions, Source, Unit } from './types.ts';

const LOCK_TIMEOUT_MS = 45 * 60_000;

/**
 * Folder that holds a unit's files, made if need be.
 *
 * The chain: the `MEZZO_ASSETS` folder → the cache → the official release → a build.
 * Errors: one message that says for every step why it did not serve.
 */
export async function ensureUnit(unit: Unit, options: AssetOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => undefined);
  const provided = await findProvided(unit, env['MEZZO_ASSETS']);
  if (provided !== undefined) return provided;
  const cached = unitDir(unit, env);
  if (await hasFiles(unit, cached)) return cached;
  const title = `${unit.name} ${unit.version}`;
  const lock = {
    timeoutMs: LOCK_TIMEOUT_MS,
    onWait: (pid: number) => log(`${title}: process ${pid} is making it; waiting …`),
  };
  await withFileLock(`${cached}.lock`, lock, async () => {
    if (!(await hasFiles(unit, cached))) await fetchUnit(unit, cached, options, log);
  });
  return cached;
}

function unitDir(unit: Unit, env: NodeJS.ProcessEnv): string {
  const { os, arch } = platform();
  return join(cacheRoot(env), 'assets', `${os}-${arch}`, `${unit.name}-${unit.version}`);
}

async function hasFiles(unit: Unit, dir: string): Promise<boolean> {
  try {
    for (const file of unit.files) await access(join(dir, file), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Looks for `<folder>/<name>-<version>/<file>`, then `<folder>/<file>`. */
async function findProvided(unit: Unit, folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined || folder === '') return undefined;
  for (const dir of [join(folder, `${unit.name}-${unit.version}`), folder]) {
    if (await hasFiles(unit, dir)) return dir;
  }
  return undefined;
}

export function parseSource(text: string | undefined): Source | undefined {
  if (text === undefined || text === '') return undefined;
  if (text === 'download' || text === 'build') return text;
  throw new Error(`--assets-from (or MEZZO_ASSETS_FROM) is "${text}"; use "download" or "build"`);
}

/** Tries the permitted sources in order, in a scratch folder that then takes its final name. */
async function fetchUnit(
  unit: Unit,
  target: string,
  options: AssetOptions,
  log: (line: string) => void,
): Promise<void> {
  const title = `${unit.name} ${unit.version}`;
  const env = options.env ?? process.env;
  const from = options.from ?? parseSource(env['MEZZO_ASSETS_FROM']);
  const sources: readonly Source[] = from === undefined ? ['download', 'build'] : [from];
  const failures: string[] = [];
  if (env['MEZZO_ASSETS']) failures.push(`MEZZO_ASSETS (${env['MEZZO_ASSETS']}): not in it`);
  for (const [index, source] of sources.entries()) {
    const scratch = `${target}.${process.pid}.tmp`;
    const startedAt = Date.now();
    log(`${title}: ${source} …`);
    try {
      await rm(scratch, { recursive: true, force: true });
      await mkdir(scratch, { recursive: true });
      await (source === 'download'
        ? downloadUnit(unit, scratch, log)
        : buildUnit(unit, scratch, join(cacheRoot(env), 'apt'), log));
      await rm(target, { recursive: true, force: true });
      await rename(scratch, target);
      log(`${title}: ${source} done in ${Math.round((Date.now() - startedAt) / 1000)} s`);
      return;
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      const why = error instanceof Error ? error.message : String(error);
      failures.push(`${source}: ${why}`);
      const next = sources[index + 1];
      if (next !== undefined) log(`${title}: ${source} failed (${why}); next: ${next}`);
    }
  }
  throw new Error(
    `${title} could not be had.\n  ${failures.join('\n  ')}\n  Remedy: mend one of these, or put ${unit.files.join(', ')} into a folder and set MEZZO_ASSETS to it.`,
  );
}

async function buildUnit(
  unit: Unit,
  dir: string,
  aptDir: string,
  log: (line: string) => void,
): Promise<void> {
  switch (unit.build.kind) {
    case 'go':
      return buildWithGo(unit.build, dir, aptDir, log);
    case 'debian':
      return buildFromDebian(unit.build, dir, aptDir);
  }
}
