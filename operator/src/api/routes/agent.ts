import { type Request, type Response, Router } from 'express';
import { AGENT_REPORT_PATH, AgentReport } from '../../schema/http/agentReport.ts';
import { faultOf } from '../../schema/mesos/lenient.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { parseJson, readBody } from '../jsonBody.ts';
import { answeredElsewhere, createGuard, type Guard, limitOf, tooManyRequests } from './guard.ts';

const REPORT_BYTES = 1024 * 1024;
/** A report this far from our own clock tells nothing of the present. */
const MAX_SKEW_MS = 5 * 60_000;
const REPORTS_PER_SECOND = 2;
/** Claim in which the API server names the node whose Pod a service account token is bound to. */
const NODE_CLAIM = 'authentication.kubernetes.io/node-name';

/** Usage reports of node agents. An agent may report its own node and no other. */
export function agentRoutes(context: RouteContext): Router {
  const guard = createGuard(context);
  const perNode = limitOf(context.clock, REPORTS_PER_SECOND, 10);
  const router = Router({ strict: true, caseSensitive: true });
  router.post(AGENT_REPORT_PATH, async (request, response) => {
    if (answeredElsewhere(context.leadership(), request, response)) return;
    const mayReport = await reporter(context, guard, request, response);
    if (mayReport === undefined) return;
    const report = await readReport(context, request, response);
    if (report === undefined) return;
    if (!mayReport(report.node)) {
      sendError(response, 403, `The token is not that of the agent on node '${report.node}'`);
      return;
    }
    if (!perNode.take(report.node)) {
      tooManyRequests(response);
      return;
    }
    context.agents.onReport(report);
    response.status(202).end();
  });
  router.all(AGENT_REPORT_PATH, methodNotAllowed('POST'));
  return router;
}

/** Which nodes the caller may speak for; undefined when it was refused. */
export async function reporter(
  { agents }: RouteContext,
  guard: Guard,
  request: Request,
  response: Response,
): Promise<((node: string) => boolean) | undefined> {
  if (agents.allowAnonymous && request.headers.authorization === undefined) return () => true;
  const principal = await guard(request, response);
  if (principal === undefined) return undefined;
  if (principal.name !== agents.serviceAccount) {
    sendError(response, 403, `Only ${agents.serviceAccount} may report usage`);
    return undefined;
  }
  const nodes = principal.extra?.[NODE_CLAIM] ?? [];
  return (node) => nodes.length === 1 && nodes[0] === node;
}

async function readReport(
  { clock }: RouteContext,
  request: Request,
  response: Response,
): Promise<AgentReport | undefined> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (type.trim() !== 'application/json') {
    sendError(response, 415, "Expecting 'Content-Type' of 'application/json'");
    return undefined;
  }
  const body = await readBody(request, REPORT_BYTES);
  const json = body.ok ? parseJson(body.value) : body;
  if (!json.ok) {
    response.setHeader('Connection', 'close');
    sendError(response, json.refusal.status, json.refusal.message);
    return undefined;
  }
  const report = AgentReport.safeParse(json.value);
  if (!report.success) {
    sendError(response, 400, faultOf(report.error, 'report'));
    return undefined;
  }
  if (Math.abs(clock.nowMs() - report.data.atMs) > MAX_SKEW_MS) {
    sendError(
      response,
      400,
      'report.atMs: more than 5 minutes from now; check the clock of the node',
    );
    return undefined;
  }
  return report.data;
}
