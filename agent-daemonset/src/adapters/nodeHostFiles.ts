import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import type { HostFiles } from '../ports/hostFiles.ts';

/** Most of the files are under a page; /proc/cpuinfo of a large machine is a few hundred KiB. */
const FIRST_BUFFER_BYTES = 64 * 1024;
const LARGEST_FILE_BYTES = 8 * 1024 * 1024;

/**
 * Errors that mean "not there": a Pod's cgroup may vanish between listing and reading (ENODEV on cgroup v2),
 * a virtual NIC has no speed (EINVAL).
 */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ENOTDIR', 'EINVAL', 'ENXIO']);

/**
 * Reads the real files, through one reused buffer.
 *
 * @param onReadError called with the path and the error code for every failure that is not an absence.
 */
export function createNodeHostFiles(
  onReadError: (path: string, code: string) => void = () => undefined,
): HostFiles {
  let buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  const note = (path: string, error: unknown): void => {
    const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
    if (!ABSENT.has(code)) onReadError(path, code);
  };
  const readAll = (descriptor: number): string => {
    let length = 0;
    for (;;) {
      if (length === buffer.length) buffer = grown(buffer);
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.toString('utf8', 0, length);
      length += count;
    }
  };
  return {
    readText: (path) => {
      let descriptor: number | undefined;
      try {
        descriptor = openSync(path, 'r');
        return readAll(descriptor);
      } catch (error) {
        note(path, error);
        return undefined;
      } finally {
        if (descriptor !== undefined) closeSync(descriptor);
      }
    },
    list: (path) => {
      try {
        return readdirSync(path).sort();
      } catch (error) {
        note(path, error);
        return [];
      }
    },
    exists: (path) => existsSync(path),
  };
}

function grown(full: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  if (full.length >= LARGEST_FILE_BYTES) {
    throw Object.assign(new Error(`file is larger than ${LARGEST_FILE_BYTES} bytes`), {
      code: 'EFBIG',
    });
  }
  const larger = Buffer.allocUnsafe(full.length * 2);
  full.copy(larger);
  return larger;
}
