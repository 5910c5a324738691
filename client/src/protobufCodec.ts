import { CALL_CODEC, EVENT_CODEC } from '../../operator/src/schema/mesos/proto/codec.ts';
import type { Codec } from './codec.ts';
import { SchedulerError } from './schedulerError.ts';
import type { SchedulerEvent } from './wire.ts';

/** `application/x-protobuf`: less to send and to parse than JSON. The messages look the same to the framework. */
export const protobufCodec: Codec = {
  contentType: 'application/x-protobuf',
  encodeCall(call) {
    // Through the reader of JSON, so that a wrong field is named instead of left out in silence.
    const read = CALL_CODEC.fromJson(call);
    if (!read.ok)
      throw new SchedulerError('badCall', `the call cannot be written (${read.refusal})`);
    return new Uint8Array(CALL_CODEC.toProto(read.value));
  },
  decodeEvent(record) {
    const read = EVENT_CODEC.fromProto(record);
    if (!read.ok)
      throw new SchedulerError('protocol', `a record of the stream is no event (${read.refusal})`);
    return read.value as unknown as SchedulerEvent;
  },
};
