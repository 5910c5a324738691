import { type FileHandle, open } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import type { Sandbox } from './sandbox.ts';

/** Unpacks zip archives, stored and deflated. Source: PKWARE `APPNOTE.TXT` 6.3, sections 4.3.7, 4.3.12, 4.3.16. */

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const MAX_DIRECTORY = 64 * 1_048_576;
const CHUNK = 65_536;
const ZIP64 = 0xffffffff;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly storedBytes: number;
  readonly offset: number;
  readonly mode: number;
}

export async function unzip(path: string, sandbox: Sandbox): Promise<void> {
  const file = await open(path, 'r');
  try {
    for (const entry of await entriesOf(file)) {
      if (entry.name.endsWith('/')) await sandbox.makeFolder(entry.name);
      else await sandbox.writeFile(entry.name, contentOf(file, entry), entry.mode);
    }
  } finally {
    await file.close();
  }
}

async function entriesOf(file: FileHandle): Promise<readonly Entry[]> {
  const { size } = await file.stat();
  const tail = await read(
    file,
    Math.max(0, size - END_BYTES - LONGEST_COMMENT),
    Math.min(size, END_BYTES + LONGEST_COMMENT),
  );
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end -= 1;
  if (end < 0) throw new Error('this is no zip archive');
  const directoryBytes = tail.readUInt32LE(end + 12);
  const start = tail.readUInt32LE(end + 16);
  if (start === ZIP64 || directoryBytes > MAX_DIRECTORY)
    throw new Error('zip archives of more than 4 GiB are not unpacked');
  const directory = await read(file, start, directoryBytes);
  const entries: Entry[] = [];
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== ENTRY_SIGNATURE)
      throw new Error('the zip archive is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push(entryAt(directory, at, nameBytes));
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function entryAt(directory: Buffer, at: number, nameBytes: number): Entry {
  const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
  const madeOnUnix = directory.readUInt8(at + 5) === 3;
  const unixMode = madeOnUnix ? directory.readUInt16LE(at + 40) : 0;
  if ((unixMode & 0o170000) === 0o120000) throw new Error(`'${name}': links are not unpacked`);
  return {
    name,
    flags: directory.readUInt16LE(at + 8),
    method: directory.readUInt16LE(at + 10),
    storedBytes: directory.readUInt32LE(at + 20),
    offset: directory.readUInt32LE(at + 42),
    mode: unixMode === 0 ? 0o644 : unixMode & 0o755,
  };
}

async function* contentOf(file: FileHandle, entry: Entry): AsyncGenerator<Uint8Array> {
  const { name, flags, method, storedBytes, offset } = entry;
  if ((flags & 1) === 1) throw new Error(`'${name}' is encrypted`);
  if (method !== 0 && method !== 8)
    throw new Error(`'${name}' is packed by a method (${method}) that is not unpacked`);
  const local = await read(file, offset, 30);
  if (local.readUInt32LE(0) !== LOCAL_SIGNATURE) throw new Error('the zip archive is damaged');
  const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  const stored = piecesOf(file, start, storedBytes);
  if (method === 0) {
    yield* stored;
    return;
  }
  const inflate = createInflateRaw();
  const fed = (async () => {
    try {
      for await (const piece of stored) {
        if (inflate.destroyed) return;
        if (!inflate.write(piece))
          await new Promise<void>((resolve) => {
            inflate.once('drain', resolve);
            inflate.once('close', resolve);
          });
      }
      inflate.end();
    } catch (error) {
      inflate.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  })();
  yield* inflate as AsyncIterable<Uint8Array>;
  await fed;
}

async function* piecesOf(
  file: FileHandle,
  start: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; ) {
    const piece = await read(file, start + done, Math.min(CHUNK, length - done));
    done += piece.length;
    yield piece;
  }
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new Error('the zip archive is cut off');
  return bytes;
}
