import { INVENTORY_BOUNDS } from '../../../operator/src/schema/crd/hardwareInventory.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { parseIndexList, parseInteger, parseMeminfo } from './hostText.ts';
import type { HostPaths, HugePages, MemoryInventory, NumaNodeInventory } from './types.ts';

/** Memory of the whole machine; undefined when /proc/meminfo cannot be read. */
export function inspectMemory(files: HostFiles, paths: HostPaths): MemoryInventory | undefined {
  const meminfo = parseMeminfo(files.readText(`${paths.proc}/meminfo`));
  const totalBytes = meminfo.get('MemTotal');
  if (totalBytes === undefined) return undefined;
  return {
    totalBytes,
    swapBytes: meminfo.get('SwapTotal') ?? 0,
    hugePages: inspectHugePages(files, `${paths.sys}/kernel/mm/hugepages`),
  };
}

/** NUMA nodes in the order of their ids; a machine without NUMA shows one, or none on old kernels. */
export function inspectNumaNodes(files: HostFiles, paths: HostPaths): readonly NumaNodeInventory[] {
  const root = `${paths.sys}/devices/system/node`;
  const online = parseIndexList(files.readText(`${root}/online`));
  return online.slice(0, INVENTORY_BOUNDS.numaNodes).map((id) => {
    const path = `${root}/node${id}`;
    const distances = (files.readText(`${path}/distance`) ?? '').trim().split(/\s+/);
    return {
      id,
      cpus: (files.readText(`${path}/cpulist`) ?? '').trim().slice(0, 512),
      totalBytes: parseMeminfo(files.readText(`${path}/meminfo`)).get('MemTotal') ?? 0,
      hugePages: inspectHugePages(files, `${path}/hugepages`),
      distances: distances
        .map((distance) => Math.min(255, parseInteger(distance) ?? -1))
        .filter((distance) => distance >= 0)
        .slice(0, INVENTORY_BOUNDS.numaNodes),
    };
  });
}

/** Page sizes with at least one page reserved, smallest first: sizes the kernel merely knows say nothing. */
function inspectHugePages(files: HostFiles, directory: string): HugePages[] {
  const found: HugePages[] = [];
  for (const name of files.list(directory)) {
    const match = /^hugepages-([0-9]{1,12})kB$/.exec(name);
    const pages = parseInteger(files.readText(`${directory}/${name}/nr_hugepages`)) ?? 0;
    if (match && pages > 0) found.push({ pageBytes: Number(match[1]) * 1024, pages });
  }
  return found
    .sort((left, right) => left.pageBytes - right.pageBytes)
    .slice(0, INVENTORY_BOUNDS.hugePageSizes);
}
