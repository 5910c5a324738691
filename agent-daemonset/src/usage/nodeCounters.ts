import { parseMeminfo } from '../inventory/hostText.ts';
import type { HostPaths } from '../inventory/types.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { readPressurePermille } from './pressure.ts';

export interface NodeCounters {
  /** CPU time all of the machine was busy since it started. */
  readonly cpuUsageUsec: number | undefined;
  /** Logical CPUs that are online. */
  readonly cpus: number;
  readonly usedMemoryBytes: number | undefined;
  readonly cpuPressurePermille: number | undefined;
  readonly memoryPressurePermille: number | undefined;
}

/** /proc/stat counts in hundredths of a second on every architecture (USER_HZ). */
const USEC_PER_TICK = 10_000;

export function readNodeCounters(files: HostFiles, paths: HostPaths): NodeCounters {
  const stat = files.readText(`${paths.proc}/stat`) ?? '';
  const meminfo = parseMeminfo(files.readText(`${paths.proc}/meminfo`));
  const total = meminfo.get('MemTotal');
  const available = meminfo.get('MemAvailable');
  return {
    cpuUsageUsec: busyUsec(stat),
    cpus: stat.match(/^cpu[0-9]+ /gm)?.length ?? 0,
    usedMemoryBytes:
      total === undefined || available === undefined ? undefined : Math.max(0, total - available),
    cpuPressurePermille: readPressurePermille(files, `${paths.proc}/pressure/cpu`),
    memoryPressurePermille: readPressurePermille(files, `${paths.proc}/pressure/memory`),
  };
}

/**
 * user + nice + system + irq + softirq. Not idle and iowait; not steal, which other machines had; not guest,
 * which user holds already. Source: proc_stat(5).
 */
function busyUsec(stat: string): number | undefined {
  const match = /^cpu +([0-9 ]+)$/m.exec(stat);
  const ticks = (match?.[1] ?? '').trim().split(/ +/).map(Number);
  const [user, nice, system, , , irq, softirq] = ticks;
  if (user === undefined || nice === undefined || system === undefined) return undefined;
  return (user + nice + system + (irq ?? 0) + (softirq ?? 0)) * USEC_PER_TICK;
}
