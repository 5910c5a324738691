/**
 * The files of the host that the agent reads: procfs, sysfs and cgroupfs, nothing else.
 * Reads are synchronous on purpose: these files live in kernel memory, and a promise per file would cost
 * more than the read on a node with hundreds of Pods.
 */
export interface HostFiles {
  /** The whole text, or undefined when there is no such file or it cannot be read now (then the adapter counts it). */
  readText(path: string): string | undefined;
  /** Names in a directory, sorted; empty when there is no such directory or it cannot be read. */
  list(path: string): readonly string[];
  exists(path: string): boolean;
}
