import type { Resources } from '../model/resources.ts';
import { resources } from '../model/resources.ts';
import type { Clock } from '../ports/clock.ts';

export interface PodUsage {
  readonly uid: string;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** What agents measured of running Pods; in memory only, since it is old in seconds. */
export interface UsageBoard {
  report(node: string, pods: readonly PodUsage[]): void;
  /** Undefined when no fresh measurement exists: not measured is not zero. */
  usedBy(podUid: string): Resources | undefined;
}

const MAX_AGE_MS = 60_000;
/** Nodes whose reports are kept; beyond it the oldest report goes. */
const MAX_NODES = 10_000;

interface NodeReport {
  readonly atMs: number;
  readonly pods: ReadonlyMap<string, Resources>;
}

export function createUsageBoard(clock: Clock): UsageBoard {
  const nodes = new Map<string, NodeReport>();
  const nodeOf = new Map<string, string>();
  const forget = (node: string): void => {
    for (const uid of nodes.get(node)?.pods.keys() ?? [])
      if (nodeOf.get(uid) === node) nodeOf.delete(uid);
    nodes.delete(node);
  };
  return {
    report(node, pods) {
      forget(node);
      const oldest = nodes.keys().next().value;
      if (nodes.size >= MAX_NODES && oldest !== undefined) forget(oldest);
      const used = new Map(
        pods.map((pod) => [pod.uid, resources({ cpus: pod.cpuMillis, mem: pod.memoryBytes })]),
      );
      nodes.set(node, { atMs: clock.monotonicMs(), pods: used });
      for (const uid of used.keys()) nodeOf.set(uid, node);
    },
    usedBy(podUid) {
      const report = nodes.get(nodeOf.get(podUid) ?? '');
      if (report === undefined || clock.monotonicMs() - report.atMs > MAX_AGE_MS) return undefined;
      return report.pods.get(podUid);
    },
  };
}
