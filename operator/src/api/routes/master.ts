import { type Request, type RequestHandler, type Response, Router } from 'express';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import {
  legacyAgents,
  legacyFrameworks,
  legacyRoles,
  legacyState,
  legacyStateSummary,
  legacyTasks,
} from '../operatorApi/legacyState.ts';
import { wireMaintenanceStatus, wireSchedule } from '../operatorApi/maintenanceWire.ts';
import { metricsSnapshot } from '../operatorApi/metricsSnapshot.ts';
import { wireQuota, wireWeights } from '../operatorApi/quotaWire.ts';
import { FLAGS_QUESTION, type Reading, readFor } from '../operatorApi/reading.ts';
import type { Subscribers } from '../operatorApi/subscribers.ts';
import { ReviewUnavailable } from '../operatorApi/visibility.ts';
import type { RateLimit } from '../rateLimit.ts';
import { answeredElsewhere, createGuard, type Guard, limitOf, tooManyRequests } from './guard.ts';

const both = (path: string): string[] => [path, `/master${path}`];

/** Reads of one principal: each gathers the whole cluster. */
const READS_PER_SECOND = 50;
/** Source: Mesos `src/master/http.cpp`, `TASK_LIMIT`. */
const TASK_LIMIT = 100;

interface Read extends Reading {
  readonly context: RouteContext;
  readonly request: Request;
  readonly uptimeMs: number;
  readonly subscribers: Subscribers;
}

interface Gate {
  readonly guard: Guard;
  readonly limit: RateLimit;
  readonly startedMs: number;
  readonly subscribers: Subscribers;
}

/** What each path answers. */
const READS = {
  '/state': (read) => legacyState(read.visible, read.context.operatorApi.facts(), read.flags),
  '/state-summary': (read) => legacyStateSummary(read.visible, read.context.operatorApi.facts()),
  '/frameworks': (read) => legacyFrameworks(read.visible, textOf(read, 'framework_id')),
  '/slaves': (read) => legacyAgents(read.visible, textOf(read, 'slave_id')),
  '/agents': (read) =>
    legacyAgents(read.visible, textOf(read, 'agent_id') ?? textOf(read, 'slave_id')),
  '/tasks': (read) =>
    legacyTasks(read.visible, {
      limit: countOf(read, 'limit') ?? TASK_LIMIT,
      offset: countOf(read, 'offset') ?? 0,
      ascending: textOf(read, 'order') === 'asc',
      frameworkId: textOf(read, 'framework_id'),
      taskId: textOf(read, 'task_id'),
    }),
  '/roles': (read) => legacyRoles(read.visible),
  '/weights': (read) => wireWeights(read.visible),
  '/quota': (read) => wireQuota(read.visible),
  '/maintenance/schedule': (read) => wireSchedule(read.visible),
  '/maintenance/status': (read) => wireMaintenanceStatus(read.visible),
  '/metrics/snapshot': ({ all, visible, uptimeMs, subscribers }) =>
    metricsSnapshot({ all, visible, elected: true, uptimeMs, subscribers: subscribers.size }),
} as const satisfies { readonly [path: string]: (read: Read) => unknown };

/** Read endpoints of a Mesos master that old clients touch, each also under `/master`. */
export function masterRoutes(context: RouteContext, subscribers: Subscribers): Router {
  const guard = createGuard(context);
  const limit = limitOf(context.clock, READS_PER_SECOND);
  const startedMs = context.clock.monotonicMs();
  const router = Router({ strict: true, caseSensitive: true });
  router.get(both('/health'), (_request, response) => {
    response.status(200).end();
  });
  router.get(both('/version'), (_request, response) => {
    response.json({ version: MESOS_VERSION, build_user: context.operatorApi.facts().buildUser });
  });
  router.get(both('/redirect'), redirect(context));
  router.get(both('/flags'), flags(context, guard));
  for (const [path, render] of Object.entries(READS)) {
    const handler: RequestHandler = async (request, response) => {
      const gate = { guard, limit, startedMs, subscribers };
      const read = await reading(context, gate, request, response);
      if (read !== undefined) response.json(render(read));
    };
    router.get(both(path), handler);
  }
  const all = ['/health', '/version', '/redirect', '/flags', ...Object.keys(READS)].flatMap(both);
  router.all(all, methodNotAllowed('GET', 'HEAD'));
  return router;
}

function redirect(context: RouteContext): RequestHandler {
  return (_request, response) => {
    const leadership = context.leadership();
    if (leadership.kind === 'unknown') {
      sendError(response, 503, 'No leader is known at the moment');
      return;
    }
    const leader = leadership.kind === 'self' ? context.advertisedAddress : leadership.address;
    response.redirect(307, `//${leader}`);
  };
}

function flags(context: RouteContext, guard: Guard): RequestHandler {
  return async (request, response) => {
    const principal = await guard(request, response);
    if (principal === undefined) return;
    const verdict = await context.operatorApi.access.may(principal, FLAGS_QUESTION);
    if (verdict.kind === 'allowed') response.json({ flags: context.operatorApi.flags });
    else if (verdict.kind === 'denied') sendError(response, 403, `Missing: ${verdict.missing}`);
    else sendError(response, 503, verdict.message);
  };
}

/** Everything a read needs; undefined when it was refused, and the refusal sent. */
async function reading(
  context: RouteContext,
  gate: Gate,
  request: Request,
  response: Response,
): Promise<Read | undefined> {
  if (answeredElsewhere(context.leadership(), request, response)) return undefined;
  const principal = await gate.guard(request, response);
  if (principal === undefined) return undefined;
  if (!gate.limit.take(principal.name)) {
    tooManyRequests(response);
    return undefined;
  }
  try {
    const { startedMs, subscribers } = gate;
    const seen = await readFor(context, principal);
    return {
      ...seen,
      context,
      request,
      uptimeMs: context.clock.monotonicMs() - startedMs,
      subscribers,
    };
  } catch (error) {
    if (!(error instanceof ReviewUnavailable)) throw error;
    sendError(response, 503, error.message);
    return undefined;
  }
}

function textOf({ request }: Read, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Anything but a whole number counts as left out, as in Mesos. */
function countOf(read: Read, name: string): number | undefined {
  const text = textOf(read, name);
  return text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
}
