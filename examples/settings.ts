import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { SchedulerClientOptions } from 'mezzo/client';

/** What every example takes: where the API is, and who asks. */
export interface Settings {
  readonly url: string;
  readonly role: string;
  readonly credentials: Pick<SchedulerClientOptions, 'credentials'>;
  readonly values: { readonly [flag: string]: string | undefined };
}

/** Reads `--url`, `--role`, `--token-file` and the flags of the example, each with its default. */
export function readSettings(
  usage: string,
  more: { readonly [flag: string]: string } = {},
): Settings {
  const options = Object.fromEntries(
    Object.entries({ url: 'http://127.0.0.1:5050', role: '*', 'token-file': '', ...more }).map(
      ([flag, byDefault]) => [flag, { type: 'string' as const, default: byDefault }],
    ),
  );
  let values: { readonly [flag: string]: string | undefined };
  try {
    values = parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(2);
  }
  const tokenFile = values['token-file'] ?? '';
  return {
    url: values['url'] ?? '',
    role: values['role'] ?? '*',
    // Read before each call: a mounted token changes every hour.
    credentials:
      tokenFile === ''
        ? {}
        : {
            credentials: {
              kind: 'bearer',
              token: () => readFileSync(tokenFile, 'utf8').trim(),
            },
          },
    values,
  };
}

export function say(text: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
