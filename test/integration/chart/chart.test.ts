import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { load, loadAll } from 'js-yaml';
import { staleCrds } from '../../../charts/sync.ts';
import { ensureAssets } from '../../../local-cluster/assets/ensure.ts';
import { exec, tryExec } from '../../../local-cluster/support/exec.ts';
import { REPOSITORY } from '../../../local-cluster/support/paths.ts';

const CHART = join(REPOSITORY, 'charts', 'mezzo');
const ASSETS_TIMEOUT_MS = 20 * 60_000;

/** Every toggle on: what a default install leaves out is linted too. */
const EVERYTHING = [
  '--set=prometheusRule.enabled=true,serviceMonitor.enabled=true,dashboard.enabled=true',
  '--set=networkPolicy.enabled=true,rbac.impersonate.enabled=true',
  '--set=apiServer.host=192.0.2.1,apiServer.port=6443',
  '--set=tls.enabled=true,tls.certManager.enabled=true,tls.certManager.issuerRef.name=internal',
  '--set=agent.mesosApi.enabled=true,agent.executorApi.enabled=true,rbac.markAgentGone=true',
];

let binaries: Awaited<ReturnType<typeof loadBinaries>>;
let scratch: string;

const loadBinaries = () => ensureAssets(['helm', 'helm3', 'helm-unittest', 'promtool']);

beforeAll(async () => {
  binaries = await loadBinaries();
  scratch = await mkdtemp(join(tmpdir(), 'mezzo-chart-'));
}, ASSETS_TIMEOUT_MS);

afterAll(async () => {
  if (scratch !== undefined) await rm(scratch, { recursive: true });
});

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

async function render(helm: 'helm' | 'helm3', args: readonly string[]): Promise<Rendered[]> {
  const template = ['template', 'mezzo', CHART, '--namespace', 'mezzo-system'];
  const text = await exec(binaries[helm], [...template, '--kube-version=1.36.0', ...args]);
  return (loadAll(text) as (Rendered | null)[]).filter((document) => document !== null);
}

const byName = (left: Rendered, right: Rendered): number =>
  `${left.kind}/${left.metadata.name}` < `${right.kind}/${right.metadata.name}` ? -1 : 1;

describe('chart', () => {
  test('carries the CRDs of crds/ unchanged', async () => {
    expect(await staleCrds()).toEqual([]);
  });

  test('tells a stale, a missing and a foreign copy of a CRD', async () => {
    const source = await mkdtemp(join(scratch, 'source-'));
    const chart = await mkdtemp(join(scratch, 'chart-'));
    const crd = 'metadata:\n  name: x\n  labels:\n    app.kubernetes.io/part-of: mezzo\nspec:\n';
    await writeFile(join(source, 'a.yaml'), crd);
    await writeFile(join(chart, 'a.yaml'), `${crd}  more: true\n`);
    await writeFile(join(source, 'b.yaml'), crd.replace('part-of: mezzo', 'part-of: x'));
    await writeFile(join(chart, 'c.yaml'), crd);
    expect(await staleCrds({ source, chart })).toEqual([
      'charts/mezzo/files/crds/a.yaml differs from crds/a.yaml',
      'crds/b.yaml: metadata must hold a name and the label app.kubernetes.io/part-of, nothing else',
      'charts/mezzo/files/crds/b.yaml is missing',
      'charts/mezzo/files/crds/c.yaml has no source in crds/',
    ]);
  });

  test.each(['helm', 'helm3'] as const)(
    'is clean to %s lint --strict',
    async (helm) => {
      const lint = ['lint', '--strict', '--kube-version=1.36.0', CHART];
      await exec(binaries[helm], lint);
      await exec(binaries[helm], [...lint, ...EVERYTHING]);
    },
    60_000,
  );

  test('renders the same objects with helm 3 and helm 4', async () => {
    const [four, three] = await Promise.all([
      render('helm', EVERYTHING),
      render('helm3', EVERYTHING),
    ]);
    expect(four.length).toBeGreaterThan(30);
    expect(four.toSorted(byName)).toEqual(three.toSorted(byName));
  }, 60_000);

  test('keeps large numbers of the CRDs as they are', async () => {
    const job = (await render('helm', [])).find(
      ({ metadata }) => metadata.name === 'adhocjobs.mezzo.dev',
    );
    const source = await readFile(join(REPOSITORY, 'crds', 'mezzo.dev_adhocjobs.yaml'), 'utf8');
    expect(job).toHaveProperty('spec', (load(source) as { spec: unknown }).spec);
  });

  test.each([
    ['operator.replica=2', "additional properties 'replica' not allowed"],
    ['operator.replicas=-1', 'minimum: got -1, want 0'],
    ['image.pullPolicy=Sometimes', "must be one of 'Always', 'IfNotPresent', 'Never'"],
    ['uninstall.tasks=drop', "must be one of '', 'stop', 'keep'"],
    ['image.digest=latest', 'does not match pattern'],
    ['operator.limits.max-stream=1', 'max-stream'],
    ['tls.enabled=true', 'tls.enabled needs tls.secretName'],
    ['prometheusRule.alerts.X.fro=1h', "additional properties 'fro' not allowed"],
  ])('refuses --set %s and says what is wrong', async (set, message) => {
    const result = await tryExec(binaries.helm, ['template', 'mezzo', CHART, `--set=${set}`]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain(message);
  });

  test('documents every value', async () => {
    const schema = JSON.parse(await readFile(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
    const values = load(await readFile(join(CHART, 'values.yaml'), 'utf8'));
    expect(undeclared(schema, values, 'values')).toEqual([]);
    expect(missing(schema, values, 'values')).toEqual([]);
  });

  test('passes its helm-unittest suites', async () => {
    const output = await exec(binaries['helm-unittest'], ['--strict', CHART]);
    expect(Number(/^Tests: +([0-9]+) passed/m.exec(output)?.[1])).toBeGreaterThan(50);
  }, 120_000);
});

describe('Prometheus rules', () => {
  test('are rules to promtool', async () => {
    await exec(binaries.promtool, ['check', 'rules', join(CHART, 'files', 'rules.yaml')]);
  });

  test('fire and stay quiet as their tests say', async () => {
    const folder = join(CHART, 'tests-prometheus');
    const files = (await readdir(folder)).filter((name) => name.endsWith('_test.yaml'));
    expect(files.length).toBeGreaterThan(0);
    await exec(binaries.promtool, ['test', 'rules', ...files], { cwd: folder });
  }, 120_000);

  test('are the same rules in the PrometheusRule', async () => {
    const rules = (await render('helm', ['--set=prometheusRule.enabled=true'])).find(
      ({ kind }) => kind === 'PrometheusRule',
    );
    const file = load(await readFile(join(CHART, 'files', 'rules.yaml'), 'utf8'));
    expect(rules).toHaveProperty('spec', file);
  });

  test('each alert has a runbook that bears its name', async () => {
    const file = load(await readFile(join(CHART, 'files', 'rules.yaml'), 'utf8')) as RuleFile;
    const alerts = file.groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []));
    const runbooks = join(REPOSITORY, 'docs', 'runbooks');
    expect(alerts.length).toBeGreaterThan(0);
    for (const alert of alerts)
      expect(await readFile(join(runbooks, `${alert}.md`), 'utf8')).toContain(`# ${alert}\n`);
  });
});

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly { readonly alert?: string }[] }[];
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Paths of values that the schema does not know. */
function undeclared(schema: Schema | undefined, value: unknown, path: string): string[] {
  if (schema === undefined) return [path];
  const { properties } = schema;
  if (properties === undefined || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    undeclared(properties[name], inner, `${path}.${name}`),
  );
}

/** Paths that the schema knows and values.yaml does not show, `global` (Helm's own) and probe fields left aside. */
function missing(schema: Schema, value: unknown, path: string): string[] {
  if (schema.properties === undefined) return [];
  if (/Probe$|\.resources$/.test(path)) return [];
  return Object.entries(schema.properties).flatMap(([name, inner]) => {
    if (path === 'values' && name === 'global') return [];
    const there = typeof value === 'object' && value !== null && name in value;
    const innerPath = `${path}.${name}`;
    if (!there) return [innerPath];
    return missing(inner, (value as Record<string, unknown>)[name], innerPath);
  });
}
