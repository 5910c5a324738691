import { z } from 'zod';
import type { Resources } from '../../operator/src/model/resources.ts';

const BYTES_PER_MB = 1024 * 1024;

/** Both ends belong to it. */
export interface PortRange {
  readonly begin: number;
  readonly end: number;
}

/** One group of amounts of a scenario, in the model's units (thousandths, bytes). */
export interface Amounts {
  /** Zeros are kept, since a limit of zero is a limit. */
  readonly scalars: Resources;
  /** Sorted and joined. */
  readonly ports: readonly PortRange[];
  /** Bytes by the volume's id. */
  readonly volumes: Resources;
}

export const NO_AMOUNTS: Amounts = { scalars: {}, ports: [], volumes: {} };

export const bytesOfMb = (megabytes: number): number => Math.round(megabytes * BYTES_PER_MB);

function factorOf(name: string): number {
  return name === 'mem' || name === 'disk' ? BYTES_PER_MB : 1000;
}

/** Amounts as Mesos writes them: cpus, gpus and other names in units, mem and disk in MB, ports as ranges. */
export const AmountsText = z
  .record(z.string(), z.unknown())
  .transform((amounts, context): Amounts => {
    const refuse = (name: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [name], message });
    const scalars: Record<string, number> = {};
    let ports: readonly PortRange[] = [];
    let volumes: Resources = {};
    for (const [name, amount] of Object.entries(amounts)) {
      if (name === 'ports') {
        const ranges = rangesOf(amount);
        if (ranges === undefined)
          refuse(name, 'ports are written as ranges, like "[31000-32000, 33000-33010]"');
        ports = ranges ?? [];
      } else if (name === 'volumes') {
        const sizes = VolumeSizes.safeParse(amount);
        if (!sizes.success) refuse(name, 'volumes are written as {id: size in MB}');
        volumes = sizes.data ?? {};
      } else if (typeof amount === 'number' && Number.isFinite(amount))
        scalars[name] = Math.round(amount * factorOf(name));
      else refuse(name, `expected a number, got ${JSON.stringify(amount)}`);
    }
    return { scalars, ports, volumes };
  });

/** Volumes by id, with their size in MB. */
export const VolumeSizes = z
  .record(z.string(), z.number().positive())
  .transform(
    (sizes): Resources =>
      Object.fromEntries(
        Object.entries(sizes).map(([id, megabytes]) => [id, bytesOfMb(megabytes)]),
      ),
  );

/** `[1-3, 7-9]`, with or without brackets; undefined when it is none. */
function rangesOf(text: unknown): readonly PortRange[] | undefined {
  if (typeof text !== 'string') return undefined;
  const inside = text.trim().replace(/^\[(.*)\]$/, '$1');
  if (inside.trim() === '') return [];
  const ranges: PortRange[] = [];
  for (const part of inside.split(',')) {
    const ends = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part);
    const begin = Number(ends?.[1] ?? Number.NaN);
    const end = Number(ends?.[2] ?? begin);
    if (!(begin <= end)) return undefined;
    ranges.push({ begin, end });
  }
  return joinedRanges(ranges);
}

/** The same ports as sorted ranges that neither overlap nor touch. */
export function joinedRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const joined: { begin: number; end: number }[] = [];
  for (const { begin, end } of ranges.toSorted((left, right) => left.begin - right.begin)) {
    const last = joined.at(-1);
    if (last === undefined || begin > last.end + 1) joined.push({ begin, end });
    else last.end = Math.max(last.end, end);
  }
  return joined;
}

/** `cpus 2, mem 1024, ports [1-3]`: amounts in a scenario's units; zeros are left out. */
export function describeAmounts(amounts: Amounts): string {
  const scalars = Object.keys(amounts.scalars)
    .filter((name) => amounts.scalars[name] !== 0)
    .toSorted()
    .map((name) => `${name} ${(amounts.scalars[name] ?? 0) / factorOf(name)}`);
  const ranges = joinedRanges(amounts.ports).map(({ begin, end }) => `${begin}-${end}`);
  const volumes = Object.keys(amounts.volumes)
    .toSorted()
    .map((id) => `volume ${id} ${(amounts.volumes[id] ?? 0) / BYTES_PER_MB}`);
  return [
    ...scalars,
    ...(ranges.length === 0 ? [] : [`ports [${ranges.join(', ')}]`]),
    ...volumes,
  ].join(', ');
}
