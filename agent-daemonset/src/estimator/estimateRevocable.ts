import type { PodUsage, UsageSample } from '../usage/usageSample.ts';
import { type LendingPod, nSigmaPeak, predictPeakMillis } from './peak.ts';
import {
  EMPTY_ESTIMATOR_STATE,
  type Estimate,
  type EstimatorConfig,
  type EstimatorState,
  type LimitedBy,
  type UsagePoint,
} from './types.ts';

export interface EstimateStep {
  readonly state: EstimatorState;
  readonly estimate: Estimate;
}

interface Target {
  readonly millis: number;
  readonly limitedBy: LimitedBy;
  readonly requestedMillis: number;
  readonly peakMillis: number;
  readonly pressure: boolean;
}

/** Bounds the memory of a history whatever the interval is. */
const MAX_POINTS = 600;

/**
 * How much CPU of the node may be lent now: what its Pods requested and are not expected to use.
 *
 * Takes the newest sample (undefined when none could be taken) and the monotonic time.
 * Guarantees: an integer ≥ 0, at most Σ requests − current usage of the lending Pods; it follows a smaller
 * target at once and a larger one in steps; zero when the last usable sample is older than `staleAfterMs`.
 * Does not: estimate memory, which cannot be taken back without killing.
 */
export function estimateRevocable(
  state: EstimatorState,
  sample: UsageSample | undefined,
  nowMs: number,
  config: EstimatorConfig,
): EstimateStep {
  const pods = sample === undefined ? undefined : usablePods(sample);
  if (sample === undefined || pods === undefined) return withoutSample(state, nowMs, config);
  if (nowMs - sample.monotonicMs > config.staleAfterMs) {
    return withoutSample(state, nowMs, config);
  }

  const gapMs =
    state.lastUsableMs === undefined ? Infinity : sample.monotonicMs - state.lastUsableMs;
  const known = gapMs > config.staleAfterMs ? EMPTY_ESTIMATOR_STATE : state;
  const remembered = remember(known, sample, pods, config);
  const target = decideTarget(remembered, sample, pods, config);
  return follow(remembered, target, sample.node.capacityMillis, config);
}

/** The Pods of a sample that says enough to go by; undefined when Pods or node are unknown. */
function usablePods(sample: UsageSample): readonly PodUsage[] | undefined {
  if (sample.pods.kind !== 'read') return undefined;
  if (sample.node.cpuMillis === undefined || sample.node.capacityMillis <= 0) return undefined;
  return sample.pods.pods;
}

/** One missed sample changes nothing; missing data of `staleAfterMs` forgets all. */
function withoutSample(
  state: EstimatorState,
  nowMs: number,
  config: EstimatorConfig,
): EstimateStep {
  const nothing = { requestedMillis: 0, peakMillis: 0 };
  if (state.lastUsableMs === undefined) {
    return { state, estimate: { revocableMillis: 0, limitedBy: 'noData', ...nothing } };
  }
  if (nowMs - state.lastUsableMs > config.staleAfterMs) {
    return {
      state: EMPTY_ESTIMATOR_STATE,
      estimate: { revocableMillis: 0, limitedBy: 'staleData', ...nothing },
    };
  }
  const { revocableMillis } = state;
  return {
    state: { ...state, calmSamples: 0 },
    estimate: { revocableMillis, limitedBy: 'missedSample', ...nothing },
  };
}

/** BestEffort Pods are the borrowers (or promise nothing): they lend nothing and are not protected. */
function lends(pod: PodUsage, config: EstimatorConfig): boolean {
  return pod.qos === 'burstable' || (pod.qos === 'guaranteed' && config.lendGuaranteed);
}

function remember(
  state: EstimatorState,
  sample: UsageSample,
  pods: readonly PodUsage[],
  config: EstimatorConfig,
): EstimatorState {
  const { monotonicMs } = sample;
  const append = (
    history: readonly UsagePoint[],
    cpuMillis: number | undefined,
  ): readonly UsagePoint[] => {
    const recent = history.filter((point) => monotonicMs - point.monotonicMs <= config.windowMs);
    if (cpuMillis === undefined) return recent;
    return [...recent.slice(1 - MAX_POINTS), { monotonicMs, cpuMillis }];
  };
  const podHistory = new Map<string, readonly UsagePoint[]>();
  let revocableUse = 0;
  for (const pod of pods) {
    if (pod.qos === 'besteffort') revocableUse += pod.cpuMillis ?? 0;
    if (!lends(pod, config)) continue;
    podHistory.set(pod.uid, append(state.podHistory.get(pod.uid) ?? [], pod.cpuMillis));
  }
  const nodeUse = Math.max(0, (sample.node.cpuMillis ?? 0) - revocableUse);
  return {
    ...state,
    podHistory,
    nodeHistory: append(state.nodeHistory, nodeUse),
    lastUsableMs: monotonicMs,
  };
}

/** The figure the past allows, before growth is slowed. */
function decideTarget(
  state: EstimatorState,
  sample: UsageSample,
  pods: readonly PodUsage[],
  config: EstimatorConfig,
): Target {
  const lending: LendingPod[] = pods
    .filter((pod) => lends(pod, config))
    .map((pod) => ({
      requestMillis: pod.requestMillis ?? 0,
      cpuMillis: pod.cpuMillis,
      history: state.podHistory.get(pod.uid) ?? [],
    }));
  const requestedMillis = lending.reduce((sum, pod) => sum + pod.requestMillis, 0);
  const peakMillis = percentUp(predictPeakMillis(lending, config), 100 + config.marginPercent);
  const pressure = pods.some(
    (pod) =>
      pod.qos !== 'besteffort' && (pod.cpuPressurePermille ?? 0) > config.pressureHoldPermille,
  );
  const common = { requestedMillis, peakMillis, pressure };
  if (state.nodeHistory.length < config.warmupSamples) {
    return { millis: 0, limitedBy: 'warmingUp', ...common };
  }
  const { capacityMillis } = sample.node;
  const nodePast = state.nodeHistory.map((point) => point.cpuMillis);
  const nodePeak = Math.max(nSigmaPeak(nodePast, config.sigmas), nodePast.at(-1) ?? 0);
  const bounds: readonly (readonly [number, LimitedBy])[] = [
    [requestedMillis - peakMillis, 'slack'],
    [percentDown(capacityMillis, 100 - config.reservePercent) - nodePeak, 'machine'],
    [percentDown(capacityMillis, config.maxPercent), 'ceiling'],
  ];
  const [least, limitedBy] = bounds.reduce((lowest, bound) =>
    bound[0] < lowest[0] ? bound : lowest,
  );
  return { millis: Math.max(0, least), limitedBy, ...common };
}

/** Shrinks at once; grows one step after `calmSamples` samples in a row that allow more. */
function follow(
  state: EstimatorState,
  target: Target,
  capacityMillis: number,
  config: EstimatorConfig,
): EstimateStep {
  const { requestedMillis, peakMillis } = target;
  const step = (
    revocableMillis: number,
    calmSamples: number,
    limitedBy: LimitedBy,
  ): EstimateStep => ({
    state: { ...state, revocableMillis, calmSamples },
    estimate: { revocableMillis, limitedBy, requestedMillis, peakMillis },
  });
  const now = state.revocableMillis;
  if (target.millis <= now) return step(target.millis, 0, target.limitedBy);
  if (target.pressure) return step(now, 0, 'pressure');
  const calm = state.calmSamples + 1;
  if (calm < config.calmSamples) return step(now, calm, 'growth');
  const grown = now + Math.max(1, percentDown(capacityMillis, config.growPercent));
  return grown < target.millis
    ? step(grown, 0, 'growth')
    : step(target.millis, 0, target.limitedBy);
}

const percentUp = (value: number, percent: number): number => Math.ceil((value * percent) / 100);
const percentDown = (value: number, percent: number): number => Math.floor((value * percent) / 100);
