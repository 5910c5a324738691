// A kubelet sets these for the whole machine at its start. They are noted before the first cluster's
// nodes start and put back when the last cluster's nodes are gone.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheRoot } from '../support/paths.ts';
import { anyClusterCgroup } from './cgroups.ts';

const SETTINGS = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
] as const;

const file = (): string => join(cacheRoot(), 'kernel-settings.json');
const bootId = (): Promise<string> => readFile('/proc/sys/kernel/random/boot_id', 'utf8');

interface Saved {
  readonly bootId: string;
  readonly values: Readonly<Record<string, string>>;
}

export async function saveKernelSettings(): Promise<void> {
  if ((await read()) !== undefined) return; // noted before an earlier cluster of this boot
  const values: Record<string, string> = {};
  for (const name of SETTINGS) values[name] = await readFile(join('/proc/sys', name), 'utf8');
  await mkdir(cacheRoot(), { recursive: true });
  await writeFile(file(), JSON.stringify({ bootId: await bootId(), values } satisfies Saved));
}

export async function restoreKernelSettings(): Promise<void> {
  const saved = await read();
  if (saved === undefined || (await anyClusterCgroup())) return;
  for (const [name, value] of Object.entries(saved.values)) {
    await writeFile(join('/proc/sys', name), value).catch(() => undefined);
  }
  await rm(file(), { force: true });
}

async function read(): Promise<Saved | undefined> {
  if (!existsSync(file())) return undefined;
  const saved = JSON.parse(await readFile(file(), 'utf8')) as Saved;
  return saved.bootId === (await bootId()) ? saved : undefined;
}
