import type { z } from 'zod';
import type {
  CpuInventory as CpuSchema,
  DiskInventory as DiskSchema,
  HardwareInventory as HardwareSchema,
  HugePages as HugePagesSchema,
  KernelInventory as KernelSchema,
  MemoryInventory as MemorySchema,
  NicInventory as NicSchema,
  NumaNodeInventory as NumaSchema,
  PciDeviceInventory as PciSchema,
} from '../../../operator/src/schema/crd/hardwareInventory.ts';

export type CpuInventory = z.infer<typeof CpuSchema>;
export type MemoryInventory = z.infer<typeof MemorySchema>;
export type HugePages = z.infer<typeof HugePagesSchema>;
export type NumaNodeInventory = z.infer<typeof NumaSchema>;
export type PciDeviceInventory = z.infer<typeof PciSchema>;
export type DiskInventory = z.infer<typeof DiskSchema>;
export type NicInventory = z.infer<typeof NicSchema>;
export type KernelInventory = z.infer<typeof KernelSchema>;
export type HardwareInventory = z.infer<typeof HardwareSchema>;

/** Where the host's filesystems are mounted, as the agent sees them (`/host/proc` in a container). */
export interface HostPaths {
  readonly proc: string;
  readonly sys: string;
}
