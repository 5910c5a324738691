import { z } from 'zod';

/**
 * What the node agent found on its node. Every list is bounded, so that the object stays far below
 * the size limit of etcd; nothing in it changes while the machine stays the same (no free amounts, no usage).
 */

/** The most entries a list of the inventory may hold; the agent leaves out what exceeds them. */
export const INVENTORY_BOUNDS = {
  numaNodes: 64,
  pciDevices: 64,
  disks: 64,
  nics: 64,
  caches: 16,
  cpuFlags: 64,
  hugePageSizes: 8,
  text: 128,
} as const;

const Text = z.string().max(INVENTORY_BOUNDS.text);
const Bytes = z.int().min(0);
const NumaNode = z.int().min(0).max(1023);
const HexId = z.string().regex(/^[0-9a-f]{4}$/);

export const HugePages = z.object({ pageBytes: Bytes, pages: z.int().min(0) });

export const CpuInventory = z.object({
  vendor: Text.optional(),
  model: Text.optional(),
  sockets: z.int().min(1),
  cores: z.int().min(1),
  /** Logical CPUs that are online. */
  threads: z.int().min(1),
  maxFrequencyMhz: z.int().min(1).optional(),
  caches: z
    .array(
      z.object({
        level: z.int().min(1).max(8),
        kind: z.enum(['data', 'instruction', 'unified']),
        /** Size of one of them. */
        sizeBytes: Bytes,
        count: z.int().min(1),
      }),
    )
    .max(INVENTORY_BOUNDS.caches),
  /** Instruction set extensions a workload may ask for, sorted; not the full list of the CPU. */
  flags: z.array(z.string().max(32)).max(INVENTORY_BOUNDS.cpuFlags),
});

export const MemoryInventory = z.object({
  totalBytes: Bytes,
  swapBytes: Bytes,
  hugePages: z.array(HugePages).max(INVENTORY_BOUNDS.hugePageSizes),
});

export const NumaNodeInventory = z.object({
  id: NumaNode,
  /** Logical CPUs as the kernel lists them: `0-15,32-47`. */
  cpus: z.string().max(512),
  totalBytes: Bytes,
  hugePages: z.array(HugePages).max(INVENTORY_BOUNDS.hugePageSizes),
  /** Relative distance to each NUMA node, in the order of their ids; 10 is local. */
  distances: z.array(z.int().min(0).max(255)).max(INVENTORY_BOUNDS.numaNodes),
});

export const PciDeviceInventory = z.object({
  /** `0000:3b:00.0` */
  address: z.string().max(32),
  /** `display` is a screen adapter without a use for computing (a server's management VGA). */
  kind: z.enum(['gpu', 'accelerator', 'coprocessor', 'display']),
  vendor: Text.optional(),
  vendorId: HexId,
  deviceId: HexId,
  driver: Text.optional(),
  numaNode: NumaNode.optional(),
});

export const DiskInventory = z.object({
  name: Text,
  sizeBytes: Bytes,
  rotational: z.boolean(),
  model: Text.optional(),
});

/** Hardware addresses are left out on purpose: they identify a machine and nobody places work by them. */
export const NicInventory = z.object({
  name: Text,
  speedMbps: z.int().min(1).optional(),
  driver: Text.optional(),
  numaNode: NumaNode.optional(),
});

export const KernelInventory = z.object({
  release: Text,
  cgroupVersion: z.int().min(1).max(2).optional(),
  psi: z.boolean(),
});

/** What the agent found on the node; written by the agent only when its hash changes. */
export const HardwareInventory = z.object({
  /** Changes exactly when anything else in the inventory does. */
  hash: z.string().max(64),
  cpu: CpuInventory.optional(),
  memory: MemoryInventory.optional(),
  numaNodes: z.array(NumaNodeInventory).max(INVENTORY_BOUNDS.numaNodes).optional(),
  pciDevices: z.array(PciDeviceInventory).max(INVENTORY_BOUNDS.pciDevices).optional(),
  disks: z.array(DiskInventory).max(INVENTORY_BOUNDS.disks).optional(),
  nics: z.array(NicInventory).max(INVENTORY_BOUNDS.nics).optional(),
  kernel: KernelInventory.optional(),
});
