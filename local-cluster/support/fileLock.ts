import { mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStartTime } from './processTable.ts';

const POLL_MS = 200;
/** A lock file without a pid in it is being written; after this long its writer died. */
const UNWRITTEN_MS = 5_000;

export interface LockOptions {
  readonly timeoutMs: number;
  /** Called once, with the holder's pid, when the lock is held by someone else. */
  readonly onWait?: (holder: number) => void;
}

/** Runs `work` while holding a lock file with our pid in it; a dead holder's lock is taken over. */
export async function withFileLock<T>(
  path: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  let told = false;
  await mkdir(dirname(path), { recursive: true });
  while (!(await tryTake(path))) {
    const holder = await dropIfDead(path);
    if (holder !== undefined && !told) {
      told = true;
      options.onWait?.(holder);
    }
    if (Date.now() > deadline) {
      throw new Error(
        `process ${holder ?? '?'} is at work and holds ${path}; wait for it, or end it`,
      );
    }
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

async function tryTake(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock of a process that is gone; otherwise returns the holder's pid. */
async function dropIfDead(path: string): Promise<number | undefined> {
  try {
    const holder = Number(await readFile(path, 'utf8'));
    const dead =
      holder > 0 ? !isAlive(holder) : Date.now() - (await stat(path)).mtimeMs > UNWRITTEN_MS;
    if (!dead) return holder;
    await unlink(path);
  } catch {
    // Its holder released it in between.
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  return processStartTime(pid) !== undefined;
}
