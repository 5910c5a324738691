import { ByteReader } from './byteReader.ts';
import type { Sandbox } from './sandbox.ts';

/** Unpacks tar archives: ustar, with the long names of GNU tar and of pax. Source: POSIX `pax`, GNU tar manual. */

const BLOCK = 512;
/** Longest header of long names; a longer one is an attack. */
const MAX_HEADER = 1_048_576;

interface Entry {
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly size: number;
  readonly type: string;
}

export async function untar(content: AsyncIterable<Uint8Array>, sandbox: Sandbox): Promise<void> {
  const reader = new ByteReader(content);
  let names: { name?: string; link?: string; size?: number } = {};
  for (;;) {
    const header = await reader.take(BLOCK);
    if (header === undefined || header.every((byte) => byte === 0)) return;
    const entry = { ...entryOf(header) };
    switch (entry.type) {
      case 'L':
        names = { ...names, name: cString(await body(reader, entry)) };
        continue;
      case 'K':
        names = { ...names, link: cString(await body(reader, entry)) };
        continue;
      case 'x':
        names = { ...names, ...paxOf(await body(reader, entry)) };
        continue;
      case 'g':
        await body(reader, entry);
        continue;
      default:
        await unpack(reader, { ...entry, ...names }, sandbox);
        names = {};
    }
  }
}

async function unpack(reader: ByteReader, entry: Entry, sandbox: Sandbox): Promise<void> {
  const { name, link, mode, size, type } = entry;
  switch (type) {
    case '0':
    case '\u0000':
    case '7':
      await sandbox.writeFile(name, reader.pieces(size), mode);
      break;
    case '5':
      if (!/^[./]*$/.test(name)) await sandbox.makeFolder(name);
      await reader.skip(size);
      break;
    case '2':
      await sandbox.makeLink(name, link);
      break;
    case '1':
      await sandbox.makeHardLink(name, link);
      break;
    default:
      throw new Error(`'${name}' is neither file, folder nor link (type '${type}')`);
  }
  await reader.skip(padding(size));
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

async function body(reader: ByteReader, { size }: Entry): Promise<Buffer> {
  if (size > MAX_HEADER) throw new Error('the archive has a header of more than 1 MiB');
  const bytes = await reader.take(size);
  await reader.skip(padding(size));
  return bytes ?? Buffer.alloc(0);
}

function entryOf(header: Buffer): Entry {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 32 : (header[at] ?? 0);
  if (sum !== octal(header, 148, 8)) throw new Error('this is no tar archive, or it is damaged');
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(header, 345, 155) : '';
  const name = text(header, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    link: text(header, 157, 100),
    mode: octal(header, 100, 8) & 0o755,
    size: octal(header, 124, 12),
    type: String.fromCharCode(header[156] ?? 0),
  };
}

function text(header: Buffer, start: number, length: number): string {
  return cString(header.subarray(start, start + length));
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

/** An octal number, or in GNU's form for large ones a binary one. */
function octal(header: Buffer, start: number, length: number): number {
  const first = header[start] ?? 0;
  let value: number;
  if ((first & 0x80) === 0) value = Number.parseInt(text(header, start, length).trim() || '0', 8);
  else value = Number(header.readBigUInt64BE(start + length - 8));
  if (!Number.isSafeInteger(value) || value < 0) throw new Error('the archive is damaged');
  return value;
}

/** Records `length key=value\n` of a pax header that matter here. */
function paxOf(bytes: Buffer): { name?: string; link?: string; size?: number } {
  const names: { name?: string; link?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length < 5)
      throw new Error('the archive has a damaged pax header');
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    const key = record.slice(0, equals);
    if (key === 'path') names.name = value;
    if (key === 'linkpath') names.link = value;
    if (key === 'size' && /^\d{1,15}$/.test(value)) names.size = Number(value);
    at += length;
  }
  return names;
}
