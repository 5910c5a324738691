/** Streams of a container that the kubelet keeps in one file. */
export type LogStream = 'stdout' | 'stderr';

const SPACE = 0x20;
const LINE_FEED = 0x0a;
const FULL = 'F'.charCodeAt(0);

/**
 * What a container wrote to one stream, out of its log: lines of `time stream tag text`, where tag `P` means that the line
 * goes on in the next record of the stream. Anything else (a line cut off by rotation) is left out.
 * Source: Kubernetes CRI, container log format.
 */
export function streamOf(log: Buffer, stream: LogStream): Buffer {
  const parts: Buffer[] = [];
  const wanted = Buffer.from(` ${stream} `, 'latin1');
  for (let start = 0; start < log.length; ) {
    const feed = log.indexOf(LINE_FEED, start);
    const end = feed < 0 ? log.length : feed;
    const space = log.indexOf(SPACE, start);
    if (space >= 0 && space < end) {
      const tag = space + wanted.length;
      const isWanted = log.subarray(space, tag).equals(wanted);
      const tagEnd = log.indexOf(SPACE, tag);
      if (isWanted && tagEnd >= 0 && tagEnd < end) {
        parts.push(log.subarray(tagEnd + 1, end));
        if (log[tag] === FULL && feed >= 0) parts.push(NEW_LINE);
      }
    }
    start = end + 1;
  }
  return Buffer.concat(parts);
}

const NEW_LINE = Buffer.from('\n');

/** Files of one container's log, oldest first: `<restart>.log`, before it what was rotated away and not compressed. */
export function logFilesInOrder(names: readonly string[]): readonly string[] {
  const keyed = names.flatMap((name) => {
    const match = /^(\d{1,9})\.log(?:\.(\d{8}-\d{6}))?$/.exec(name);
    return match === null ? [] : [{ name, restart: Number(match[1]), rotated: match[2] ?? '~' }];
  });
  return keyed
    .toSorted((a, b) => a.restart - b.restart || (a.rotated < b.rotated ? -1 : 1))
    .map((one) => one.name);
}
