import { agentId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import {
  amounts,
  BASE_OPTIONS,
  BenchCluster,
  fragments,
  quantile,
  stopwatch,
  timed,
} from './cluster.ts';
import { ExplainMeter } from './explain.ts';
import { type BenchResult, emptyResult, round, rssMb, spread } from './result.ts';

/** Practically for ever, as in the recipe. */
const FOREVER_MS = 31_536_000_000;
/** Above this many pairs the round in which everybody has refused everything is left out. */
const MAX_REFUSED_PAIRS = 1_000_000;
/** Rounds that are timed, and the filters they may leave: as in the table of issue 4. */
const MAX_DECLINES = 400_000;
/** Events that arrive within this long are run together, as the operator does. */
const BATCH_MS = 10;
const RELEASES = 500;
const ROLE = rolePath('*');

interface Size {
  readonly agents: number;
  readonly frameworks: number;
  /** Frameworks that suppress their role before the rounds. */
  readonly suppressed: number;
}

/**
 * DeclineOffers: all frameworks in `*`; agents of 24 cpus, 4096 MB, 4096 MB disk and ports 31000–32000, of which 16 cpus,
 * 2014 MB, 1024 MB and 16 single ports are in use, round-robin over the frameworks; every offer is declined for ever.
 * `suppressed` > 0 makes it SuppressOffers.
 * Source: Mesos `src/tests/hierarchical_allocator_tests.cpp`.
 */
export function runDecline(
  recipe: 'decline' | 'suppress',
  size: Size,
  explainEvery?: number,
): BenchResult {
  const cluster = new BenchCluster(BASE_OPTIONS);
  const addFrameworksMs = timed(() => {
    for (let at = 0; at < size.frameworks; at++)
      cluster.apply({ kind: 'addFramework', id: frameworkId(`framework-${at}`), roles: [ROLE] });
  });
  const addAgentsMs = addAgents(cluster, size);
  // The offers of the agents' arrival are taken back first, so that every round is one of all agents.
  declineAll(cluster, 0);
  for (let at = 0; at < size.suppressed; at++)
    cluster.apply({ kind: 'suppress', framework: frameworkId(`framework-${at}`) });
  const rounds = Math.max(3, Math.min(2 * size.frameworks, Math.floor(MAX_DECLINES / size.agents)));
  const cycles: number[] = [];
  const declines: number[] = [];
  const meter = explainEvery === undefined ? undefined : new ExplainMeter(explainEvery);
  const oneRound = (): number => round_(cluster);
  let offers = 0;
  for (let at = 0; at < rounds; at++) {
    cycles.push(meter?.round(cluster, size.frameworks, oneRound) ?? oneRound());
    offers += cluster.offers.length;
    if (cluster.offers.length === 0) break;
    declines.push(declineAll(cluster, FOREVER_MS));
  }
  const memoryMb = rssMb();
  cluster.verify();
  const isSmall = size.agents * size.frameworks <= MAX_REFUSED_PAIRS;
  return {
    ...emptyResult(recipe, { agents: size.agents, frameworks: size.frameworks, roles: 1 }),
    addAgentsMs: round(addAgentsMs),
    addFrameworksMs: round(addFrameworksMs),
    cycleMs: spread(cycles),
    declinesMs: round(quantile(declines, 0.5)),
    refusedCycleMs: isSmall ? round(refusedRounds(cluster, size)) : null,
    offers,
    explain: meter?.result() ?? null,
    rssMb: isSmall ? Math.max(memoryMb, rssMb()) : memoryMb,
  };
}

/** Adds agents in batches of what arrives within 10 ms, each with the run that makes their first offers. */
function addAgents(cluster: BenchCluster, size: Size): number {
  const { used, all } = fragments();
  const startedMs = stopwatch.now();
  const first: (typeof cluster.offers)[number][] = [];
  let batchMs = startedMs;
  for (let at = 0; at < size.agents; at++) {
    cluster.apply({
      kind: 'addAgent',
      id: agentId(`agent-${at}`),
      total: amounts(24, 4096, 4096),
      ports: all,
      used: [
        {
          framework: frameworkId(`framework-${at % size.frameworks}`),
          role: ROLE,
          resources: amounts(16, 2014, 1024),
          ports: used,
        },
      ],
    });
    if (stopwatch.now() - batchMs < BATCH_MS && at < size.agents - 1) continue;
    cluster.run();
    first.push(...cluster.offers);
    batchMs = stopwatch.now();
  }
  const tookMs = stopwatch.now() - startedMs;
  if (first.length !== size.agents) throw new Error(`${first.length} first offers`);
  cluster.offers = first;
  return tookMs;
}

/** One round over all agents. */
function round_(cluster: BenchCluster): number {
  cluster.nowMs += 1000;
  cluster.engine.tick();
  return cluster.run();
}

function declineAll(cluster: BenchCluster, refuseMs: number): number {
  const { offers } = cluster;
  return timed(() => {
    for (const { framework, role, agent } of offers)
      cluster.apply({ kind: 'recover', framework, role, agent, refuseMs });
  });
}

/** Goes on until nobody takes anything any more, then times such rounds. */
function refusedRounds(cluster: BenchCluster, size: Size): number {
  for (let at = 0; at < 3 * size.frameworks; at++) {
    round_(cluster);
    if (cluster.offers.length === 0) break;
    declineAll(cluster, FOREVER_MS);
  }
  if (cluster.offers.length > 0) throw new Error('somebody still takes offers');
  const cycles: number[] = [];
  for (let at = 0; at < 20; at++) cycles.push(round_(cluster));
  return quantile(cycles, 0.5);
}

/**
 * One agent's resources are freed while everything else is taken: the time from the event to the new offer in the
 * callback. The batching delay of the operator (10 ms at most) comes on top of it.
 */
export function runRelease(size: Omit<Size, 'suppressed'>): BenchResult {
  const cluster = new BenchCluster(BASE_OPTIONS);
  for (let at = 0; at < size.frameworks; at++)
    cluster.apply({ kind: 'addFramework', id: frameworkId(`framework-${at}`), roles: [ROLE] });
  const addAgentsMs = addAgents(cluster, { ...size, suppressed: 0 });
  const held = cluster.offers;
  const times: number[] = [];
  let offers = 0;
  for (let at = 0; at < RELEASES; at++) {
    const slot = (at * 7919) % held.length;
    const { framework, role, agent } = held[slot] as (typeof held)[number];
    cluster.nowMs += 10;
    const startedMs = stopwatch.now();
    cluster.apply({ kind: 'recover', framework, role, agent });
    cluster.run();
    times.push(stopwatch.now() - startedMs);
    const next = cluster.offers[0];
    if (cluster.offers.length !== 1 || next?.agent !== agent)
      throw new Error(`${cluster.offers.length} offers for one freed agent`);
    held[slot] = next;
    offers++;
  }
  cluster.verify();
  return {
    ...emptyResult('release', { ...size, roles: 1 }),
    addAgentsMs: round(addAgentsMs),
    cycleMs: spread(times),
    offers,
    releaseP99Ms: round(quantile(times, 0.99)),
    rssMb: rssMb(),
  };
}
