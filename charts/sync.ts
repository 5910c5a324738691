import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the chart's CRD template puts its labels and annotations; each CRD must hold it exactly once. */
export const CRD_ANCHOR = '\n  labels:\n    app.kubernetes.io/part-of: mezzo\nspec:\n';

const CRDS = fileURLToPath(new URL('../crds/', import.meta.url));
const CHART_CRDS = fileURLToPath(new URL('./mezzo/files/crds/', import.meta.url));

export interface CrdFolders {
  readonly source: string;
  readonly chart: string;
}

const DEFAULT_FOLDERS: CrdFolders = { source: CRDS, chart: CHART_CRDS };

/**
 * What is wrong with the chart's copies of the CRDs, one sentence each; empty when they are up to date.
 * A packaged chart cannot reach outside its folder, so the copies are committed and held to their source here.
 */
export async function staleCrds(folders: CrdFolders = DEFAULT_FOLDERS): Promise<string[]> {
  const [source, copies] = await Promise.all([readYaml(folders.source), readYaml(folders.chart)]);
  const problems: string[] = [];
  for (const [name, text] of source) {
    if (text.split(CRD_ANCHOR).length !== 2)
      problems.push(
        `crds/${name}: metadata must hold a name and the label app.kubernetes.io/part-of, nothing else`,
      );
    const copy = copies.get(name);
    if (copy === undefined) problems.push(`charts/mezzo/files/crds/${name} is missing`);
    else if (copy !== text)
      problems.push(`charts/mezzo/files/crds/${name} differs from crds/${name}`);
  }
  for (const name of copies.keys())
    if (!source.has(name)) problems.push(`charts/mezzo/files/crds/${name} has no source in crds/`);
  if (source.size === 0) problems.push('crds/ holds no CRD');
  return problems;
}

/** Copies the CRDs into the chart and removes copies whose source is gone. */
export async function syncCrds(folders: CrdFolders = DEFAULT_FOLDERS): Promise<void> {
  const [source, copies] = await Promise.all([readYaml(folders.source), readYaml(folders.chart)]);
  for (const [name, text] of source) await writeFile(join(folders.chart, name), text);
  for (const name of copies.keys())
    if (!source.has(name)) await rm(join(folders.chart, name), { force: true });
}

async function readYaml(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();
  const files = new Map<string, string>();
  for (const name of names) files.set(name, await readFile(join(folder, name), 'utf8'));
  return files;
}

/** `node charts/sync.ts` copies; with `--check` it only tells, and exits 1 when a copy is stale. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--check')) await syncCrds();
  const problems = await staleCrds();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) console.error('run: npm run generate:chart');
  process.exitCode = problems.length > 0 ? 1 : 0;
}
