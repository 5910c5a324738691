import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { applyDefaults } from '../../../operator/src/schema/generate/applyDefaults.ts';
import { rootSchemaOf } from '../../../operator/src/schema/generate/customResourceDefinition.ts';
import { KIND_TABLE, type KindEntry } from '../../../operator/src/schema/kindTable.ts';
import { type CrdCluster, startCrdCluster } from './crdCluster.ts';
import { collectionPath, type Example, judge, loadExamples } from './examples.ts';

/** The committed CRDs as a real API server and a real kubectl see them. */

const KINDS: readonly KindEntry[] = KIND_TABLE;
const EXAMPLES = loadExamples();
const entryOf = (kind: string): KindEntry => {
  const entry = KINDS.find(({ ref }) => ref.kind === kind);
  if (!entry) throw new Error(`no kind ${kind}`);
  return entry;
};
const rejected = EXAMPLES.filter((example) => example.verdict === 'rejected');
const accepted = EXAMPLES.filter((example) => example.verdict === 'accepted');

let cluster: CrdCluster;

beforeAll(async () => {
  cluster = await startCrdCluster();
}, 600_000);

afterAll(async () => {
  await cluster?.stop();
}, 60_000);

/** Runs kubectl and returns what it printed; a failure is an error that quotes it. */
async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Stores the first accepted example of a kind under `name`, with `status` where given, and returns its path. */
async function store(kind: string, name: string, status?: object): Promise<string> {
  const example = accepted.find((one) => one.ref.kind === kind);
  const object = example?.objects[0];
  if (!example || !object) throw new Error(`no accepted example of ${kind}`);
  const collection = collectionPath(example.ref);
  const path = `${collection}/${name}`;
  await cluster.api.call('DELETE', path);
  const created = await cluster.api.call('POST', collection, {
    ...object,
    metadata: { ...object.metadata, name },
  });
  expect(created.status).toBe(201);
  if (status) {
    const reply = await cluster.api.call('PUT', `${path}/status`, { ...created.body, status });
    expect({ status: reply.status, message: reply.body['message'] }).toEqual({ status: 200 });
  }
  return path;
}

describe('definitions', () => {
  test.each(KINDS)('$ref.plural is served, its rules within the cost budget', async ({ ref }) => {
    const { body } = await cluster.api.call(
      'GET',
      `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${ref.plural}.${ref.group}`,
    );
    const { conditions } = body['status'] as {
      conditions: { type: string; status: string; message: string }[];
    };
    const summary = conditions.map(({ type, status }) => `${type}=${status}`).toSorted();
    expect(summary).toEqual(['Established=True', 'NamesAccepted=True']);
  });

  test.each(KINDS)('every kind has examples of both verdicts: $ref.kind', ({ ref }) => {
    const verdicts = EXAMPLES.filter((example) => example.ref === ref).map((one) => one.verdict);
    expect(new Set(verdicts)).toEqual(new Set(['accepted', 'rejected']));
  });
});

describe('accepted examples', () => {
  test.each(accepted)('$name', async (example) => {
    const reply = await judge(cluster.api, example);
    expect(reply.body['message']).toBeUndefined();
    expect(reply.status).toBeLessThan(300);
    const sent = example.objects.at(-1) as unknown as { spec?: unknown };
    const schema = rootSchemaOf(entryOf(example.ref.kind));
    const filled = applyDefaults(schema, { ...sent }) as { spec?: unknown; status?: unknown };
    expect({ spec: reply.body['spec'], status: reply.body['status'] }).toEqual({
      spec: filled.spec,
      status: filled.status,
    });
  });

  test.each(accepted)('the operator reads $name as well', (example: Example) => {
    for (const object of example.objects) {
      expect(entryOf(example.ref.kind).schema.safeParse(object).error).toBeUndefined();
    }
  });
});

describe('rejected examples', () => {
  test.each(rejected)('$name', async (example) => {
    expect(example.expected).not.toEqual([]);
    const { status, body } = await judge(cluster.api, example);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    for (const words of example.expected) expect(body['message']).toContain(words);
  });
});

describe('status', () => {
  test.each(KINDS)('$ref.kind is born unobserved, whatever its creator says', async ({ ref }) => {
    const example = accepted.find((one) => one.ref === ref);
    const name = 'born';
    const collection = collectionPath(ref);
    const body = { ...example?.objects[0], metadata: { name }, status: { observedGeneration: 7 } };
    const created = await cluster.api.call('POST', collection, body);
    const read = await cluster.api.call('GET', `${collection}/${name}`);
    await cluster.api.call('DELETE', `${collection}/${name}`);
    expect(created.body['status']).toEqual({ observedGeneration: -1 });
    expect(read.body['status']).toEqual({ observedGeneration: -1 });
  });

  test('kubectl wait does not take a new object for a ready one', async () => {
    await store('ServiceJob', 'waited', {
      observedGeneration: 1,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          observedGeneration: 1,
          lastTransitionTime: '2026-11-21T15:00:00Z',
          reason: 'AllRunning',
          message: '',
        },
      ],
    });
    await expect(
      kubectl('wait', 'sj/waited', '--for=condition=Ready', '--timeout=5s'),
    ).resolves.toContain('condition met');
    await kubectl('scale', 'sj/waited', '--replicas=5');
    await expect(
      kubectl('wait', 'sj/waited', '--for=condition=Ready', '--timeout=1s'),
    ).rejects.toThrow('timed out');
  });
});

describe('kubectl', () => {
  test('explain finds a description for every field of every kind', async () => {
    const { body } = await cluster.api.call('GET', '/openapi/v3/apis/mezzo.dev/v1alpha1');
    const { schemas } = body['components'] as { schemas: { [name: string]: OpenApi } };
    const described = KINDS.map(({ ref }) => {
      const schema = Object.entries(schemas).find(([name]) => name.endsWith(`.${ref.kind}`))?.[1];
      return { kind: ref.kind, ...fieldsOf(schema ?? {}, '') };
    });
    expect(described.map(({ kind, bare }) => ({ kind, bare }))).toEqual(
      KINDS.map(({ ref }) => ({ kind: ref.kind, bare: [] })),
    );
    for (const { total } of described) expect(total).toBeGreaterThan(20);
  });

  test.each(KINDS)('explain prints spec and status of $ref.plural', async ({ ref }) => {
    for (const part of ['', '.spec', '.status', '.status.conditions']) {
      const text = await kubectl(
        'explain',
        `${ref.plural}${part}`,
        '--api-version=mezzo.dev/v1alpha1',
      );
      expect(text).toContain(`KIND:       ${ref.kind}`);
      expect(text).not.toMatch(/<empty>|<no description>/);
    }
  });

  test.each(KINDS)('get $shortName prints the columns of $ref.kind', async (entry) => {
    const { ref, columns, shortName } = entry;
    const path = await store(ref.kind, 'shown');
    const lines = async (...args: string[]): Promise<string> =>
      (await kubectl('get', shortName, ...args)).split('\n')[0]?.replace(/ {2,}/g, '|').trim() ??
      '';
    const titles = (shown: typeof columns): string =>
      ['NAME', ...shown.map((column) => column.name.toUpperCase())].join('|');
    expect(await lines()).toBe(titles(columns.filter((column) => !column.wide)));
    expect(await lines('-o', 'wide')).toBe(titles(columns));
    await cluster.api.call('DELETE', path);
  });

  test('get sj tells how far a job is', async () => {
    const path = await store('ServiceJob', 'told', {
      observedGeneration: 1,
      counts: { running: 2, pending: 1, updated: 3 },
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          lastTransitionTime: '2026-11-21T15:00:00Z',
          reason: 'InstancesPending',
          message: '',
        },
      ],
    });
    await kubectl('scale', 'sj/told', '--replicas=3');
    const row = (await kubectl('get', 'sj', 'told', '--no-headers')).trim().split(/\s+/);
    expect(row.slice(0, 8)).toEqual(['told', 'eng/web', 'production', '3', '2', '1', '3', 'False']);
    await cluster.api.call('DELETE', path);
  });

  test('scale changes spec.instances and autoscalers find the selector', async () => {
    const path = await store('ServiceJob', 'scaled', {
      observedGeneration: 1,
      replicas: 1,
      selector: 'mezzo.dev/job=scaled',
    });
    await kubectl('scale', 'sj/scaled', '--replicas=4');
    const { body } = await cluster.api.call('GET', path);
    expect((body['spec'] as { instances?: number }).instances).toBe(4);
    const scale = await cluster.api.call('GET', `${path}/scale`);
    expect(scale.body['spec']).toEqual({ replicas: 4 });
    expect(scale.body['status']).toEqual({ replicas: 1, selector: 'mezzo.dev/job=scaled' });
    await cluster.api.call('DELETE', path);
  });

  test('get selects by fields of the spec', async () => {
    const path = await store('ServiceJob', 'selected');
    const found = async (selector: string): Promise<string> =>
      kubectl('get', 'sj', '-A', '-o', 'name', `--field-selector=${selector}`);
    expect(await found('spec.role=eng/web,metadata.name=selected')).toBe(
      'servicejob.mezzo.dev/selected\n',
    );
    expect(await found('spec.role=ops,metadata.name=selected')).toBe('');
    await cluster.api.call('DELETE', path);
  });

  test('get mezzo lists objects of all kinds', async () => {
    const paths = await Promise.all(KINDS.map(({ ref }) => store(ref.kind, 'listed')));
    const names = (await kubectl('get', 'mezzo', '-o', 'name')).split('\n');
    for (const { ref } of KINDS) {
      expect(names).toContain(`${ref.kind.toLowerCase()}.mezzo.dev/listed`);
    }
    await Promise.all(paths.map((path) => cluster.api.call('DELETE', path)));
  });
});

describe('built-in kinds keep their words', () => {
  beforeAll(async () => {
    await kubectl('create', 'quota', 'builtin', '--hard=pods=5');
    await kubectl('create', 'role', 'builtin', '--verb=get', '--resource=pods');
    await kubectl('create', 'cronjob', 'builtin', '--image=busybox', '--schedule=@daily');
    for (const kind of ['Role', 'Quota', 'CronJob']) await store(kind, 'mezzos');
  });

  test.each<{ word: string; found: string }>([
    { word: 'quota', found: 'resourcequota/builtin' },
    { word: 'resourcequotas', found: 'resourcequota/builtin' },
    { word: 'role', found: 'role.rbac.authorization.k8s.io/builtin' },
    { word: 'roles', found: 'role.rbac.authorization.k8s.io/builtin' },
    { word: 'cj', found: 'cronjob.batch/builtin' },
    { word: 'cronjob', found: 'cronjob.batch/builtin' },
    { word: 'cronjobs', found: 'cronjob.batch/builtin' },
    { word: 'mquota', found: 'quota.mezzo.dev/mezzos' },
    { word: 'mrole', found: 'role.mezzo.dev/mezzos' },
    { word: 'mcron', found: 'cronjob.mezzo.dev/mezzos' },
    { word: 'roles.mezzo.dev', found: 'role.mezzo.dev/mezzos' },
  ])('get $word → $found', async ({ word, found }) => {
    const name = found.split('/')[1] ?? '';
    // A word that two kinds claim is told on stderr, whichever of them wins.
    expect(await cluster.kubectl(['get', word, name, '-o', 'name'])).toEqual({
      code: 0,
      stdout: `${found}\n`,
      stderr: '',
    });
  });
});

interface OpenApi {
  readonly description?: string;
  readonly properties?: { readonly [name: string]: OpenApi };
  readonly items?: OpenApi;
  readonly additionalProperties?: OpenApi;
}

/** Fields below a schema as the server publishes it: how many, and those without description. */
function fieldsOf(schema: OpenApi, path: string): { total: number; bare: string[] } {
  let total = 0;
  const bare: string[] = [];
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.${name}`;
    total += 1;
    if (!child.description) bare.push(at);
    const below = fieldsOf(child.items ?? child.additionalProperties ?? child, at);
    total += below.total;
    bare.push(...below.bare);
  }
  return { total, bare };
}
