import type { ServerResponse } from 'node:http';
import type { EventSink } from '../controllers/framework/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { SchedulerEvent } from '../schema/mesos/event.ts';
import { EVENT_CODEC } from '../schema/mesos/proto/codec.ts';
import type { WireType } from './mediaType.ts';
import { createReaderBound } from './readerBound.ts';
import { encodeJsonRecord, frameRecord } from './recordIo.ts';

export interface EventStreamOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Bytes that may wait for a reader for some seconds; a burst may be several times as much (`createReaderBound`). */
  readonly bufferBytes: number;
  readonly streamId: string;
  /** The form of the records. */
  readonly mediaType: WireType;
}

/** One event as one record; total over the wire types. */
const ENCODERS = {
  'application/json': (event) => Buffer.from(encodeJsonRecord(event), 'latin1'),
  'application/x-protobuf': (event) => frameRecord(EVENT_CODEC.toProto(event)),
} as const satisfies Record<WireType, (event: SchedulerEvent) => Buffer>;

/** How long an ended stream may take to drain. */
const DRAIN_MS = 10_000;

/**
 * Opens the reply to a SUBSCRIBE. One record per HTTP chunk, no compression, no Content-Length.
 * Guarantees: a reader that does not read costs at most some times `bufferBytes` and then its connection.
 */
export function openEventStream(response: ServerResponse, options: EventStreamOptions): EventSink {
  response.writeHead(200, {
    'Content-Type': options.mediaType,
    'Mesos-Stream-Id': options.streamId,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.flushHeaders();
  const encode = ENCODERS[options.mediaType];
  const bound = createReaderBound(options.clock, options.bufferBytes);
  let open = true;
  response.once('close', () => {
    open = false;
  });
  const cut = (reason: string): void => {
    if (!open) return;
    open = false;
    options.log.warn('event stream cut', { stream: options.streamId, reason });
    response.destroy();
  };
  return {
    send(event: SchedulerEvent) {
      if (!open) return;
      response.write(encode(event));
      if (bound.isTooSlow(response.writableLength))
        cut(`the reader left ${response.writableLength} bytes unread`);
    },
    end() {
      if (!open) return;
      open = false;
      response.end();
      const cancel = options.clock.setTimer(DRAIN_MS, () => response.destroy());
      response.once('close', cancel);
    },
    cut,
  };
}
