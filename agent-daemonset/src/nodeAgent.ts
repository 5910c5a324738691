import { type Clock, sleep } from '../../operator/src/ports/clock.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import { estimateRevocable } from './estimator/estimateRevocable.ts';
import {
  EMPTY_ESTIMATOR_STATE,
  type Estimate,
  type EstimatorConfig,
  type EstimatorState,
} from './estimator/types.ts';
import type { AgentViews } from './http/agentServer.ts';
import { inspectHardware } from './inventory/inspectHardware.ts';
import type { HardwareInventory, HostPaths } from './inventory/types.ts';
import type { HostFiles } from './ports/hostFiles.ts';
import type { StatusPublisher } from './report/statusPublisher.ts';
import type { UsageReporter } from './report/usageReporter.ts';
import type { AgentMetrics } from './telemetry/metrics.ts';
import type { UsageSample } from './usage/usageSample.ts';
import type { UsageSampler } from './usage/usageSampler.ts';

export interface NodeAgentOptions {
  readonly node: string;
  readonly paths: HostPaths;
  readonly intervalMs: number;
  readonly estimator: EstimatorConfig;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
  readonly sampler: UsageSampler;
  readonly publisher: StatusPublisher;
  /** Absent when no report URL is set. */
  readonly reporter: UsageReporter | undefined;
}

/** Hardware changes by hotplug at most; reading it costs some milliseconds. */
const INVENTORY_INTERVAL_MS = 60_000;
/** Intervals without a sample after which the agent counts as stuck. */
const MISSED_INTERVALS = 4;

/** The loop of the agent: sample, estimate, publish, report; every interval, until the signal. */
export class NodeAgent implements AgentViews {
  readonly #options: NodeAgentOptions;
  #state: EstimatorState = EMPTY_ESTIMATOR_STATE;
  #hardware: HardwareInventory;
  #inspectedMs: number;
  #sampledMs: number;
  #newest: { readonly sample: UsageSample; readonly estimate: Estimate } | undefined;
  #podsWereRead = true;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    this.#hardware = inspectHardware(options.files, options.paths);
    this.#inspectedMs = options.clock.monotonicMs();
    this.#sampledMs = this.#inspectedMs;
  }

  /** Resolves when the signal aborts; what is under way is left to its own time-out. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    let nextMs = clock.monotonicMs();
    while (!signal.aborted) {
      this.#tick(signal);
      nextMs = Math.max(nextMs + intervalMs, clock.monotonicMs());
      await sleep(clock, nextMs - clock.monotonicMs(), signal).catch(() => undefined);
    }
  }

  health(): { readonly healthy: boolean; readonly message: string } {
    const ageMs = Math.round(this.#options.clock.monotonicMs() - this.#sampledMs);
    const healthy = ageMs <= MISSED_INTERVALS * this.#options.intervalMs;
    return {
      healthy,
      message: healthy ? 'ok' : `no usage sample for ${ageMs} ms; the sampling loop is stuck`,
    };
  }

  usage(): object | undefined {
    if (this.#newest === undefined) return undefined;
    const { sample, estimate } = this.#newest;
    return { nodeName: this.#options.node, ...sample, estimate };
  }

  newestSample(): UsageSample | undefined {
    return this.#newest?.sample;
  }

  metrics(): Promise<string> {
    return this.#options.metrics.registry.metrics();
  }

  #tick(signal: AbortSignal): void {
    const { clock, metrics, log } = this.#options;
    const startMs = clock.monotonicMs();
    let sample: UsageSample | undefined;
    try {
      sample = this.#options.sampler.sample();
      this.#sampledMs = clock.monotonicMs();
      metrics.sampled(sample, this.#sampledMs - startMs);
      this.#notePods(sample);
      this.#maybeInspect(startMs);
    } catch (error) {
      log.error('sampling failed', { error });
    }
    const estimate = this.#estimate(sample);
    const newest = sample ?? this.#newest?.sample;
    if (newest === undefined) return;
    this.#newest = { sample: newest, estimate };
    // Both bound themselves and never reject: a slow receiver must not delay the next sample.
    void this.#options.publisher.offer(
      {
        hardware: this.#hardware,
        cpuMillis: estimate.revocableMillis,
        // Memory is lent by explicit policy only, and there is none yet.
        memoryBytes: 0,
        observedAtMs: newest.atMs,
      },
      signal,
    );
    if (sample !== undefined) void this.#options.reporter?.offer(sample);
  }

  #estimate(sample: UsageSample | undefined): Estimate {
    const { clock, estimator, metrics } = this.#options;
    const step = estimateRevocable(this.#state, sample, clock.monotonicMs(), estimator);
    this.#state = step.state;
    metrics.estimated(step.estimate);
    return step.estimate;
  }

  #maybeInspect(nowMs: number): void {
    if (nowMs - this.#inspectedMs < INVENTORY_INTERVAL_MS) return;
    this.#inspectedMs = nowMs;
    this.#hardware = inspectHardware(this.#options.files, this.#options.paths);
  }

  /** Says once that the kubelet's cgroups are missing, and once that they are there. */
  #notePods(sample: UsageSample): void {
    const wereRead = sample.pods.kind === 'read';
    if (wereRead === this.#podsWereRead) return;
    this.#podsWereRead = wereRead;
    if (sample.pods.kind === 'absent') {
      this.#options.log.warn('Pod usage is unknown, nothing is revocable', {
        reason: sample.pods.reason,
        remedy: "set --cgroup-root to the kubelet's cgroupRoot",
      });
    } else this.#options.log.info('Pod usage is known', { pods: sample.pods.pods.length });
  }
}
