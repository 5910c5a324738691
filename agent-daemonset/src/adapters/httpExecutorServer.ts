import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { parseJson, readBody } from '../../../operator/src/api/jsonBody.ts';
import {
  JSON_TYPE,
  PROTOBUF_TYPE,
  replyType,
  type WireType,
  wireTypeOf,
} from '../../../operator/src/api/mediaType.ts';
import { encodeJsonRecord, frameRecord } from '../../../operator/src/api/recordIo.ts';
import type { Clock } from '../../../operator/src/ports/clock.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import {
  EXECUTOR_CALL_CODEC,
  EXECUTOR_EVENT_CODEC,
  parseExecutorCall,
} from '../../../operator/src/schema/mesos/executorCall.ts';
import type { WireObject } from '../../../operator/src/schema/mesos/proto/types.ts';
import type {
  CallAnswer,
  ExecutorRelay,
  ExecutorStream,
  MadeCall,
  RelayEvent,
} from '../executor/executorRelay.ts';

export interface ExecutorServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly relay: Pick<ExecutorRelay, 'handle'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Both paths that Mesos agents serve it under. */
const PATHS: ReadonlySet<string> = new Set(['/api/v1/executor', '/slave(1)/api/v1/executor']);
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_CONNECTIONS = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** What may wait for an executor that does not read; beyond it the stream is cut and the executor comes back. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;
/** Source: Mesos `src/slave/constants.hpp`, `DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL`. */
const HEARTBEAT_MS = 30 * 60_000;

/** Serves the v1 executor API of a Mesos agent; resolves when it listens. */
export async function startExecutorServer(
  options: ExecutorServerOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer(
    {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: 10 * 60_000,
      maxHeaderSize: 16 * 1024,
    },
    (request, response) => {
      answer(options, request, response).catch((error: unknown) => {
        options.log.error('executor call failed by a bug', { error });
        send(response, 500, 'Internal error');
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: ExecutorServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`cannot listen on ${host}:${port} (--executor-port): ${error.message}`)),
    );
    server.listen(port, host, resolve);
  });
}

/** The checks in Mesos's order. Source: Mesos `src/slave/http.cpp`, `Http::executor`. */
async function answer(
  options: ExecutorServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = URL.parse(request.url ?? '', 'http://agent')?.pathname ?? '';
  if (path === '/health') return send(response, 200, '');
  if (!PATHS.has(path)) return send(response, 404, 'No such path');
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    return send(response, 405, "Expecting one of { 'POST' }, but received another method");
  }
  const type = request.headers['content-type'];
  if (type === undefined) return send(response, 400, "Expecting 'Content-Type' to be present");
  const wireType = wireTypeOf(type);
  if (wireType === undefined) {
    const expected = `Expecting 'Content-Type' of '${JSON_TYPE}' or '${PROTOBUF_TYPE}'`;
    return send(response, 415, expected);
  }
  const body = await readBody(request, MAX_BODY_BYTES);
  if (!body.ok) {
    response.setHeader('Connection', 'close');
    return send(response, body.refusal.status, body.refusal.message);
  }
  const wire = wireOf(body.value, wireType);
  const call = wire.ok ? parseExecutorCall(wire.value) : wire;
  if (!wire.ok || !call.ok) {
    const why = wire.ok && !call.ok ? call.refusal : !wire.ok ? wire.refusal : '';
    return send(response, 400, `Failed to validate executor call: ${why}`);
  }
  const accepted = replyType(request.headers.accept);
  if (call.value.kind === 'SUBSCRIBE' && accepted === undefined) {
    const expected = `Expecting 'Accept' to allow '${JSON_TYPE}' or '${PROTOBUF_TYPE}'`;
    return send(response, 406, expected);
  }
  const made = { call: call.value, wire: wire.value, ...callerOf(request) };
  finish(options, await options.relay.handle(made), accepted ?? JSON_TYPE, response);
}

function wireOf(
  body: Buffer,
  wireType: WireType,
): { ok: true; value: WireObject } | { ok: false; refusal: string } {
  if (wireType === PROTOBUF_TYPE) return EXECUTOR_CALL_CODEC.fromProto(body);
  const json = parseJson(body);
  return json.ok
    ? EXECUTOR_CALL_CODEC.fromJson(json.value)
    : { ok: false, refusal: json.refusal.message };
}

function callerOf(request: IncomingMessage): Pick<MadeCall, 'peer' | 'token'> {
  const [, token] = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  return { peer: addressOf(request.socket), token };
}

/** A socket that takes IPv6 too names IPv4 callers in a form of its own. */
const addressOf = ({ remoteAddress = '' }: Socket): string =>
  remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');

function finish(
  options: ExecutorServerOptions,
  result: CallAnswer,
  type: WireType,
  response: ServerResponse,
): void {
  if (result.kind === 'reply') {
    send(response, result.status, result.message);
    return;
  }
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.flushHeaders();
  const stream = streamOf(response, type, options.log);
  const onClose = result.attach(stream);
  let cancel: () => void = () => undefined;
  const beat = (): void => {
    stream.send({ type: 'HEARTBEAT' });
    cancel = options.clock.setTimer(HEARTBEAT_MS, beat);
  };
  cancel = options.clock.setTimer(HEARTBEAT_MS, beat);
  response.once('close', () => {
    cancel();
    onClose();
  });
  // It may have gone before anybody listened.
  if (response.destroyed) onClose();
}

function streamOf(response: ServerResponse, type: WireType, log: Logger): ExecutorStream {
  return {
    send: (event) => {
      if (response.destroyed || response.writableEnded) return;
      const record = recordOf(event, type, log);
      if (record !== undefined) response.write(record);
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
    },
    end: () => response.end(),
  };
}

/** One event that cannot be written must not cost all executors the agent's stream. */
function recordOf(event: RelayEvent, type: WireType, log: Logger): Buffer | undefined {
  try {
    return type === JSON_TYPE
      ? Buffer.from(encodeJsonRecord(event), 'latin1')
      : frameRecord(EXECUTOR_EVENT_CODEC.toProto(event));
  } catch (error) {
    log.error('event for an executor not written', { type: event.type, error });
    return undefined;
  }
}

function send(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const refusal = status >= 400;
  response.writeHead(status, {
    ...(message === '' ? {} : { 'Content-Type': 'text/plain; charset=utf-8' }),
    'Content-Length': Buffer.byteLength(message),
    'Cache-Control': 'no-store',
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="mezzo"' } : {}),
    ...(refusal && status === 503 ? { 'Retry-After': '1' } : {}),
  });
  response.end(message);
}
