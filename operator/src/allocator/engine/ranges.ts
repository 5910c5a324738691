import type { PortRanges } from './types.ts';

/** No ports at all. */
export const NO_PORTS: PortRanges = Object.freeze([]);

/** Sorted, without overlaps, neighbours joined; the same list when it already is. */
export function normalised(ranges: PortRanges | undefined): PortRanges {
  if (ranges === undefined || ranges.length === 0) return NO_PORTS;
  if (isNormal(ranges)) return ranges;
  const joined: [number, number][] = [];
  for (const [first, last] of ranges.toSorted((left, right) => left[0] - right[0])) {
    if (last < first) continue;
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

function isNormal(ranges: PortRanges): boolean {
  let end = Number.NEGATIVE_INFINITY;
  for (const [first, last] of ranges) {
    if (last < first || first <= end + 1) return false;
    end = last;
  }
  return true;
}

/** All ports of both. Both sides normalised, as everywhere below. */
export function union(left: PortRanges, right: PortRanges): PortRanges {
  if (left.length === 0) return right;
  if (right.length === 0 || left === right) return left;
  return normalised([...left, ...right]);
}

let latest: { readonly left: PortRanges; readonly right: PortRanges; readonly rest: PortRanges } = {
  left: NO_PORTS,
  right: NO_PORTS,
  rest: NO_PORTS,
};

/** The ports of `left` that are not in `right`. */
export function without(left: PortRanges, right: PortRanges): PortRanges {
  if (right.length === 0 || left.length === 0) return left;
  if (left === right) return NO_PORTS;
  // Agents of one kind have the same ports: one list serves them all. Lists are never changed.
  if (left === latest.left && right === latest.right) return latest.rest;
  const rest: [number, number][] = [];
  let at = 0;
  for (const [first, last] of left) {
    let from = first;
    while (at < right.length && (right[at] as readonly [number, number])[1] < from) at++;
    for (let other = at; other < right.length; other++) {
      const [cutFirst, cutLast] = right[other] as readonly [number, number];
      if (cutFirst > last) break;
      if (cutFirst > from) rest.push([from, cutFirst - 1]);
      from = Math.max(from, cutLast + 1);
    }
    if (from <= last) rest.push([from, last]);
  }
  latest = { left, right, rest: rest.length === 0 ? NO_PORTS : rest };
  return latest.rest;
}

/** True when every port of `part` is in `whole`. */
export function containsPorts(whole: PortRanges, part: PortRanges): boolean {
  if (part.length === 0 || part === whole) return true;
  let at = 0;
  for (const [first, last] of part) {
    while (at < whole.length && (whole[at] as readonly [number, number])[1] < first) at++;
    const range = whole[at];
    if (range === undefined || range[0] > first || range[1] < last) return false;
  }
  return true;
}
