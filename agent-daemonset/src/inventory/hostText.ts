/** Parsers of the small text forms that procfs and sysfs share. */

/** The most CPUs or nodes a kernel list is expanded to; the largest Linux machines have 8192 CPUs. */
const LONGEST_LIST = 8192;

/** A non-negative integer that is the whole text, or undefined. */
export function parseInteger(text: string | undefined): number | undefined {
  const trimmed = text?.trim();
  if (trimmed === undefined || !/^[0-9]{1,16}$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Expands the kernel's list form, `0-3,8,10-11`, ascending; malformed parts are left out. */
export function parseIndexList(text: string | undefined): readonly number[] {
  const indices = new Set<number>();
  for (const part of (text ?? '').trim().split(',')) {
    const [first, last] = part.split('-').map((bound) => parseInteger(bound));
    if (first === undefined) continue;
    const end = part.includes('-') ? last : first;
    if (end === undefined || end - first >= LONGEST_LIST) continue;
    for (let index = first; index <= end && indices.size < LONGEST_LIST; index += 1) {
      indices.add(index);
    }
  }
  return [...indices].sort((left, right) => left - right);
}

/** Lines of `key<separator>value`; the first occurrence of a key wins. */
export function parseFields(text: string, separator: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(separator);
    if (at <= 0) continue;
    const key = line.slice(0, at).trim();
    if (!fields.has(key)) fields.set(key, line.slice(at + separator.length).trim());
  }
  return fields;
}

/** Amounts of /proc/meminfo or a NUMA node's meminfo (`Node 0 MemTotal: 1 kB`), in bytes. */
export function parseMeminfo(text: string | undefined): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>();
  for (const [label, value] of parseFields(text ?? '', ':')) {
    const match = /^([0-9]{1,15})(?:\s+(kB))?$/.exec(value);
    if (!match) continue;
    bytes.set(label.replace(/^Node [0-9]+ /, ''), Number(match[1]) * (match[2] ? 1024 : 1));
  }
  return bytes;
}

/** Sizes as sysfs writes those of caches: `48K`, `2M`, `512`. In bytes. */
export function parseSize(text: string | undefined): number | undefined {
  const match = /^([0-9]{1,12})([KMG]?)$/.exec(text?.trim() ?? '');
  if (!match) return undefined;
  const unit = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] ?? ''] ?? 1;
  return Number(match[1]) * unit;
}

/** Cuts device-given text to printable ASCII of bounded length; undefined when nothing is left. */
export function cleanText(text: string | undefined, maxLength: number): string | undefined {
  const clean = (text ?? '')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, maxLength)
    .trim();
  return clean === '' ? undefined : clean;
}
