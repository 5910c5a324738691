import { readFileSync } from 'node:fs';
import os from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { createNodeHostFiles } from '../../../agent-daemonset/src/adapters/nodeHostFiles.ts';
import { systemClock } from '../../../agent-daemonset/src/adapters/systemClock.ts';
import { inspectHardware } from '../../../agent-daemonset/src/inventory/inspectHardware.ts';
import { UsageSampler } from '../../../agent-daemonset/src/usage/usageSampler.ts';
import { sleep } from '../../../operator/src/ports/clock.ts';
import { HardwareInventory } from '../../../operator/src/schema/crd/hardwareInventory.ts';

/** The parsers on the /proc and /sys of the machine the test runs on, compared with what Node says of it. */

const PATHS = { proc: '/proc', sys: '/sys' };
const readErrors: string[] = [];
const files = createNodeHostFiles((path, code) => readErrors.push(`${path}: ${code}`));

const onLinux = process.platform === 'linux';
const describeOnLinux = onLinux ? describe : describe.skip;
const why = onLinux ? '' : ' (skipped: needs Linux, there is no /proc here)';

describeOnLinux(`this machine${why}`, () => {
  const inventory = inspectHardware(files, PATHS);

  test('is described in a form the Agent object takes, without a read error', () => {
    expect(HardwareInventory.parse(inventory)).toEqual(inventory);
    expect(readErrors).toEqual([]);
  });

  test('has the CPUs and the memory that Node counts', () => {
    expect(inventory.cpu?.threads).toBe(os.cpus().length);
    expect(inventory.cpu?.cores).toBeLessThanOrEqual(os.cpus().length);
    const totalBytes = inventory.memory?.totalBytes ?? 0;
    expect(Math.abs(totalBytes - os.totalmem())).toBeLessThan(os.totalmem() / 100);
  });

  test('runs the kernel that Node names', () => {
    expect(inventory.kernel?.release).toBe(os.release());
    expect([1, 2]).toContain(inventory.kernel?.cgroupVersion);
  });

  test('shows no interface without hardware, and no hardware address', () => {
    const names = inventory.nics?.map(({ name }) => name) ?? [];
    expect(names).not.toContain('lo');
    const interfaces = Object.values(os.networkInterfaces()).flatMap(
      (addresses) => addresses ?? [],
    );
    for (const { mac } of interfaces.filter(({ internal }) => !internal)) {
      expect(JSON.stringify(inventory)).not.toContain(mac);
    }
  });

  test('its usage lies between nothing and all it has', async () => {
    const sampler = new UsageSampler(files, systemClock, {
      paths: PATHS,
      cgroupRoot: '/',
      nodeUsage: 'machine',
    });
    sampler.sample();
    await sleep(systemClock, 500);
    const { node } = sampler.sample();
    expect(node.capacityMillis).toBe(os.cpus().length * 1000);
    expect(node.cpuMillis).toBeGreaterThanOrEqual(0);
    expect(node.cpuMillis).toBeLessThanOrEqual(node.capacityMillis);
    expect(node.memoryBytes).toBeGreaterThan(process.memoryUsage().rss / 2);
    expect(node.memoryBytes).toBeLessThan(os.totalmem());
    const hasPressure = readable('/proc/pressure/cpu');
    expect(node.cpuPressurePermille !== undefined).toBe(hasPressure);
  });
});

function readable(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').length > 0;
  } catch {
    return false;
  }
}
