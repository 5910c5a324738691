/** A reading of a CPU time counter at a monotonic time. */
export interface CpuReading {
  readonly usageUsec: number;
  readonly monotonicMs: number;
}

/** Below this the counters' own granularity (10 ms for the node) would be the result. */
const SHORTEST_SPAN_MS = 100;

/**
 * CPU use between two readings in thousandths of a CPU. Undefined when it cannot be told: no earlier reading,
 * too short a span, or a counter that went backwards (the cgroup was made anew). Never above
 * `capacityMillis`, when that is known: a counter that jumps further is a fault of the clock.
 */
export function cpuMillisBetween(
  earlier: CpuReading | undefined,
  later: CpuReading | undefined,
  capacityMillis: number,
): number | undefined {
  if (earlier === undefined || later === undefined) return undefined;
  const spanMs = later.monotonicMs - earlier.monotonicMs;
  const usedUsec = later.usageUsec - earlier.usageUsec;
  if (spanMs < SHORTEST_SPAN_MS || usedUsec < 0) return undefined;
  const millis = Math.round(usedUsec / spanMs);
  return capacityMillis > 0 ? Math.min(millis, capacityMillis) : millis;
}
