import { parseFields, parseInteger } from '../inventory/hostText.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import type { CgroupLayout, PodCgroup } from './cgroupLayout.ts';
import { readPressurePermille } from './pressure.ts';

/** One reading of a Pod's cgroup. A part that cannot be read is absent, never zero. */
export interface PodCounters {
  /** CPU time since the cgroup was made. */
  readonly cpuUsageUsec: number | undefined;
  /** Memory that cannot be taken back without hurting: usage − inactive file cache. */
  readonly workingSetBytes: number | undefined;
  /** CPU request as the kubelet wrote it into the cgroup; 0 for a Pod without one. */
  readonly requestMillis: number | undefined;
  /** Share of the last 10 s in which some task waited for a CPU; absent on v1 and for Pods with a CPU limit. */
  readonly cpuPressurePermille: number | undefined;
}

/** The least the kernel holds: what the kubelet writes for a Pod that requests no CPU. */
const MIN_SHARES = 2;
const SHARES_PER_CPU = 1024;

export function readPodCounters(
  files: HostFiles,
  layout: CgroupLayout,
  pod: PodCgroup,
): PodCounters {
  return layout.kind === 'v1' ? readV1(files, layout, pod.path) : readV2(files, layout, pod.path);
}

/** The same counters of the cgroup that holds all the kubelet's Pods and whatever else runs beside them. */
export function readRootCounters(files: HostFiles, layout: CgroupLayout): PodCounters {
  const path = layout.kubepods.slice(0, layout.kubepods.lastIndexOf('/'));
  return layout.kind === 'v1' ? readV1(files, layout, path) : readV2(files, layout, path);
}

function readV1(
  files: HostFiles,
  layout: Extract<CgroupLayout, { kind: 'v1' }>,
  path: string,
): PodCounters {
  const usageNs = parseInteger(files.readText(`${layout.cpuUsageRoot}${path}/cpuacct.usage`));
  const memory = `${layout.memoryRoot}${path}`;
  return {
    cpuUsageUsec: usageNs === undefined ? undefined : Math.floor(usageNs / 1000),
    workingSetBytes: workingSet(
      files.readText(`${memory}/memory.usage_in_bytes`),
      files.readText(`${memory}/memory.stat`),
      'total_inactive_file',
    ),
    requestMillis: requestOfShares(
      parseInteger(files.readText(`${layout.cpuSharesRoot}${path}/cpu.shares`)),
    ),
    cpuPressurePermille: undefined,
  };
}

function readV2(
  files: HostFiles,
  layout: Extract<CgroupLayout, { kind: 'v2' }>,
  path: string,
): PodCounters {
  const directory = `${layout.root}${path}`;
  const cpuStat = parseFields(files.readText(`${directory}/cpu.stat`) ?? '', ' ');
  // Waiting for its own CPU limit looks like pressure, and says nothing about the node.
  const limited = !(files.readText(`${directory}/cpu.max`) ?? 'max').startsWith('max');
  return {
    cpuUsageUsec: parseInteger(cpuStat.get('usage_usec')),
    workingSetBytes: workingSet(
      files.readText(`${directory}/memory.current`),
      files.readText(`${directory}/memory.stat`),
      'inactive_file',
    ),
    requestMillis: requestOfShares(
      sharesOfWeight(parseInteger(files.readText(`${directory}/cpu.weight`))),
    ),
    cpuPressurePermille: limited
      ? undefined
      : readPressurePermille(files, `${directory}/cpu.pressure`),
  };
}

function workingSet(
  usage: string | undefined,
  stat: string | undefined,
  inactiveFile: string,
): number | undefined {
  const usageBytes = parseInteger(usage);
  if (usageBytes === undefined || stat === undefined) return undefined;
  const inactiveBytes = parseInteger(parseFields(stat, ' ').get(inactiveFile)) ?? 0;
  return Math.max(0, usageBytes - inactiveBytes);
}

/**
 * Undoes the kubelet's rounding as well as can be: shares = floor(millis × 1024 / 1000).
 * Source: Kubernetes `pkg/kubelet/cm`, MilliCPUToShares.
 */
function requestOfShares(shares: number | undefined): number | undefined {
  if (shares === undefined) return undefined;
  return shares <= MIN_SHARES ? 0 : Math.ceil((shares * 1000) / SHARES_PER_CPU);
}

/**
 * The kubelet writes a Pod's weight as 1 + (shares − 2) × 9999 / 262142. (The logarithmic formula of newer
 * runtimes is for the cgroups of containers, which are not read here.) A weight stands for 26 shares: the
 * lowest of them is taken, so the request is never overstated. `cpu.idle` reads as weight 0.
 * Source: Kubernetes 1.36 `pkg/kubelet/cm`, getCPUWeight.
 */
function sharesOfWeight(weight: number | undefined): number | undefined {
  if (weight === undefined) return undefined;
  return weight <= 1 ? MIN_SHARES : Math.ceil(((weight - 1) * 262142) / 9999) + 2;
}
