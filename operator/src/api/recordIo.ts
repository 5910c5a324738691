/**
 * RecordIO framing: decimal length in bytes, one LF, then exactly that many bytes.
 * Source: Mesos `docs/recordio.md`.
 */

// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\u0000-\u007f]/g;

/**
 * One record of JSON. All of it is ASCII and its JSON holds no line feed: a client nobody can change any more counts
 * characters instead of bytes, and takes any line feed for the end of the length.
 */
export function encodeJsonRecord(value: unknown): string {
  const json = JSON.stringify(value);
  const ascii = Buffer.byteLength(json, 'utf8') === json.length ? json : escaped(json);
  return `${ascii.length}\n${ascii}`;
}

const escaped = (json: string): string =>
  json.replace(BEYOND_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** One record of bytes. */
export function frameRecord(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length}\n`, 'latin1'), bytes]);
}
