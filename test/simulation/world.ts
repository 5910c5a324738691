import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type { KubeApi, KubeObject } from '../../operator/src/ports/kubeApi.ts';
import type { Rng } from '../../operator/src/ports/rng.ts';
import { PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import { ADHOC_JOBS, CRON_JOBS, SERVICE_JOBS } from '../../operator/src/schema/mezzoKinds.ts';
import { FAIR_WEATHER, type NetworkConditions } from '../support/fakeApi/conditions.ts';
import { GarbageCollector } from '../support/fakeApi/garbageCollector.ts';
import { MEZZO_KINDS } from '../support/fakeApi/mezzoKinds.ts';
import { type Commit, FakeApiServer } from '../support/fakeApiServer.ts';
import { FakeClock } from '../support/fakeClock.ts';
import { shortfalls } from './convergence.ts';
import { drawWeather, startFaults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { History } from './history.ts';
import { Kubelets } from './kubelet.ts';
import { Oracles, type Violation } from './oracles.ts';
import type { LaunchOperator } from './process.ts';
import { Replica } from './replica.ts';
import { Workload, type WorkloadOptions } from './workload.ts';

export interface RunOptions {
  readonly seed: string;
  readonly launch: LaunchOperator;
  readonly sabotage?: (kube: KubeApi, identity: string) => KubeApi;
  readonly only?: WorkloadOptions['only'];
  readonly keepsHistory?: boolean;
}

export interface RunResult {
  readonly seed: string;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly history: readonly string[];
  readonly events: number;
  readonly simulatedMs: number;
  /** From the end of the faults to convergence. */
  readonly convergedAfterMs: number | undefined;
}

const REPLICAS = 2;
const CONVERGENCE_LIMIT_MS = 15 * 60_000;
const CHECK_EVERY_MS = 2000;

/** Runs one seed: faults and users for a while, then calm until everything has converged. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, launch, only = 'everything', keepsHistory = false } = options;
  const stream = (use: string): ReturnType<typeof createSeededRng> =>
    createSeededRng(`${seed}/${use}`);
  const plan = stream('plan');
  const activeMs = 20_000 + plan.int(45_000);
  const clock = new FakeClock();
  const api = new FakeApiServer({ clock, kinds: MEZZO_KINDS });
  const history = new History(clock, keepsHistory);
  api.onCommit((commit) => history.record(commit.by, describeCommit(commit)));
  const kubelets = new Kubelets({ api, clock, rng: stream('kubelets') });
  const { nodes, cpus, foreignShare, isTight } = drawFleet(plan);
  const fleet = new Fleet({ api, clock, rng: stream('fleet'), kubelets, cpus });
  const oracles = new Oracles(api, clock, fleet.disruptedMs);
  const gc = stream('gc');
  // The collector works through its listener for as long as the server lives.
  void new GarbageCollector(api, clock, () => 200 + gc.int(5000));

  const weather = drawWeather(stream('weather'));
  const conditions = (): NetworkConditions =>
    clock.monotonicMs() < activeMs ? weather : FAIR_WEATHER;
  for (let count = 0; count < nodes; count += 1) fleet.addNode();
  const workload = new Workload({
    api,
    clock,
    rng: stream('workload'),
    activeMs,
    nodeNames: () => kubelets.nodeNames,
    foreignShare,
    only,
    // Twelve of half a CPU each fill six nodes of one.
    fillers: isTight && only === 'everything' ? 2 * nodes * cpus : 0,
  });
  workload.start();
  const sabotage = options.sabotage ?? ((kube: KubeApi) => kube);
  const replicas = Array.from({ length: REPLICAS }, (_, index) => {
    const name = `operator-${'ab'[index]}`;
    return new Replica(name, {
      api,
      clock,
      rng: stream(name),
      seed,
      history,
      oracles,
      conditions,
      launch,
      sabotage,
    });
  });
  for (const replica of replicas) clock.setTimer(plan.int(3000), () => replica.start());
  startFaults({ api, clock, rng: stream('faults'), history, fleet, kubelets, replicas, activeMs });

  await clock.runUntil(() => oracles.violations.length > 0, activeMs);
  const convergedAfterMs = await converge({
    clock,
    oracles,
    missing: () => shortfalls(api, only, oracles.cronTargets),
  });
  for (const replica of replicas) replica.end();
  if (history.keepsLines) noteFinalState(api, history);
  return {
    seed,
    violations: oracles.violations,
    hash: history.hash(),
    history: history.lines,
    events: history.count,
    simulatedMs: clock.monotonicMs(),
    convergedAfterMs,
  };
}

interface FleetPlan {
  readonly nodes: number;
  readonly cpus: number;
  readonly foreignShare: number;
  readonly isTight: boolean;
}

/** A few large nodes with room to spare, or small ones that fill up. All but the filler always fits. */
function drawFleet(rng: Rng): FleetPlan {
  if (rng.next() >= 0.3) {
    return { nodes: 3 + rng.int(3), cpus: 4, foreignShare: 0.5, isTight: false };
  }
  return { nodes: 6, cpus: 1, foreignShare: 0, isTight: rng.next() < 0.25 };
}

/** Waits until nothing is missing at two checks in a row; what is missing at the limit is a violation. */
async function converge(run: {
  readonly clock: FakeClock;
  readonly oracles: Oracles;
  readonly missing: () => ReturnType<typeof shortfalls>;
}): Promise<number | undefined> {
  const { clock, oracles, missing } = run;
  const startMs = clock.monotonicMs();
  let isQuiet = false;
  while (oracles.violations.length === 0) {
    const found = missing();
    if (found.length === 0 && isQuiet) return clock.monotonicMs() - startMs;
    isQuiet = found.length === 0;
    if (clock.monotonicMs() - startMs > CONVERGENCE_LIMIT_MS) {
      for (const { oracle, message } of found) oracles.fail(oracle, message);
    }
    await clock.runUntil(() => oracles.violations.length > 0, CHECK_EVERY_MS);
  }
  return undefined;
}

/** For the reader of a failing seed: how every job and Pod of Mezzo stands in the end. */
function noteFinalState(api: FakeApiServer, history: History): void {
  for (const ref of [SERVICE_JOBS, ADHOC_JOBS, CRON_JOBS, PODS]) {
    for (const object of api.all(ref)) {
      const { metadata, spec, status } = object as KubeObject & {
        spec?: unknown;
        status?: unknown;
      };
      const { name, annotations, deletionTimestamp } = metadata;
      const shown = ref === PODS ? { annotations, deletionTimestamp, status } : { spec, status };
      history.note('in the end', `${ref.kind} ${name} ${JSON.stringify(shown)}`);
    }
  }
}

function describeCommit({ change, ref }: Commit): string {
  const { metadata } = change.object;
  const { phase } = (change.object as { status?: { phase?: string } }).status ?? {};
  const parts = [change.type, ref.plural, change.key, `rv=${change.rv}`];
  if (ref.plural === 'pods') parts.push(phase ?? '', (change.object as Pod).spec.nodeName ?? '');
  if (metadata.generation !== undefined) parts.push(`gen=${metadata.generation}`);
  if (metadata.deletionTimestamp !== undefined) parts.push('deleting');
  return parts.join(' ');
}
