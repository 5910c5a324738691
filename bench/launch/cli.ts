import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ApiAccess, adminAccess, apiCall, createAll } from '../../local-cluster/apiProbe.ts';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { startProcess } from '../../local-cluster/support/managedProcess.ts';
import { OperatorCluster } from '../../test/integration/operator/operatorCluster.ts';
import { launchTasks } from './launchTasks.ts';

const HELP = `npm run bench:launch -- [flags]      how fast Pods come to be, on a real API server with kwok nodes

  --tasks N        Pods per measurement (5000)
  --nodes fake:M   nodes (fake:1000)
  --json           one line of JSON

Three measurements in one run, of the same Pods: launched by a framework through Mezzo, posted as they are, and posted without a
node for kube-scheduler with its client limits lifted. Each ends when the last Pod exists, with a node.
`;

interface Flags {
  readonly tasks: number;
  readonly nodes: number;
  readonly json: boolean;
}

function parse(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      tasks: { type: 'string', default: '5000' },
      nodes: { type: 'string', default: 'fake:1000' },
      json: { type: 'boolean', default: false },
    },
  });
  const tasks = Number(values.tasks);
  const nodes = Number(/^fake:(\d+)$/.exec(values.nodes)?.[1]);
  if (!Number.isSafeInteger(tasks) || tasks < 1) throw new Error('--tasks must be a whole number');
  if (!Number.isSafeInteger(nodes) || nodes < 1) throw new Error('--nodes must be fake:N');
  return { tasks, nodes, json: values.json };
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly spec: { readonly nodeName?: string; readonly [field: string]: unknown };
}

/** A slow machine may need it all. */
const PATIENCE_MS = 600_000;
const POLL_MS = 50;

async function main(argv: readonly string[]): Promise<number> {
  let flags: Flags;
  try {
    flags = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return 2;
  }
  const all = await OperatorCluster.start({ fakeNodes: flags.nodes });
  try {
    const result = await measure(all, flags);
    if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      for (const [name, value] of Object.entries(result))
        process.stdout.write(`${name.padEnd(24)} ${value}\n`);
    return 0;
  } finally {
    await all.stop();
  }
}

async function measure(all: OperatorCluster, { tasks }: Flags) {
  const access = adminAccess(all.cluster);
  for (const name of ['bench-mezzo', 'bench-raw', 'bench-scheduler'])
    await all.cluster.kubectl(['create', 'namespace', name]);
  const operator = await all.startOperator('operator', ['--framework-namespace', 'bench-mezzo']);
  const framework = await launchTasks(operator.url, tasks);
  const mezzoPerSecond = await rateUntil(tasks, framework.startedMs, async () => {
    if (operator.process.ended() !== undefined)
      throw new Error(
        'the operator ended, for example because a busy machine kept it from its lease',
      );
    return await countOf(access, 'bench-mezzo');
  });
  framework.stop();
  await operator.process.stop(5_000);
  const pods = await podsOf(access, 'bench-mezzo');

  const rawStartedMs = performance.now();
  await createAll(
    access,
    podPath('bench-raw'),
    pods.map((pod) => copyOf(pod, 'bench-raw', true)),
  );
  const rawPerSecond = (tasks * 1_000) / (performance.now() - rawStartedMs);

  const scheduler = await startScheduler(all);
  const schedulerStartedMs = performance.now();
  const copies = pods.map((pod) => copyOf(pod, 'bench-scheduler', false));
  await createAll(access, podPath('bench-scheduler'), copies);
  const kubeSchedulerPerSecond = await rateUntil(
    tasks,
    schedulerStartedMs,
    async () => tasks - (await unscheduledOf(access, 'bench-scheduler')),
  );
  await scheduler.stop();
  return {
    mezzoPerSecond: round(mezzoPerSecond),
    rawPerSecond: round(rawPerSecond),
    ratioRaw: round(mezzoPerSecond / rawPerSecond),
    kubeSchedulerPerSecond: round(kubeSchedulerPerSecond),
    ratioKubeScheduler: round(mezzoPerSecond / kubeSchedulerPerSecond),
  };
}

const round = (value: number): number => Math.round(value * 100) / 100;
const podPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;

/** Polls until all are there. Errors: when no Pod is added for long. */
async function rateUntil(
  tasks: number,
  startedMs: number,
  count: () => Promise<number>,
): Promise<number> {
  for (let there = 0; there < tasks; there = await count()) {
    if (performance.now() - startedMs > PATIENCE_MS)
      throw new Error(`only ${there} of ${tasks} Pods after ${PATIENCE_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return (tasks * 1_000) / (performance.now() - startedMs);
}

interface PodPage {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount?: number };
  readonly items: readonly PodObject[];
}

async function page(access: ApiAccess, path: string): Promise<PodPage> {
  const answer = await apiCall(access, { path });
  if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}`);
  return JSON.parse(answer.body) as PodPage;
}

/** All Pods of a namespace, told by a page of one. */
async function countOf(access: ApiAccess, namespace: string): Promise<number> {
  const { metadata, items } = await page(access, `${podPath(namespace)}?limit=1`);
  return items.length + (metadata.remainingItemCount ?? 0);
}

async function unscheduledOf(access: ApiAccess, namespace: string): Promise<number> {
  const { items } = await page(
    access,
    `${podPath(namespace)}?fieldSelector=${encodeURIComponent('spec.nodeName=')}&limit=500`,
  );
  return items.length;
}

async function podsOf(access: ApiAccess, namespace: string): Promise<readonly PodObject[]> {
  const pods: PodObject[] = [];
  let from = '';
  do {
    const next = await page(access, `${podPath(namespace)}?limit=500${from}`);
    pods.push(...next.items);
    from =
      next.metadata.continue === undefined || next.metadata.continue === ''
        ? ''
        : `&continue=${encodeURIComponent(next.metadata.continue)}`;
  } while (from !== '');
  return pods;
}

/** The same Pod in another namespace, owned by nobody; without its node when somebody else shall choose one. */
function copyOf(pod: PodObject, namespace: string, isPlaced: boolean): object {
  const { name, labels, annotations, finalizers } = pod.metadata;
  const { nodeName, ...spec } = pod.spec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels, annotations, finalizers },
    spec: isPlaced ? { ...spec, nodeName } : spec,
  };
}

async function startScheduler(all: OperatorCluster) {
  const binaries = await ensureAssets(['kube-scheduler']);
  const config = join(all.cluster.dir, 'scheduler.yaml');
  const connection = { kubeconfig: all.cluster.kubeconfigPath, qps: 100_000, burst: 100_000 };
  await writeFile(
    config,
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      clientConnection: connection,
      leaderElection: { leaderElect: false },
    }),
  );
  const child = await startProcess({
    name: 'kube-scheduler',
    command: binaries['kube-scheduler'],
    args: [`--config=${config}`, '--secure-port=0'],
    dir: all.cluster.dir,
    lifetime: 'parent',
  });
  // Its caches fill before the clock starts.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  return child;
}

process.exitCode = await main(process.argv.slice(2));
