import { INVENTORY_BOUNDS } from '../../../operator/src/schema/crd/hardwareInventory.ts';
import type { HostFiles } from '../ports/hostFiles.ts';
import { cleanText, parseFields, parseIndexList, parseInteger, parseSize } from './hostText.ts';
import type { CpuInventory, HostPaths } from './types.ts';

/** Extensions that decide where a program can run or how fast: vectors, matrices, crypto, virtualisation. */
const FLAGS_THAT_MATTER: ReadonlySet<string> = new Set(
  (
    'aes amx_bf16 amx_fp16 amx_int8 amx_tile avx avx2 avx512_bf16 avx512_fp16 avx512_vnni avx512bw avx512cd ' +
    'avx512dq avx512f avx512ifma avx512vbmi avx512vl avx_vnni bmi1 bmi2 constant_tsc f16c fma gfni hypervisor ' +
    'pclmulqdq pdpe1gb popcnt rdrand rdseed sgx sha_ni sse4_1 sse4_2 svm vaes vmx vpclmulqdq ' +
    'asimd asimddp atomics bf16 crc32 fp i8mm pmull sha1 sha2 sha3 sha512 sme sve sve2'
  ).split(' '),
);

/** ARM kernels publish the implementer's number only. Source: Arm MIDR_EL1 implementer codes. */
const ARM_IMPLEMENTERS: { readonly [code: string]: string } = {
  '0x41': 'ARM',
  '0x46': 'Fujitsu',
  '0x48': 'HiSilicon',
  '0x51': 'Qualcomm',
  '0x61': 'Apple',
  '0xc0': 'Ampere',
};

const CACHE_KIND: { readonly [type: string]: 'data' | 'instruction' | 'unified' } = {
  Data: 'data',
  Instruction: 'instruction',
  Unified: 'unified',
};

/**
 * CPUs from sysfs topology, with /proc/cpuinfo for names and flags and as the fallback for counts.
 * Undefined when neither tells a single CPU.
 */
export function inspectCpu(files: HostFiles, paths: HostPaths): CpuInventory | undefined {
  const blocks = cpuinfoBlocks(files.readText(`${paths.proc}/cpuinfo`) ?? '');
  const root = `${paths.sys}/devices/system/cpu`;
  const listed = parseIndexList(files.readText(`${root}/online`));
  const cpus = listed.length > 0 ? listed : blocks.map((_, index) => index);
  if (cpus.length === 0) return undefined;

  const byProcessor = new Map(blocks.map((block) => [block.get('processor'), block]));
  const sockets = new Set<string>();
  const cores = new Set<string>();
  for (const cpu of cpus) {
    const block = byProcessor.get(String(cpu));
    const topology = `${root}/cpu${cpu}/topology`;
    const socket = idText(files, `${topology}/physical_package_id`, block?.get('physical id'), '0');
    const die = idText(files, `${topology}/die_id`, undefined, '0');
    const core = idText(files, `${topology}/core_id`, block?.get('core id'), `cpu${cpu}`);
    sockets.add(socket);
    cores.add(`${socket}/${die}/${core}`);
  }

  const first = blocks[0] ?? new Map<string, string>();
  const flags = new Set((first.get('flags') ?? first.get('Features') ?? '').split(/\s+/));
  const vendor = first.get('vendor_id') ?? ARM_IMPLEMENTERS[first.get('CPU implementer') ?? ''];
  const model = first.get('model name') ?? first.get('Model') ?? first.get('cpu model');
  const maxFrequencyMhz = frequencyMhz(files, `${root}/cpu${cpus[0]}/cpufreq`, first, flags);
  const vendorText = cleanText(vendor, INVENTORY_BOUNDS.text);
  const modelText = cleanText(model, INVENTORY_BOUNDS.text);
  return {
    ...(vendorText !== undefined && { vendor: vendorText }),
    ...(modelText !== undefined && { model: modelText }),
    sockets: sockets.size,
    cores: cores.size,
    threads: cpus.length,
    ...(maxFrequencyMhz !== undefined && { maxFrequencyMhz }),
    caches: inspectCaches(files, root, cpus),
    flags: [...FLAGS_THAT_MATTER]
      .filter((flag) => flags.has(flag))
      .sort()
      .slice(0, INVENTORY_BOUNDS.cpuFlags),
  };
}

/** One map of fields per `processor` block; ARM's trailing block without a processor is left out. */
function cpuinfoBlocks(text: string): readonly ReadonlyMap<string, string>[] {
  return text
    .split(/\n\s*\n/)
    .map((block) => parseFields(block, ':'))
    .filter((block) => parseInteger(block.get('processor')) !== undefined);
}

/** Some virtual machines publish -1 for a topology they do not know: then the fallback holds. */
function idText(
  files: HostFiles,
  path: string,
  second: string | undefined,
  fallback: string,
): string {
  const id = parseInteger(files.readText(path)) ?? parseInteger(second);
  return id === undefined ? fallback : String(id);
}

/**
 * The highest frequency, from what does not change while the machine runs: cpufreq, the model's name, and
 * the measured "cpu MHz" only in a virtual machine, where it is a constant.
 */
function frequencyMhz(
  files: HostFiles,
  cpufreq: string,
  cpuinfo: ReadonlyMap<string, string>,
  flags: ReadonlySet<string>,
): number | undefined {
  const maxKhz = parseInteger(files.readText(`${cpufreq}/cpuinfo_max_freq`));
  if (maxKhz !== undefined && maxKhz >= 1000) return Math.round(maxKhz / 1000);
  const named = /@\s*([0-9]+\.[0-9]+)\s*GHz/i.exec(cpuinfo.get('model name') ?? '');
  if (named) return Math.round(Number(named[1]) * 1000);
  const measured = Number(cpuinfo.get('cpu MHz'));
  return flags.has('hypervisor') && measured >= 1 ? Math.round(measured) : undefined;
}

/** Counts caches by level, kind and size; CPUs that share one cache name the same CPUs in `shared_cpu_list`. */
function inspectCaches(
  files: HostFiles,
  root: string,
  cpus: readonly number[],
): CpuInventory['caches'] {
  const seen = new Set<string>();
  const groups = new Map<string, CpuInventory['caches'][number]>();
  for (const cpu of cpus) {
    for (const index of files.list(`${root}/cpu${cpu}/cache`)) {
      if (!/^index[0-9]+$/.test(index)) continue;
      const path = `${root}/cpu${cpu}/cache/${index}`;
      const level = parseInteger(files.readText(`${path}/level`));
      const kind = CACHE_KIND[files.readText(`${path}/type`)?.trim() ?? ''];
      const sizeBytes = parseSize(files.readText(`${path}/size`));
      if (level === undefined || level < 1 || level > 8) continue;
      if (kind === undefined || sizeBytes === undefined) continue;
      const key = `${level}/${kind}/${sizeBytes}`;
      const sharers = files.readText(`${path}/shared_cpu_list`)?.trim() ?? String(cpu);
      if (seen.has(`${key}/${sharers}`)) continue;
      seen.add(`${key}/${sharers}`);
      groups.set(key, { level, kind, sizeBytes, count: (groups.get(key)?.count ?? 0) + 1 });
    }
  }
  const order = ['data', 'instruction', 'unified'];
  return [...groups.values()]
    .sort(
      (left, right) =>
        left.level - right.level ||
        order.indexOf(left.kind) - order.indexOf(right.kind) ||
        left.sizeBytes - right.sizeBytes,
    )
    .slice(0, INVENTORY_BOUNDS.caches);
}
