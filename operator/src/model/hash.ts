/**
 * A short, stable, non-cryptographic hash of `text`: `length` characters of base 36 (53 bits at the most).
 * For names and change detection, never for secrets. The algorithm may not change: names of live Pods hold it.
 */
export function shortHash(text: string, length = 5): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  const value = 4294967296 * (2097151 & low) + (high >>> 0);
  return value.toString(36).padStart(11, '0').slice(-length);
}

/** JSON with keys in order, so that equal values hash equally however they were built. */
export function stableJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .toSorted(([left], [right]) => (left < right ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${stableJson(entry)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** True exactly when `stableJson` of both is the same, without writing either out: order of keys and undefined fields do not count. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null)
    return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => equalJson(item, (right as readonly unknown[])[index]));
  }
  const [ours, theirs] = [left as Fields, right as Fields];
  for (const key of Object.keys(ours)) if (!equalJson(ours[key], theirs[key])) return false;
  return Object.keys(theirs).every((key) => theirs[key] === undefined || ours[key] !== undefined);
}

type Fields = { readonly [key: string]: unknown };
