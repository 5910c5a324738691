import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Principal } from '../../controllers/framework/types.ts';
import type { WriteCall } from '../../controllers/operatorCalls/planCall.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { type OperatorCallType, parseOperatorCall } from '../../schema/mesos/operatorCall.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { parseJson, readBody } from '../jsonBody.ts';
import { answeredElsewhere, createGuard, limitOf, tooManyRequests } from '../routes/guard.ts';
import { type CallWriter, statusOfWrite } from './callWriter.ts';
import { ReviewUnavailable } from './visibility.ts';

/**
 * The endpoints of a Mesos master that change something and are older than its operator API. Each is one of the calls of
 * that API in other clothes, and goes the same way from there.
 * Source: Mesos `src/master/http.cpp`, `quota_handler.cpp`, `weights_handler.cpp`.
 */

/** Writes of one principal. */
const WRITES_PER_SECOND = 50;

interface Asked {
  readonly body: Buffer;
  /** What follows the path of the endpoint, decoded. */
  readonly rest: string;
}

interface Endpoint {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly kind: OperatorCallType;
  /** The body of the call in the JSON of the operator API; a text says what is wrong. */
  readonly read: (asked: Asked) => Result<object, string>;
}

/** A field of a form, as `curl -d` sends it. The type of the body is not looked at, as in Mesos. */
function field(body: Buffer, name: string): Result<string, string> {
  const value = new URLSearchParams(body.toString('utf8')).get(name);
  return value === null
    ? refuse(`Missing '${name}' query parameter in the request body`)
    : ok(value);
}

/** `slaveId` and a list of resources in JSON, which is what four of the endpoints take. */
const onAgent =
  (list: 'resources' | 'volumes') =>
  ({ body }: Asked): Result<object, string> => {
    const agent = field(body, 'slaveId');
    if (!agent.ok) return agent;
    const text = field(body, list);
    if (!text.ok) return text;
    const parsed = parseJson(Buffer.from(text.value, 'utf8'));
    if (!parsed.ok || !Array.isArray(parsed.value))
      return refuse(`Error in parsing '${list}' query parameter: it must be a list in JSON`);
    return ok({ agent_id: { value: agent.value }, [list]: parsed.value as unknown[] });
  };

const jsonAs =
  (wrap: (json: unknown) => object) =>
  ({ body }: Asked): Result<object, string> => {
    const json = parseJson(body);
    return json.ok ? ok(wrap(json.value)) : refuse(json.refusal.message);
  };

const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', path: '/reserve', kind: 'RESERVE_RESOURCES', read: onAgent('resources') },
  { method: 'POST', path: '/unreserve', kind: 'UNRESERVE_RESOURCES', read: onAgent('resources') },
  { method: 'POST', path: '/create-volumes', kind: 'CREATE_VOLUMES', read: onAgent('volumes') },
  { method: 'POST', path: '/destroy-volumes', kind: 'DESTROY_VOLUMES', read: onAgent('volumes') },
  {
    method: 'PUT',
    path: '/weights',
    kind: 'UPDATE_WEIGHTS',
    read: jsonAs((weight_infos) => ({ weight_infos })),
  },
  {
    method: 'POST',
    path: '/quota',
    kind: 'SET_QUOTA',
    read: jsonAs((quota_request) => ({ quota_request })),
  },
  {
    method: 'DELETE',
    path: '/quota/*role',
    kind: 'REMOVE_QUOTA',
    read: ({ rest }) => ok({ role: rest }),
  },
  {
    method: 'POST',
    path: '/maintenance/schedule',
    kind: 'UPDATE_MAINTENANCE_SCHEDULE',
    read: jsonAs((schedule) => ({ schedule })),
  },
  {
    method: 'POST',
    path: '/machine/down',
    kind: 'START_MAINTENANCE',
    read: jsonAs((machines) => ({ machines })),
  },
  {
    method: 'POST',
    path: '/machine/up',
    kind: 'STOP_MAINTENANCE',
    read: jsonAs((machines) => ({ machines })),
  },
  {
    method: 'POST',
    path: '/teardown',
    kind: 'TEARDOWN',
    read: ({ body }) => {
      const id = field(body, 'frameworkId');
      return id.ok ? ok({ framework_id: { value: id.value } }) : id;
    },
  },
];

/** What else the paths that can be read answer to. */
const READ_TOO: ReadonlySet<string> = new Set(['/weights', '/quota', '/maintenance/schedule']);

type Method = Lowercase<Endpoint['method']>;

/** Old write endpoints, each also under `/master`. To be asked before the reads, which share some of the paths. */
export function legacyWriteRoutes(context: RouteContext, write: CallWriter): Router {
  const guard = createGuard(context);
  const limit = limitOf(context.clock, WRITES_PER_SECOND);
  const router = Router({ strict: true, caseSensitive: true });
  const handler =
    (endpoint: Endpoint): RequestHandler =>
    async (request, response) => {
      if (answeredElsewhere(context.leadership(), request, response)) return;
      const principal = await guard(request, response);
      if (principal === undefined) return;
      if (!limit.take(principal.name)) {
        tooManyRequests(response);
        return;
      }
      const call = await readCall(endpoint, context.limits.bodyBytes, request, response);
      if (call !== undefined) await perform(write, call, principal, response);
    };
  for (const endpoint of ENDPOINTS) {
    const { method, path } = endpoint;
    const paths = [path, `/master${path}`];
    router[method.toLowerCase() as Method](paths, handler(endpoint));
    if (READ_TOO.has(path)) router.all(paths, otherMethods(['GET', 'HEAD', method]));
    else router.all(paths, methodNotAllowed(method));
  }
  return router;
}

/** Lets reads pass on to their own route. */
function otherMethods(allowed: readonly string[]): RequestHandler {
  const refusal = methodNotAllowed(...allowed);
  return (request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD') next();
    else void refusal(request, response, next);
  };
}

async function readCall(
  { kind, read }: Endpoint,
  bodyBytes: number,
  request: Request,
  response: Response,
): Promise<WriteCall | undefined> {
  const body = await readBody(request, bodyBytes);
  if (!body.ok) {
    response.setHeader('Connection', 'close');
    sendError(response, body.refusal.status, body.refusal.message);
    return undefined;
  }
  const { role } = request.params as { readonly role?: string | readonly string[] };
  const rest = typeof role === 'string' ? role : (role ?? []).join('/');
  const asked = read({ body: body.value, rest });
  const call = asked.ok
    ? parseOperatorCall({ type: kind, [kind.toLowerCase()]: asked.value })
    : asked;
  if (call.ok) return call.value as WriteCall;
  sendError(response, 400, call.refusal);
  return undefined;
}

async function perform(
  write: CallWriter,
  call: WriteCall,
  principal: Principal,
  response: Response,
): Promise<void> {
  try {
    const refusal = await write(call, principal);
    const status = statusOfWrite(call.kind, refusal);
    if (refusal === undefined) response.status(status).end();
    else sendError(response, status, refusal.message);
  } catch (error) {
    if (!(error instanceof ReviewUnavailable)) throw error;
    sendError(response, 503, error.message);
  }
}
