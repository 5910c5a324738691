import { createHash } from 'node:crypto';
import type { z } from 'zod';
import {
  CpuInventory,
  DiskInventory,
  INVENTORY_BOUNDS,
  KernelInventory,
  MemoryInventory,
  NicInventory,
  NumaNodeInventory,
  PciDeviceInventory,
} from '../../../operator/src/schema/crd/hardwareInventory.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { inspectDisks, inspectNics } from './blockAndNet.ts';
import { inspectCpu } from './cpu.ts';
import { cleanText } from './hostText.ts';
import { inspectMemory, inspectNumaNodes } from './memory.ts';
import { inspectPciDevices } from './pciDevices.ts';
import type { HardwareInventory, HostPaths, KernelInventory as Kernel } from './types.ts';

/**
 * Reads the node's hardware.
 *
 * Guarantees: valid for the schema, so bounded; the same machine gives the same value and the same hash,
 * whatever its load. What cannot be read is absent, never guessed; so is a part whose figures are absurd.
 */
export function inspectHardware(files: HostFiles, paths: HostPaths): HardwareInventory {
  const cpu = sane(CpuInventory, inspectCpu(files, paths));
  const memory = sane(MemoryInventory, inspectMemory(files, paths));
  const kernel = sane(KernelInventory, inspectKernel(files, paths));
  const found = {
    ...(cpu && { cpu }),
    ...(memory && { memory }),
    numaNodes: saneItems(NumaNodeInventory, inspectNumaNodes(files, paths)),
    pciDevices: saneItems(PciDeviceInventory, inspectPciDevices(files, paths)),
    disks: saneItems(DiskInventory, inspectDisks(files, paths)),
    nics: saneItems(NicInventory, inspectNics(files, paths)),
    ...(kernel && { kernel }),
  };
  return { hash: hashOf(found), ...found };
}

/** One absurd figure of a broken device must not make the API server refuse the whole inventory. */
function sane<Part>(schema: z.ZodType<Part>, part: Part | undefined): Part | undefined {
  return part !== undefined && schema.safeParse(part).success ? part : undefined;
}

function saneItems<Part>(schema: z.ZodType<Part>, parts: readonly Part[]): Part[] {
  return parts.filter((part) => schema.safeParse(part).success);
}

function inspectKernel(files: HostFiles, paths: HostPaths): Kernel | undefined {
  const release = cleanText(
    files.readText(`${paths.proc}/sys/kernel/osrelease`),
    INVENTORY_BOUNDS.text,
  );
  if (release === undefined) return undefined;
  const version = cgroupVersion(files, paths);
  return {
    release,
    ...(version !== undefined && { cgroupVersion: version }),
    psi: files.exists(`${paths.proc}/pressure/cpu`),
  };
}

/** 2 when the unified hierarchy is the root; 1 also for the hybrid layout, whose controllers are version 1. */
export function cgroupVersion(files: HostFiles, paths: Pick<HostPaths, 'sys'>): 1 | 2 | undefined {
  const root = `${paths.sys}/fs/cgroup`;
  if (files.exists(`${root}/cgroup.controllers`)) return 2;
  if (files.exists(`${root}/memory`) || files.exists(`${root}/cpuacct`)) return 1;
  return files.exists(`${root}/cpu,cpuacct`) ? 1 : undefined;
}

/** Half a SHA-256 of the value; every key is written in a fixed order by the inspectors above. */
function hashOf(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}
