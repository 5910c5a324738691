import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import {
  BESTEFFORT_UID,
  BURSTABLE_UID,
  type Driver,
  GUARANTEED_UID,
  hostOf,
  type PodFixture,
  procFiles,
  STATIC_UID,
  somePods,
  v1Files,
  v2Files,
} from '../fixtures/cgroupTrees.ts';
import type { MemoryHostFiles } from '../fixtures/memoryHostFiles.ts';
import type { PodUsage, UsageSample } from './usageSample.ts';
import { type NodeUsageSource, UsageSampler } from './usageSampler.ts';

const MIB = 2 ** 20;
const PATHS = { proc: '/proc', sys: '/sys' };

type Tree = (pods: readonly PodFixture[]) => { [path: string]: string };

const LAYOUTS: readonly {
  readonly name: string;
  readonly cgroupRoot: string;
  readonly tree: Tree;
  /** Version 2 stores weights: a request comes back up to 26m too low. */
  readonly exact: boolean;
}[] = [
  ...(['cgroupfs', 'systemd'] as const satisfies readonly Driver[]).flatMap((driver) =>
    ['/', '/kubelet', '/mezzo/node1'].flatMap((cgroupRoot) => {
      const root = cgroupRoot === '/' ? '' : cgroupRoot;
      const v1: Tree = (pods) => v1Files(pods, driver, { cgroupRoot: root });
      const v2: Tree = (pods) => v2Files(pods, driver, root);
      return [
        { name: `v1, ${driver}, root ${cgroupRoot}`, cgroupRoot, tree: v1, exact: true },
        { name: `v2, ${driver}, root ${cgroupRoot}`, cgroupRoot, tree: v2, exact: false },
      ];
    }),
  ),
  {
    name: 'v1, cpu and cpuacct mounted together',
    cgroupRoot: '/',
    tree: (pods) => v1Files(pods, 'cgroupfs', { cpuMount: 'cpu,cpuacct' }),
    exact: true,
  },
];

function podsOf(sample: UsageSample): ReadonlyMap<string, PodUsage> {
  if (sample.pods.kind !== 'read') throw new Error(sample.pods.reason);
  return new Map(sample.pods.pods.map((pod) => [pod.uid, pod]));
}

/** The same Pods after each used `usec` more CPU time. */
const later = (pods: readonly PodFixture[], usec: number): readonly PodFixture[] =>
  pods.map((pod) => ({ ...pod, usageUsec: pod.usageUsec + usec }));

function start(
  tree: { [path: string]: string },
  cgroupRoot = '/',
  nodeUsage: NodeUsageSource = 'machine',
) {
  const clock = new FakeClock();
  const files: MemoryHostFiles = hostOf(tree, procFiles(4, 1000));
  const sampler = new UsageSampler(files, clock, { paths: PATHS, cgroupRoot, nodeUsage });
  return { clock, files, sampler };
}

describe.each(LAYOUTS)('layout $name', ({ cgroupRoot, tree, exact }) => {
  test('finds every Pod, and its usage from the second sample on', async () => {
    const pods = somePods();
    const { clock, files, sampler } = start(tree(pods), cgroupRoot);
    const first = podsOf(sampler.sample());
    expect([...first.keys()].sort()).toEqual(
      [GUARANTEED_UID, BURSTABLE_UID, BESTEFFORT_UID, STATIC_UID].sort(),
    );
    expect([...first.values()].every((pod) => pod.cpuMillis === undefined)).toBe(true);

    await clock.advance(5000);
    files.write(tree(later(pods, 1_250_000)));
    const second = podsOf(sampler.sample());
    for (const fixture of pods) {
      expect(second.get(fixture.uid)).toMatchObject({
        qos: fixture.qos,
        cpuMillis: 250,
        memoryBytes: 70 * MIB,
      });
      const request = second.get(fixture.uid)?.requestMillis ?? -1;
      expect(request).toBeLessThanOrEqual(fixture.requestMillis);
      expect(request).toBeGreaterThanOrEqual(fixture.requestMillis - (exact ? 0 : 26));
    }
  });
});

describe('rates', () => {
  const tree: Tree = (pods) => v2Files(pods, 'systemd');

  test('a counter that went backwards gives no rate once, then one again', async () => {
    const pods = somePods();
    const { clock, files, sampler } = start(tree(later(pods, 9_000_000)));
    sampler.sample();
    await clock.advance(5000);
    files.write(tree(pods));
    expect(podsOf(sampler.sample()).get(BURSTABLE_UID)?.cpuMillis).toBeUndefined();
    await clock.advance(5000);
    files.write(tree(later(pods, 500_000)));
    expect(podsOf(sampler.sample()).get(BURSTABLE_UID)?.cpuMillis).toBe(100);
  });

  test('a Pod that vanished and came back starts anew', async () => {
    const pods = somePods();
    const without = pods.filter((pod) => pod.uid !== BURSTABLE_UID);
    const { clock, files, sampler } = start(tree(pods));
    sampler.sample();
    files.remove('/sys/fs/cgroup/kubepods.slice');
    files.write(tree(without));
    await clock.advance(5000);
    expect(podsOf(sampler.sample()).has(BURSTABLE_UID)).toBe(false);
    files.write(tree(later(pods, 5_000_000)));
    await clock.advance(5000);
    expect(podsOf(sampler.sample()).get(BURSTABLE_UID)?.cpuMillis).toBeUndefined();
  });

  test('a counter that cannot be read makes its figure unknown, not zero', async () => {
    const pods = somePods();
    const { clock, files, sampler } = start(tree(pods));
    sampler.sample();
    await clock.advance(5000);
    const slice = '/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice';
    const pod = `${slice}/kubepods-burstable-pod${BURSTABLE_UID.replaceAll('-', '_')}.slice`;
    files.remove(`${pod}/cpu.stat`);
    files.remove(`${pod}/memory.current`);
    files.remove(`${pod}/cpu.weight`);
    const usage = podsOf(sampler.sample()).get(BURSTABLE_UID);
    expect(usage).toEqual({
      uid: BURSTABLE_UID,
      qos: 'burstable',
      requestMillis: undefined,
      cpuMillis: undefined,
      memoryBytes: undefined,
      cpuPressurePermille: 0,
    });
  });

  test('never more than the machine has', async () => {
    const pods = somePods();
    const { clock, files, sampler } = start(tree(pods));
    sampler.sample();
    await clock.advance(1000);
    files.write(tree(later(pods, 900_000_000)));
    expect(podsOf(sampler.sample()).get(BURSTABLE_UID)?.cpuMillis).toBe(4000);
  });

  test('two samples at one time give no rate', async () => {
    const { sampler } = start(tree(somePods()));
    sampler.sample();
    expect(podsOf(sampler.sample()).get(BURSTABLE_UID)?.cpuMillis).toBeUndefined();
    expect(sampler.sample().node.cpuMillis).toBeUndefined();
  });
});

describe('pressure', () => {
  test('of a Pod without CPU limit is read; one throttled by its own limit tells nothing', () => {
    const pods = somePods().map((pod) => ({
      ...pod,
      pressurePermille: 123,
      limited: pod.uid === BURSTABLE_UID,
    }));
    const { sampler } = start(v2Files(pods, 'cgroupfs'));
    const usage = podsOf(sampler.sample());
    expect(usage.get(GUARANTEED_UID)?.cpuPressurePermille).toBe(123);
    expect(usage.get(BURSTABLE_UID)?.cpuPressurePermille).toBeUndefined();
  });
});

describe('the node', () => {
  test('busy time without idle, iowait and steal; memory that is not available', async () => {
    const { clock, files, sampler } = start(v2Files([], 'cgroupfs'));
    expect(sampler.sample().node.cpuMillis).toBeUndefined();
    await clock.advance(10_000);
    files.write(procFiles(4, 1000 + 1500));
    expect(sampler.sample().node).toEqual({
      capacityMillis: 4000,
      cpuMillis: 1500,
      memoryBytes: 2 * 2 ** 30,
      cpuPressurePermille: 123,
      memoryPressurePermille: undefined,
    });
  });

  test.each([
    { name: 'v1', tree: v1Files([], 'cgroupfs', { cgroupRoot: '/node-1' }), v2: false },
    { name: 'v2', tree: v2Files([], 'cgroupfs', '/node-1'), v2: true },
  ])('that shares its machine uses what its cgroup root holds: $name', async ({ tree, v2 }) => {
    const root = (usec: number): { [path: string]: string } =>
      v2
        ? {
            '/sys/fs/cgroup/node-1/cpu.stat': `usage_usec ${usec}\n`,
            '/sys/fs/cgroup/node-1/memory.current': '5000\n',
            '/sys/fs/cgroup/node-1/memory.stat': 'inactive_file 1000\n',
            '/sys/fs/cgroup/node-1/kubepods/cpu.stat': 'usage_usec 1\n',
          }
        : {
            '/sys/fs/cgroup/cpuacct/node-1/cpuacct.usage': `${usec}000\n`,
            '/sys/fs/cgroup/memory/node-1/memory.usage_in_bytes': '5000\n',
            '/sys/fs/cgroup/memory/node-1/memory.stat': 'total_inactive_file 1000\n',
            '/sys/fs/cgroup/cpuacct/node-1/kubepods/cpuacct.usage': '1\n',
          };
    const { clock, files, sampler } = start({ ...tree, ...root(0) }, '/node-1', 'cgroup-root');
    sampler.sample();
    await clock.advance(10_000);
    files.write({ ...root(7_000_000), ...procFiles(4, 1000 + 3000) });
    expect(sampler.sample().node).toMatchObject({
      capacityMillis: 4000,
      cpuMillis: 700,
      memoryBytes: 4000,
    });
  });

  test('without /proc everything about it is unknown', () => {
    const { files, sampler } = start(v2Files([], 'cgroupfs'));
    files.remove('/proc');
    expect(sampler.sample().node).toEqual({
      capacityMillis: 0,
      cpuMillis: undefined,
      memoryBytes: undefined,
      cpuPressurePermille: undefined,
      memoryPressurePermille: undefined,
    });
  });
});

describe('no kubelet', () => {
  test.each([
    { name: 'no cgroup at all', tree: {}, cgroupRoot: '/' },
    { name: 'no kubepods', tree: v2Files([], 'cgroupfs'), cgroupRoot: '/' },
    { name: 'another root', tree: v1Files(somePods(), 'cgroupfs'), cgroupRoot: '/elsewhere' },
  ])('$name: says which path it looked for', ({ tree, cgroupRoot }) => {
    const { pods } = start(tree, cgroupRoot).sampler.sample();
    expect(pods).toEqual({
      kind: 'absent',
      reason: `no kubepods cgroup below /sys/fs/cgroup for the cgroup root ${cgroupRoot}`,
    });
  });
});

test('no more Pods than one report holds are measured, the rest is counted', () => {
  const [first] = somePods();
  if (first === undefined) throw new Error('no fixture');
  const many = Array.from({ length: 1010 }, (_, index) => ({
    ...first,
    uid: `aaaaaaaa-0000-4000-8000-${String(index).padStart(12, '0')}`,
  }));
  const { pods } = start(v2Files(many, 'cgroupfs')).sampler.sample();
  expect(pods.kind === 'read' && { pods: pods.pods.length, leftOut: pods.leftOut }).toEqual({
    pods: 1000,
    leftOut: 10,
  });
});
