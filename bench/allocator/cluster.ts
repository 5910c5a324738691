import { createAllocatorEngine } from '../../operator/src/allocator/engine/allocatorEngine.ts';
import type {
  AllocatorEngine,
  AllocatorEvent,
  EngineOffer,
  EngineOptions,
  PortRanges,
} from '../../operator/src/allocator/engine/types.ts';

const MB = 1024 * 1024;

/** Amounts as the recipes write them: whole or fractional cpus, mem and disk in MB. */
export function amounts(cpus: number, memMb: number, diskMb = 0): Record<string, number> {
  const all: Record<string, number> = { cpus: Math.round(cpus * 1000), mem: memMb * MB };
  if (diskMb > 0) all['disk'] = diskMb * MB;
  return all;
}

export const BASE_OPTIONS: EngineOptions = {
  mode: 'mezzo',
  minAllocatable: [{ cpus: 10 }, { mem: 32 * MB }],
  fairnessExclude: [],
  sorter: 'drf',
  offers: 'coarse',
  agentOrder: 'random',
  allocationIntervalMs: 1000,
};

/** Sixteen single ports in use leave this many ranges of 31000–32000 free. Source: Mesos DeclineOffers benchmark. */
export function fragments(): { readonly used: PortRanges; readonly all: PortRanges } {
  const used: [number, number][] = [];
  for (let port = 31_030; used.length < 16; port += 60) used.push([port, port]);
  return { used, all: [[31_000, 32_000]] };
}

/**
 * What durations are measured with, in milliseconds: `wall`, or the processor time of this thread, which other
 * programs on a shared machine disturb less.
 */
export const stopwatch = {
  kind: 'wall' as 'wall' | 'cpu',
  now(): number {
    if (this.kind === 'wall') return performance.now();
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

/** The engine with a clock of its own; every refusal is an error, since a recipe makes none. */
export class BenchCluster {
  readonly engine: AllocatorEngine;
  nowMs = 0;
  offers: EngineOffer[] = [];
  #seed = 0;

  constructor(options: EngineOptions) {
    this.engine = createAllocatorEngine(options);
  }

  apply(event: AllocatorEvent): void {
    const applied = this.engine.apply(event, this.nowMs);
    if (applied.kind === 'refused') throw new Error(`${event.kind}: ${applied.message}`);
  }

  /** One run over what is due; the offers are delivered one by one to a callback, as to frameworks. */
  run(): number {
    this.offers = [];
    const startedMs = stopwatch.now();
    this.engine.allocate({ nowMs: this.nowMs, seed: ++this.#seed }, (offer) => {
      this.offers.push(offer);
    });
    return stopwatch.now() - startedMs;
  }

  /** The ledger must be exact after what was measured: a fast wrong answer is none. */
  verify(): void {
    const faults = this.engine.audit();
    if (faults.length > 0) throw new Error(`ledger differs: ${faults.slice(0, 5).join('; ')}`);
  }
}

/** How long something takes, in milliseconds. */
export function timed(work: () => void): number {
  const startedMs = stopwatch.now();
  work();
  return stopwatch.now() - startedMs;
}

/** Nearest-rank quantile. */
export function quantile(of: readonly number[], part: number): number {
  const sorted = of.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
