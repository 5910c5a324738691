import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Views } from '../controllers/views.ts';
import type { Resources } from '../model/resources.ts';
import type { Metrics } from '../ports/metrics.ts';

/** Every metric of the operator, by name. Base units: seconds, bytes, cores. */
export const METRIC_HELP = {
  mezzo_allocation_cycle_duration_seconds: 'Duration of one allocation cycle.',
  mezzo_allocation_offers_total: 'Offers made by allocation cycles.',
  mezzo_offers_total: 'Offers by framework and what became of them.',
  mezzo_offer_age_seconds: 'How long offers stood until they ended, by how they ended.',
  mezzo_oldest_offer_age_seconds: 'Age of the oldest offer nobody has answered yet.',
  mezzo_offer_rescinds_total: 'Offers taken back, by reason.',
  mezzo_framework_backoffs_total:
    'Times a framework got no offers for a while because it let them run out.',
  mezzo_launches_total: 'Task Pods by outcome of their creation.',
  mezzo_preemptions_total: 'Preemptions by phase reached.',
  mezzo_reconcile_duration_seconds: 'Duration of reconciliations by controller.',
  mezzo_reconcile_errors_total: 'Failed reconciliations by controller.',
  mezzo_kube_requests_total: 'Requests to the API server by verb, resource and code.',
  mezzo_kube_request_duration_seconds: 'Duration of requests to the API server by verb.',
  mezzo_watch_restarts_total: 'Watches started again, by kind and why.',
  mezzo_watch_staleness_seconds: 'Seconds since the newest event or bookmark of the watch.',
  mezzo_poison_objects_total: 'Objects that could not be read and were skipped.',
  mezzo_ledger_drift_total: 'Differences found between the ledger and the Pods; each is a bug.',
  mezzo_node_refusals_total: 'Pods a kubelet refused to admit, by reason.',
  mezzo_illegal_transitions_total:
    'Tasks seen in a state that their former one does not lead to, which is a bug.',
  mezzo_leader: '1 while this process is the leader.',
  mezzo_role_allocated_cpu_cores: 'CPU of the live tasks of a role (not of its sub-roles).',
  mezzo_role_allocated_memory_bytes: 'Memory of the live tasks of a role.',
  mezzo_role_offered_cpu_cores: 'CPU in outstanding offers of a role.',
  mezzo_role_offered_memory_bytes: 'Memory in outstanding offers of a role.',
  mezzo_role_used_cpu_cores: 'CPU the tasks of a role really use, as the agents measure it.',
  mezzo_role_used_memory_bytes: 'Working set of the tasks of a role.',
  mezzo_role_revocable_cpu_cores: 'Revocable CPU granted to tasks of a role.',
  mezzo_role_guaranteed_cpu_cores: 'CPU guaranteed to a role by its quota.',
  mezzo_role_limit_cpu_cores: 'CPU limit of a role; absent where there is none.',
  mezzo_role_consumed_cpu_cores: 'CPU counted against the limit of a role, sub-roles included.',
  mezzo_role_dominant_share_ratio:
    'Dominant share of a role, sub-roles included, before its weight.',
  mezzo_role_tasks: 'Live tasks of a role.',
  mezzo_job_allocated_cpu_cores: 'CPU of the live tasks of a job.',
  mezzo_job_allocated_memory_bytes: 'Memory of the live tasks of a job.',
  mezzo_job_used_cpu_cores: 'CPU the tasks of a job really use.',
  mezzo_job_used_memory_bytes: 'Working set of the tasks of a job.',
  mezzo_agent_capacity_cpu_cores: 'Allocatable CPU of an agent.',
  mezzo_agent_capacity_memory_bytes: 'Allocatable memory of an agent.',
  mezzo_agent_allocated_cpu_cores: 'CPU of the live tasks on an agent.',
  mezzo_agent_allocated_memory_bytes: 'Memory of the live tasks on an agent.',
  mezzo_agent_used_cpu_cores: 'CPU the tasks on an agent really use.',
  mezzo_agent_used_memory_bytes: 'Working set of the tasks on an agent.',
  mezzo_agent_revocable_cpu_cores: 'Revocable CPU an agent lends.',
} as const;
export type MetricName = keyof typeof METRIC_HELP;

/** Jobs beyond this many are left out of the per-job series, largest allocation first: a scrape must stay small. */
const JOB_SERIES_LIMIT = 2_000;

/** Seconds; work of the operator itself. */
const DURATION_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds; an offer waits for somebody else. */
const AGE_BUCKETS = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

export interface PromMetrics extends Metrics {
  /** Reads the present state into the gauges and renders everything in the text format. */
  render(views: Views): Promise<string>;
  readonly contentType: string;
}

/** Counts with prom-client in a registry of its own, so that several operators fit in one process. */
export function createMetrics(): PromMetrics {
  const registry = new Registry();
  const counter = <L extends string>(name: MetricName, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({
      name,
      help: METRIC_HELP[name],
      labelNames: [...labelNames],
      registers: [registry],
    });
  const histogram = <L extends string>(
    name: MetricName,
    labelNames: readonly L[] = [],
    buckets: readonly number[] = DURATION_BUCKETS,
  ): Histogram<L> =>
    new Histogram({
      name,
      help: METRIC_HELP[name],
      labelNames: [...labelNames],
      registers: [registry],
      buckets: [...buckets],
    });

  const cycle = histogram('mezzo_allocation_cycle_duration_seconds');
  const planned = counter('mezzo_allocation_offers_total');
  const offers = counter('mezzo_offers_total', ['event', 'framework']);
  const rescinds = counter('mezzo_offer_rescinds_total', ['reason']);
  const backOffs = counter('mezzo_framework_backoffs_total', ['framework']);
  const ages = histogram('mezzo_offer_age_seconds', ['end'], AGE_BUCKETS);
  const oldest = new Gauge({
    name: 'mezzo_oldest_offer_age_seconds' satisfies MetricName,
    help: METRIC_HELP.mezzo_oldest_offer_age_seconds,
    registers: [registry],
  });
  const launches = counter('mezzo_launches_total', ['outcome']);
  const preemptions = counter('mezzo_preemptions_total', ['phase']);
  const reconciles = histogram('mezzo_reconcile_duration_seconds', ['controller']);
  const failures = counter('mezzo_reconcile_errors_total', ['controller']);
  const requests = counter('mezzo_kube_requests_total', ['verb', 'resource', 'code']);
  const requestTime = histogram('mezzo_kube_request_duration_seconds', ['verb']);
  const restarts = counter('mezzo_watch_restarts_total', ['kind', 'why']);
  const poison = counter('mezzo_poison_objects_total', ['kind']);
  const drift = counter('mezzo_ledger_drift_total');
  const refusals = counter('mezzo_node_refusals_total', ['reason']);
  const illegal = counter('mezzo_illegal_transitions_total', ['from', 'to']);
  const gauges = new StateGauges(registry);

  return {
    contentType: registry.contentType,
    allocationCycle(durationMs, count) {
      cycle.observe(durationMs / 1000);
      planned.inc(count);
    },
    offer: (event, framework, count) => offers.inc({ event, framework }, count),
    offerAge: (end, ageMs) => ages.observe({ end }, ageMs / 1000),
    oldestOffer: (ageMs) => oldest.set(ageMs / 1000),
    rescind: (reason) => rescinds.inc({ reason }),
    backOff: (framework) => backOffs.inc({ framework }),
    launch: (outcome) => launches.inc({ outcome }),
    preemption: (phase) => preemptions.inc({ phase }),
    reconcile(controller, outcome, durationMs) {
      reconciles.observe({ controller }, durationMs / 1000);
      if (outcome === 'error') failures.inc({ controller });
    },
    kubeRequest(verb, resource, code, durationMs) {
      requests.inc({ verb, resource, code });
      requestTime.observe({ verb }, durationMs / 1000);
    },
    watchRestart: (kind, why) => restarts.inc({ kind, why }),
    poisonObject: (kind) => poison.inc({ kind }),
    ledgerDrift: () => drift.inc(),
    nodeRefusal: (reason) => refusals.inc({ reason }),
    illegalTransition: (from, to) => illegal.inc({ from, to }),
    async render(views) {
      gauges.read(views);
      return await registry.metrics();
    },
  };
}

type Labels = { [label: string]: string };

/** Gauges of the present state; cleared at each scrape so that what is gone leaves no series behind. */
class StateGauges {
  readonly #registry: Registry;
  readonly #gauges = new Map<MetricName, Gauge>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  read(views: Views): void {
    for (const gauge of this.#gauges.values()) gauge.reset();
    this.#set('mezzo_leader', {}, views.isLeader() ? 1 : 0);
    for (const [kind, seconds] of views.watchStalenessSeconds()) {
      this.#set('mezzo_watch_staleness_seconds', { kind }, seconds);
    }
    for (const role of views.roles()) this.#readRole(role);
    const jobs = views
      .jobs()
      .toSorted((left, right) => cores(right.allocated) - cores(left.allocated));
    for (const job of jobs.slice(0, JOB_SERIES_LIMIT)) {
      const labels = { namespace: job.namespace, job: job.job, kind: job.kind, role: job.role };
      this.#pair('mezzo_job_allocated', labels, job.allocated);
      this.#pair('mezzo_job_used', labels, job.used);
    }
    for (const agent of views.agents()) {
      const labels = { agent: agent.agent };
      this.#pair('mezzo_agent_capacity', labels, agent.capacity);
      this.#pair('mezzo_agent_allocated', labels, agent.allocated);
      this.#pair('mezzo_agent_used', labels, agent.used);
      this.#set('mezzo_agent_revocable_cpu_cores', labels, cores(agent.revocableCapacity));
    }
  }

  #readRole(role: ReturnType<Views['roles']>[number]): void {
    const labels = { role: role.role };
    this.#pair('mezzo_role_allocated', labels, role.allocated);
    this.#pair('mezzo_role_offered', labels, role.offered);
    this.#pair('mezzo_role_used', labels, role.used);
    this.#set('mezzo_role_revocable_cpu_cores', labels, cores(role.revocable));
    this.#set('mezzo_role_guaranteed_cpu_cores', labels, cores(role.guaranteed));
    if (role.limit['cpus'] !== undefined)
      this.#set('mezzo_role_limit_cpu_cores', labels, cores(role.limit));
    this.#set('mezzo_role_consumed_cpu_cores', labels, cores(role.consumed));
    this.#set('mezzo_role_dominant_share_ratio', labels, role.dominantSharePpm / 1e6);
    this.#set('mezzo_role_tasks', labels, role.tasks);
  }

  #pair(
    prefix:
      | 'mezzo_role_allocated'
      | 'mezzo_role_offered'
      | 'mezzo_role_used'
      | 'mezzo_job_allocated'
      | 'mezzo_job_used'
      | 'mezzo_agent_capacity'
      | 'mezzo_agent_allocated'
      | 'mezzo_agent_used',
    labels: Labels,
    amounts: Resources | undefined,
  ): void {
    // Not measured is not zero: then there is no series.
    if (amounts === undefined) return;
    this.#set(`${prefix}_cpu_cores`, labels, cores(amounts));
    this.#set(`${prefix}_memory_bytes`, labels, amounts['mem'] ?? 0);
  }

  #set(name: MetricName, labels: Labels, value: number): void {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) {
      gauge = new Gauge({
        name,
        help: METRIC_HELP[name],
        labelNames: Object.keys(labels),
        registers: [this.#registry],
      });
      this.#gauges.set(name, gauge);
    }
    gauge.set(labels, value);
  }
}

const cores = (amounts: Resources): number => (amounts['cpus'] ?? 0) / 1000;
