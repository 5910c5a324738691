import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../operator/src/ports/clock.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import type { AgentView } from '../../../operator/src/schema/http/agentView.ts';
import { agentMetrics, agentState, statisticsOf } from '../mesos/agentState.ts';
import { directoryOf } from '../mesos/taskPath.ts';
import type { TaskSandbox } from '../mesos/taskSandbox.ts';
import type { NodeViews } from '../ports/nodeViews.ts';
import type { UsageSample } from '../usage/usageSample.ts';
import { browseFiles, downloadFile, readFile } from './fileRoutes.ts';
import { type Answer, json, plain } from './mesosAnswer.ts';

export interface MesosServerOptions {
  readonly node: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly views: NodeViews;
  readonly sandbox: TaskSandbox;
  readonly newestSample: () => UsageSample | undefined;
}

const MAX_CONNECTIONS = 256;
const TIMEOUT_MS = 30_000;
/** Old clients name the process of the agent in the path. */
const PREFIX = /^\/slave\(1\)(?=\/)/;

interface Asked {
  readonly options: MesosServerOptions;
  readonly view: AgentView;
  readonly query: URLSearchParams;
  readonly startedMs: number;
}

/** What each path answers, under `/slave(1)` too. */
const ROUTES: { readonly [path: string]: (asked: Asked) => Answer } = {
  '/state': ({ options, view, startedMs }) => json(agentState(view, options.node, startedMs)),
  '/monitor/statistics': ({ options, view }) => json(statisticsOf(view, options.newestSample())),
  '/metrics/snapshot': ({ options, view, startedMs }) =>
    json(agentMetrics(view, options.clock.nowMs() - startedMs)),
  '/files/browse': ({ options, view, query }) => browseFiles(options, view, query),
  '/files/read': ({ options, view, query }) => readFile(options, view, query),
  '/files/download': ({ options, view, query }) => downloadFile(options, view, query),
  '/files/debug': ({ options, view }) => debug(options, view),
};

/** What old UIs read from a Mesos agent; each caller sees what is its own, as the operator says. */
export async function startMesosServer(
  options: MesosServerOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const startedMs = options.clock.nowMs();
  const server = createServer(
    { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 32 * 1024 },
    (request, response) => {
      answer(options, request, startedMs)
        .catch((error: unknown): Answer => {
          options.log.error('request failed by a bug', { url: request.url, error });
          return plain(500, 'Internal error');
        })
        .then((result) => send(request, response, result))
        .catch(() => response.destroy());
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(TIMEOUT_MS, (socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Error(
          `cannot listen on ${options.host}:${options.port} (--mesos-port): ${error.message}`,
        ),
      ),
    );
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  options: MesosServerOptions,
  request: IncomingMessage,
  startedMs: number,
): Promise<Answer> {
  const url = URL.parse(request.url ?? '', 'http://agent');
  const path = (url?.pathname ?? '').replace(PREFIX, '');
  if (path === '/health') return plain(200, '');
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (url === null || route === undefined) return plain(404, 'No such path');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { ...plain(405, 'Only GET is served here'), headers: { allow: 'GET, HEAD' } };
  const view = await options.views.viewFor(request.headers.authorization);
  switch (view.kind) {
    case 'rejected':
      return {
        ...plain(401, view.message),
        headers: { 'www-authenticate': 'Bearer realm="mezzo", Basic realm="mezzo"' },
      };
    case 'unavailable':
      return { ...plain(503, view.message), headers: { 'retry-after': '1' } };
    case 'principal':
      return route({ options, view, query: url.searchParams, startedMs });
  }
}

/** Which path of a client stands for which on the node. */
function debug(options: MesosServerOptions, view: AgentView): Answer {
  if (!view.mayDebug) return plain(403, 'Missing: get /files/debug');
  const attached = view.tasks.map((task) => [
    directoryOf(options.node, task),
    options.sandbox.hostPathOf({ task, parts: [] }),
  ]);
  return json(Object.fromEntries(attached));
}

function send(request: IncomingMessage, response: ServerResponse, result: Answer): void {
  const body = typeof result.body === 'string' ? Buffer.from(result.body) : result.body;
  response.writeHead(result.status, {
    'content-type': result.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...result.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
