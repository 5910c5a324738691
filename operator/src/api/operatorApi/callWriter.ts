import type { Principal } from '../../controllers/framework/types.ts';
import { planCall, type WriteCall } from '../../controllers/operatorCalls/planCall.ts';
import type { CallRefusal } from '../../controllers/operatorCalls/types.ts';
import type { OperatorCallType } from '../../schema/mesos/operatorCall.ts';
import type { RouteContext } from '../context.ts';
import { applyWrites } from './applyWrites.ts';

/** Does what a call asks for; undefined when all of it is done. Throws what nobody foresaw. */
export type CallWriter = (
  call: WriteCall,
  principal: Principal,
) => Promise<CallRefusal | undefined>;

/** Writes are made one after the other, whatever route they came by: each is decided from what the one before left. */
export function createCallWriter(context: RouteContext): CallWriter {
  let last: Promise<unknown> = Promise.resolve();
  return async (call, principal) => {
    const perform = async (): Promise<CallRefusal | undefined> => {
      const { cluster, kube, access, impersonate } = context.operatorApi;
      const nowMs = context.clock.nowMs();
      const plan = planCall(call, { view: cluster(), principal: principal.name, nowMs });
      if (!plan.ok) return plan.refusal;
      return await applyWrites(plan.value, { kube, access, principal, impersonate });
    };
    const turn = last.then(perform);
    last = turn.catch(() => undefined);
    const refusal = await turn;
    context.log.info('operator call', {
      call: call.kind,
      principal: principal.name,
      outcome: refusal?.kind ?? 'done',
      ...(refusal === undefined ? {} : { reason: refusal.message }),
    });
    return refusal;
  };
}

/** Calls that are only accepted when they are answered; every other write is done. */
const ACCEPTED: ReadonlySet<OperatorCallType> = new Set([
  'RESERVE_RESOURCES',
  'UNRESERVE_RESOURCES',
  'CREATE_VOLUMES',
  'DESTROY_VOLUMES',
  'GROW_VOLUME',
  'SHRINK_VOLUME',
]);

/** Total: a new refusal does not compile until it has a status. */
const STATUS_OF = {
  badRequest: 400,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  notImplemented: 501,
  unavailable: 503,
} as const satisfies Record<CallRefusal['kind'], number>;

/** The HTTP status that tells how a call ended. */
export function statusOfWrite(kind: OperatorCallType, refusal: CallRefusal | undefined): number {
  if (refusal !== undefined) return STATUS_OF[refusal.kind];
  return ACCEPTED.has(kind) ? 202 : 200;
}
