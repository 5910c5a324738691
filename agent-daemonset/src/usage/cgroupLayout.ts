import { cgroupVersion } from '../inventory/inspectHardware.ts';
import type { HostFiles } from '../ports/hostFiles.ts';

/** QoS class of a Pod, told from where the kubelet put its cgroup. */
export type QosClass = 'guaranteed' | 'burstable' | 'besteffort';

/**
 * Where the kubelet keeps the cgroups of Pods. On version 1 the same relative path exists under one
 * directory per controller; on version 2 there is only one.
 */
export type CgroupLayout =
  | {
      readonly kind: 'v1';
      readonly cpuUsageRoot: string;
      readonly cpuSharesRoot: string;
      readonly memoryRoot: string;
      /** `/kubepods`, below each of the roots. */
      readonly kubepods: string;
    }
  | { readonly kind: 'v2'; readonly root: string; readonly kubepods: string };

export interface PodCgroup {
  readonly uid: string;
  readonly qos: QosClass;
  /** Below the roots of the layout: `/kubepods/burstable/pod<uid>`. */
  readonly path: string;
}

/** Both names of a version 1 controller that is mounted alone or together with another. */
const V1_CONTROLLERS = {
  cpuUsage: ['cpuacct', 'cpu,cpuacct', 'cpuacct,cpu'],
  cpuShares: ['cpu', 'cpu,cpuacct', 'cpuacct,cpu'],
  memory: ['memory'],
} as const;

/**
 * Finds the kubelet's Pods below `cgroupRoot` (the kubelet's own setting of that name, `/` by default).
 * Undefined while there is none: the kubelet has not started yet, or the root is wrong.
 */
export function findCgroupLayout(
  files: HostFiles,
  sys: string,
  cgroupRoot: string,
): CgroupLayout | undefined {
  const mount = `${sys}/fs/cgroup`;
  switch (cgroupVersion(files, { sys })) {
    case 2: {
      const kubepods = findKubepods(files, mount, cgroupRoot);
      return kubepods === undefined ? undefined : { kind: 'v2', root: mount, kubepods };
    }
    case 1: {
      const at = (names: readonly string[]): string | undefined =>
        names.map((name) => `${mount}/${name}`).find((path) => files.exists(path));
      const cpuUsageRoot = at(V1_CONTROLLERS.cpuUsage);
      const cpuSharesRoot = at(V1_CONTROLLERS.cpuShares);
      const memoryRoot = at(V1_CONTROLLERS.memory);
      if (cpuUsageRoot === undefined || cpuSharesRoot === undefined || memoryRoot === undefined) {
        return undefined;
      }
      const kubepods = findKubepods(files, cpuUsageRoot, cgroupRoot);
      if (kubepods === undefined) return undefined;
      return { kind: 'v1', cpuUsageRoot, cpuSharesRoot, memoryRoot, kubepods };
    }
    case undefined:
      return undefined;
  }
}

/**
 * `/kubepods` with the cgroupfs driver, `/kubepods.slice` with the systemd driver; below a root of its own
 * systemd prefixes every name: `/kubelet.slice/kubelet-kubepods.slice`.
 */
function findKubepods(files: HostFiles, mount: string, cgroupRoot: string): string | undefined {
  const parts = cgroupRoot.split('/').filter((part) => part !== '');
  const plain = parts.map((part) => `/${part}`).join('');
  const slices = parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
  const candidates = [
    `${plain}/kubepods`,
    `${slices}/${[...parts, 'kubepods'].join('-')}.slice`,
    `${plain}/kubepods.slice`,
  ];
  return candidates.find((candidate) => files.exists(`${mount}${candidate}`));
}

/** Every Pod's cgroup, in a fixed order. Assumes `layout` is current; a vanished directory lists nothing. */
export function listPodCgroups(files: HostFiles, layout: CgroupLayout): readonly PodCgroup[] {
  const root = layout.kind === 'v1' ? layout.cpuUsageRoot : layout.root;
  const found: PodCgroup[] = [];
  const collect = (directory: string, qos: QosClass): void => {
    for (const name of files.list(`${root}${directory}`)) {
      const uid = podUidOf(name);
      if (uid !== undefined) found.push({ uid, qos, path: `${directory}/${name}` });
    }
  };
  collect(layout.kubepods, 'guaranteed');
  for (const name of files.list(`${root}${layout.kubepods}`)) {
    const qos = qosOf(name);
    if (qos !== undefined) collect(`${layout.kubepods}/${name}`, qos);
  }
  return found;
}

function qosOf(name: string): 'burstable' | 'besteffort' | undefined {
  if (name === 'burstable' || name.endsWith('-burstable.slice')) return 'burstable';
  if (name === 'besteffort' || name.endsWith('-besteffort.slice')) return 'besteffort';
  return undefined;
}

/**
 * The uid in `pod<uid>` or `kubepods-burstable-pod<uid>.slice`, where systemd names carry `_` for `-`.
 * A static Pod's uid is the 32 digit hash of its manifest.
 */
function podUidOf(name: string): string | undefined {
  const match = /^(?:.+-)?pod([0-9a-f][0-9a-f_-]{7,63})(?:\.slice)?$/.exec(name);
  return match?.[1]?.replaceAll('_', '-');
}
