import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import type { Logger } from '../ports/logger.ts';

/** Answers an error as JSON. Nothing of the server's inside is in it. */
export function sendError(response: Response, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.status(status).json({ error: { status, message } });
}

/** For paths that exist, called with a method they do not have. */
export function methodNotAllowed(...allowed: readonly string[]): RequestHandler {
  return (request, response) => {
    response.setHeader('Allow', allowed.join(', '));
    sendError(
      response,
      405,
      `Expecting one of { ${allowed.join(', ')} }, but received ${request.method}`,
    );
  };
}

export const notFound: RequestHandler = (_request, response) => {
  sendError(response, 404, 'No such path');
};

interface HttpFault {
  readonly status?: number;
  readonly expose?: boolean;
  readonly message?: string;
}

/** The last handler: whatever was thrown becomes JSON; what nobody foresaw is logged and called an internal error. */
export function errorHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const fault = (typeof error === 'object' && error !== null ? error : {}) as HttpFault;
    const status = fault.status ?? 500;
    if (status >= 400 && status < 500) {
      sendError(response, status, 'The request is malformed');
      return;
    }
    log.error('request failed by a bug', { method: request.method, path: request.path, error });
    sendError(response, 500, 'Internal error');
  };
}
