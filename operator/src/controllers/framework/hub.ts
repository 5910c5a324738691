import { type FrameworkId, frameworkId } from '../../model/ids.ts';
import type { RelayedCall, RelayHello, RelayReply } from '../../schema/http/executorRelay.ts';
import type { Call, CallOf } from '../../schema/mesos/call.ts';
import type { AgentSink } from './executor/executorLinks.ts';
import { OperationCalls } from './operationCalls.ts';
import { Registry } from './registry.ts';
import { type SubscribeOutcome, Subscriptions, type UpdateOutcome } from './subscriptions.ts';
import { TaskCalls } from './taskCalls.ts';
import type { FrameworkHubOptions, FrameworkSummary, Principal } from './types.ts';

/** Who made a call other than SUBSCRIBE, and on which stream it says to be. */
export interface Caller {
  readonly principal: string;
  readonly streamId: string | undefined;
}

export type CallOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'badRequest'; readonly message: string }
  | { readonly kind: 'forbidden'; readonly message: string }
  | { readonly kind: 'notImplemented'; readonly message: string };

/** A call that is answered at once: all but SUBSCRIBE and UPDATE_FRAMEWORK. */
export type PlainCall = Exclude<Call, { readonly kind: 'SUBSCRIBE' | 'UPDATE_FRAMEWORK' }>;

/** The master as external frameworks meet it. One per term of leadership. */
export interface FrameworkHub {
  subscribe(call: CallOf<'SUBSCRIBE'>, principal: Principal): Promise<SubscribeOutcome>;
  handleCall(call: PlainCall, caller: Caller): CallOutcome;
  updateFramework(
    call: CallOf<'UPDATE_FRAMEWORK'>,
    principal: Principal,
    streamId: string | undefined,
  ): Promise<CallOutcome | UpdateOutcome>;
  /** A node agent opened its stream; returns what ends it here. */
  openExecutorLink(hello: RelayHello, sink: AgentSink): () => void;
  /** A call of an executor, as its node's agent passes it on. */
  handleExecutorCall(call: RelayedCall): Promise<RelayReply>;
  frameworks(): readonly FrameworkSummary[];
  /** Breaks every stream and stops every timer and write. */
  stop(): void;
}

const ACCEPTED: CallOutcome = { kind: 'accepted' };

export function createFrameworkHub(options: FrameworkHubOptions): FrameworkHub {
  const registry = new Registry(options);
  const subscriptions = new Subscriptions(options, registry);
  const calls = new TaskCalls(options, registry);
  const operations = new OperationCalls(options, registry);
  return {
    subscribe: (call, principal) => subscriptions.subscribe(call, principal),
    handleCall(call, caller) {
      const id = frameworkId(call.frameworkId);
      return (
        callerFault(registry, id, caller) ??
        dispatch(call, id, registry, { calls, operations, options })
      );
    },
    async updateFramework(call, principal, streamId) {
      const caller = { principal: principal.name, streamId };
      const fault = callerFault(registry, frameworkId(call.frameworkId), caller);
      return fault ?? (await subscriptions.update(call, principal));
    },
    openExecutorLink: (hello, sink) => registry.executors.openLink(hello, sink),
    handleExecutorCall: (call) => registry.executors.handleCall(call),
    frameworks: () => registry.summaries(),
    stop: () => registry.stop(),
  };
}

/** Source: Mesos `src/master/http.cpp`, `Master::Http::scheduler`: these checks, in this order. */
function callerFault(registry: Registry, id: FrameworkId, caller: Caller): CallOutcome | undefined {
  const registration = registry.live(id);
  if (registration === undefined)
    return { kind: 'badRequest', message: 'Framework cannot be found' };
  if (registration.profile.principal !== caller.principal) {
    const message = `Authenticated principal '${caller.principal}' is not the framework's`;
    return { kind: 'badRequest', message };
  }
  if (registration.presence.kind !== 'connected')
    return { kind: 'forbidden', message: 'Framework is not subscribed' };
  if (caller.streamId === undefined)
    return {
      kind: 'badRequest',
      message: "All non-subscribe calls should include the 'Mesos-Stream-Id' header",
    };
  if (caller.streamId !== registration.presence.session.streamId)
    return {
      kind: 'badRequest',
      message: "The 'Mesos-Stream-Id' of this call is not that of the framework's current stream",
    };
  return undefined;
}

interface Handlers {
  readonly calls: TaskCalls;
  readonly operations: OperationCalls;
  readonly options: FrameworkHubOptions;
}

function dispatch(
  call: PlainCall,
  id: FrameworkId,
  registry: Registry,
  { calls, operations, options }: Handlers,
): CallOutcome {
  switch (call.kind) {
    case 'TEARDOWN':
      options.log.info('framework torn down', { framework: id });
      registry.complete(id, undefined);
      return ACCEPTED;
    case 'ACCEPT':
      calls.accept(id, call.body);
      return ACCEPTED;
    case 'DECLINE':
      calls.decline(id, call.body);
      return ACCEPTED;
    case 'REVIVE':
      calls.revive(id, call.body.roles);
      return ACCEPTED;
    case 'SUPPRESS':
      calls.suppress(id, call.body.roles);
      return ACCEPTED;
    case 'KILL':
      calls.kill(id, call.body);
      return ACCEPTED;
    case 'ACKNOWLEDGE':
      calls.acknowledge(id, call.body);
      return ACCEPTED;
    case 'RECONCILE':
      calls.reconcile(id, call.body.tasks);
      return ACCEPTED;
    case 'SHUTDOWN':
      calls.shutdown(id, call.body);
      return ACCEPTED;
    case 'MESSAGE':
      registry.executors.message({
        framework: id,
        agent: call.body.agent_id.value,
        executor: call.body.executor_id.value,
        data: call.body.data,
      });
      return ACCEPTED;
    case 'REQUEST':
      // Without effect in Mesos's own allocator too.
      return ACCEPTED;
    case 'ACCEPT_INVERSE_OFFERS':
      calls.answerInverseOffers(id, call.body, 'accepted');
      return ACCEPTED;
    case 'DECLINE_INVERSE_OFFERS':
      calls.answerInverseOffers(id, call.body, 'declined');
      return ACCEPTED;
    case 'ACKNOWLEDGE_OPERATION_STATUS':
      operations.acknowledge(id, call.body);
      return ACCEPTED;
    case 'RECONCILE_OPERATIONS':
      operations.reconcile(id, call.body.operations);
      return ACCEPTED;
    case 'UNKNOWN':
      return { kind: 'notImplemented', message: `${call.kind} calls are not served` };
  }
}
