import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly pollMs?: number;
  /** Ends the wait at once when it returns a reason, such as a process that died. */
  readonly giveUp?: () => string | undefined;
}

/** Repeats a check until it returns a value other than undefined; its last error is told at the deadline. */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  options: WaitOptions,
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  let lastError: unknown;
  while (true) {
    try {
      const value = await check();
      if (value !== undefined) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const reason = options.giveUp?.();
    if (reason !== undefined) throw new Error(`${what}: ${reason}`, { cause: lastError });
    if (Date.now() > deadline) {
      const last = lastError instanceof Error ? ` (last error: ${lastError.message})` : '';
      throw new Error(`${what}: not within ${options.timeoutMs / 1000} s${last}`, {
        cause: lastError,
      });
    }
    await sleep(options.pollMs ?? 100);
  }
}
