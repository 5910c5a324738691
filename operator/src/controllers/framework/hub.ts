import { type FrameworkId, frameworkId } from '../../model/ids.ts';
import type { Call, CallOf } from '../../schema/mesos/call.ts';
import { Registry } from './registry.ts';
import { type SubscribeOutcome, Subscriptions } from './subscriptions.ts';
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

/** The master as external frameworks meet it. One per term of leadership. */
export interface FrameworkHub {
  subscribe(call: CallOf<'SUBSCRIBE'>, principal: Principal): Promise<SubscribeOutcome>;
  handleCall(call: Exclude<Call, { readonly kind: 'SUBSCRIBE' }>, caller: Caller): CallOutcome;
  frameworks(): readonly FrameworkSummary[];
  /** Breaks every stream and stops every timer and write. */
  stop(): void;
}

const ACCEPTED: CallOutcome = { kind: 'accepted' };

export function createFrameworkHub(options: FrameworkHubOptions): FrameworkHub {
  const registry = new Registry(options);
  const subscriptions = new Subscriptions(options, registry);
  const calls = new TaskCalls(options, registry);
  return {
    subscribe: (call, principal) => subscriptions.subscribe(call, principal),
    handleCall(call, caller) {
      const id = frameworkId(call.frameworkId);
      return callerFault(registry, id, caller) ?? dispatch(call, id, registry, calls, options);
    },
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

function dispatch(
  call: Exclude<Call, { readonly kind: 'SUBSCRIBE' }>,
  id: FrameworkId,
  registry: Registry,
  calls: TaskCalls,
  options: FrameworkHubOptions,
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
    // Accepted and without effect: best effort (MESSAGE, SHUTDOWN without custom executors), a no-op in Mesos too
    // (REQUEST), or about things never sent (inverse offers, operation statuses).
    case 'MESSAGE':
    case 'REQUEST':
    case 'SHUTDOWN':
    case 'ACCEPT_INVERSE_OFFERS':
    case 'DECLINE_INVERSE_OFFERS':
    case 'ACKNOWLEDGE_OPERATION_STATUS':
    case 'RECONCILE_OPERATIONS':
      return ACCEPTED;
    case 'UPDATE_FRAMEWORK':
    case 'UNKNOWN':
      return { kind: 'notImplemented', message: `${call.kind} calls are not served` };
  }
}
