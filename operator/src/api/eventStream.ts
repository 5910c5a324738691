import type { ServerResponse } from 'node:http';
import type { EventSink } from '../controllers/framework/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { SchedulerEvent } from '../schema/mesos/event.ts';
import { EVENT_CODEC } from '../schema/mesos/proto/codec.ts';
import type { WireType } from './mediaType.ts';
import { createPacedWriter, type Part } from './pacedWriter.ts';
import { encodeJsonRecord, frameRecord } from './recordIo.ts';

export interface EventStreamOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Bytes handed to the connection before the rest waits for the reader. */
  readonly bufferBytes: number;
  /** Records that may wait for the reader; offers of one event count each. */
  readonly maxRecords: number;
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

/** Offers in one event, some hundred kilobytes. */
const OFFERS_PER_EVENT = 256;

/** An event as what is written at once. A burst of offers becomes several events, which mean the same. */
function partsOf(event: SchedulerEvent, mediaType: WireType): readonly Part[] {
  const encode = ENCODERS[mediaType];
  if (event.type !== 'OFFERS') return [{ records: 1, encode: () => encode(event) }];
  const { offers } = event.offers;
  if (offers.length <= OFFERS_PER_EVENT)
    return [{ records: offers.length, encode: () => encode(event) }];
  return Array.from({ length: Math.ceil(offers.length / OFFERS_PER_EVENT) }, (_none, index) => {
    const piece = offers.slice(index * OFFERS_PER_EVENT, (index + 1) * OFFERS_PER_EVENT);
    return {
      records: piece.length,
      encode: () => encode({ type: 'OFFERS', offers: { offers: piece } }),
    };
  });
}

/**
 * Opens the reply to a SUBSCRIBE. One record per HTTP chunk, no compression, no Content-Length.
 * Guarantees: a reader that reads, however slowly, gets everything; one that does not costs `bufferBytes`, `maxRecords` and
 * then its connection.
 */
export function openEventStream(response: ServerResponse, options: EventStreamOptions): EventSink {
  response.writeHead(200, {
    'Content-Type': options.mediaType,
    'Mesos-Stream-Id': options.streamId,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.flushHeaders();
  const writer = createPacedWriter(response, options);
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
      for (const part of partsOf(event, options.mediaType)) {
        const fault = writer.push(part);
        if (fault === undefined) continue;
        cut(fault);
        return;
      }
    },
    end() {
      if (!open) return;
      open = false;
      writer.flush();
      response.end();
      const cancel = options.clock.setTimer(DRAIN_MS, () => response.destroy());
      response.once('close', cancel);
    },
    cut,
  };
}
