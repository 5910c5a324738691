import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ticks of /proc/<pid>/stat per second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Milliseconds of processor time, user and system, by the name of the process. */
export type CpuMs = Readonly<Record<string, number>>;

/** Processor time that every process with a pid file in the folder, and this one, has used so far. */
export function readCpu(dir: string): CpuMs {
  const used = process.cpuUsage();
  const cpu: Record<string, number> = { load: (used.user + used.system) / 1_000 };
  for (const file of readdirSync(dir)) {
    if (!file.endsWith('.pid')) continue;
    const { name, pid } = JSON.parse(readFileSync(join(dir, file), 'utf8')) as {
      readonly name: string;
      readonly pid: number;
    };
    const ticks = ticksOf(pid);
    if (ticks !== undefined) cpu[name] = (ticks * 1_000) / TICKS_PER_SECOND;
  }
  return cpu;
}

/** Processor time since `before` for each of `tasks`, and in `total` of all processes together. */
export function cpuPerTask(before: CpuMs, after: CpuMs, tasks: number): CpuMs {
  const perTask: Record<string, number> = {};
  let totalMs = 0;
  for (const [name, ms] of Object.entries(after)) {
    const usedMs = ms - (before[name] ?? 0);
    totalMs += usedMs;
    perTask[name] = Math.round((usedMs * 100) / tasks) / 100;
  }
  return { ...perTask, total: Math.round((totalMs * 100) / tasks) / 100 };
}

/** Undefined when the process has ended. */
function ticksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return undefined;
  }
}
