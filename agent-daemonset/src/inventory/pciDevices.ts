import { INVENTORY_BOUNDS } from '../../../operator/src/schema/crd/hardwareInventory.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { cleanText, parseFields, parseInteger } from './hostText.ts';
import type { HostPaths, PciDeviceInventory } from './types.ts';

/** `display`: a vendor whose class 03 devices only drive a screen. Source: the PCI ID database. */
const VENDORS: { readonly [id: string]: { readonly name: string; readonly display?: true } } = {
  '1002': { name: 'AMD' },
  '1013': { name: 'Cirrus Logic', display: true },
  '102b': { name: 'Matrox', display: true },
  '10de': { name: 'NVIDIA' },
  '10ee': { name: 'Xilinx' },
  '1234': { name: 'QEMU', display: true },
  '1414': { name: 'Microsoft', display: true },
  '15ad': { name: 'VMware', display: true },
  '17cb': { name: 'Qualcomm' },
  '19e5': { name: 'Huawei' },
  '1a03': { name: 'ASPEED', display: true },
  '1ae0': { name: 'Google' },
  '1af4': { name: 'Red Hat', display: true },
  '1b36': { name: 'Red Hat', display: true },
  '1d0f': { name: 'Amazon' },
  '1d95': { name: 'Graphcore' },
  '1da3': { name: 'Habana Labs' },
  '1e52': { name: 'Tenstorrent' },
  '8086': { name: 'Intel' },
  cabc: { name: 'Cambricon' },
};

/** Drivers of accelerators whose PCI class says nothing (08 "system peripheral", ff "unassigned"). */
const ACCELERATOR_DRIVERS: ReadonlySet<string> = new Set([
  'apex',
  'gasket',
  'habanalabs',
  'neuron',
  'qaic',
  'tenstorrent',
]);

/** GPUs and other computing devices on the PCI bus, by address. Everything else on the bus is left out. */
export function inspectPciDevices(
  files: HostFiles,
  paths: HostPaths,
): readonly PciDeviceInventory[] {
  const root = `${paths.sys}/bus/pci/devices`;
  const found: PciDeviceInventory[] = [];
  for (const address of files.list(root)) {
    const device = inspectDevice(files, `${root}/${address}`, address);
    if (device) found.push(device);
    if (found.length === INVENTORY_BOUNDS.pciDevices) break;
  }
  return found;
}

function inspectDevice(
  files: HostFiles,
  path: string,
  address: string,
): PciDeviceInventory | undefined {
  const classCode = hexDigits(files.readText(`${path}/class`), 6);
  const vendorId = hexDigits(files.readText(`${path}/vendor`), 4);
  const deviceId = hexDigits(files.readText(`${path}/device`), 4);
  if (classCode === undefined || vendorId === undefined || deviceId === undefined) return undefined;
  const driver = readDriver(files, path);
  const kind = kindOf(classCode, vendorId, driver);
  if (kind === undefined) return undefined;
  const vendor = VENDORS[vendorId]?.name;
  const numaNode = readNumaNode(files, path);
  return {
    address: address.slice(0, 32),
    kind,
    ...(vendor !== undefined && { vendor }),
    vendorId,
    deviceId,
    ...(driver !== undefined && { driver }),
    ...(numaNode !== undefined && { numaNode }),
  };
}

/** Source: PCI Code and ID Assignment: 03 display, 0b40 co-processor, 12 processing accelerator. */
function kindOf(
  classCode: string,
  vendorId: string,
  driver: string | undefined,
): PciDeviceInventory['kind'] | undefined {
  if (classCode.startsWith('03')) return VENDORS[vendorId]?.display ? 'display' : 'gpu';
  if (classCode.startsWith('12')) return 'accelerator';
  if (driver !== undefined && ACCELERATOR_DRIVERS.has(driver)) return 'accelerator';
  if (classCode.startsWith('0b40')) return 'coprocessor';
  return undefined;
}

function hexDigits(text: string | undefined, digits: number): string | undefined {
  const match = /^0x([0-9a-f]+)$/.exec(text?.trim().toLowerCase() ?? '');
  return match?.[1]?.length === digits ? match[1] : undefined;
}

/** The driver bound to a device, from its uevent: no link has to be followed. */
export function readDriver(files: HostFiles, path: string): string | undefined {
  const uevent = parseFields(files.readText(`${path}/uevent`) ?? '', '=');
  return cleanText(uevent.get('DRIVER'), INVENTORY_BOUNDS.text);
}

/** The kernel writes -1 for a device near no NUMA node in particular. */
export function readNumaNode(files: HostFiles, path: string): number | undefined {
  const node = parseInteger(files.readText(`${path}/numa_node`));
  return node !== undefined && node < 1024 ? node : undefined;
}
