/** The figures last written to the Agent's status, and when (monotonic). */
export interface WrittenFigures {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly monotonicMs: number;
}

export type StatusWriteReason = 'first' | 'changed' | 'withdrawn' | 'heartbeat';

const SHORTEST_INTERVAL_MS = 5_000;
const HEARTBEAT_INTERVAL_MS = 30_000;
const WORTHWHILE_MILLIS = 100;
const WORTHWHILE_PERCENT = 5;

/**
 * Whether the figures are worth a write now, and why; undefined when not.
 * Guarantees: at most one write per 5 s, at least one per 30 s; a fall to zero never waits for the heartbeat.
 */
export function decideStatusWrite(
  written: WrittenFigures | undefined,
  figures: { readonly cpuMillis: number; readonly memoryBytes: number },
  nowMs: number,
): StatusWriteReason | undefined {
  if (written === undefined) return 'first';
  const ageMs = nowMs - written.monotonicMs;
  if (ageMs < SHORTEST_INTERVAL_MS) return undefined;
  if (figures.cpuMillis === 0 && written.cpuMillis > 0) return 'withdrawn';
  const changeMillis = Math.abs(figures.cpuMillis - written.cpuMillis);
  const isWorthwhile =
    changeMillis >= WORTHWHILE_MILLIS ||
    changeMillis * 100 > written.cpuMillis * WORTHWHILE_PERCENT;
  if (isWorthwhile && changeMillis > 0) return 'changed';
  if (figures.memoryBytes !== written.memoryBytes) return 'changed';
  return ageMs >= HEARTBEAT_INTERVAL_MS ? 'heartbeat' : undefined;
}
