import { writeFile } from 'node:fs/promises';
import { fetchAll } from './fetchAll.ts';
import { parseFetchSpec } from './fetchSpec.ts';

/** The init container of tasks with URIs. What goes wrong is also told where the kubelet reads it. */

const TERMINATION_LOG = '/dev/termination-log';

const USAGE = `usage: fetcher

Fetches the files of a task into its sandbox, as an init container of its Pod. What to fetch is JSON in MEZZO_FETCH,
which the operator writes.
`;

async function run(): Promise<void> {
  if (process.argv.includes('--help')) {
    console.log(USAGE);
    return;
  }
  await fetchAll(parseFetchSpec(process.env['MEZZO_FETCH']), (line) => console.log(line));
}

try {
  await run();
} catch (error) {
  const message = `Failed to fetch all URIs: ${error instanceof Error ? error.message : String(error)}`;
  console.error(message);
  // Outside of a Pod there is no such file, and nobody who would read it.
  await writeFile(TERMINATION_LOG, message.slice(0, 4096)).catch(() => undefined);
  process.exitCode = 1;
}
