import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server shows; read anew for every request. */
export interface AgentViews {
  /** Healthy while samples keep coming; the text says why not. */
  health(): { readonly healthy: boolean; readonly message: string };
  /** The newest usage and estimate, or undefined before the first. */
  usage(): object | undefined;
  metrics(): Promise<string>;
}

export interface AgentServer {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const TIMEOUT_MS = 10_000;

/** Serves `GET /healthz`, `/usage` and `/metrics`; resolves when it listens. Reads no request body. */
export async function startAgentServer(views: AgentViews, port: number): Promise<AgentServer> {
  const server = createServer(
    { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 8192 },
    (request, response) => {
      answer(views, request, response).catch((error: unknown) => {
        reply(response, 500, 'text/plain', `${error instanceof Error ? error.message : 'error'}\n`);
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(TIMEOUT_MS, (socket) => socket.destroy());
  await listen(server, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`cannot listen on port ${port} (--http-port): ${error.message}`)),
    );
    server.listen(port, resolve);
  });
}

async function answer(
  views: AgentViews,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return reply(response, 405, 'text/plain', 'only GET is served here\n');
  }
  switch (request.url?.split('?')[0]) {
    case '/healthz': {
      const { healthy, message } = views.health();
      return reply(response, healthy ? 200 : 503, 'text/plain', `${message}\n`);
    }
    case '/usage': {
      const usage = views.usage();
      const body = usage ?? { error: 'no sample has been taken yet; ask again in a few seconds' };
      return reply(response, usage ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
    }
    case '/metrics':
      return reply(response, 200, 'text/plain; version=0.0.4', await views.metrics());
    default:
      return reply(response, 404, 'text/plain', 'try /healthz, /usage or /metrics\n');
  }
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': `${type}${type.startsWith('text/') ? '; charset=utf-8' : ''}`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
