import { type Request, type Response, Router } from 'express';
import type { z } from 'zod';
import type { AgentSink } from '../../controllers/framework/executor/executorLinks.ts';
import type { FrameworkHub } from '../../controllers/framework/hub.ts';
import {
  EXECUTOR_CALL_PATH,
  EXECUTOR_LINK_PATH,
  RELAY_PING_MS,
  RelayedCall,
  RelayHello,
} from '../../schema/http/executorRelay.ts';
import { faultOf } from '../../schema/mesos/lenient.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { parseJson, readBody } from '../jsonBody.ts';
import { createReaderBound } from '../readerBound.ts';
import { reporter } from './agent.ts';
import { answeredElsewhere, createGuard, type Guard, limitOf, tooManyRequests } from './guard.ts';

/** Calls of all executors of one node. */
const CALLS_PER_SECOND = 1_000;
/** Streams a node's agent opens: it tries again when one breaks. */
const LINKS_PER_SECOND = 2;

/** Node agents, which hold the streams of the executors on their node. An agent speaks for its own node only. */
export function executorRoutes(context: RouteContext): Router {
  const guard = createGuard(context);
  const calls = limitOf(context.clock, CALLS_PER_SECOND);
  const links = limitOf(context.clock, LINKS_PER_SECOND, 10);
  const router = Router({ strict: true, caseSensitive: true });
  router.post(EXECUTOR_LINK_PATH, async (request, response) => {
    const asked = await readFromAgent(context, guard, RelayHello, request, response);
    if (asked === undefined) return;
    if (!links.take(asked.body.node)) tooManyRequests(response);
    else openLink(context, asked.hub, asked.body, response);
  });
  router.post(EXECUTOR_CALL_PATH, async (request, response) => {
    const asked = await readFromAgent(context, guard, RelayedCall, request, response);
    if (asked === undefined) return;
    if (!calls.take(asked.body.node)) tooManyRequests(response);
    else response.json(await asked.hub.handleExecutorCall(asked.body));
  });
  router.all([EXECUTOR_LINK_PATH, EXECUTOR_CALL_PATH], methodNotAllowed('POST'));
  return router;
}

/** What an agent sent, once it is known to be the agent of the node it names; undefined when it was refused. */
async function readFromAgent<Body extends { readonly node: string }>(
  context: RouteContext,
  guard: Guard,
  schema: z.ZodType<Body>,
  request: Request,
  response: Response,
): Promise<{ readonly hub: FrameworkHub; readonly body: Body } | undefined> {
  const leadership = context.leadership();
  if (answeredElsewhere(leadership, request, response)) return undefined;
  const { hub } = leadership;
  if (hub === undefined) {
    sendError(response, 503, 'The leader has not finished recovery');
    return undefined;
  }
  const maySpeakFor = await reporter(context, guard, request, response);
  if (maySpeakFor === undefined) return undefined;
  const bytes = await readBody(request, context.limits.bodyBytes);
  const json = bytes.ok ? parseJson(bytes.value) : bytes;
  if (!json.ok) {
    response.setHeader('Connection', 'close');
    sendError(response, json.refusal.status, json.refusal.message);
    return undefined;
  }
  const body = schema.safeParse(json.value);
  if (!body.success) {
    sendError(response, 400, faultOf(body.error, 'agent'));
    return undefined;
  }
  if (maySpeakFor(body.data.node)) return { hub, body: body.data };
  sendError(response, 403, `The token is not that of the agent on node '${body.data.node}'`);
  return undefined;
}

/** One command per line; an empty command now and then tells both sides that the other is there. */
function openLink(
  { clock, log, limits }: RouteContext,
  hub: FrameworkHub,
  hello: RelayHello,
  response: Response,
): void {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
  const bound = createReaderBound(clock, limits.streamBufferBytes);
  const sink: AgentSink = {
    send: (command) => {
      if (response.destroyed) return;
      response.write(`${JSON.stringify(command)}\n`);
      if (bound.isTooSlow(response.writableLength)) response.destroy();
    },
    end: () => response.destroy(),
  };
  sink.send({});
  const ping = (): void => {
    cancelPing = clock.setTimer(RELAY_PING_MS, ping);
    sink.send({});
  };
  let cancelPing = clock.setTimer(RELAY_PING_MS, ping);
  const close = hub.openExecutorLink(hello, sink);
  log.info('agent serves executors', { node: hello.node, endpoint: hello.endpoint });
  response.once('close', () => {
    cancelPing();
    close();
    log.info('agent is gone as far as executors go', { node: hello.node });
  });
}
