import { type Request, type Response, Router } from 'express';
import type { Principal } from '../../controllers/framework/types.ts';
import type { WriteCall } from '../../controllers/operatorCalls/planCall.ts';
import { parseOperatorCall, parseOperatorProtoCall } from '../../schema/mesos/operatorCall.ts';
import { OPERATOR_REPLY_CODEC } from '../../schema/mesos/operatorCodec.ts';
import type { WireObject } from '../../schema/mesos/proto/types.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { JSON_TYPE, PROTOBUF_TYPE, replyType, type WireType } from '../mediaType.ts';
import type { RateLimit } from '../rateLimit.ts';
import { readCall } from '../readCall.ts';
import {
  answeredElsewhere,
  createGuard,
  type Guard,
  limitOf,
  tooManyRequests,
} from '../routes/guard.ts';
import { type CallWriter, statusOfWrite } from './callWriter.ts';
import { metricsSnapshot } from './metricsSnapshot.ts';
import { readFor } from './reading.ts';
import { isRead, type ReadCall, replyTo } from './replies.ts';
import type { Subscribers } from './subscribers.ts';
import { ReviewUnavailable } from './visibility.ts';

const PATHS = ['/api/v1', '/master/api/v1'];
/** Calls of one principal: each gathers the whole cluster. */
const CALLS_PER_SECOND = 50;
const allowPost = methodNotAllowed('POST');

interface OperatorContext {
  readonly context: RouteContext;
  readonly guard: Guard;
  readonly limit: RateLimit;
  readonly subscribers: Subscribers;
  readonly startedMs: number;
  readonly write: CallWriter;
}

interface Caller {
  readonly principal: Principal;
  readonly mediaType: WireType;
  readonly response: Response;
}

/** The Mesos v1 operator API. Checks run in the order of Mesos `src/master/http.cpp`, `Master::Http::api`. */
export function operatorRoutes(
  context: RouteContext,
  subscribers: Subscribers,
  write: CallWriter,
): Router {
  const operator: OperatorContext = {
    context,
    guard: createGuard(context),
    limit: limitOf(context.clock, CALLS_PER_SECOND),
    subscribers,
    startedMs: context.clock.monotonicMs(),
    write,
  };
  const router = Router({ strict: true, caseSensitive: true });
  router.all(PATHS, async (request, response, next) => {
    if (answeredElsewhere(context.leadership(), request, response)) return;
    const principal = await operator.guard(request, response);
    if (principal === undefined) return;
    if (request.method !== 'POST') {
      await allowPost(request, response, next);
      return;
    }
    if (!operator.limit.take(principal.name)) {
      tooManyRequests(response);
      return;
    }
    await handlePost(operator, principal, request, response);
  });
  return router;
}

async function handlePost(
  operator: OperatorContext,
  principal: Principal,
  request: Request,
  response: Response,
): Promise<void> {
  const call = await readCall(CALL_FORM, operator.context.limits.bodyBytes, request, response);
  if (call === undefined) return;
  const mediaType = replyType(request.headers.accept);
  if (mediaType === undefined) {
    sendError(response, 406, `Expecting 'Accept' to allow '${JSON_TYPE}' or '${PROTOBUF_TYPE}'`);
    return;
  }
  const caller = { principal, mediaType, response };
  try {
    if (call.kind === 'SUBSCRIBE') await operator.subscribers.add(response, principal, mediaType);
    else if (isRead(call.kind)) await answerRead(operator, call.kind, caller);
    else {
      const write = call as WriteCall;
      const refusal = await operator.write(write, principal);
      const status = statusOfWrite(write.kind, refusal);
      if (refusal === undefined) response.status(status).end();
      else sendError(response, status, refusal.message);
    }
  } catch (error) {
    if (!(error instanceof ReviewUnavailable)) throw error;
    sendError(response, 503, error.message);
  }
}

const CALL_FORM = {
  name: 'master::Call',
  fromJson: parseOperatorCall,
  fromProto: parseOperatorProtoCall,
} as const;

async function answerRead(
  { context, subscribers, startedMs }: OperatorContext,
  kind: ReadCall,
  { principal, mediaType, response }: Caller,
): Promise<void> {
  const { all, visible, flags } = await readFor(context, principal);
  const { facts, logLevel } = context.operatorApi;
  const uptimeMs = context.clock.monotonicMs() - startedMs;
  const reply = replyTo(kind, {
    view: visible,
    facts: facts(),
    flags,
    logLevel,
    metrics: () =>
      metricsSnapshot({ all, visible, elected: true, uptimeMs, subscribers: subscribers.size }),
  });
  if (reply === undefined) sendError(response, 403, 'Missing: get /flags');
  else sendReply(response, mediaType, reply);
}

function sendReply(response: Response, mediaType: WireType, reply: WireObject): void {
  const body =
    mediaType === JSON_TYPE
      ? Buffer.from(JSON.stringify(reply), 'utf8')
      : OPERATOR_REPLY_CODEC.toProto(reply);
  // Not through express, which would add a charset: Mesos's clients compare the whole header.
  response.writeHead(200, { 'Content-Type': mediaType, 'Content-Length': body.length });
  response.end(body);
}
