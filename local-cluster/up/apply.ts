import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyText, type Kubectl } from '../kubectl.ts';
import { REPOSITORY } from '../support/paths.ts';

const CRDS = join(REPOSITORY, 'crds');
const EXAMPLES = join(dirname(fileURLToPath(import.meta.url)), '..', 'examples');
export const OPERATOR_NAMESPACE = 'mezzo-system';

async function yamlIn(dir: string): Promise<string> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.yaml')).sort();
  if (names.length === 0) throw new Error(`${dir} has no YAML files; restore it with git checkout`);
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.join('\n---\n');
}

/** Installs the CRDs and the operator's namespace; resolves when the API server serves them. */
export async function applyCrds(kubectl: Kubectl): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: OPERATOR_NAMESPACE } };
  await applyText(kubectl, JSON.stringify(namespace));
  // Made by our own generator: checking the fields again would have kubectl read all of OpenAPI.
  await applyText(kubectl, await yamlIn(CRDS), ['--validate=ignore']);
  await kubectl(['wait', '--for=condition=Established', '--timeout=30s', '-f', CRDS]);
}

export async function applyExamples(kubectl: Kubectl): Promise<void> {
  await applyText(kubectl, await yamlIn(EXAMPLES));
}

interface FrameworkObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly frameworkName?: string };
}

/** Name that examples/framework.mjs subscribes with. */
const FRAMEWORK = 'tick-tock';

/** Deletes the examples, whose tasks the operator must still be there to end. */
export async function deleteExamples(kubectl: Kubectl): Promise<void> {
  const text = await kubectl(['get', 'frameworks.mezzo.dev', '-A', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: readonly FrameworkObject[] };
  for (const { metadata } of items.filter((item) => item.spec.frameworkName === FRAMEWORK)) {
    const name = `frameworks.mezzo.dev/${metadata.name}`;
    await kubectl(['delete', '-n', metadata.namespace, name, '--timeout=60s']);
  }
  await kubectl(['delete', '--ignore-not-found', '--timeout=60s', '-f', EXAMPLES]);
  const tasks = ['pods', '-n', 'default', '-l', 'mezzo.dev/framework'];
  await kubectl(['wait', '--for=delete', '--timeout=60s', ...tasks]);
}
