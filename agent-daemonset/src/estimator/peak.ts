import type { EstimatorConfig, UsagePoint } from './types.ts';

/** Mean plus N standard deviations, rounded up; 0 for no values. */
export function nSigmaPeak(values: readonly number[], sigmas: number): number {
  if (values.length === 0) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return Math.ceil(mean + sigmas * Math.sqrt(variance));
}

/** The value that `percent` of the values do not exceed (nearest rank); 0 for no values. */
export function percentileOf(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const rank = Math.ceil((sorted.length * percent) / 100);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}

/** A Pod as the predictor sees it. */
export interface LendingPod {
  readonly requestMillis: number;
  /** Undefined in its first interval, or when it could not be read. */
  readonly cpuMillis: number | undefined;
  readonly history: readonly UsagePoint[];
}

/**
 * The most CPU these Pods together are expected to use: the largest of N-sigma of their sum, the sum of their
 * percentiles, and what they use now.
 *
 * A Pod whose usage is unknown now, or whose past is shorter than the warm-up, counts at its request at least.
 * Source: "Take it to the Limit" (EuroSys 2021), the max predictor.
 */
export function predictPeakMillis(
  pods: readonly LendingPod[],
  config: Pick<EstimatorConfig, 'sigmas' | 'percentile' | 'warmupSamples'>,
): number {
  let ofPods = 0;
  let now = 0;
  const sums = new Map<number, number>();
  for (const pod of pods) {
    const past = pod.history.map((point) => point.cpuMillis);
    const peak = percentileOf(past, config.percentile);
    const known = pod.cpuMillis !== undefined && past.length >= config.warmupSamples;
    ofPods += known ? peak : Math.max(peak, pod.requestMillis);
    now += pod.cpuMillis ?? pod.requestMillis;
    for (const point of pod.history) {
      sums.set(point.monotonicMs, (sums.get(point.monotonicMs) ?? 0) + point.cpuMillis);
    }
  }
  return Math.max(ofPods, now, nSigmaPeak([...sums.values()], config.sigmas));
}
