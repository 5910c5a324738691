import type { Clock } from '../../../operator/src/ports/clock.ts';
import { MAX_REPORTED_PODS } from '../../../operator/src/schema/http/agentReport.ts';
import type { HostPaths } from '../inventory/types.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { type CgroupLayout, findCgroupLayout, listPodCgroups } from './cgroupLayout.ts';
import { type CpuReading, cpuMillisBetween } from './cpuRate.ts';
import { readNodeCounters } from './nodeCounters.ts';
import { readPodCounters, readRootCounters } from './podCounters.ts';
import type { NodeUsage, PodsUsage, PodUsage, UsageSample } from './usageSample.ts';

/**
 * Whose CPU and memory count as the node's: all of the machine's, or only what the kubelet's cgroup root holds,
 * for nodes that share a machine.
 */
export const NODE_USAGE_SOURCES = ['machine', 'cgroup-root'] as const;
export type NodeUsageSource = (typeof NODE_USAGE_SOURCES)[number];

export interface UsageSamplerOptions {
  readonly paths: HostPaths;
  /** The kubelet's `cgroupRoot`. */
  readonly cgroupRoot: string;
  readonly nodeUsage: NodeUsageSource;
}

/**
 * Turns counters into usage: each `sample` is about the time since the one before it.
 * Keeps one reading per live Pod and forgets a Pod as soon as its cgroup is gone.
 */
export class UsageSampler {
  readonly #files: HostFiles;
  readonly #clock: Clock;
  readonly #options: UsageSamplerOptions;
  #nodeReading: CpuReading | undefined;
  #podReadings: ReadonlyMap<string, CpuReading> = new Map();

  constructor(files: HostFiles, clock: Clock, options: UsageSamplerOptions) {
    this.#files = files;
    this.#clock = clock;
    this.#options = options;
  }

  sample(): UsageSample {
    const { paths, cgroupRoot } = this.#options;
    const atMs = this.#clock.nowMs();
    const layout = findCgroupLayout(this.#files, paths.sys, cgroupRoot);
    const node = this.#sampleNode(layout);
    const pods = this.#samplePods(layout, node.capacityMillis);
    return { atMs, monotonicMs: this.#clock.monotonicMs(), node, pods };
  }

  #sampleNode(layout: CgroupLayout | undefined): NodeUsage {
    const machine = readNodeCounters(this.#files, this.#options.paths);
    const root = layout && readRootCounters(this.#files, layout);
    const ofMachine = this.#options.nodeUsage === 'machine';
    const capacityMillis = machine.cpus * 1000;
    const reading = this.#reading(ofMachine ? machine.cpuUsageUsec : root?.cpuUsageUsec);
    const cpuMillis = cpuMillisBetween(this.#nodeReading, reading, capacityMillis);
    this.#nodeReading = reading;
    return {
      capacityMillis,
      cpuMillis,
      memoryBytes: ofMachine ? machine.usedMemoryBytes : root?.workingSetBytes,
      cpuPressurePermille: machine.cpuPressurePermille,
      memoryPressurePermille: machine.memoryPressurePermille,
    };
  }

  #samplePods(layout: CgroupLayout | undefined, capacityMillis: number): PodsUsage {
    const { paths, cgroupRoot } = this.#options;
    if (layout === undefined) {
      this.#podReadings = new Map();
      return {
        kind: 'absent',
        reason: `no kubepods cgroup below ${paths.sys}/fs/cgroup for the cgroup root ${cgroupRoot}`,
      };
    }
    const cgroups = listPodCgroups(this.#files, layout);
    const readings = new Map<string, CpuReading>();
    const pods = cgroups
      .slice(0, MAX_REPORTED_PODS)
      .map((cgroup) => this.#samplePod(layout, cgroup, readings, capacityMillis));
    this.#podReadings = readings;
    return { kind: 'read', pods, leftOut: Math.max(0, cgroups.length - MAX_REPORTED_PODS) };
  }

  #samplePod(
    layout: CgroupLayout,
    cgroup: ReturnType<typeof listPodCgroups>[number],
    readings: Map<string, CpuReading>,
    capacityMillis: number,
  ): PodUsage {
    const counters = readPodCounters(this.#files, layout, cgroup);
    const reading = this.#reading(counters.cpuUsageUsec);
    if (reading) readings.set(cgroup.uid, reading);
    return {
      uid: cgroup.uid,
      qos: cgroup.qos,
      requestMillis: counters.requestMillis,
      cpuMillis: cpuMillisBetween(this.#podReadings.get(cgroup.uid), reading, capacityMillis),
      memoryBytes: counters.workingSetBytes,
      cpuPressurePermille: counters.cpuPressurePermille,
    };
  }

  #reading(usageUsec: number | undefined): CpuReading | undefined {
    return usageUsec === undefined
      ? undefined
      : { usageUsec, monotonicMs: this.#clock.monotonicMs() };
  }
}
