import { parseArgs } from 'node:util';
import { parseName, UsageError } from './options.ts';

/** Reads the flags of `down` and `status`; undefined asks for help. */
export function parseNameFlag(args: readonly string[]): string | undefined {
  try {
    const options = {
      name: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    return values.help === true ? undefined : parseName(values.name);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(String(error));
  }
}
