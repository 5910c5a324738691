import { kubectlFor } from './kubectl.ts';
import { clusterDir } from './support/paths.ts';
import { deleteExamples } from './up/apply.ts';
import { parseNameFlag } from './up/nameFlag.ts';
import { UsageError } from './up/options.ts';
import { readState } from './up/state.ts';
import { takeDown } from './up/takeDown.ts';

const write = (text: string): void => void process.stdout.write(text);

async function main(args: readonly string[]): Promise<void> {
  const name = parseNameFlag(args);
  if (name === undefined) {
    write('npm run down -- [--name NAME]   removes everything npm run up has made\n');
    return;
  }
  const dir = clusterDir(name);
  const state = await readState(dir);
  if (state?.foreign === true) await leaveForeignCluster(state.kubeconfigPath);
  const removed = await takeDown(dir);
  for (const line of removed) write(`${line}\n`);
  write(removed.length === 0 ? `"${name}" is not up; nothing to remove\n` : `"${name}" is gone\n`);
}

/** In a cluster that is not ours only the examples are deleted; CRDs may hold objects of others. */
async function leaveForeignCluster(kubeconfigPath: string): Promise<void> {
  try {
    await deleteExamples(await kubectlFor(kubeconfigPath));
    write('deleted the examples from the cluster; its CRDs and namespace mezzo-system stay\n');
  } catch (error) {
    write(`the examples stay in the cluster: ${error instanceof Error ? error.message : error}\n`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  write(`npm run down: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
