import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Estimate } from '../estimator/types.ts';
import type { UsageSample } from '../usage/usageSample.ts';

/** Every metric of the node agent, by name. Base units: seconds, bytes, cores, ratios. */
export const METRIC_HELP = {
  mezzo_agent_pod_cpu_cores: 'CPU a Pod of this node uses, by uid.',
  mezzo_agent_pod_memory_bytes: 'Working set of a Pod of this node, by uid.',
  mezzo_agent_pods_left_out: 'Pods beyond the bound of one sample, which are not measured.',
  mezzo_agent_node_cpu_cores: 'CPU in use on the node, by whomever.',
  mezzo_agent_node_memory_bytes: 'Memory in use on the node: total less available.',
  mezzo_agent_node_cpu_pressure_ratio: 'Share of the last 10 s in which a task waited for a CPU.',
  mezzo_agent_node_memory_pressure_ratio:
    'Share of the last 10 s in which a task waited for memory.',
  mezzo_agent_revocable_cpu_cores: 'CPU the estimator lets be lent now.',
  mezzo_agent_lending_requested_cpu_cores: 'CPU requested by the Pods that lend.',
  mezzo_agent_lending_peak_cpu_cores: 'Predicted peak of those Pods, margin included.',
  mezzo_agent_estimator_limit: '1 for what holds the revocable figure down now, by reason.',
  mezzo_agent_last_sample_timestamp_seconds: 'When the newest sample was taken, Unix time.',
  mezzo_agent_sample_duration_seconds: 'Time one sample of all counters took.',
  mezzo_agent_read_errors_total: 'Host files that could not be read though present, by error code.',
  mezzo_agent_status_writes_total: 'Writes of the Agent object by outcome.',
  mezzo_agent_reports_total: 'Usage reports to the operator by outcome.',
} as const;

type MetricName = keyof typeof METRIC_HELP;

/** The agent's own metrics; label values are bounded: uids by the Pods of one node, the rest by closed sets. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly #podCpu = this.#gauge('mezzo_agent_pod_cpu_cores', ['uid']);
  readonly #podMemory = this.#gauge('mezzo_agent_pod_memory_bytes', ['uid']);
  readonly #podsLeftOut = this.#gauge('mezzo_agent_pods_left_out');
  readonly #nodeCpu = this.#gauge('mezzo_agent_node_cpu_cores');
  readonly #nodeMemory = this.#gauge('mezzo_agent_node_memory_bytes');
  readonly #cpuPressure = this.#gauge('mezzo_agent_node_cpu_pressure_ratio');
  readonly #memoryPressure = this.#gauge('mezzo_agent_node_memory_pressure_ratio');
  readonly #revocable = this.#gauge('mezzo_agent_revocable_cpu_cores');
  readonly #requested = this.#gauge('mezzo_agent_lending_requested_cpu_cores');
  readonly #peak = this.#gauge('mezzo_agent_lending_peak_cpu_cores');
  readonly #limit = this.#gauge('mezzo_agent_estimator_limit', ['reason']);
  readonly #lastSample = this.#gauge('mezzo_agent_last_sample_timestamp_seconds');
  readonly #readErrors = this.#counter('mezzo_agent_read_errors_total', ['code']);
  readonly #statusWrites = this.#counter('mezzo_agent_status_writes_total', ['outcome']);
  readonly #reports = this.#counter('mezzo_agent_reports_total', ['outcome']);
  readonly #sampleDuration = new Histogram({
    name: 'mezzo_agent_sample_duration_seconds',
    help: METRIC_HELP.mezzo_agent_sample_duration_seconds,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers: [this.registry],
  });

  sampled(sample: UsageSample, durationMs: number): void {
    this.#sampleDuration.observe(durationMs / 1000);
    this.#lastSample.set(sample.atMs / 1000);
    setOrClear(this.#nodeCpu, sample.node.cpuMillis, 1000);
    setOrClear(this.#nodeMemory, sample.node.memoryBytes, 1);
    setOrClear(this.#cpuPressure, sample.node.cpuPressurePermille, 1000);
    setOrClear(this.#memoryPressure, sample.node.memoryPressurePermille, 1000);
    this.#podCpu.reset();
    this.#podMemory.reset();
    if (sample.pods.kind !== 'read') return;
    this.#podsLeftOut.set(sample.pods.leftOut);
    for (const { uid, cpuMillis, memoryBytes } of sample.pods.pods) {
      if (cpuMillis !== undefined) this.#podCpu.set({ uid }, cpuMillis / 1000);
      if (memoryBytes !== undefined) this.#podMemory.set({ uid }, memoryBytes);
    }
  }

  estimated(estimate: Estimate): void {
    this.#revocable.set(estimate.revocableMillis / 1000);
    this.#requested.set(estimate.requestedMillis / 1000);
    this.#peak.set(estimate.peakMillis / 1000);
    this.#limit.reset();
    this.#limit.set({ reason: estimate.limitedBy }, 1);
  }

  readFailed(code: string): void {
    this.#readErrors.inc({ code });
  }

  statusWrite(outcome: string): void {
    this.#statusWrites.inc({ outcome });
  }

  report(outcome: string): void {
    this.#reports.inc({ outcome });
  }

  #gauge(name: MetricName, labelNames: string[] = []): Gauge {
    return new Gauge({ name, help: METRIC_HELP[name], labelNames, registers: [this.registry] });
  }

  #counter(name: MetricName, labelNames: string[]): Counter {
    return new Counter({ name, help: METRIC_HELP[name], labelNames, registers: [this.registry] });
  }
}

/** An unknown figure disappears from the exposition instead of keeping its last value. */
function setOrClear(gauge: Gauge, value: number | undefined, divisor: number): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value / divisor);
}
