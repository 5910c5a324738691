import { agentId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import { amounts, BASE_OPTIONS, BenchCluster, quantile, timed } from './cluster.ts';
import { type BenchResult, emptyResult, round, rssMb, spread } from './result.ts';

/**
 * LargeAndSmallQuota: one framework per role; five roles of six have quota 1 cpu, 1024 MB, 1024 MB disk, the sixth four
 * times that; agents of 2 cpus, 2048 MB, 2048 MB. A full run, then runs in which nothing is left to give.
 * Source: Mesos `src/tests/hierarchical_allocator_benchmarks.cpp`.
 */
export function runQuota(size: { readonly agents: number; readonly roles: number }): BenchResult {
  const cluster = new BenchCluster(BASE_OPTIONS);
  const large = Math.round(size.roles / 6);
  for (let at = 0; at < size.roles; at++) {
    const times = at < large ? 4 : 1;
    const quota = amounts(times, 1024 * times, 1024 * times);
    const role = roleAt(at, large);
    cluster.apply({ kind: 'setQuota', role, guarantees: quota, limits: quota });
  }
  const addFrameworksMs = timed(() => {
    for (let at = 0; at < size.roles; at++)
      cluster.apply({
        kind: 'addFramework',
        id: frameworkId(`framework-${at}`),
        roles: [roleAt(at, large)],
      });
  });
  const addAgentsMs = timed(() => {
    for (let at = 0; at < size.agents; at++)
      cluster.apply({
        kind: 'addAgent',
        id: agentId(`agent-${at}`),
        total: amounts(2, 2048, 2048),
      });
  });
  const full = cluster.run();
  const offers = cluster.offers.length;
  const idle: number[] = [];
  for (let at = 0; at < 5; at++) {
    cluster.nowMs += 1000;
    cluster.engine.tick();
    idle.push(cluster.run());
    if (cluster.offers.length > 0) throw new Error('an idle run made offers');
  }
  const memoryMb = rssMb();
  cluster.verify();
  return {
    ...emptyResult('quota', { ...size, frameworks: size.roles }),
    addAgentsMs: round(addAgentsMs),
    addFrameworksMs: round(addFrameworksMs),
    cycleMs: spread([full]),
    idleCycleMs: round(quantile(idle, 0.5)),
    offers,
    rssMb: memoryMb,
  };
}

function roleAt(at: number, large: number): ReturnType<typeof rolePath> {
  return rolePath(at < large ? `large-${at}` : `small-${at}`);
}
