import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { exec } from '../support/exec.ts';
import { platform } from '../support/paths.ts';
import type { DownloadRecipe, Unit } from './types.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const STALL_TIMEOUT_MS = 30_000;
const BEAT_MS = 10_000;

/** Fetches a unit's release into `dir` and checks its SHA-256 sum; throws with the reason. */
export async function downloadUnit(
  unit: Unit,
  dir: string,
  log: (line: string) => void,
): Promise<void> {
  if (unit.download === undefined) throw new Error('it has no official binary release');
  const recipe = unit.download;
  const url = fill(recipe.url, unit);
  // The sum first: it is small, and without it the download would be for nothing.
  const wanted = pickSum(await fetchText(fill(recipe.checksumUrl, unit)), basename(url));
  const archive = join(dir, 'download');
  const actual = await fetchFile(url, archive, log);
  if (actual !== wanted) {
    await rm(archive, { force: true });
    throw new Error(`SHA-256 of ${url} is ${actual}, its release says ${wanted}; not used`);
  }
  await unpack(unit, recipe, archive, dir);
}

function fill(template: string, unit: Unit): string {
  const values: Record<string, string> = { version: unit.version, ...platform() };
  return template.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
}

/** Finds the sum of `file` in a checksum file of either form. */
export function pickSum(text: string, file: string): string {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+\*?(?:\.\/)?/));
  const named = lines.find(([, name]) => name === file)?.[0];
  const only = lines.filter(([sum]) => sum).length === 1 ? lines[0]?.[0] : undefined;
  const sum = named ?? only;
  if (sum === undefined || !/^[0-9a-f]{64}$/i.test(sum)) {
    throw new Error(`its checksum file has no SHA-256 sum for ${file}`);
  }
  return sum.toLowerCase();
}

async function open(url: string): Promise<Response> {
  let response: Response;
  const connect = new AbortController();
  const timer = setTimeout(() => connect.abort(), CONNECT_TIMEOUT_MS);
  try {
    response = await fetch(url, { signal: connect.signal });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = connect.signal.aborted
      ? `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`
      : String(cause instanceof Error ? cause.message : cause);
    throw new Error(`${url}: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new Error(`${url} answered HTTP ${response.status}`);
  return response;
}

async function fetchText(url: string): Promise<string> {
  return (await open(url)).text();
}

/** Streams a body to a file; resolves to its SHA-256 sum. */
async function fetchFile(url: string, path: string, log: (line: string) => void): Promise<string> {
  const response = await open(url);
  if (response.body === null) throw new Error(`${url} answered without a body`);
  const total = Number(response.headers.get('content-length') ?? 0);
  const hash = createHash('sha256');
  const stall = new AbortController();
  let received = 0;
  let stallTimer = setTimeout(() => stall.abort(), STALL_TIMEOUT_MS);
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      clearTimeout(stallTimer);
      stallTimer = setTimeout(() => stall.abort(), STALL_TIMEOUT_MS);
      received += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const beat = setInterval(
    () => log(`  ${mebibytes(received)} of ${total > 0 ? mebibytes(total) : '?'} MiB`),
    BEAT_MS,
  );
  try {
    const body = Readable.fromWeb(response.body);
    await pipeline(body, meter, createWriteStream(path), { signal: stall.signal });
  } catch (error) {
    if (!stall.signal.aborted) throw error;
    throw new Error(`${url} sent nothing for ${STALL_TIMEOUT_MS / 1000} s`, { cause: error });
  } finally {
    clearInterval(beat);
    clearTimeout(stallTimer);
  }
  return hash.digest('hex');
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);

async function unpack(
  unit: Unit,
  recipe: DownloadRecipe,
  archive: string,
  dir: string,
): Promise<void> {
  if (recipe.members === undefined) {
    const [only = unit.name] = unit.files;
    await rename(archive, join(dir, only));
    await chmod(join(dir, only), 0o755);
    return;
  }
  const scratch = join(dir, 'unpacked');
  await mkdir(scratch);
  await exec('tar', ['-xzf', archive, '-C', scratch], { timeoutMs: 300_000 });
  for (const [file, member] of Object.entries(recipe.members)) {
    await rename(join(scratch, fill(member, unit)), join(dir, file));
    await chmod(join(dir, file), 0o755);
  }
  await rm(scratch, { recursive: true });
  await rm(archive);
}
