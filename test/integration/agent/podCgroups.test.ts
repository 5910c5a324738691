import { type ChildProcess, spawn } from 'node:child_process';
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

const cleanups: (() => void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

/** Makes the directories of a Pod's cgroup below `mount`; they are removed deepest first. */
function makeCgroup(mount: string): string {
  let path = mount;
  for (const part of `${ROOT}${POD}`.split('/').filter((name) => name !== '')) {
    path = join(path, part);
    mkdirSync(path);
    const made = path;
    cleanups.push(() => rmdirSync(made));
  }
  return path;
}

/** A process inside the cgroups that is busy and holds memory until it is killed. */
async function startBurner(cgroups: readonly string[]): Promise<void> {
  const held = `const held = Buffer.alloc(${HELD_MIB} * 2 ** 20, 1);`;
  const script = `process.stdin.once('data', () => { ${held} process.stdout.write('busy'); for (;;) held[0] += 1; });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(() => killAndWait(child, cgroups));
  for (const cgroup of cgroups) writeFileSync(`${cgroup}/cgroup.procs`, String(child.pid));
  const isBusy = new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdin.write('go');
  await isBusy;
}

/** A cgroup can be removed only when its last process is gone, which takes the kernel a moment. */
function killAndWait(child: ChildProcess, cgroups: readonly string[]): void {
  child.kill('SIGKILL');
  const deadlineMs = performance.now() + 5000;
  const isEmpty = (cgroup: string): boolean =>
    readFileSync(`${cgroup}/cgroup.procs`, 'utf8') === '';
  while (!cgroups.every(isEmpty) && performance.now() < deadlineMs) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

async function measure(sys: string, spanMs: number): Promise<PodUsage> {
  const sampler = new UsageSampler(createNodeHostFiles(), systemClock, {
    paths: { proc: '/proc', sys },
    cgroupRoot: ROOT,
    nodeUsage: 'cgroup-root',
  });
  sampler.sample();
  await sleep(systemClock, spanMs);
  const { pods, node } = sampler.sample();
  if (pods.kind !== 'read') throw new Error(pods.reason);
  const [pod] = pods.pods;
  if (pod === undefined || pods.pods.length !== 1)
    throw new Error(`${pods.pods.length} Pods found`);
  // Nothing else runs below this root: node and Pod are one.
  expect(Math.abs((node.cpuMillis ?? 0) - (pod.cpuMillis ?? 0))).toBeLessThan(50);
  return pod;
}

/** What the kernel itself counted over the same time, as a fraction of one CPU in thousandths. */
async function withTruth(
  readUsec: () => number,
  work: () => Promise<PodUsage>,
): Promise<{ readonly usage: PodUsage; readonly truthMillis: number }> {
  const startMs = performance.now();
  const startUsec = readUsec();
  const usage = await work();
  const truthMillis = (readUsec() - startUsec) / (performance.now() - startMs);
  return { usage, truthMillis };
}

const testV1 = isRoot && hasV1 ? test : test.skip;
const testV2 = isRoot && v2Mount !== undefined ? test : test.skip;

describe('a Pod that burns CPU', () => {
  testV1(`version 1${whySkipped(hasV1, '1')}`, async () => {
    const cgroups = V1_CONTROLLERS.map((name) => makeCgroup(`/sys/fs/cgroup/${name}`));
    const [cpu, cpuacct] = cgroups;
    writeFileSync(`${cpu}/cpu.shares`, '512');
    await startBurner(cgroups);
    const readUsec = () => Number(readFileSync(`${cpuacct}/cpuacct.usage`, 'utf8')) / 1000;
    const { usage, truthMillis } = await withTruth(readUsec, () => measure('/sys', 1000));
    expect(usage).toMatchObject({ uid: UID, qos: 'burstable', requestMillis: 500 });
    expect(truthMillis).toBeGreaterThan(100);
    expect(Math.abs((usage.cpuMillis ?? 0) - truthMillis)).toBeLessThan(100);
    expect(usage.memoryBytes).toBeGreaterThan(HELD_MIB * 2 ** 20);
    expect(usage.memoryBytes).toBeLessThan(4 * HELD_MIB * 2 ** 20);
  });

  testV2(`version 2${whySkipped(v2Mount !== undefined, '2')}`, async () => {
    // In the hybrid layout the unified hierarchy is mounted aside: shown to the agent as the only one.
    const sys = mkdtempSync(join(TMP, 'mezzo-sys-'));
    cleanups.push(() => rmSync(sys, { recursive: true }));
    mkdirSync(join(sys, 'fs'));
    symlinkSync(v2Mount ?? '', join(sys, 'fs/cgroup'));
    const cgroup = makeCgroup(v2Mount ?? '');
    await startBurner([cgroup]);
    const readUsec = () =>
      Number(/^usage_usec ([0-9]+)$/m.exec(readFileSync(`${cgroup}/cpu.stat`, 'utf8'))?.[1]);
    const { usage, truthMillis } = await withTruth(readUsec, () => measure(sys, 1000));
    expect(usage).toMatchObject({ uid: UID, qos: 'burstable' });
    expect(truthMillis).toBeGreaterThan(100);
    expect(Math.abs((usage.cpuMillis ?? 0) - truthMillis)).toBeLessThan(100);
    const hasPressure = existsSync(`${cgroup}/cpu.pressure`);
    expect(usage.cpuPressurePermille !== undefined).toBe(hasPressure);
    // The memory controller may belong to version 1: then the figure is unknown, not zero.
    const hasMemory = existsSync(`${cgroup}/memory.current`);
    expect(usage.memoryBytes !== undefined).toBe(hasMemory);
  });

  testV1(`leaves nothing behind${whySkipped(hasV1, '1')}`, () => {
    const mounts = V1_CONTROLLERS.map((name) => `/sys/fs/cgroup/${name}`);
    const left = mounts
      .flatMap((mount) => readdirSync(mount))
      .filter((name) => ROOT.endsWith(name));
    expect(left).toEqual([]);
  });
});
