import { withFileLock } from '../support/fileLock.ts';

/** Runs a command on a cluster's folder; refuses at once when another command is at work on it. */
export async function alone<T>(dir: string, work: () => Promise<T>): Promise<T> {
  return withFileLock(`${dir}.lock`, { timeoutMs: 0 }, work);
}
