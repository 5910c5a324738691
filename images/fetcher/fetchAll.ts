import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import type { FetchItem, FetchSpec } from './fetchSpec.ts';
import { Sandbox } from './sandbox.ts';
import { untar } from './untar.ts';
import { unzip } from './unzip.ts';

const MAX_REDIRECTIONS = 5;
/** From the request to the last byte. */
const TIMEOUT_MS = 30 * 60_000;

/** Brings every item into the sandbox. Errors: the first that fails, its URL named. */
export async function fetchAll(spec: FetchSpec, log: (line: string) => void): Promise<void> {
  const sandbox = new Sandbox(spec.sandbox, spec.maxBytes);
  for (const item of spec.items) {
    try {
      await download(item, spec, sandbox);
      if (item.executable) await sandbox.makeExecutable(item.output);
      if (item.extract) await extract(item, sandbox);
    } catch (error) {
      throw new Error(`${item.url}: ${messageOf(error)}`, { cause: error });
    }
    log(`fetched ${item.url} as ${item.output}`);
  }
}

/** `fetch failed` alone helps nobody: what failed is in its cause. */
function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  const cause = 'cause' in error ? error.cause : undefined;
  const message = String(error.message);
  return cause === undefined ? message : `${message}: ${messageOf(cause)}`;
}

async function download(item: FetchItem, spec: FetchSpec, sandbox: Sandbox): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let url = new URL(item.url);
  for (let redirections = 0; redirections <= MAX_REDIRECTIONS; redirections += 1) {
    checkUrl(url, spec.allowedHosts);
    const response = await fetch(url, { redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      url = new URL(location, url);
      continue;
    }
    if (!response.ok) throw new Error(`answered ${response.status} ${response.statusText}`);
    await sandbox.writeFile(item.output, response.body ?? emptyBody(), 0o644);
    return;
  }
  throw new Error(`more than ${MAX_REDIRECTIONS} redirections`);
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {
  // An answer without a body is an empty file.
}

function checkUrl({ protocol, hostname }: URL, allowed: readonly string[] | undefined): void {
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new Error(`redirected to '${protocol}', which is not fetched`);
  if (allowed !== undefined && !allowed.includes(hostname))
    throw new Error(`files are not fetched from the host '${hostname}'`);
}

/** Source of the names: Mesos `docs/fetcher.md`. Any other file is left as it is. */
async function extract({ output }: FetchItem, sandbox: Sandbox): Promise<void> {
  const path = join(sandbox.root, output);
  const name = output.toLowerCase();
  if (name.endsWith('.tar')) await untar(createReadStream(path), sandbox);
  else if (name.endsWith('.tar.gz') || name.endsWith('.tgz')) await untar(gunzip(path), sandbox);
  else if (name.endsWith('.gz'))
    await sandbox.writeFile(output.slice(0, -'.gz'.length), gunzip(path), 0o644);
  else if (name.endsWith('.zip')) await unzip(path, sandbox);
}

function gunzip(path: string): AsyncIterable<Uint8Array> {
  const source = createReadStream(path);
  const unpacked = createGunzip();
  source.on('error', (error) => unpacked.destroy(error));
  return source.pipe(unpacked);
}
