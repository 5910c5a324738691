import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { Logger } from '../ports/logger.ts';

/** Answers an error as JSON. Nothing of the server's inside is in it. */
export function sendError(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify({ error: { status, message } }), 'utf8');
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': body.length,
  });
  response.end(body);
}

/** For paths that exist, called with a method they do not have. */
export function methodNotAllowed(...allowed: readonly string[]): RequestHandler {
  return (request, response) => refuseMethod(request, response, allowed);
}

export function refuseMethod(
  { method = '' }: IncomingMessage,
  response: ServerResponse,
  allowed: readonly string[],
): void {
  const methods = allowed.join(', ');
  response.setHeader('Allow', methods);
  sendError(response, 405, `Expecting one of { ${methods} }, but received ${method}`);
}

export const notFound: RequestHandler = (_request, response) => {
  sendError(response, 404, 'No such path');
};

interface HttpFault {
  readonly status?: number;
  readonly expose?: boolean;
  readonly message?: string;
}

/** The last handler of express. */
export function errorHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => answerFault(log, error, request, response);
}

/** Whatever was thrown becomes JSON; what nobody foresaw is logged and called an internal error. */
export function answerFault(
  log: Logger,
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const fault = (typeof error === 'object' && error !== null ? error : {}) as HttpFault;
  const status = fault.status ?? 500;
  if (status >= 400 && status < 500) {
    sendError(response, status, 'The request is malformed');
    return;
  }
  log.error('request failed by a bug', { method: request.method, path: pathOf(request), error });
  sendError(response, 500, 'Internal error');
}

/** The path of a request without its query. */
export function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
