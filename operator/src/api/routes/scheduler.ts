import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallOutcome, FrameworkHub } from '../../controllers/framework/hub.ts';
import type { UpdateOutcome } from '../../controllers/framework/subscriptions.ts';
import type { Principal } from '../../controllers/framework/types.ts';
import { type Call, type CallOf, parseCall, parseProtoCall } from '../../schema/mesos/call.ts';
import type { RouteContext } from '../context.ts';
import { answerFault, pathOf, refuseMethod, sendError } from '../errors.ts';
import { openEventStream } from '../eventStream.ts';
import { JSON_TYPE, PROTOBUF_TYPE, replyType, type WireType } from '../mediaType.ts';
import type { RateLimit } from '../rateLimit.ts';
import { readCall } from '../readCall.ts';
import { StreamCounts } from '../streamCounts.ts';
import { answeredElsewhere, createGuard, type Guard, limitOf, tooManyRequests } from './guard.ts';

const PATHS: ReadonlySet<string> = new Set(['/api/v1/scheduler', '/master/api/v1/scheduler']);

interface SchedulerContext {
  readonly context: RouteContext;
  readonly guard: Guard;
  readonly byPrincipal: RateLimit;
  readonly byFramework: RateLimit;
  readonly subscriptions: RateLimit;
  readonly streams: StreamCounts;
}

/** Answers a request if it is for one of its paths, and says whether it does. */
export type Endpoint = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * The Mesos v1 scheduler endpoint. Checks run in the order of Mesos `src/master/http.cpp`, `Master::Http::scheduler`.
 * It stands before express: thousands of small calls a second would spend more in a router than in their handler.
 */
export function schedulerEndpoint(context: RouteContext): Endpoint {
  const { clock, limits } = context;
  const scheduler: SchedulerContext = {
    context,
    guard: createGuard(context),
    byPrincipal: limitOf(clock, limits.callsPerSecond, limits.burst),
    byFramework: limitOf(clock, limits.callsPerSecond, limits.burst),
    subscriptions: limitOf(clock, limits.subscriptionsPerSecond, limits.subscriptionBurst),
    streams: new StreamCounts(limits),
  };
  return (request, response) => {
    if (!PATHS.has(pathOf(request))) return false;
    handle(scheduler, request, response).catch((error: unknown) =>
      answerFault(context.log, error, request, response),
    );
    return true;
  };
}

async function handle(
  scheduler: SchedulerContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const leadership = scheduler.context.leadership();
  if (answeredElsewhere(leadership, request, response)) return;
  if (leadership.hub === undefined) {
    sendError(response, 503, 'The leader has not finished recovery');
    return;
  }
  const principal = await scheduler.guard(request, response);
  if (principal === undefined) return;
  if (request.method === 'POST')
    await handlePost(scheduler, leadership.hub, principal, request, response);
  else refuseMethod(request, response, ['POST']);
}

async function handlePost(
  scheduler: SchedulerContext,
  hub: FrameworkHub,
  principal: Principal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!scheduler.byPrincipal.take(principal.name)) {
    tooManyRequests(response);
    return;
  }
  const said = await readCall(CALL_FORM, scheduler.context.limits.bodyBytes, request, response);
  if (said === undefined) return;
  const call = request.headers.authorization === undefined ? withoutPrincipal(said) : said;
  const claimed = call.kind === 'SUBSCRIBE' ? call.body.framework_info.principal : undefined;
  if (claimed !== undefined && claimed !== principal.name) {
    sendError(response, 400, principalMismatch(claimed, principal));
    return;
  }
  const mediaType = replyType(request.headers.accept);
  if (mediaType === undefined && ACCEPT_COUNTS.has(call.kind)) {
    sendError(response, 406, `Expecting 'Accept' to allow '${JSON_TYPE}' or '${PROTOBUF_TYPE}'`);
    return;
  }
  const streamId = headerOf(request, 'mesos-stream-id');
  if (call.kind !== 'SUBSCRIBE') {
    if (!scheduler.byFramework.take(call.frameworkId)) tooManyRequests(response);
    else if (call.kind === 'UPDATE_FRAMEWORK')
      sendOutcome(response, await hub.updateFramework(call, principal, streamId));
    else sendOutcome(response, hub.handleCall(call, { principal: principal.name, streamId }));
    return;
  }
  if (streamId !== undefined) {
    sendError(response, 400, "Subscribe calls should not include the 'Mesos-Stream-Id' header");
    return;
  }
  await subscribe(scheduler, hub, call, { principal, mediaType: mediaType ?? JSON_TYPE, response });
}

/**
 * Nobody checked who an anonymous caller is, so the name it gives itself is not held against it, and gives it nothing:
 * it acts as the principal that such callers are mapped to.
 * Source: Mesos `scheduler::call::validate`, which compares authenticated principals only.
 */
function withoutPrincipal(call: Call): Call {
  if (call.kind !== 'SUBSCRIBE') return call;
  const { principal: _, ...info } = call.body.framework_info;
  return { ...call, body: { ...call.body, framework_info: info } };
}

/** Source: Mesos `src/master/validation.cpp`, `scheduler::call::validate`. */
const principalMismatch = (claimed: string, { name }: Principal): string =>
  `Failed to validate scheduler call: authenticated principal '${name}' does not match principal ${JSON.stringify(claimed)} set in 'subscribe.framework_info'`;

/** Calls whose reply has a form; the others are answered without a body. */
const ACCEPT_COUNTS: ReadonlySet<Call['kind']> = new Set(['SUBSCRIBE', 'RECONCILE_OPERATIONS']);

const CALL_FORM = {
  name: 'scheduler call',
  fromJson: parseCall,
  fromProto: parseProtoCall,
} as const;

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

interface Subscriber {
  readonly principal: Principal;
  readonly mediaType: WireType;
  readonly response: ServerResponse;
}

async function subscribe(
  { context, streams, subscriptions }: SchedulerContext,
  hub: FrameworkHub,
  call: CallOf<'SUBSCRIBE'>,
  { principal, mediaType, response }: Subscriber,
): Promise<void> {
  const crowded = streams.fault(principal.name);
  if (crowded !== undefined) {
    response.setHeader('Retry-After', '10');
    sendError(response, 503, crowded);
    return;
  }
  if (!subscriptions.take(principal.name)) {
    tooManyRequests(response);
    return;
  }
  const outcome = await hub.subscribe(call, principal);
  if (response.destroyed) return;
  if (outcome.kind === 'unavailable') {
    sendError(response, 503, outcome.message);
    return;
  }
  const { clock, log, limits } = context;
  const { streamId } = outcome;
  const sink = openEventStream(response, {
    clock,
    log,
    streamId,
    mediaType,
    bufferBytes: limits.streamBufferBytes,
    maxRecords: limits.streamRecords,
  });
  if (outcome.kind === 'refused') {
    log.info('subscription refused', { principal: principal.name, reason: outcome.message });
    sink.send({ type: 'ERROR', error: { message: outcome.message } });
    sink.end();
    return;
  }
  const release = streams.add(principal.name);
  const onClose = outcome.attach(sink);
  response.once('close', () => {
    release();
    onClose();
  });
}

/** Total: a new outcome does not compile until it has a status. */
const STATUS_OF = {
  accepted: 202,
  badRequest: 400,
  updated: 200,
  forbidden: 403,
  conflict: 409,
  notImplemented: 501,
  unavailable: 503,
} as const satisfies Record<Outcome['kind'], number>;

type Outcome = CallOutcome | UpdateOutcome;

function sendOutcome(response: ServerResponse, outcome: Outcome): void {
  if (outcome.kind === 'accepted' || outcome.kind === 'updated') {
    response.statusCode = STATUS_OF[outcome.kind];
    response.end();
  } else sendError(response, STATUS_OF[outcome.kind], outcome.message);
}
