import { clusterDir } from './support/paths.ts';
import { alone } from './up/alone.ts';
import { endCluster } from './up/endCluster.ts';
import { parseNameFlag } from './up/nameFlag.ts';
import { UsageError } from './up/options.ts';

const write = (text: string): void => void process.stdout.write(text);

async function main(args: readonly string[]): Promise<void> {
  const name = parseNameFlag(args);
  if (name === undefined) {
    write('npm run down -- [--name NAME]   removes everything npm run up has made\n');
    return;
  }
  const dir = clusterDir(name);
  const removed = await alone(dir, () => endCluster(dir));
  for (const line of removed) write(`${line}\n`);
  write(removed.length === 0 ? `"${name}" is not up; nothing to remove\n` : `"${name}" is gone\n`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  write(`npm run down: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
