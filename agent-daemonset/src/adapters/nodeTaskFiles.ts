import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import type { FileFacts, TaskFiles } from '../ports/taskFiles.ts';

/** Names listed of one directory. */
const MAX_ENTRIES = 10_000;
const MAX_READ_BYTES = 32 * 1024 * 1024;
/** A task's pipe or device must not keep the agent waiting. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Files of the node. A path is opened first and judged afterwards by what the kernel says it has opened: a link that is
 * changed between looking and opening changes nothing.
 */
export function createNodeTaskFiles(): TaskFiles {
  return {
    list: (root, parts) =>
      opened(root, parts, (descriptor, facts) => {
        if (facts.kind !== 'directory') return undefined;
        const directory = pathOf(descriptor);
        return readdirSync(directory)
          .toSorted()
          .slice(0, MAX_ENTRIES)
          .flatMap((name) => {
            const entry = attempt(() => lstatSync(join(directory, name)));
            return entry === undefined ? [] : [factsOf(name, entry)];
          });
      }),
    read: (root, parts, { offset, length }) =>
      opened(root, parts, (descriptor, facts) => {
        if (facts.kind !== 'file') return undefined;
        const buffer = Buffer.alloc(Math.min(length, MAX_READ_BYTES));
        const count = readSync(descriptor, buffer, 0, buffer.length, offset);
        return { bytes: buffer.subarray(0, count), sizeBytes: facts.sizeBytes };
      }),
    stat: (root, parts) => opened(root, parts, (_descriptor, facts) => facts),
  };
}

const pathOf = (descriptor: number): string => `/proc/self/fd/${descriptor}`;

/** Every fault counts as not there: who may not see a file learns nothing of it. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function opened<T>(
  root: string,
  parts: readonly string[],
  use: (descriptor: number, facts: FileFacts) => T | undefined,
): T | undefined {
  return attempt(() => {
    const path = join(root, ...parts);
    // Opening a device can have effects, so what is there now is looked at before; it is looked at again when open.
    const before = lstatSync(path);
    if (!before.isFile() && !before.isDirectory() && !before.isSymbolicLink()) return undefined;
    const home = realpathSync(root);
    const target = realpathSync(path);
    if (!isWithin(home, target)) return undefined;
    const descriptor = openSync(target, FLAGS | constants.O_NOFOLLOW);
    try {
      if (!isWithin(home, readlinkSync(pathOf(descriptor)))) return undefined;
      const facts = factsOf(parts.at(-1) ?? '', fstatSync(descriptor));
      return facts.kind === 'other' ? undefined : use(descriptor, facts);
    } finally {
      closeSync(descriptor);
    }
  });
}

const isWithin = (root: string, path: string): boolean =>
  path === root || path.startsWith(`${root}/`);

function factsOf(name: string, stats: Stats): FileFacts {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  return {
    name,
    kind,
    sizeBytes: stats.size,
    modifiedMs: stats.mtimeMs,
    mode: stats.mode & 0o7777,
    links: stats.nlink,
    uid: stats.uid,
    gid: stats.gid,
  };
}
