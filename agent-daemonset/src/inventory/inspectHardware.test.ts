import { describe, expect, test } from '@jest/globals';
import { HardwareInventory } from '../../../operator/src/schema/crd/hardwareInventory.ts';
import { BARE_METAL_PATHS, bareMetalNode } from '../fixtures/bareMetalNode.ts';
import { MemoryHostFiles } from '../fixtures/memoryHostFiles.ts';
import { inspectHardware } from './inspectHardware.ts';

const GIB = 2 ** 30;
const inspect = (files: MemoryHostFiles) => inspectHardware(files, BARE_METAL_PATHS);

describe('a two-socket server', () => {
  const inventory = inspect(bareMetalNode());

  test('CPUs: sockets, cores, threads, caches, the flags that matter', () => {
    expect(inventory.cpu).toEqual({
      vendor: 'GenuineIntel',
      model: 'Intel(R) Xeon(R) Gold 6426Y CPU @ 2.50GHz',
      sockets: 2,
      cores: 8,
      threads: 16,
      maxFrequencyMhz: 4100,
      caches: [
        { level: 1, kind: 'data', sizeBytes: 48 * 1024, count: 8 },
        { level: 1, kind: 'instruction', sizeBytes: 32 * 1024, count: 8 },
        { level: 2, kind: 'unified', sizeBytes: 2048 * 1024, count: 8 },
        { level: 3, kind: 'unified', sizeBytes: 38_400 * 1024, count: 2 },
      ],
      flags: [
        'aes',
        'amx_tile',
        'avx',
        'avx2',
        'avx512_vnni',
        'avx512f',
        'f16c',
        'fma',
        'popcnt',
        'rdseed',
        'sse4_1',
        'sse4_2',
        'vmx',
      ],
    });
  });

  test('memory, NUMA nodes and huge pages', () => {
    const small = { pageBytes: 2 * 2 ** 20, pages: 1024 };
    const large = { pageBytes: GIB, pages: 4 };
    expect(inventory.memory).toEqual({
      totalBytes: 256 * GIB,
      swapBytes: 8 * GIB,
      hugePages: [small, large],
    });
    expect(inventory.numaNodes).toEqual([
      {
        id: 0,
        cpus: '0-3,8-11',
        totalBytes: 128 * GIB,
        hugePages: [{ ...small, pages: 512 }],
        distances: [10, 21],
      },
      {
        id: 1,
        cpus: '4-7,12-15',
        totalBytes: 128 * GIB,
        hugePages: [{ ...small, pages: 512 }, large],
        distances: [21, 10],
      },
    ]);
  });

  test('devices that compute, and the screen adapter told apart from a GPU', () => {
    expect(inventory.pciDevices).toEqual([
      {
        address: '0000:02:00.0',
        kind: 'display',
        vendor: 'ASPEED',
        vendorId: '1a03',
        deviceId: '2000',
        driver: 'ast',
      },
      {
        address: '0000:3b:00.0',
        kind: 'coprocessor',
        vendor: 'Intel',
        vendorId: '8086',
        deviceId: '4940',
        driver: '4xxx',
        numaNode: 0,
      },
      {
        address: '0000:ab:00.0',
        kind: 'gpu',
        vendor: 'NVIDIA',
        vendorId: '10de',
        deviceId: '2331',
        driver: 'nvidia',
        numaNode: 1,
      },
      {
        address: '0000:ac:00.0',
        kind: 'gpu',
        vendor: 'NVIDIA',
        vendorId: '10de',
        deviceId: '2331',
        numaNode: 1,
      },
      {
        address: '0000:d8:00.0',
        kind: 'accelerator',
        vendor: 'Amazon',
        vendorId: '1d0f',
        deviceId: '7364',
        driver: 'neuron',
        numaNode: 1,
      },
    ]);
  });

  test('disks with hardware behind them; no loop, device-mapper, optical or empty ones', () => {
    expect(inventory.disks).toEqual([
      {
        name: 'nvme0n1',
        sizeBytes: 3_750_748_848 * 512,
        rotational: false,
        model: 'SAMSUNG MZQL21T9HCJR-00A07',
      },
      { name: 'sda', sizeBytes: 15_628_053_168 * 512, rotational: true, model: 'ST8000NM000A' },
    ]);
  });

  test('network cards; no virtual interface, no hardware address anywhere', () => {
    expect(inventory.nics).toEqual([
      { name: 'ens1f0', speedMbps: 25_000, driver: 'mlx5_core', numaNode: 0 },
      { name: 'ens1f1', driver: 'mlx5_core', numaNode: 0 },
    ]);
    expect(JSON.stringify(inventory)).not.toContain('b8:ce');
  });

  test('kernel', () => {
    expect(inventory.kernel).toEqual({ release: '6.8.0-60-generic', cgroupVersion: 2, psi: true });
  });

  test('the whole is valid for the schema of the Agent object and small', () => {
    expect(HardwareInventory.parse(inventory)).toEqual(inventory);
    expect(JSON.stringify(inventory).length).toBeLessThan(8192);
  });
});

describe('the hash', () => {
  test('is the same while only the load differs', () => {
    const files = bareMetalNode();
    const before = inspect(files).hash;
    const cpuinfo = files.readText('/host/proc/cpuinfo') ?? '';
    files.write({
      '/host/proc/cpuinfo': cpuinfo.replaceAll('.123', '.987'),
      '/host/proc/meminfo': (files.readText('/host/proc/meminfo') ?? '').replace('1000 kB', '7 kB'),
      '/host/proc/pressure/cpu': 'some avg10=99.00 avg60=0.00 avg300=0.00 total=9\n',
    });
    expect(inspect(files).hash).toBe(before);
  });

  test('changes when a device is gone', () => {
    const files = bareMetalNode();
    const before = inspect(files).hash;
    files.remove('/host/sys/bus/pci/devices/0000:ac:00.0');
    expect(inspect(files).hash).not.toBe(before);
  });
});

describe('machines that tell less', () => {
  test('an ARM server without topology in cpuinfo is counted by sysfs', () => {
    const root = '/host/sys/devices/system/cpu';
    const files = new MemoryHostFiles({
      '/host/proc/cpuinfo': [0, 1, 2, 3]
        .map(
          (cpu) =>
            `processor\t: ${cpu}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes sha2 crc32 atomics sve\nCPU implementer\t: 0xc0\n\n`,
        )
        .join(''),
      [`${root}/online`]: '0-3\n',
      ...Object.fromEntries(
        [0, 1, 2, 3].flatMap((cpu) => [
          [`${root}/cpu${cpu}/topology/physical_package_id`, '-1\n'],
          [`${root}/cpu${cpu}/topology/core_id`, `${cpu}\n`],
        ]),
      ),
    });
    expect(inspect(files).cpu).toEqual({
      vendor: 'Ampere',
      sockets: 1,
      cores: 4,
      threads: 4,
      caches: [],
      flags: ['aes', 'asimd', 'atomics', 'crc32', 'fp', 'sha2', 'sve'],
    });
  });

  test('a CPU that is offline is not counted', () => {
    const files = bareMetalNode();
    files.write({ '/host/sys/devices/system/cpu/online': '0-7\n' });
    expect(inspect(files).cpu).toMatchObject({ sockets: 2, cores: 8, threads: 8 });
  });

  test('nothing readable gives an inventory with nothing in it', () => {
    const inventory = inspect(new MemoryHostFiles());
    expect(HardwareInventory.parse(inventory)).toEqual(inventory);
    expect(inventory).toEqual({
      hash: inventory.hash,
      numaNodes: [],
      pciDevices: [],
      disks: [],
      nics: [],
    });
  });

  test('one absurd device is left out, its neighbours stay', () => {
    const files = bareMetalNode();
    files.write({ '/host/sys/class/net/ens1f1/speed': '4294967295\n' });
    expect(inspect(files).nics?.map((nic) => nic.name)).toEqual(['ens1f0']);
  });

  test('lists stay within their bounds', () => {
    const files = new MemoryHostFiles();
    for (let index = 0; index < 200; index += 1) {
      const path = `/host/sys/bus/pci/devices/0000:${index.toString(16).padStart(2, '0')}:00.0`;
      files.write({
        [`${path}/class`]: '0x120000',
        [`${path}/vendor`]: '0x1da3',
        [`${path}/device`]: '0x1060',
        [`/host/sys/block/sd${index}/size`]: '100',
        [`/host/sys/block/sd${index}/device/model`]: 'disk',
        [`/host/sys/class/net/eth${index}/device/uevent`]: 'DRIVER=ice',
      });
    }
    const inventory = inspect(files);
    expect(inventory.pciDevices).toHaveLength(64);
    expect(inventory.disks).toHaveLength(64);
    expect(inventory.nics).toHaveLength(64);
    expect(HardwareInventory.parse(inventory)).toEqual(inventory);
  });
});
