import { SchedulerError } from './schedulerError.ts';
import type { SchedulerEvent } from './wire.ts';

/** How messages are written. Both encodings have the same JSON form on the user's side. */
export interface Codec {
  readonly contentType: string;
  encodeCall(call: object): string | Uint8Array<ArrayBuffer>;
  /** One record of the stream. Errors: `protocol`. */
  decodeEvent(record: Uint8Array): SchedulerEvent;
}

export const jsonCodec: Codec = {
  contentType: 'application/json',
  encodeCall: (call) => JSON.stringify(call),
  decodeEvent(record) {
    try {
      return JSON.parse(Buffer.from(record).toString('utf8')) as SchedulerEvent;
    } catch (cause) {
      throw new SchedulerError('protocol', 'a record of the stream is not JSON', { cause });
    }
  },
};
