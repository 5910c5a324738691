import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dump, loadAll } from 'js-yaml';
import { ensureAssets } from '../../../local-cluster/assets/ensure.ts';
import { exec, tryExec } from '../../../local-cluster/support/exec.ts';
import { REPOSITORY } from '../../../local-cluster/support/paths.ts';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import {
  persistentVolume,
  persistentVolumeClaim,
} from '../../../operator/src/controllers/volume/claims.ts';
import { folderPod } from '../../../operator/src/controllers/volume/folderPod.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import { AGENTS } from '../../../operator/src/schema/mezzoKinds.ts';
import { createKubeApi } from '../../../operator/src/store/kube/createKubeApi.ts';
import { createSystemClock } from '../../../operator/src/store/system/systemClock.ts';
import { loadExamples } from '../crds/examples.ts';
import { type OpenApi, SCHEMA_LOCATION, writeJsonSchemas } from './jsonSchemas.ts';

const CHART = join(REPOSITORY, 'charts', 'mezzo');
const NAMESPACE = 'mezzo-system';
const OPERATOR = 'system:serviceaccount:mezzo-system:mezzo-operator';
const AGENT = 'system:serviceaccount:mezzo-system:mezzo-agent';
/** Kinds of the Prometheus Operator, whose CRDs are not installed here; promtool judges their contents. */
const FOREIGN_KINDS = ['ServiceMonitor', 'PrometheusRule'];

const clock = createSystemClock();
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: ManifestSpec;
}

interface ManifestSpec {
  readonly template?: { readonly spec: object };
  readonly containers?: readonly object[];
}

let cluster: TestCluster;
let binaries: Awaited<ReturnType<typeof loadBinaries>>;
let scratch: string;
let manifests: readonly Manifest[];

const loadBinaries = () => ensureAssets(['helm', 'kubeconform', 'kubectl']);

const toYaml = (objects: readonly object[]): string =>
  objects.map((object) => dump(object)).join('---\n');

async function render(...args: string[]): Promise<readonly Manifest[]> {
  const text = await exec(binaries.helm, [
    'template',
    'mezzo',
    CHART,
    `--namespace=${NAMESPACE}`,
    '--kube-version=1.36.0',
    ...args,
  ]);
  return (loadAll(text) as (Manifest | null)[]).filter((manifest) => manifest !== null);
}

beforeAll(async () => {
  binaries = await loadBinaries();
  scratch = await mkdtemp(join(tmpdir(), 'mezzo-chart-'));
  cluster = await startTestCluster({
    // Aggregated roles are summed up by a controller that needs its own account's right to escalate.
    controllerManagerArgs: ['--use-service-account-credentials=true'],
  });
  manifests = await render('--set=networkPolicy.enabled=true,dashboard.enabled=true');
  for (const name of [NAMESPACE, 'web', 'kube-extra'])
    await cluster.kubectl(['create', 'ns', name]);
  const crds = manifests.filter(({ kind }) => kind === 'CustomResourceDefinition');
  await cluster.apply(toYaml(crds));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
  // Everything but what would start: there is no kubelet here.
  const idle = ['CustomResourceDefinition', 'Pod', 'Job', 'Deployment', 'DaemonSet'];
  await cluster.apply(toYaml(manifests.filter(({ kind }) => !idle.includes(kind))));
}, 20 * 60_000);

afterAll(async () => {
  await cluster?.stop();
  if (scratch !== undefined) await rm(scratch, { recursive: true });
});

describe('manifests', () => {
  test('are accepted by the API server, field by field', async () => {
    const all = await render(
      '--set=networkPolicy.enabled=true,dashboard.enabled=true',
      '--set=tls.enabled=true,tls.secretName=mezzo-cert',
      '--set=agent.mesosApi.enabled=true,agent.mesosApi.hostPort=true,rbac.markAgentGone=true',
      '--set=operator.limits.max-streams=10',
    );
    const input = toYaml(all);
    const dryRun = ['apply', '--server-side', '--force-conflicts', '--dry-run=server'];
    await cluster.kubectl([...dryRun, '--validate=strict', '-f', '-'], input);
    // Written for two namespaces, and as helm 3 writes: by the client.
    await cluster.kubectl(
      ['create', '--dry-run=server', '--validate=strict', '-f', '-'],
      toYaml(
        (await render('--set=fullnameOverride=other,operator.watchNamespaces={web}')).filter(
          ({ kind }) => !['CustomResourceDefinition', 'Pod'].includes(kind),
        ),
      ),
    );
  }, 120_000);

  test('pass kubeconform against the schemas of this API server', async () => {
    const schemas = await publishedSchemas();
    const everything = await render(
      '--set=networkPolicy.enabled=true,dashboard.enabled=true',
      '--set=serviceMonitor.enabled=true,prometheusRule.enabled=true',
    );
    const path = join(scratch, 'manifests.yaml');
    await writeFile(path, toYaml(everything));
    expect(await kubeconform(schemas, path)).toMatch(
      /Valid: (4[0-9]|[5-9][0-9]), Invalid: 0, Errors: 0, Skipped: 2\b/,
    );
  }, 120_000);

  test('kubeconform knows the Mezzo kinds: good objects pass, misspelt and mistyped ones do not', async () => {
    const schemas = await publishedSchemas();
    const accepted = loadExamples().filter(({ verdict }) => verdict === 'accepted');
    const good = join(scratch, 'good.yaml');
    await writeFile(good, toYaml(accepted.flatMap(({ objects }) => objects)));
    expect(await kubeconform(schemas, good)).toMatch(
      /Valid: [1-9][0-9]*, Invalid: 0, Errors: 0, Skipped: 0\b/,
    );
    const bad = join(scratch, 'bad.yaml');
    const job = { apiVersion: 'mezzo.dev/v1alpha1', kind: 'ServiceJob', metadata: { name: 'a' } };
    const template = { image: 'busybox', resources: { cpus: '1' } };
    await writeFile(
      bad,
      toYaml([
        { ...job, spec: { role: 'eng', template, instancse: 2 } },
        { ...job, spec: { role: 'eng', template, instances: 'two' } },
      ]),
    );
    const refused = await kubeconform(schemas, bad);
    expect(refused).toContain('instancse');
    expect(refused).toMatch(/Valid: 0, Invalid: 2, Errors: 0, Skipped: 0\b/);
  }, 120_000);
});

describe('Pod security', () => {
  test('all Pods but the agent meet the level "restricted"; the agent needs its mounts', async () => {
    await cluster.kubectl(['create', 'ns', 'strict']);
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await cluster.kubectl(['label', 'ns', 'strict', level]);
    await eventually(() => cluster.kubectl(['get', 'sa', 'default', '-n', 'strict']));
    const verdicts: Record<string, string> = {};
    for (const manifest of manifests.filter(({ spec }) => podSpecOf(spec) !== undefined)) {
      const spec = { ...podSpecOf(manifest.spec), serviceAccountName: 'default' };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'probe' }, spec };
      const create = ['--kubeconfig', cluster.kubeconfigPath, 'create', '-n', 'strict'];
      const dryRun = [...create, '--dry-run=server', '-f', '-'];
      const result = await tryExec(binaries.kubectl, dryRun, { input: JSON.stringify(pod) });
      verdicts[manifest.metadata.name] = result.code === 0 ? 'accepted' : result.stderr;
    }
    expect(verdicts).toEqual({
      'mezzo-operator': 'accepted',
      'mezzo-test': 'accepted',
      'mezzo-uninstall': 'accepted',
      'mezzo-agent': expect.stringMatching(/restricted volume types \(volumes "proc", "sys"/),
    });
  }, 60_000);
});

/** The Pod spec of a Pod, a Deployment, a DaemonSet or a Job. */
function podSpecOf(spec: ManifestSpec | undefined): object | undefined {
  return spec?.template?.spec ?? (spec?.containers === undefined ? undefined : spec);
}

async function publishedSchemas(): Promise<string> {
  const openApi = JSON.parse(await cluster.kubectl(['get', '--raw', '/openapi/v2'])) as OpenApi;
  const folder = join(scratch, 'schemas');
  expect(await writeJsonSchemas(openApi, folder)).toBeGreaterThan(50);
  return join(folder, SCHEMA_LOCATION);
}

async function kubeconform(schemas: string, path: string): Promise<string> {
  const flags = ['-strict', '-summary', `-schema-location=${schemas}`];
  const skip = `-skip=${FOREIGN_KINDS.join(',')}`;
  return (await tryExec(binaries.kubeconform, [...flags, skip, path])).stdout;
}

describe('RBAC', () => {
  const mayNot = 'may not';
  const may = 'may';
  test.each([
    [OPERATOR, may, 'create', 'pods', 'web'],
    [OPERATOR, may, 'create', 'pods/eviction', 'web'],
    [OPERATOR, may, 'patch', 'nodes/status', undefined],
    [OPERATOR, may, 'patch', 'servicejobs.mezzo.dev/status', 'web'],
    [OPERATOR, may, 'update', 'frameworks.mezzo.dev/finalizers', 'web'],
    [OPERATOR, may, 'update', 'leases.coordination.k8s.io', NAMESPACE],
    [OPERATOR, may, 'create', 'tokenreviews.authentication.k8s.io', undefined],
    [OPERATOR, mayNot, 'get', 'secrets', 'web'],
    [OPERATOR, mayNot, 'get', 'secrets', NAMESPACE],
    [OPERATOR, mayNot, 'update', 'leases.coordination.k8s.io', 'web'],
    [OPERATOR, mayNot, 'impersonate', 'serviceaccounts', 'web'],
    [OPERATOR, mayNot, 'create', 'pods/exec', 'web'],
    [OPERATOR, mayNot, 'get', 'nodes/proxy', undefined],
    [OPERATOR, mayNot, 'patch', 'nodes', undefined],
    [OPERATOR, mayNot, 'create', 'clusterrolebindings.rbac.authorization.k8s.io', undefined],
    [
      OPERATOR,
      mayNot,
      'delete',
      'validatingadmissionpolicies.admissionregistration.k8s.io',
      undefined,
    ],
    [OPERATOR, mayNot, 'patch', 'deployments.apps', NAMESPACE],
    [AGENT, may, 'get', 'agents.mezzo.dev', undefined],
    [AGENT, may, 'patch', 'agents.mezzo.dev/status', undefined],
    [AGENT, mayNot, 'list', 'agents.mezzo.dev', undefined],
    [AGENT, mayNot, 'patch', 'agents.mezzo.dev', undefined],
    [AGENT, mayNot, 'get', 'nodes', undefined],
    [AGENT, mayNot, 'list', 'pods', 'web'],
    [AGENT, mayNot, 'get', 'servicejobs.mezzo.dev', 'web'],
  ])('%s %s %s %s (namespace %s)', async (user, verdict, verb, resource, namespace) => {
    const [kind = '', subresource] = resource.split('/');
    const answer = await tryExec(binaries.kubectl, [
      `--kubeconfig=${cluster.kubeconfigPath}`,
      'auth',
      'can-i',
      verb,
      kind,
      `--as=${user}`,
      ...(subresource === undefined ? [] : [`--subresource=${subresource}`]),
      ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
    ]);
    expect(answer.stdout.trim()).toBe(verdict === may ? 'yes' : 'no');
  });

  test('edit brings the jobs of a namespace, view lets see them, neither touches quotas', async () => {
    for (const role of ['view', 'edit'])
      await cluster.kubectl([
        'create',
        'rolebinding',
        role,
        '-n',
        'web',
        `--clusterrole=${role}`,
        `--user=${role}`,
      ]);
    const canI = async (user: string, verb: string, kind: string): Promise<string> => {
      const question = ['auth', 'can-i', verb, kind, '-n', 'web', `--as=${user}`];
      return (
        await tryExec(binaries.kubectl, ['--kubeconfig', cluster.kubeconfigPath, ...question])
      ).stdout.trim();
    };
    await eventually(async () =>
      expect(await canI('edit', 'create', 'servicejobs.mezzo.dev')).toBe('yes'),
    );
    await eventually(async () =>
      expect(await canI('view', 'list', 'servicejobs.mezzo.dev')).toBe('yes'),
    );
    expect(await canI('view', 'create', 'servicejobs.mezzo.dev')).toBe('no');
    expect(await canI('edit', 'create', 'quotas.mezzo.dev')).toBe('no');
  }, 60_000);
});

describe("the fence around the operator's account", () => {
  const task = (name: string, change: (pod: TaskPod) => void = () => undefined): string => {
    const pod: TaskPod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'web', labels: { 'mezzo.dev/framework': 'mezzo' } },
      spec: { containers: [{ name: 'task', image: 'busybox' }] },
    };
    change(pod);
    return JSON.stringify(pod);
  };

  const asOperator = (...args: string[]): readonly string[] => [
    `--kubeconfig=${cluster.kubeconfigPath}`,
    `--as=${OPERATOR}`,
    ...args,
  ];
  const create = (text: string) =>
    tryExec(binaries.kubectl, asOperator('create', '-f', '-'), { input: text });

  beforeAll(async () => {
    await eventually(() => cluster.kubectl(['get', 'sa', 'default', '-n', 'web']));
    await eventually(() => cluster.kubectl(['get', 'sa', 'default', '-n', 'kube-extra']));
    // A policy takes a moment to be in force.
    await eventually(async () => {
      const refused = await create(task('probe', (pod) => delete pod.metadata.labels));
      await cluster.kubectl(['delete', 'pod', 'probe', '-n', 'web', '--ignore-not-found']);
      expect(refused.code).not.toBe(0);
    });
  }, 60_000);

  test('lets a restricted task through', async () => {
    const created = await create(
      task('good', ({ spec }) => {
        spec.containers[0]!.securityContext = {
          privileged: false,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        };
        spec.initContainers = [{ name: 'init', image: 'busybox' }];
        spec.volumes = [{ name: 'tmp', emptyDir: {} }];
      }),
    );
    expect(created).toMatchObject({ code: 0 });
    await exec(
      binaries.kubectl,
      asOperator('annotate', 'pod', 'good', '-n', 'web', 'mezzo.dev/epoch=2'),
    );
    await exec(binaries.kubectl, asOperator('delete', 'pod', 'good', '-n', 'web', '--wait=false'));
  });

  test.each<[string, string, (pod: TaskPod) => void]>([
    ['a Pod that is no task', 'only task Pods', ({ metadata }) => delete metadata.labels],
    [
      'hostNetwork',
      "share the node's namespaces",
      ({ spec }) => Object.assign(spec, { hostNetwork: true }),
    ],
    [
      'hostPID',
      "share the node's namespaces",
      ({ spec }) => Object.assign(spec, { hostPID: true }),
    ],
    [
      'hostIPC',
      "share the node's namespaces",
      ({ spec }) => Object.assign(spec, { hostIPC: true }),
    ],
    [
      'hostPath',
      'hostPath',
      ({ spec }) => Object.assign(spec, { volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
    ],
    [
      'a privileged container',
      'privileged',
      ({ spec }) => (spec.containers[0]!.securityContext = { privileged: true }),
    ],
    [
      'a privileged init container',
      'privileged',
      ({ spec }) =>
        (spec.initContainers = [{ name: 'i', image: 'b', securityContext: { privileged: true } }]),
    ],
    [
      'privilege escalation',
      'escalation',
      ({ spec }) => (spec.containers[0]!.securityContext = { allowPrivilegeEscalation: true }),
    ],
    [
      'a capability',
      'NET_BIND_SERVICE',
      ({ spec }) =>
        (spec.containers[0]!.securityContext = { capabilities: { add: ['SYS_ADMIN'] } }),
    ],
    [
      'the namespace of the operator',
      "operator's namespace",
      ({ metadata }) => (metadata.namespace = NAMESPACE),
    ],
    ['a kube namespace', 'kube-*', ({ metadata }) => (metadata.namespace = 'kube-extra')],
  ])('refuses %s', async (_name, message, change) => {
    const result = await create(task('bad', change));
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain('denied request');
    expect(result.code).not.toBe(0);
  });

  test("keeps the operator's hands off Pods of others", async () => {
    const foreign = task('foreign', ({ metadata }) => delete metadata.labels);
    await cluster.kubectl(['create', '-f', '-'], foreign);
    const attempts = [
      ['label', 'pod', 'foreign', '-n', 'web', 'mezzo.dev/framework=mezzo'],
      ['annotate', 'pod', 'foreign', '-n', 'web', 'x=y'],
      ['delete', 'pod', 'foreign', '-n', 'web', '--wait=false'],
    ];
    for (const attempt of attempts) {
      const result = await tryExec(binaries.kubectl, asOperator(...attempt));
      expect(result.stderr).toMatch(/only task Pods|turn another Pod into a task/);
    }
    await cluster.kubectl(['delete', 'pod', 'foreign', '-n', 'web', '--wait=false']);
  });

  test('leaves everybody else alone', async () => {
    const user = task('users', ({ spec }) => Object.assign(spec, { hostNetwork: true }));
    await cluster.kubectl(['create', '-f', '-'], user);
    await cluster.kubectl(['delete', 'pod', 'users', '-n', 'web', '--wait=false']);
  });
});

describe("the fence around the operator's volumes", () => {
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' };
  const volume = { name: 'volume-1', agent: 'n', owner };
  const config = { root: '/var/lib/mezzo/volumes', image: 'busybox:1.36', namespace: NAMESPACE };
  const node = { metadata: { name: 'n' } };
  const claimed = { name: 'volume-1', node, sizeBytes: 2 ** 20, namespace: 'web', owner };
  const path = `${config.root}/volume-1`;

  const create = (object: object) =>
    tryExec(
      binaries.kubectl,
      [
        `--kubeconfig=${cluster.kubeconfigPath}`,
        `--as=${OPERATOR}`,
        'create',
        '--dry-run=server',
        '-f',
        '-',
      ],
      { input: JSON.stringify(object) },
    );

  beforeAll(async () => {
    await eventually(() => cluster.kubectl(['get', 'sa', 'default', '-n', NAMESPACE]));
    await eventually(async () =>
      expect((await create(persistentVolume({ ...claimed, path: '/' }))).code).not.toBe(0),
    );
  }, 60_000);

  test.each<[string, object]>([
    ['a Pod that makes a folder', folderPod('make', volume, config)],
    ['a Pod that removes it', folderPod('remove', volume, config)],
    ['its PersistentVolume', persistentVolume({ ...claimed, path })],
    ['its claim', persistentVolumeClaim({ ...claimed, path })],
  ])('lets %s through', async (_what, object) => {
    expect(await create(object)).toMatchObject({ code: 0 });
  });

  const unlabelled = persistentVolumeClaim({ ...claimed, path });
  test.each<[string, object, string]>([
    [
      'such a Pod with another path of the node',
      folderPod('make', volume, { ...config, root: '/var/lib/kubelet' }),
      'hostPath',
    ],
    [
      'such a Pod of another image',
      folderPod('make', volume, { ...config, image: 'own:1' }),
      'operator.volumeImage',
    ],
    [
      'such a Pod elsewhere',
      folderPod('make', volume, { ...config, namespace: 'web' }),
      'only task Pods',
    ],
    [
      'a PersistentVolume elsewhere',
      persistentVolume({ ...claimed, path: '/etc' }),
      'operator.volumeRoot',
    ],
    [
      'a PersistentVolume beside the folder',
      persistentVolume({ ...claimed, path: `${config.root}-2/x` }),
      'operator.volumeRoot',
    ],
    [
      "a claim that is not a volume's",
      { ...unlabelled, metadata: { ...unlabelled.metadata, labels: {} } },
      'mezzo.dev/volume',
    ],
  ])('refuses %s', async (_what, object, message) => {
    const result = await create(object);
    expect(result.stderr).toContain(message);
    expect(result.code).not.toBe(0);
  });
});

describe('the fence around the agents', () => {
  test('an agent writes the status of its own node and of no other', async () => {
    for (const name of ['node-a', 'node-b'])
      await cluster.apply(
        toYaml([
          { apiVersion: 'v1', kind: 'Node', metadata: { name } },
          { apiVersion: 'mezzo.dev/v1alpha1', kind: 'Agent', metadata: { name } },
        ]),
      );
    const asAgent = await kubeconfigOfAgentOn('node-a');
    const status = { agentHeartbeat: '2026-11-21T00:00:00Z' };
    const patch = async (config: string, name: string): Promise<string> => {
      const api = createKubeApi({ source: { kind: 'file', path: config }, clock, log: silent });
      try {
        await api.patch(AGENTS, { name }, 'merge', { status }, { subresource: 'status' });
        return 'patched';
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      } finally {
        await api.close();
      }
    };
    await eventually(async () =>
      expect(await patch(asAgent, 'node-b')).toContain(
        'the agent on node node-a may not write Agent node-b',
      ),
    );
    expect(await patch(asAgent, 'node-a')).toBe('patched');
    const unbound = await cluster.kubectl(['create', 'token', 'mezzo-agent', '-n', NAMESPACE]);
    const stray = await patch(await kubeconfigWithToken('unbound', unbound), 'node-a');
    expect(stray).toContain("the agent's token names no node");
  }, 60_000);
});

/** A kubeconfig with the token that the kubelet of the node would give to the agent's Pod. */
async function kubeconfigOfAgentOn(node: string): Promise<string> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `agent-${node}`, namespace: NAMESPACE },
    spec: {
      nodeName: node,
      serviceAccountName: 'mezzo-agent',
      containers: [{ name: 'agent', image: 'mezzo' }],
    },
  };
  await cluster.kubectl(['create', '-f', '-'], JSON.stringify(pod));
  const of = ['-n', NAMESPACE];
  const uid = await cluster.kubectl([
    'get',
    'pod',
    pod.metadata.name,
    ...of,
    '-o=jsonpath={.metadata.uid}',
  ]);
  const bound = [
    '--bound-object-kind=Pod',
    `--bound-object-name=${pod.metadata.name}`,
    `--bound-object-uid=${uid}`,
  ];
  const token = await cluster.kubectl(['create', 'token', 'mezzo-agent', ...of, ...bound]);
  return kubeconfigWithToken(node, token);
}

async function kubeconfigWithToken(name: string, token: string): Promise<string> {
  const config = JSON.parse(cluster.kubeconfig) as { users: { user: object }[] };
  config.users[0]!.user = { token: token.trim() };
  const path = join(scratch, `${name}.kubeconfig`);
  await writeFile(path, JSON.stringify(config));
  return path;
}

interface TaskPod {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: { name: string; namespace: string; labels?: Record<string, string> };
  readonly spec: {
    containers: TaskContainer[];
    initContainers?: TaskContainer[];
    volumes?: object[];
  };
}

interface TaskContainer {
  readonly name: string;
  readonly image: string;
  securityContext?: object;
}

/** Repeats an attempt that throws until it does not, for 30 s. */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
