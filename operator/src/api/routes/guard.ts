import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { Principal } from '../../controllers/framework/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AuthOutcome } from '../auth/types.ts';
import type { Leadership, RouteContext } from '../context.ts';
import { sendError } from '../errors.ts';
import { RateLimit } from '../rateLimit.ts';

const MAX_CLIENTS = 10_000;

/** A limit of `perSecond` with a burst of twice that, per key. */
export function limitOf(clock: Clock, perSecond: number, burst = 2 * perSecond): RateLimit {
  return new RateLimit({ clock, perSecond, burst, maxKeys: MAX_CLIENTS });
}

export function tooManyRequests(response: ServerResponse): void {
  response.setHeader('Retry-After', '1');
  sendError(response, 429, 'Too many requests: slow down');
}

/** Sends the caller to the leader when it is another process; true when that was the answer. */
export function answeredElsewhere(
  leadership: Leadership,
  request: IncomingMessage,
  response: ServerResponse,
): leadership is Exclude<Leadership, { readonly kind: 'self' }> {
  if (leadership.kind === 'self') return false;
  if (leadership.kind === 'unknown') sendError(response, 503, 'No leader is known at the moment');
  else {
    const location = `//${leadership.address}${request.url ?? ''}`;
    response.writeHead(307, { Location: location, 'Content-Length': 0 });
    response.end();
  }
  return true;
}

export type Guard = (
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<Principal | undefined>;

/**
 * Finds out who calls; answers 401, 429 or 503 itself and then returns undefined.
 * An address that fails too often is not even looked at: reviews cost the API server.
 */
export function createGuard({ authenticator, clock, limits }: RouteContext): Guard {
  const failures = limitOf(clock, limits.failuresPerSecond);
  return async (request, response) => {
    const address = request.socket.remoteAddress ?? '';
    if (!failures.hasRoom(address)) {
      tooManyRequests(response);
      return undefined;
    }
    const outcome = await authenticator.authenticate(request.headers.authorization);
    if (outcome.kind === 'principal') return outcome.principal;
    if (outcome.kind === 'rejected') failures.take(address);
    refuse(response, outcome);
    return undefined;
  };
}

function refuse(
  response: ServerResponse,
  outcome: Exclude<AuthOutcome, { readonly kind: 'principal' }>,
): void {
  if (outcome.kind === 'unavailable') {
    sendError(response, 503, outcome.message);
    return;
  }
  response.setHeader('WWW-Authenticate', 'Bearer realm="mezzo", Basic realm="mezzo"');
  sendError(response, 401, outcome.message);
}

/** A read endpoint for anybody who has a name. */
export function guarded(
  guard: Guard,
  handler: (request: Request, response: Response) => void,
): RequestHandler {
  return async (request, response) => {
    const principal = await guard(request, response);
    if (principal !== undefined) handler(request, response);
  };
}
