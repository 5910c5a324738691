import { SchedulerError } from './schedulerError.ts';

/** Longest record taken; the largest legal one is an OFFERS event over a whole cluster. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** Digits of that. */
const MAX_LENGTH_DIGITS = 8;

const LINE_FEED = 0x0a;

/**
 * Takes RecordIO apart: decimal length in bytes, one line feed, that many bytes; again and again.
 * Input: bytes cut anywhere. Errors: `protocol` when it is not RecordIO.
 * Source: Mesos `docs/recordio.md`.
 */
export class RecordReader {
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #awaited: number | undefined;

  /** The records complete after these bytes. */
  push(bytes: Uint8Array): Uint8Array[] {
    this.#chunks.push(bytes);
    this.#heldBytes += bytes.length;
    const records: Uint8Array[] = [];
    // Joined only when a record is complete: a record that comes in many pieces costs linear time.
    while (this.#heldBytes >= (this.#awaited ?? 1)) {
      const held = this.#join();
      if (this.#awaited === undefined) {
        const length = lengthOf(held);
        if (length === undefined) break;
        this.#drop(held, length.digits + 1);
        this.#awaited = length.bytes;
      } else {
        records.push(held.subarray(0, this.#awaited));
        this.#drop(held, this.#awaited);
        this.#awaited = undefined;
      }
    }
    return records;
  }

  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0] as Uint8Array;
    const held = Buffer.concat(this.#chunks, this.#heldBytes);
    this.#chunks = [held];
    return held;
  }

  #drop(held: Uint8Array, count: number): void {
    this.#chunks = [held.subarray(count)];
    this.#heldBytes -= count;
  }
}

function lengthOf(
  held: Uint8Array,
): { readonly digits: number; readonly bytes: number } | undefined {
  const digits = held.indexOf(LINE_FEED);
  const text = Buffer.from(held.subarray(0, digits < 0 ? MAX_LENGTH_DIGITS + 1 : digits)).toString(
    'latin1',
  );
  if (!/^\d{0,8}$/.test(text) || (digits >= 0 && text === ''))
    throw new SchedulerError(
      'protocol',
      `a record starts with ${JSON.stringify(text.slice(0, 20))} instead of its length`,
    );
  if (digits < 0) return undefined;
  const bytes = Number(text);
  if (bytes > MAX_RECORD_BYTES)
    throw new SchedulerError(
      'protocol',
      `a record has ${bytes} bytes; ${MAX_RECORD_BYTES} are taken`,
    );
  return { digits, bytes };
}
