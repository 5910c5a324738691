import { invariant } from '../model/result.ts';

/** Index sets longer than this many ranges are refused: they would not fit in an object's status. */
export const MAX_RANGES = 10_000;
/** Largest index that can be written. */
export const MAX_INDEX = 1_000_000;

/**
 * Writes a set of indices as sorted ranges: `0-3,5`. Empty set: empty text.
 * Guarantees: one text per set, so texts can be compared.
 */
export function encodeIndexRanges(indices: Iterable<number>): string {
  const sorted = [...new Set(indices)].toSorted((left, right) => left - right);
  const ranges: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    const first = sorted[at] as number;
    invariant(
      Number.isInteger(first) && first >= 0 && first <= MAX_INDEX,
      `index ${first} in range`,
    );
    let last = first;
    for (at++; sorted[at] === last + 1; at++) last++;
    ranges.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return ranges.join(',');
}

/**
 * Reads `0-3,5` as a set. Ranges may overlap or be out of order; what is not a range is skipped, since the text comes
 * from a status that others can write, and an unreadable part must not stop the job.
 */
export function decodeIndexRanges(text: string): ReadonlySet<number> {
  const indices = new Set<number>();
  for (const part of text.split(',', MAX_RANGES)) {
    const match = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(part);
    if (match === null) continue;
    const first = Number(match[1]);
    const last = Math.min(MAX_INDEX, Number(match[2] ?? match[1]));
    for (let index = first; index <= last; index++) indices.add(index);
  }
  return indices;
}
