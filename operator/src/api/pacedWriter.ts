import type { ServerResponse } from 'node:http';
import type { Clock } from '../ports/clock.ts';

export interface PacedWriterOptions {
  readonly clock: Clock;
  /** Bytes handed to the connection before the rest waits, not yet encoded. */
  readonly bufferBytes: number;
  /** Records that may wait. */
  readonly maxRecords: number;
}

/** What is written at once: a record or a part of a burst. */
export interface Part {
  /** What it counts for: a burst of offers counts for each of them. */
  readonly records: number;
  readonly encode: () => Buffer;
}

export interface PacedWriter {
  /** Takes a part; a text says why the reader is to be given up. */
  push(part: Part): string | undefined;
  /** Hands everything that waits to the connection. */
  flush(): void;
}

/** Who takes nothing for this long while something waits does not read. */
const STALLED_MS = 10_000;

/**
 * Writes as fast as the reader reads. All offers of a large cluster come at once, and no reader has them read in the same
 * instant: what it has not taken waits, so that a slow reader is not cut off, and one that does not read costs at most
 * `bufferBytes` of bytes, `maxRecords` records that are not yet encoded, and then its connection.
 *
 * Assumes: something is pushed now and then (heartbeats); only then is a reader judged.
 */
export function createPacedWriter(
  response: ServerResponse,
  { clock, bufferBytes, maxRecords }: PacedWriterOptions,
): PacedWriter {
  let waiting: Part[] = [];
  let next = 0;
  let records = 0;
  let takenMs = clock.monotonicMs();
  const writeWaiting = (mostBytes: number): void => {
    while (next < waiting.length && response.writableLength < mostBytes) {
      const part = waiting[next];
      next += 1;
      if (part === undefined) continue;
      records -= part.records;
      response.write(part.encode());
    }
    if (next < waiting.length) return;
    waiting = [];
    next = 0;
  };
  response.on('drain', () => {
    takenMs = clock.monotonicMs();
    writeWaiting(bufferBytes);
  });
  return {
    push(part) {
      const isBehind = next < waiting.length || response.writableLength >= bufferBytes;
      if (!isBehind) {
        takenMs = clock.monotonicMs();
        response.write(part.encode());
        return undefined;
      }
      waiting.push(part);
      records += part.records;
      if (records > maxRecords) return `the reader left ${records} records waiting`;
      const stalledMs = clock.monotonicMs() - takenMs;
      if (stalledMs <= STALLED_MS) return undefined;
      return `the reader took nothing for ${Math.round(stalledMs / 1000)} s and left ${records} records waiting`;
    },
    flush: () => writeWaiting(Number.POSITIVE_INFINITY),
  };
}
