/**
 * RecordIO framing: decimal length in bytes, one LF, then exactly that many bytes.
 * Source: Mesos `docs/recordio.md`.
 */

// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\u0000-\u007f]/g;

/**
 * One record. All of it is ASCII and its JSON holds no line feed: a client nobody can change any more counts
 * characters instead of bytes, and takes any line feed for the end of the length.
 */
export function encodeRecord(value: unknown): string {
  const json = JSON.stringify(value).replace(
    BEYOND_ASCII,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${json.length}\n${json}`;
}
