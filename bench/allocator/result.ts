import { quantile } from './cluster.ts';
import type { ExplainCost } from './explain.ts';

/** What `--json` prints on one line. Figures a recipe does not measure are null. */
export interface BenchResult {
  readonly recipe: string;
  readonly agents: number;
  readonly frameworks: number;
  readonly roles: number;
  readonly addAgentsMs: number | null;
  readonly addFrameworksMs: number | null;
  readonly cycleMs: { readonly median: number; readonly p95: number; readonly max: number } | null;
  readonly idleCycleMs: number | null;
  readonly declinesMs: number | null;
  readonly refusedCycleMs: number | null;
  readonly offers: number;
  readonly tasksLaunched: number | null;
  readonly releaseP99Ms: number | null;
  /** With `--explain` only. */
  readonly explain: ExplainCost | null;
  readonly rssMb: number;
}

/** A result with nothing measured yet. */
export function emptyResult(
  recipe: string,
  size: { readonly agents: number; readonly frameworks: number; readonly roles: number },
): BenchResult {
  return {
    recipe,
    ...size,
    addAgentsMs: null,
    addFrameworksMs: null,
    cycleMs: null,
    idleCycleMs: null,
    declinesMs: null,
    refusedCycleMs: null,
    offers: 0,
    tasksLaunched: null,
    releaseP99Ms: null,
    explain: null,
    rssMb: 0,
  };
}

export function spread(of: readonly number[]): NonNullable<BenchResult['cycleMs']> {
  return {
    median: round(quantile(of, 0.5)),
    p95: round(quantile(of, 0.95)),
    max: round(Math.max(...of)),
  };
}

/** Hundredths of a millisecond. */
export function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** Resident memory of the process now, garbage included, in MB. */
export function rssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1024 / 1024);
}
