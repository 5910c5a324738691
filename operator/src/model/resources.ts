/**
 * Amounts of named scalar resources, as integers.
 *
 * Units: `cpus` and `gpus` in thousandths (milli), `mem` and `disk` in bytes, every other name
 * (an extended resource such as `example.com/fpga`) in thousandths of one item.
 * Guarantees: no negative amounts, no zero entries (an absent name means zero).
 * Source: Mesos `docs/attributes-resources.md` (scalars are fixed point with three decimals).
 */
export type Resources = { readonly [name: string]: number };

export const NO_RESOURCES: Resources = Object.freeze({});

/** Builds Resources from any amounts: zero and negative entries are left out. */
export function resources(amounts: { readonly [name: string]: number | undefined }): Resources {
  const result: { [name: string]: number } = {};
  for (const name in amounts) {
    const amount = amounts[name] ?? 0;
    if (amount > 0) result[name] = amount;
  }
  return result;
}

export function amountOf(of: Resources, name: string): number {
  return of[name] ?? 0;
}

export function isEmpty(of: Resources): boolean {
  for (const name in of) if (amountOf(of, name) > 0) return false;
  return true;
}

export function add(left: Resources, right: Resources): Resources {
  const sum: { [name: string]: number } = { ...left };
  for (const name in right) sum[name] = amountOf(sum, name) + amountOf(right, name);
  return sum;
}

export function sumOf(all: Iterable<Resources>): Resources {
  const total: { [name: string]: number } = {};
  for (const one of all)
    for (const name in one) total[name] = amountOf(total, name) + amountOf(one, name);
  return total;
}

/** `left − right` per name, never below zero. */
export function subtract(left: Resources, right: Resources): Resources {
  const rest: { [name: string]: number } = {};
  for (const name in left) {
    const amount = amountOf(left, name) - amountOf(right, name);
    if (amount > 0) rest[name] = amount;
  }
  return rest;
}

/** Per name the smaller of both; a name absent on either side is absent in the result. */
export function min(left: Resources, right: Resources): Resources {
  const least: { [name: string]: number } = {};
  for (const name in left) {
    const amount = Math.min(amountOf(left, name), amountOf(right, name));
    if (amount > 0) least[name] = amount;
  }
  return least;
}

/** Per name the larger of both. */
export function max(left: Resources, right: Resources): Resources {
  const most: { [name: string]: number } = { ...left };
  for (const name in right) most[name] = Math.max(amountOf(most, name), amountOf(right, name));
  return most;
}

/** True when every amount of `part` is available in `whole`. */
export function fits(part: Resources, whole: Resources): boolean {
  for (const name in part) if (amountOf(part, name) > amountOf(whole, name)) return false;
  return true;
}

/** What `part` lacks to fit in `whole`, per name; empty when it fits. */
export function shortfall(part: Resources, whole: Resources): Resources {
  return subtract(part, whole);
}

/**
 * Cuts `of` down to `limits`. A name absent from `limits` is unlimited and passes unchanged.
 * Source: Mesos `shrinkResources(resources, ResourceLimits)`.
 */
export function capTo(of: Resources, limits: Resources): Resources {
  const capped: { [name: string]: number } = {};
  for (const name in of) {
    const limit = limits[name];
    const amount = limit === undefined ? amountOf(of, name) : Math.min(amountOf(of, name), limit);
    if (amount > 0) capped[name] = amount;
  }
  return capped;
}

export function equal(left: Resources, right: Resources): boolean {
  return fits(left, right) && fits(right, left);
}
