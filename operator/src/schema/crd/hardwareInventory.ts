import { z } from 'zod';
import { text as limitedText } from './fields.ts';
import { kube } from './kubeMeta.ts';

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

const text = (description: string) => limitedText(INVENTORY_BOUNDS.text, description);
const bytes = (description: string) =>
  z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe(description);
const number = (least: number, most: number, description: string) =>
  z.int().min(least).max(most).describe(description);
const numaNode = (description: string) => number(0, 1023, description);
const hexId = (description: string) =>
  z
    .string()
    .max(4)
    .regex(/^[0-9a-f]{4}$/)
    .describe(description);
/** The agent writes every list whole. */
const listOf = <T extends z.ZodType>(item: T, most: number, description: string) =>
  z
    .array(item)
    .max(most)
    .meta(kube({ description, list: 'atomic' }));

export const HugePages = z.strictObject({
  pageBytes: bytes('Size of one page.'),
  pages: number(0, 2_147_483_647, 'Pages the kernel holds ready.'),
});
const hugePages = listOf(HugePages, INVENTORY_BOUNDS.hugePageSizes, 'Huge pages, by size.');

export const CpuInventory = z
  .strictObject({
    vendor: text('Vendor, as the CPU names itself.').optional(),
    model: text('Model, as the CPU names itself.').optional(),
    sockets: number(1, 1024, 'Sockets that hold a CPU.'),
    cores: number(1, 65536, 'Physical cores of all sockets.'),
    threads: number(1, 65536, 'Logical CPUs that are online.'),
    maxFrequencyMhz: number(1, 1_000_000, 'Highest frequency of a core.').optional(),
    caches: listOf(
      z.strictObject({
        level: number(1, 8, 'Level of the cache: 1 is next to the core.'),
        kind: z.enum(['data', 'instruction', 'unified']).describe('What it holds.'),
        sizeBytes: bytes('Size of one of them.'),
        count: number(1, 65536, 'How many of them there are.'),
      }),
      INVENTORY_BOUNDS.caches,
      'Caches, by level and kind.',
    ),
    flags: listOf(
      z.string().max(32).describe('Name of the extension, as the kernel writes it.'),
      INVENTORY_BOUNDS.cpuFlags,
      'Instruction set extensions a workload may ask for, sorted; not the full list of the CPU.',
    ),
  })
  .describe('The processors.');

export const MemoryInventory = z
  .strictObject({
    totalBytes: bytes('Memory the kernel manages.'),
    swapBytes: bytes('Swap space.'),
    hugePages,
  })
  .describe('The memory.');

export const NumaNodeInventory = z.strictObject({
  id: numaNode('Number of the NUMA node.'),
  cpus: z.string().max(512).describe('Its logical CPUs as the kernel lists them: 0-15,32-47.'),
  totalBytes: bytes('Memory of the node.'),
  hugePages,
  distances: listOf(
    number(0, 255, 'Relative distance; 10 is local.'),
    INVENTORY_BOUNDS.numaNodes,
    'Relative distance to each NUMA node, in the order of their ids.',
  ),
});

export const PciDeviceInventory = z.strictObject({
  address: z.string().max(32).describe('Address on the bus: 0000:3b:00.0.'),
  kind: z
    .enum(['gpu', 'accelerator', 'coprocessor', 'display'])
    .describe(
      "What it is for; display is a screen adapter without a use for computing, such as a server's management VGA.",
    ),
  vendor: text('Vendor, where known by name.').optional(),
  vendorId: hexId('Vendor id, four hexadecimal digits.'),
  deviceId: hexId('Device id, four hexadecimal digits.'),
  driver: text('Driver that holds it.').optional(),
  numaNode: numaNode('NUMA node it is attached to.').optional(),
});

export const DiskInventory = z.strictObject({
  name: text('Name of the block device.'),
  sizeBytes: bytes('Size of the disk.'),
  rotational: z.boolean().describe('True for spinning disks.'),
  model: text('Model, as the disk names itself.').optional(),
});

/** Hardware addresses are left out on purpose: they identify a machine and nobody places work by them. */
export const NicInventory = z.strictObject({
  name: text('Name of the interface.'),
  speedMbps: number(1, 10_000_000, 'Speed of the link, in megabits per second.').optional(),
  driver: text('Driver of the interface.').optional(),
  numaNode: numaNode('NUMA node it is attached to.').optional(),
});

export const KernelInventory = z
  .strictObject({
    release: text('Release of the kernel.'),
    cgroupVersion: number(1, 2, 'Version of control groups that accounts for Pods.').optional(),
    psi: z.boolean().describe('True when the kernel tells pressure stall information.'),
  })
  .describe('The kernel.');

/** What the agent found on the node; written by the agent only when its hash changes. */
export const HardwareInventory = z
  .strictObject({
    hash: z.string().max(64).describe('Changes exactly when anything else in the inventory does.'),
    cpu: CpuInventory.optional(),
    memory: MemoryInventory.optional(),
    numaNodes: listOf(
      NumaNodeInventory,
      INVENTORY_BOUNDS.numaNodes,
      'NUMA nodes, by id.',
    ).optional(),
    pciDevices: listOf(
      PciDeviceInventory,
      INVENTORY_BOUNDS.pciDevices,
      'GPUs and other devices that compute, by address.',
    ).optional(),
    disks: listOf(DiskInventory, INVENTORY_BOUNDS.disks, 'Disks, by name.').optional(),
    nics: listOf(NicInventory, INVENTORY_BOUNDS.nics, 'Network interfaces, by name.').optional(),
    kernel: KernelInventory.optional(),
  })
  .describe(
    'What the node agent found on the node; it does not change while the machine stays the same.',
  );
