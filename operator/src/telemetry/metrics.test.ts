import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentView, JobView, RoleView, Views } from '../controllers/views.ts';
import { createMetrics, METRIC_HELP, type PromMetrics } from './metrics.ts';

const GIB = 2 ** 30;
const AMOUNTS = {
  allocated: { cpus: 1500, mem: GIB },
  offered: { cpus: 500 },
  used: { cpus: 250, mem: GIB / 2 },
  revocable: { cpus: 100 },
};
const role: RoleView = {
  ...AMOUNTS,
  role: 'eng/web',
  weight: 1,
  dominantSharePpm: 125_000,
  guaranteed: { cpus: 1000 },
  limit: { cpus: 0 },
  reserved: {},
  consumed: { cpus: 2000 },
  tasks: 3,
};
const job: JobView = {
  ...AMOUNTS,
  namespace: 'apps',
  job: 'shop',
  kind: 'ServiceJob',
  role: 'eng/web',
  tasks: 3,
};
const agent: AgentView = {
  ...AMOUNTS,
  agent: 'node-1',
  capacity: { cpus: 4000, mem: 8 * GIB },
  foreign: {},
  revocableCapacity: { cpus: 700 },
  schedulable: true,
  reason: undefined,
  tasks: 3,
};
const views = (
  more: Partial<Record<'roles' | 'jobs' | 'agents', readonly unknown[]>> = {},
): Views => ({
  roles: () => (more.roles ?? [role]) as RoleView[],
  jobs: () => (more.jobs ?? [job]) as JobView[],
  agents: () => (more.agents ?? [agent]) as AgentView[],
  tasks: () => [],
  watchStalenessSeconds: () => new Map([['pods', 1.5]]),
  isLeader: () => true,
});

let metrics: PromMetrics;
beforeEach(() => {
  metrics = createMetrics();
});

/** Series as `name{labels} value`, without histogram buckets. */
const lines = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('_bucket'));

/** Makes every counter and histogram count once. */
function countEverything(): void {
  metrics.allocationCycle(12, 3);
  metrics.offer('sent', 'f', 2);
  metrics.launch('created');
  metrics.preemption('Intended');
  metrics.reconcile('role', 'error', 5);
  metrics.kubeRequest('get', 'pods', '200', 7);
  metrics.watchRestart('Pod', 'closed');
  metrics.poisonObject('Pod');
  metrics.ledgerDrift();
  metrics.offerAge('declined', 40_000);
  metrics.oldestOffer(3_000);
  metrics.rescind('LimitExceeded');
  metrics.backOff('f-1');
  metrics.nodeRefusal('OutOfcpu');
  metrics.illegalTransition('KILLED', 'FINISHED');
}

describe('the names', () => {
  test('are exactly those of the list, each with its help', async () => {
    countEverything();
    const text = await metrics.render(views());
    const helps = new Map(
      [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help] as const),
    );
    expect(Object.fromEntries(helps)).toEqual(METRIC_HELP);
    const counted = new Set(lines(text).map((line) => line.replace(/(_sum|_count)?[{ ].*/, '')));
    expect([...counted].toSorted()).toEqual(Object.keys(METRIC_HELP).toSorted());
  });
  test('carry base units', () => {
    for (const name of Object.keys(METRIC_HELP))
      expect(name).toMatch(/^mezzo_.*(total|seconds|bytes|cores|ratio|tasks|leader)$/);
  });
});

describe('the figures', () => {
  test('are in cores, bytes and ratios', async () => {
    const text = lines(await metrics.render(views()));
    expect(text).toEqual(
      expect.arrayContaining([
        'mezzo_leader 1',
        'mezzo_watch_staleness_seconds{kind="pods"} 1.5',
        'mezzo_role_allocated_cpu_cores{role="eng/web"} 1.5',
        `mezzo_role_allocated_memory_bytes{role="eng/web"} ${GIB}`,
        'mezzo_role_offered_cpu_cores{role="eng/web"} 0.5',
        'mezzo_role_used_cpu_cores{role="eng/web"} 0.25',
        'mezzo_role_limit_cpu_cores{role="eng/web"} 0',
        'mezzo_role_dominant_share_ratio{role="eng/web"} 0.125',
        'mezzo_role_tasks{role="eng/web"} 3',
        'mezzo_job_used_cpu_cores{namespace="apps",job="shop",kind="ServiceJob",role="eng/web"} 0.25',
        'mezzo_agent_capacity_cpu_cores{agent="node-1"} 4',
        'mezzo_agent_revocable_cpu_cores{agent="node-1"} 0.7',
      ]),
    );
  });
  test('counters and durations', async () => {
    countEverything();
    const text = lines(await metrics.render(views()));
    expect(text).toEqual(
      expect.arrayContaining([
        'mezzo_allocation_cycle_duration_seconds_sum 0.012',
        'mezzo_allocation_offers_total 3',
        'mezzo_offers_total{event="sent",framework="f"} 2',
        'mezzo_reconcile_errors_total{controller="role"} 1',
        'mezzo_kube_requests_total{verb="get",resource="pods",code="200"} 1',
        'mezzo_node_refusals_total{reason="OutOfcpu"} 1',
        'mezzo_illegal_transitions_total{from="KILLED",to="FINISHED"} 1',
      ]),
    );
  });
  test('a reconciliation that went well is no error', async () => {
    metrics.reconcile('role', 'ok', 5);
    expect(await metrics.render(views())).not.toMatch(/mezzo_reconcile_errors_total\{/);
  });
});

describe('what is not there', () => {
  test('a role, job or agent that is gone leaves no series behind', async () => {
    await metrics.render(views());
    const text = lines(await metrics.render(views({ roles: [], jobs: [], agents: [] })));
    expect(text.filter((line) => /^mezzo_(role|job|agent)_/.test(line))).toEqual([]);
  });
  test('a role without a limit has no series of it', async () => {
    const text = lines(await metrics.render(views({ roles: [{ ...role, limit: {} }] })));
    expect(text.filter((line) => line.startsWith('mezzo_role_limit'))).toEqual([]);
  });
  test('use that nobody measured has no series, rather than zero', async () => {
    const unmeasured = { used: undefined };
    const text = lines(
      await metrics.render(
        views({
          roles: [{ ...role, ...unmeasured }],
          jobs: [{ ...job, ...unmeasured }],
          agents: [{ ...agent, ...unmeasured }],
        }),
      ),
    );
    expect(text.filter((line) => line.includes('_used_'))).toEqual([]);
    expect(text.filter((line) => line.includes('_allocated_'))).toHaveLength(6);
  });
  test('of very many jobs only the largest have series', async () => {
    const jobs = Array.from({ length: 2_100 }, (_, index) => ({
      ...job,
      job: `j${index}`,
      allocated: { cpus: index },
    }));
    const text = lines(await metrics.render(views({ jobs })));
    const shown = text.filter((line) => line.startsWith('mezzo_job_allocated_cpu_cores'));
    expect(shown).toHaveLength(2_000);
    expect(shown.some((line) => line.includes('job="j99"'))).toBe(false);
    expect(shown.some((line) => line.includes('job="j100"'))).toBe(true);
  });
});
