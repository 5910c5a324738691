import { INVENTORY_BOUNDS } from '../../../operator/src/schema/crd/hardwareInventory.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { cleanText, parseInteger } from './hostText.ts';
import { readDriver, readNumaNode } from './pciDevices.ts';
import type { DiskInventory, HostPaths, NicInventory } from './types.ts';

/** sysfs counts in 512 byte sectors whatever the disk's own sector is. Source: Linux ABI `sys/block/size`. */
const SECTOR_BYTES = 512;

/** Disks with hardware behind them: loop, zram, device-mapper and md devices have no `device`. */
export function inspectDisks(files: HostFiles, paths: HostPaths): readonly DiskInventory[] {
  const found: DiskInventory[] = [];
  for (const name of files.list(`${paths.sys}/block`)) {
    const path = `${paths.sys}/block/${name}`;
    const sectors = parseInteger(files.readText(`${path}/size`)) ?? 0;
    // Optical drives and floppies have a device but no place to put anything.
    if (sectors === 0 || /^(sr|fd)[0-9]/.test(name) || !hasDevice(files, path)) continue;
    const model = cleanText(files.readText(`${path}/device/model`), INVENTORY_BOUNDS.text);
    found.push({
      name: name.slice(0, INVENTORY_BOUNDS.text),
      sizeBytes: sectors * SECTOR_BYTES,
      rotational: files.readText(`${path}/queue/rotational`)?.trim() === '1',
      ...(model !== undefined && { model }),
    });
    if (found.length === INVENTORY_BOUNDS.disks) break;
  }
  return found;
}

/** Network interfaces with hardware behind them: lo, veth, bridges, bonds and tunnels have no `device`. */
export function inspectNics(files: HostFiles, paths: HostPaths): readonly NicInventory[] {
  const found: NicInventory[] = [];
  for (const name of files.list(`${paths.sys}/class/net`)) {
    const path = `${paths.sys}/class/net/${name}`;
    if (!hasDevice(files, path)) continue;
    // A virtual or unplugged interface reads -1, which is no integer here, or fails.
    const speedMbps = parseInteger(files.readText(`${path}/speed`));
    const driver = readDriver(files, `${path}/device`);
    const numaNode = readNumaNode(files, `${path}/device`);
    found.push({
      name: name.slice(0, INVENTORY_BOUNDS.text),
      ...(speedMbps !== undefined && speedMbps > 0 && { speedMbps }),
      ...(driver !== undefined && { driver }),
      ...(numaNode !== undefined && { numaNode }),
    });
    if (found.length === INVENTORY_BOUNDS.nics) break;
  }
  return found;
}

function hasDevice(files: HostFiles, path: string): boolean {
  return files.exists(`${path}/device`);
}
