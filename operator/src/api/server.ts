import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { readCertificate, watchCertificate } from './certificate.ts';

export interface ServerOptions {
  readonly app: RequestListener;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxConnections?: number;
  /** Folder with `tls.crt` and `tls.key`; absent: plain HTTP. Read anew when the files change. */
  readonly tlsDir?: string | undefined;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  /** Stops listening, lets requests under way finish for `graceMs`, then breaks what is left. */
  close(graceMs: number): Promise<void>;
}

const HEADERS_MS = 10_000;
/** For the whole request, body included; replies that stream are not bounded by it. */
const REQUEST_MS = 60_000;
/** Old clients reuse connections after minutes of silence and fail when the server has closed them. */
const KEEP_ALIVE_MS = 10 * 60_000;
const MAX_CONNECTIONS = 10_000;

/** Listens. Rejects when the address cannot be bound or the certificate cannot be read, naming it. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { server, stop } = await createListener(options);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on('clientError', (_error, socket) => {
    // Answered by hand: Node's own reply would be fine, but a destroyed socket must not be written to.
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });
  await listening(server, options);
  const { address, port } = server.address() as AddressInfo;
  options.log.info('listening', { host: address, port, tls: options.tlsDir !== undefined });
  return {
    host: address,
    port,
    close: (graceMs) => {
      stop();
      return closed(server, options.clock, graceMs);
    },
  };
}

const TIMEOUTS = {
  headersTimeout: HEADERS_MS,
  requestTimeout: REQUEST_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
} as const;

async function createListener({
  app,
  tlsDir,
  clock,
  log,
}: ServerOptions): Promise<{ readonly server: Server | TlsServer; readonly stop: () => void }> {
  if (tlsDir === undefined) return { server: createServer(TIMEOUTS, app), stop: () => {} };
  const pair = await readCertificate(tlsDir);
  const tls = { minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_MS } as const;
  const server = createTlsServer({ ...TIMEOUTS, ...tls, ...pair }, app);
  const watching = { dir: tlsDir, clock, log };
  // Connections that are open keep the certificate they began with.
  const stop = watchCertificate(
    pair,
    (next) => server.setSecureContext({ ...tls, ...next }),
    watching,
  );
  return { server, stop };
}

function listening(server: Server | TlsServer, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void =>
      reject(new Error(`cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function closed(server: Server | TlsServer, clock: Clock, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(graceMs, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}
