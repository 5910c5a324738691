import type { EngineOffer } from '../../operator/src/allocator/engine/types.ts';
import { agentId, type FrameworkId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import { amounts, BASE_OPTIONS, BenchCluster, timed } from './cluster.ts';
import { type BenchResult, emptyResult, round, rssMb, spread } from './result.ts';

/** What a framework still wants to launch. */
interface Demand {
  left: number;
  readonly task: Readonly<Record<string, number>>;
  readonly perOffer: number;
}

/** The operator batches events for this long; a simulated round takes no less. */
const BATCH_MS = 10;
const LIMIT_MS = 30_000;

/**
 * MultiFrameworkAllocations: 80 agents of 64 cpus and 488,000 MB; 4 roles "Marathon" of 4,000 tasks of 0.07 cpus and
 * 400 MB, at most 100 per offer; 500 "Jenkins" frameworks in one role, each 5 tasks of 0.1 cpus and 4,000 MB, one per
 * offer; 50 roles "Spark" of 20 tasks of 1 cpu and 1,000 MB, 5 per offer. Everything left of an offer goes back without a
 * filter, also by frameworks that want nothing more. Ends when all 19,500 tasks run, or after 30 s.
 * Source: Mesos `src/tests/hierarchical_allocator_benchmarks.cpp`; its bug (one offer swallowed per round) is not copied.
 */
export function runMulti(): BenchResult {
  const cluster = new BenchCluster(BASE_OPTIONS);
  const demands = new Map<FrameworkId, Demand>();
  const addFrameworksMs = timed(() => {
    addFrameworks(cluster, demands);
  });
  const addAgentsMs = timed(() => {
    for (let at = 0; at < 80; at++)
      cluster.apply({ kind: 'addAgent', id: agentId(`agent-${at}`), total: amounts(64, 488_000) });
  });
  const target = [...demands.values()].reduce((sum, one) => sum + one.left, 0);
  const startedMs = performance.now();
  const cycles: number[] = [];
  let offers = 0;
  let launched = 0;
  while (launched < target && cluster.nowMs < LIMIT_MS) {
    if (performance.now() - startedMs > LIMIT_MS) break;
    cluster.nowMs += BATCH_MS;
    cycles.push(cluster.run());
    offers += cluster.offers.length;
    for (const offer of cluster.offers) launched += answer(cluster, demands, offer);
  }
  cluster.verify();
  return {
    ...emptyResult('multi', { agents: 80, frameworks: demands.size, roles: 55 }),
    cycleMs: spread(cycles),
    offers,
    tasksLaunched: launched,
    addAgentsMs: round(addAgentsMs),
    addFrameworksMs: round(addFrameworksMs),
    rssMb: rssMb(),
  };
}

function addFrameworks(cluster: BenchCluster, demands: Map<FrameworkId, Demand>): void {
  const add = (id: string, role: string, demand: Demand): void => {
    cluster.apply({ kind: 'addFramework', id: frameworkId(id), roles: [rolePath(role)] });
    demands.set(frameworkId(id), demand);
  };
  for (let at = 0; at < 4; at++)
    add(`marathon-${at}`, `marathon-${at}`, {
      left: 4000,
      task: amounts(0.07, 400),
      perOffer: 100,
    });
  for (let at = 0; at < 500; at++)
    add(`jenkins-${at}`, 'jenkins', { left: 5, task: amounts(0.1, 4000), perOffer: 1 });
  for (let at = 0; at < 50; at++)
    add(`spark-${at}`, `spark-${at}`, { left: 20, task: amounts(1, 1000), perOffer: 5 });
}

/** Launches what fits and is wanted, and gives the rest back. Returns the number of tasks launched. */
function answer(
  cluster: BenchCluster,
  demands: Map<FrameworkId, Demand>,
  offer: EngineOffer,
): number {
  const { framework, role, agent } = offer;
  const demand = demands.get(framework) as Demand;
  let count = Math.min(demand.left, demand.perOffer);
  for (const name in demand.task)
    count = Math.min(
      count,
      Math.floor((offer.resources[name] ?? 0) / (demand.task[name] as number)),
    );
  demand.left -= count;
  const used: Record<string, number> = {};
  const rest: Record<string, number> = {};
  for (const name in offer.resources) {
    used[name] = count * (demand.task[name] ?? 0);
    rest[name] = (offer.resources[name] ?? 0) - used[name];
  }
  if (count > 0) cluster.apply({ kind: 'use', framework, role, agent, parts: { resources: used } });
  if (Object.values(rest).some((amount) => amount > 0))
    cluster.apply({ kind: 'recover', framework, role, agent, parts: { resources: rest } });
  return count;
}
