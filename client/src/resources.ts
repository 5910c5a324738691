import type { Offer, Range, ReservationInfo, Resource } from './wire.ts';

/** A scalar resource in Mesos's units: cpus and gpus in whole ones, mem and disk in MB. */
export function scalar(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value } };
}

/** The same resource, reserved for a role (the newer, stacked form: needs RESERVATION_REFINEMENT). */
export function reserved(resource: Resource, reservation: ReservationInfo): Resource {
  return { ...resource, reservations: [...(resource.reservations ?? []), reservation] };
}

const isReserved = (one: Resource): boolean =>
  (one.reservations?.length ?? 0) > 0 || (one.role !== undefined && one.role !== '*');

/** Sum of a scalar over resources that a task may use: by default neither revocable ones nor volumes. */
export function scalarOf(
  of: readonly Resource[] | undefined,
  name: string,
  which: (one: Resource) => boolean = isPlain,
): number {
  let thousandths = 0;
  // Summed in thousandths, as Mesos does: 0.1 + 0.2 is 0.3.
  for (const one of of ?? [])
    if (one.name === name && which(one)) thousandths += Math.round((one.scalar?.value ?? 0) * 1000);
  return thousandths / 1000;
}

const isPlain = (one: Resource): boolean =>
  one.revocable === undefined && one.disk?.persistence === undefined;

/** The ranges of a resource such as `ports`, ascending. */
export function rangesOf(of: readonly Resource[] | undefined, name: string): readonly Range[] {
  return (of ?? [])
    .flatMap((one) => (one.name === name ? (one.ranges?.range ?? []) : []))
    .toSorted((left, right) => left.begin - right.begin);
}

export interface Wanted {
  readonly [name: string]: number;
}

/** Whether the offer holds these amounts, reserved and unreserved together. */
export function fits(wanted: Wanted, offer: Pick<Offer, 'resources'>): boolean {
  return Object.entries(wanted).every(([name, value]) => scalarOf(offer.resources, name) >= value);
}

/**
 * Resources for a task out of what is left of an offer, reserved ones first, in the form they were offered in.
 * Returns undefined when they do not suffice, else what was taken and what is left.
 */
export function take(
  wanted: Wanted,
  left: readonly Resource[],
): { readonly taken: readonly Resource[]; readonly left: readonly Resource[] } | undefined {
  const taken: Resource[] = [];
  const rest = [...left];
  for (const [name, value] of Object.entries(wanted)) {
    let missing = Math.round(value * 1000);
    const order = rest
      .map((one, index) => ({ one, index }))
      .filter(({ one }) => one.name === name && one.type === 'SCALAR' && isPlain(one))
      .toSorted((a, b) => Number(isReserved(b.one)) - Number(isReserved(a.one)));
    for (const { one, index } of order) {
      const has = Math.round((one.scalar?.value ?? 0) * 1000);
      const part = Math.min(has, missing);
      if (part <= 0) continue;
      missing -= part;
      taken.push({ ...one, scalar: { value: part / 1000 } });
      rest[index] = { ...one, scalar: { value: (has - part) / 1000 } };
    }
    if (missing > 0) return undefined;
  }
  return { taken, left: rest };
}
