import { kubectlFor } from './kubectl.ts';
import { clusterDir } from './support/paths.ts';
import { parseNameFlag } from './up/nameFlag.ts';
import { UsageError } from './up/options.ts';
import { report } from './up/report.ts';
import { readState } from './up/state.ts';

const write = (text: string): void => void process.stdout.write(text);

/** Exit codes: 0 it is up, 1 a part of it is down, 3 nothing of this name runs. */
async function main(args: readonly string[]): Promise<number> {
  const name = parseNameFlag(args);
  if (name === undefined) {
    write('npm run status -- [--name NAME]   what runs where, and the jobs with their tasks\n');
    return 0;
  }
  const state = await readState(clusterDir(name));
  if (state === undefined) {
    write(`nothing runs under the name "${name}"; npm run up starts it\n`);
    return 3;
  }
  const { text, healthy } = await report(state, await kubectlFor(state.kubeconfigPath));
  write(text);
  return healthy ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  write(`npm run status: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
