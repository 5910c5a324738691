import { kubectlFor } from '../kubectl.ts';
import { deleteExamples } from './apply.ts';
import { endProcesses, findProcesses } from './processes.ts';
import { readState } from './state.ts';
import { takeDown } from './takeDown.ts';

/** Ends a cluster of any kind; returns a line for each thing removed, none when there was nothing. */
export async function endCluster(dir: string): Promise<readonly string[]> {
  const state = await readState(dir);
  const foreign = state?.foreign === true ? await leaveForeign(dir, state.kubeconfigPath) : [];
  return [...foreign, ...(await takeDown(dir))];
}

/** In a cluster that is not ours only the examples are deleted; CRDs may hold objects of others. */
async function leaveForeign(dir: string, kubeconfigPath: string): Promise<readonly string[]> {
  const framework = (await findProcesses(dir)).filter(({ name }) => name === 'framework');
  await endProcesses(framework, 3_000); // or it would subscribe again
  try {
    await deleteExamples(await kubectlFor(kubeconfigPath));
    return ['deleted the examples from the cluster; its CRDs and namespace mezzo-system stay'];
  } catch (error) {
    return [
      `the examples stay in the cluster: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}
