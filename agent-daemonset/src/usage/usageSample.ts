import type { QosClass } from './cgroupLayout.ts';

/** What one Pod used since the previous sample. An unknown figure is undefined, never zero. */
export interface PodUsage {
  readonly uid: string;
  readonly qos: QosClass;
  readonly requestMillis: number | undefined;
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly cpuPressurePermille: number | undefined;
}

export interface NodeUsage {
  /** CPUs of the machine × 1000; 0 when unknown. */
  readonly capacityMillis: number;
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly cpuPressurePermille: number | undefined;
  readonly memoryPressurePermille: number | undefined;
}

/** `absent`: the kubelet's cgroups were not found, so nothing is known about Pods. */
export type PodsUsage =
  | { readonly kind: 'read'; readonly pods: readonly PodUsage[]; readonly leftOut: number }
  | { readonly kind: 'absent'; readonly reason: string };

export interface UsageSample {
  /** Wall clock, for people and reports. */
  readonly atMs: number;
  /** Monotonic clock, for ages and rates. */
  readonly monotonicMs: number;
  readonly node: NodeUsage;
  readonly pods: PodsUsage;
}
