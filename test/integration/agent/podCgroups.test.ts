import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createNodeHostFiles } from '../../../agent-daemonset/src/adapters/nodeHostFiles.ts';
import { systemClock } from '../../../agent-daemonset/src/adapters/systemClock.ts';
import type { PodUsage } from '../../../agent-daemonset/src/usage/usageSample.ts';
import { UsageSampler } from '../../../agent-daemonset/src/usage/usageSampler.ts';
import { sleep } from '../../../operator/src/ports/clock.ts';

/**
 * Usage of a Pod from real cgroups of this machine, laid out as the kubelet does below a root of its own, with a
 * process in them that burns CPU and holds memory. Everything made here is removed.
 */

const UID = '7b0c2f1e-1111-4222-8333-444455556666';
const ROOT = `/mezzo-agent-test-${process.pid}`;
const POD = `/kubepods/burstable/pod${UID}`;
const V1_CONTROLLERS = ['cpu', 'cpuacct', 'memory'] as const;
const HELD_MIB = 64;
const TMP = tmpdir();

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const hasV1 = V1_CONTROLLERS.every((name) => existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`));
const v2Mount = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) =>
  existsSync(`${path}/cgroup.controllers`),
);

function whySkipped(has: boolean, version: string): string {
  if (!isRoot) return ' (skipped: needs root on Linux to make cgroups)';
  return has ? '' : ` (skipped: this machine mounts no cgroup version ${version})`;
}

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A killed process leaves its cgroup a moment after its exit is told. */
async function removeCgroup(path: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      await sleep(systemClock, 50);
    }
  }
  throw new Error(`${path} is still busy after 5 s`);
}

/** Makes the directories of a Pod's cgroup below `mount`; they are removed deepest first. */
function makeCgroup(mount: string): string {
  let path = mount;
  for (const part of `${ROOT}${POD}`.split('/').filter((name) => name !== '')) {
    path = join(path, part);
    mkdirSync(path);
    const made = path;
    cleanups.push(() => removeCgroup(made));
  }
  return path;
}

/** A process inside the cgroups that is busy and holds memory until it is killed. */
async function startBurner(cgroups: readonly string[]): Promise<void> {
  const held = `const held = Buffer.alloc(${HELD_MIB} * 2 ** 20, 1);`;
  const script = `process.stdin.once('data', () => { ${held} process.stdout.write('busy'); for (;;) held[0] += 1; });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  cleanups.push(() => {
    child.kill('SIGKILL');
    return exited;
  });
  for (const cgroup of cgroups) writeFileSync(`${cgroup}/cgroup.procs`, String(child.pid));
  const isBusy = new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdin.write('go');
  await isBusy;
}

interface Measured {
  readonly pod: PodUsage;
  readonly nodeMillis: number;
  /** What the rate cannot be below or above, by the kernel's own counter read around and between the samples. */
  readonly leastMillis: number;
  readonly mostMillis: number;
}

/** Two samples of the agent, bracketed by readings of the counter: the bounds hold however busy the machine is. */
async function measureOnce(sys: string, readUsec: () => number): Promise<Measured> {
  const sampler = new UsageSampler(createNodeHostFiles(), systemClock, {
    paths: { proc: '/proc', sys },
    cgroupRoot: ROOT,
    nodeUsage: 'cgroup-root',
  });
  const read = () => ({ usec: readUsec(), ms: performance.now() });
  const outerStart = read();
  sampler.sample();
  const innerStart = read();
  await sleep(systemClock, 500);
  const innerEnd = read();
  const { pods, node } = sampler.sample();
  const outerEnd = read();
  if (pods.kind !== 'read') throw new Error(pods.reason);
  const [pod] = pods.pods;
  if (pod === undefined || pods.pods.length !== 1)
    throw new Error(`${pods.pods.length} Pods found`);
  return {
    pod,
    nodeMillis: node.cpuMillis ?? -1,
    leastMillis: (innerEnd.usec - innerStart.usec) / (outerEnd.ms - outerStart.ms) - 1,
    mostMillis: (outerEnd.usec - outerStart.usec) / (innerEnd.ms - innerStart.ms) + 1,
  };
}

/** Repeats until the bounds are close enough together to prove something. */
async function measure(sys: string, readUsec: () => number): Promise<Measured> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const measured = await measureOnce(sys, readUsec);
    if (measured.leastMillis > 20 && measured.mostMillis < 1.2 * measured.leastMillis) {
      return measured;
    }
  }
  throw new Error('the machine is too busy to measure a process by: 20 attempts, none precise');
}

function expectWithinBounds({ pod, nodeMillis, leastMillis, mostMillis }: Measured): void {
  // Nothing else runs below this root: node and Pod are one.
  for (const millis of [pod.cpuMillis, nodeMillis]) {
    expect(millis).toBeGreaterThanOrEqual(leastMillis);
    expect(millis).toBeLessThanOrEqual(mostMillis);
  }
}

const testV1 = isRoot && hasV1 ? test : test.skip;
const testV2 = isRoot && v2Mount !== undefined ? test : test.skip;

describe('a Pod that burns CPU', () => {
  testV1(
    `version 1${whySkipped(hasV1, '1')}`,
    async () => {
      const cgroups = V1_CONTROLLERS.map((name) => makeCgroup(`/sys/fs/cgroup/${name}`));
      const [cpu, cpuacct] = cgroups;
      writeFileSync(`${cpu}/cpu.shares`, '512');
      await startBurner(cgroups);
      const readUsec = () => Number(readFileSync(`${cpuacct}/cpuacct.usage`, 'utf8')) / 1000;
      const measured = await measure('/sys', readUsec);
      const { pod } = measured;
      expectWithinBounds(measured);
      expect(pod).toMatchObject({ uid: UID, qos: 'burstable', requestMillis: 500 });
      expect(pod.memoryBytes).toBeGreaterThan(HELD_MIB * 2 ** 20);
      expect(pod.memoryBytes).toBeLessThan(4 * HELD_MIB * 2 ** 20);
    },
    60_000,
  );

  testV2(
    `version 2${whySkipped(v2Mount !== undefined, '2')}`,
    async () => {
      // In the hybrid layout the unified hierarchy is mounted aside: shown to the agent as the only one.
      const sys = mkdtempSync(join(TMP, 'mezzo-sys-'));
      cleanups.push(() => rmSync(sys, { recursive: true }));
      mkdirSync(join(sys, 'fs'));
      symlinkSync(v2Mount ?? '', join(sys, 'fs/cgroup'));
      const cgroup = makeCgroup(v2Mount ?? '');
      await startBurner([cgroup]);
      const readUsec = () =>
        Number(/^usage_usec ([0-9]+)$/m.exec(readFileSync(`${cgroup}/cpu.stat`, 'utf8'))?.[1]);
      const measured = await measure(sys, readUsec);
      const { pod } = measured;
      expectWithinBounds(measured);
      expect(pod).toMatchObject({ uid: UID, qos: 'burstable' });
      const hasPressure = existsSync(`${cgroup}/cpu.pressure`);
      expect(pod.cpuPressurePermille !== undefined).toBe(hasPressure);
      // The memory controller may belong to version 1: then the figure is unknown, not zero.
      const hasMemory = existsSync(`${cgroup}/memory.current`);
      expect(pod.memoryBytes !== undefined).toBe(hasMemory);
    },
    60_000,
  );

  testV1(`leaves nothing behind${whySkipped(hasV1, '1')}`, () => {
    const mounts = V1_CONTROLLERS.map((name) => `/sys/fs/cgroup/${name}`);
    const left = mounts
      .flatMap((mount) => readdirSync(mount))
      .filter((name) => ROOT.endsWith(name));
    expect(left).toEqual([]);
  });
});
