/** Percentages are whole; times are of the monotonic clock. */
export interface EstimatorConfig {
  /** How far back usage is remembered. */
  readonly windowMs: number;
  /** Samples of the node, and of each Pod, before its past says anything. Until then a Pod counts at its request. */
  readonly warmupSamples: number;
  /** Without a usable sample for longer than this nothing is revocable. */
  readonly staleAfterMs: number;
  /** Standard deviations above the mean that make the peak of a sum. */
  readonly sigmas: number;
  /** Percentile (1 to 100) that makes the peak of one Pod. */
  readonly percentile: number;
  /** Added on top of the predicted peak. */
  readonly marginPercent: number;
  /** Share of the machine's CPUs that is never lent. */
  readonly reservePercent: number;
  /** Ceiling: the most of the machine's CPUs that may be revocable. */
  readonly maxPercent: number;
  /** Growth per step, of the machine's CPUs. */
  readonly growPercent: number;
  /** Samples in a row that must allow more before one step of growth. */
  readonly calmSamples: number;
  /** A Pod waiting for CPU longer than this stops growth; 1000 never does. */
  readonly pressureHoldPermille: number;
  /**
   * Lend what Guaranteed Pods leave unused. Off where the kubelet pins their CPUs (static CPU manager):
   * nobody else can run on those.
   */
  readonly lendGuaranteed: boolean;
}

/** Margins for a first day on a cluster: careful, and still useful on a small machine. */
export const DEFAULT_ESTIMATOR_CONFIG: EstimatorConfig = {
  windowMs: 300_000,
  warmupSamples: 12,
  staleAfterMs: 30_000,
  sigmas: 3,
  percentile: 99,
  marginPercent: 10,
  reservePercent: 10,
  maxPercent: 60,
  growPercent: 10,
  calmSamples: 3,
  pressureHoldPermille: 400,
  lendGuaranteed: true,
};

export interface UsagePoint {
  readonly monotonicMs: number;
  readonly cpuMillis: number;
}

/** What is remembered between samples. */
export interface EstimatorState {
  /** Per live Pod that may lend, oldest first. */
  readonly podHistory: ReadonlyMap<string, readonly UsagePoint[]>;
  /** The node without its revocable Pods, oldest first. */
  readonly nodeHistory: readonly UsagePoint[];
  readonly lastUsableMs: number | undefined;
  readonly revocableMillis: number;
  readonly calmSamples: number;
}

export const EMPTY_ESTIMATOR_STATE: EstimatorState = {
  podHistory: new Map(),
  nodeHistory: [],
  lastUsableMs: undefined,
  revocableMillis: 0,
  calmSamples: 0,
};

/** What the figure was held down by, or why there is none. */
export type LimitedBy =
  | 'noData'
  | 'staleData'
  | 'missedSample'
  | 'warmingUp'
  | 'slack'
  | 'machine'
  | 'ceiling'
  | 'growth'
  | 'pressure';

export interface Estimate {
  readonly revocableMillis: number;
  readonly limitedBy: LimitedBy;
  /** Σ requests of the Pods that lend. */
  readonly requestedMillis: number;
  /** Predicted peak of those Pods together, margin included. */
  readonly peakMillis: number;
}
