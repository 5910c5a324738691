import { writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { adminAccess, createAll } from '../../local-cluster/apiProbe.ts';
import { ensureAssets } from '../../local-cluster/assets/ensure.ts';
import { describeEnd, startProcess } from '../../local-cluster/support/managedProcess.ts';
import type { OperatorCluster } from '../../test/integration/operator/operatorCluster.ts';
import {
  type Asking,
  copyOf,
  countOf,
  isAnyUnscheduled,
  type PodObject,
  podPath,
  podsOf,
} from './benchPods.ts';
import { type CpuMs, cpuPerTask, readCpu } from './cpuClock.ts';
import { LaunchingFramework } from './launchTasks.ts';
import { type Requests, readRequests, requestsPerTask, writesIn } from './operatorRequests.ts';

/** How many Pods: some unmeasured ones first, since what counts is compiled code and filled caches. */
export interface LegSize {
  readonly warmUp: number;
  readonly tasks: number;
}

export interface Leg {
  readonly perSecond: number;
  /** Processor milliseconds per Pod, by process. */
  readonly cpu: CpuMs;
}

/** A slow machine may need it all. */
const PATIENCE_MS = 400_000;
const SHORTEST_POLL_MS = 20;
const LONGEST_POLL_MS = 1_000;
/** What watches and status writes of the Pods before need to come to rest. */
const REST_MS = 3_000;
/** Until every node has its Agent; nobody is offered anything meanwhile. */
const MOST_RESTS_AT_FIRST = 100;
/** Offers that are not used for a minute are taken back, and who lets them run out is not trusted with new ones. */
const MOST_RESTS = 8;

const rest = (ms = REST_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The legs of one run: the same Pods, made in three ways on one cluster. */
export class Legs {
  readonly #all: OperatorCluster;
  readonly #asking: Asking;
  readonly #size: LegSize;

  constructor(all: OperatorCluster, size: LegSize) {
    this.#all = all;
    this.#size = size;
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    this.#asking = { access: adminAccess(all.cluster), agent };
  }

  close(): void {
    this.#asking.agent.destroy();
  }

  /** Launched by a framework through an operator process. Resolves to the Pods too. */
  async throughMezzo(namespace: string) {
    const { warmUp, tasks } = this.#size;
    const operator = await this.#all.startOperator(
      'operator',
      ['--framework-namespace', namespace],
      process.env['BENCH_NODE_FLAGS']?.split(' ') ?? [],
    );
    const check = async (): Promise<void> => {
      if (operator.process.ended() !== undefined)
        throw new Error(await describeEnd(operator.process));
      if (framework.failure !== undefined) throw framework.failure;
    };
    await restedRequests(operator.metricsUrl, MOST_RESTS_AT_FIRST);
    const framework = new LaunchingFramework(operator.url);
    await framework.subscribed;
    await rest();
    framework.launch(warmUp);
    await until(warmUp, async () => {
      await check();
      return framework.running;
    });
    const requests = await restedRequests(operator.metricsUrl, MOST_RESTS);
    const leg = await this.#measured(async () => {
      framework.launch(tasks);
      await until(tasks, async () => {
        await check();
        return (await countOf(this.#asking, namespace)) - warmUp;
      });
    });
    const requestsAfter = await readRequests(operator.metricsUrl);
    await framework.stop();
    await operator.process.stop(5_000);
    return {
      ...leg,
      launchedAgain: framework.lost,
      requests: requestsPerTask(requests, requestsAfter, tasks),
      pods: await podsOf(this.#asking, namespace),
    };
  }

  /** Posted as they are. */
  async raw(namespace: string, pods: readonly PodObject[]): Promise<Leg> {
    const copies = pods.map((pod) => copyOf(pod, namespace, true));
    return await this.#posted(namespace, copies, () => Promise.resolve());
  }

  /** Posted without a node, for kube-scheduler with its client limits lifted. */
  async throughScheduler(namespace: string, pods: readonly PodObject[]): Promise<Leg> {
    const scheduler = await startScheduler(this.#all);
    const copies = pods.map((pod) => copyOf(pod, namespace, false));
    const leg = await this.#posted(namespace, copies, async () => {
      await until(1, async () => ((await isAnyUnscheduled(this.#asking, namespace)) ? 0 : 1));
    });
    await scheduler.stop();
    return leg;
  }

  /** Straight in etcd: to delete by calls what has finalizers takes longer than to make it. */
  async empty(namespace: string): Promise<void> {
    await this.#all.cluster.emptyEtcd(`/registry/pods/${namespace}/`);
    await until(1, async () => ((await countOf(this.#asking, namespace)) === 0 ? 1 : 0));
    await this.#all.cluster.compactEtcd();
    await rest();
  }

  async #posted(
    namespace: string,
    copies: readonly object[],
    finish: () => Promise<void>,
  ): Promise<Leg> {
    const { access } = this.#asking;
    await createAll(access, podPath(namespace), copies.slice(0, this.#size.warmUp));
    await finish();
    await rest();
    return await this.#measured(async () => {
      await createAll(access, podPath(namespace), copies.slice(this.#size.warmUp));
      await finish();
    });
  }

  async #measured(run: () => Promise<void>): Promise<Leg> {
    const { tasks } = this.#size;
    const before = readCpu(this.#all.cluster.dir);
    const startedMs = performance.now();
    await run();
    const perSecond = (tasks * 1_000) / (performance.now() - startedMs);
    return { perSecond, cpu: cpuPerTask(before, readCpu(this.#all.cluster.dir), tasks) };
  }
}

/**
 * Polls until so many are there: seldom at first, often towards the end, so that looking costs little and the end is not
 * missed. Errors: when it takes too long.
 */
async function until(wanted: number, count: () => Promise<number>): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const there = await count();
    if (there >= wanted) return;
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > PATIENCE_MS)
      throw new Error(`only ${there} of ${wanted} Pods after ${PATIENCE_MS / 1_000} s`);
    const leftMs = there <= 0 ? 0 : (elapsedMs * (wanted - there)) / there;
    await rest(Math.min(LONGEST_POLL_MS, Math.max(SHORTEST_POLL_MS, leftMs / 3)));
  }
}

/** Waits until the operator writes nothing any more, for a while at most; resolves to its requests so far. */
async function restedRequests(metricsUrl: string, mostRests: number): Promise<Requests> {
  let before = await readRequests(metricsUrl);
  for (let looks = 0; looks < mostRests; looks += 1) {
    await rest();
    const after = await readRequests(metricsUrl);
    if (writesIn(after) === writesIn(before)) return after;
    before = after;
  }
  return before;
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
  await rest(5_000);
  return child;
}
