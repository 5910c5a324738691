import { type Request, type Response, Router } from 'express';
import { BUCKETS, type ClusterView, type ViewedTask } from '../../controllers/clusterView/types.ts';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import type { Principal } from '../../controllers/framework/types.ts';
import {
  AGENT_VIEW_PATH,
  type AgentView,
  type AgentViewReply,
  AgentViewRequest,
  type AgentViewTask,
} from '../../schema/http/agentView.ts';
import { faultOf } from '../../schema/mesos/lenient.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';
import type { RouteContext } from '../context.ts';
import { methodNotAllowed, sendError } from '../errors.ts';
import { parseJson, readBody } from '../jsonBody.ts';
import { reporter } from '../routes/agent.ts';
import { answeredElsewhere, createGuard, limitOf, tooManyRequests } from '../routes/guard.ts';
import { scalars } from './legacyResources.ts';
import { legacyAgent } from './legacyState.ts';
import { ReviewUnavailable, visibilityFor, visiblePart } from './visibility.ts';

const REQUEST_BYTES = 64 * 1024;
/** Questions of one agent; it remembers answers for some seconds. */
const VIEWS_PER_SECOND = 20;

/** What callers of an agent may see of its node; only that agent may ask. */
export function agentViewRoutes(context: RouteContext): Router {
  const guard = createGuard(context);
  const perNode = limitOf(context.clock, VIEWS_PER_SECOND);
  const router = Router({ strict: true, caseSensitive: true });
  router.post(AGENT_VIEW_PATH, async (request, response) => {
    if (answeredElsewhere(context.leadership(), request, response)) return;
    const maySpeakFor = await reporter(context, guard, request, response);
    if (maySpeakFor === undefined) return;
    const asked = await readRequest(request, response);
    if (asked === undefined) return;
    if (!maySpeakFor(asked.node)) {
      sendError(response, 403, `The token is not that of the agent on node '${asked.node}'`);
      return;
    }
    if (perNode.take(asked.node)) response.json(await answer(context, asked));
    else tooManyRequests(response);
  });
  router.all(AGENT_VIEW_PATH, methodNotAllowed('POST'));
  return router;
}

async function readRequest(
  request: Request,
  response: Response,
): Promise<AgentViewRequest | undefined> {
  const body = await readBody(request, REQUEST_BYTES);
  const json = body.ok ? parseJson(body.value) : body;
  if (!json.ok) {
    response.setHeader('Connection', 'close');
    sendError(response, json.refusal.status, json.refusal.message);
    return undefined;
  }
  const asked = AgentViewRequest.safeParse(json.value);
  if (asked.success) return asked.data;
  sendError(response, 400, faultOf(asked.error, 'view'));
  return undefined;
}

async function answer(context: RouteContext, asked: AgentViewRequest): Promise<AgentViewReply> {
  const outcome = await context.authenticator.authenticate(asked.authorization);
  if (outcome.kind !== 'principal') return { kind: outcome.kind, message: outcome.message };
  try {
    return await viewFor(context, outcome.principal, asked.node);
  } catch (error) {
    if (error instanceof ReviewUnavailable) return { kind: 'unavailable', message: error.message };
    throw error;
  }
}

async function viewFor(
  { operatorApi }: RouteContext,
  principal: Principal,
  node: string,
): Promise<AgentView> {
  const all = operatorApi.cluster();
  const onNode: ClusterView = {
    ...all,
    agents: all.agents.filter((one) => one.id === node),
    tasks: all.tasks.filter((one) => one.agent === node),
  };
  const visibility = await visibilityFor(onNode, principal, operatorApi.access);
  const view = visiblePart(onNode, visibility);
  const may = async (question: AccessQuestion): Promise<boolean> =>
    (await operatorApi.access.may(principal, question)).kind === 'allowed';
  const own = new Set(
    all.frameworks.filter((one) => one.principal === principal.name).map((one) => one.id),
  );
  const rights = await rightsIn(view.tasks, may);
  const [agent] = view.agents;
  const shown = new Set(view.tasks.map((task) => task.framework));
  return {
    kind: 'principal',
    principal: principal.name,
    version: MESOS_VERSION,
    masterHostname: operatorApi.facts().hostname,
    mayDebug: await may({ path: '/files/debug', verb: 'get' }),
    ...(agent === undefined ? {} : { agent: { ...legacyAgent(agent) } }),
    frameworks: view.frameworks
      .filter((one) => shown.has(one.id))
      .map((one) => ({
        id: one.id,
        name: one.name,
        user: one.user,
        ...(one.principal === undefined ? {} : { principal: one.principal }),
        roles: [...one.roles],
        multiRole: one.capabilities.includes('MULTI_ROLE'),
        failoverTimeoutSeconds: one.failoverTimeoutMs / 1000,
      })),
    tasks: view.tasks.map((task) => viewedTask(task, own.has(task.framework), rights)),
  };
}

type Rights = ReadonlyMap<string, { readonly logs: boolean; readonly files: boolean }>;

/** What `kubectl logs` and `kubectl exec` would allow, per namespace. */
async function rightsIn(
  tasks: readonly ViewedTask[],
  may: (question: AccessQuestion) => Promise<boolean>,
): Promise<Rights> {
  const rights = new Map<string, { logs: boolean; files: boolean }>();
  for (const namespace of new Set(tasks.map((task) => task.namespace))) {
    const pods = { group: '', resource: 'pods', namespace };
    rights.set(namespace, {
      logs: await may({ ...pods, subresource: 'log', verb: 'get' }),
      files: await may({ ...pods, subresource: 'exec', verb: 'create' }),
    });
  }
  return rights;
}

function viewedTask(task: ViewedTask, isOwn: boolean, rights: Rights): AgentViewTask {
  const { podUid, podName, namespace, container, id, name, framework, role, state } = task;
  const may = rights.get(namespace);
  return {
    podUid,
    podName,
    namespace,
    container,
    id,
    name,
    framework,
    role,
    state,
    completed: BUCKETS[state] === 'completed',
    resources: { ...scalars(task) },
    mayReadLogs: isOwn || may?.logs === true,
    mayReadFiles: isOwn || may?.files === true,
  };
}
