import { z } from 'zod';
import { ok, type Result, refuse } from '../../model/result.ts';
import { FrameworkInfo } from './framework.ts';
import { Base64, Double, faultOf, IdValue, listOf } from './lenient.ts';
import { OfferConstraints } from './offerConstraints.ts';
import { OfferOperation } from './operation.ts';
import { CALL_CODEC } from './proto/codec.ts';
import type { WireObject } from './proto/types.ts';
import { KillPolicy } from './task.ts';

/**
 * Mesos v1 scheduler calls. `parseCall` and `parseProtoCall` do what Mesos does before it looks at any framework: read,
 * then check what the proto cannot express. Source: Mesos `src/master/validation.cpp`, `scheduler::call::validate`.
 */

const Filters = z.object({ refuse_seconds: Double.optional() });

const TaskRef = z.object({ task_id: IdValue, agent_id: IdValue.optional() });
const RoleList = z.object({ roles: listOf(z.string()) });
const OfferList = z.object({ offer_ids: listOf(IdValue), filters: Filters.optional() });
const InverseOfferList = z.object({
  inverse_offer_ids: listOf(IdValue),
  filters: Filters.optional(),
});
/** What SUBSCRIBE and UPDATE_FRAMEWORK have in common. */
const Framework = z.object({
  framework_info: FrameworkInfo,
  suppressed_roles: listOf(z.string()),
  offer_constraints: OfferConstraints.optional(),
});

/** Body of each call: the field that carries it, its schema, and whether the call is void without it. */
const BODIES = {
  SUBSCRIBE: {
    field: 'subscribe',
    required: true,
    schema: Framework,
  },
  TEARDOWN: { field: 'teardown', required: false, schema: z.object({}) },
  ACCEPT: {
    field: 'accept',
    required: true,
    schema: OfferList.extend({ operations: listOf(OfferOperation) }),
  },
  DECLINE: { field: 'decline', required: true, schema: OfferList },
  REVIVE: { field: 'revive', required: false, schema: RoleList },
  SUPPRESS: { field: 'suppress', required: false, schema: RoleList },
  KILL: {
    field: 'kill',
    required: true,
    schema: TaskRef.extend({ kill_policy: KillPolicy.optional() }),
  },
  SHUTDOWN: {
    field: 'shutdown',
    required: true,
    schema: z.object({ executor_id: IdValue, agent_id: IdValue }),
  },
  ACKNOWLEDGE: {
    field: 'acknowledge',
    required: true,
    schema: z.object({ agent_id: IdValue, task_id: IdValue, uuid: Base64 }),
  },
  RECONCILE: { field: 'reconcile', required: true, schema: z.object({ tasks: listOf(TaskRef) }) },
  MESSAGE: {
    field: 'message',
    required: true,
    schema: z.object({ agent_id: IdValue, executor_id: IdValue, data: Base64 }),
  },
  REQUEST: {
    field: 'request',
    required: true,
    schema: z.object({ requests: listOf(z.object({ agent_id: IdValue.optional() })) }),
  },
  ACCEPT_INVERSE_OFFERS: {
    field: 'accept_inverse_offers',
    required: true,
    schema: InverseOfferList,
  },
  DECLINE_INVERSE_OFFERS: {
    field: 'decline_inverse_offers',
    required: true,
    schema: InverseOfferList,
  },
  ACKNOWLEDGE_OPERATION_STATUS: {
    field: 'acknowledge_operation_status',
    required: true,
    schema: z.object({
      agent_id: IdValue.optional(),
      resource_provider_id: IdValue.optional(),
      operation_id: IdValue,
      uuid: Base64,
    }),
  },
  RECONCILE_OPERATIONS: {
    field: 'reconcile_operations',
    required: true,
    schema: z.object({
      operations: listOf(z.object({ operation_id: IdValue, agent_id: IdValue.optional() })),
    }),
  },
  UPDATE_FRAMEWORK: {
    field: 'update_framework',
    required: true,
    schema: Framework,
  },
  UNKNOWN: { field: 'unknown', required: false, schema: z.object({}) },
} as const;

export type CallType = keyof typeof BODIES;

type BodyOf<Type extends CallType> = z.infer<(typeof BODIES)[Type]['schema']>;

/** A well-formed call. SUBSCRIBE carries a framework id only when its framework has one already. */
export type Call = {
  readonly [Type in CallType]: {
    readonly kind: Type;
    readonly frameworkId: Type extends 'SUBSCRIBE' ? string | undefined : string;
    readonly body: BodyOf<Type>;
  };
}[CallType];
export type CallOf<Type extends CallType> = Extract<Call, { readonly kind: Type }>;

/**
 * Reads one call. Input: parsed JSON of bounded depth.
 * Errors: a text that names the field, for a 400.
 */
export function parseCall(json: unknown): Result<Call, string> {
  const wire = CALL_CODEC.fromJson(json);
  return wire.ok ? callOf(wire.value) : wire;
}

/** Reads one call from protobuf; from there on it is the same as one from JSON. Errors: as `parseCall`. */
export function parseProtoCall(bytes: Uint8Array): Result<Call, string> {
  const wire = CALL_CODEC.fromProto(bytes);
  return wire.ok ? callOf(wire.value) : wire;
}

interface Envelope {
  readonly type?: CallType;
  readonly framework_id?: { readonly value: string };
}

function callOf(wire: WireObject): Result<Call, string> {
  // The codec has seen to the types of both already.
  const { type, framework_id } = wire as Envelope;
  if (type === undefined || !Object.hasOwn(BODIES, type))
    return refuse("Expecting 'type' to be present and a known call type");
  const { field, required, schema } = BODIES[type];
  const body = wire[field];
  if (body === undefined && required) return refuse(`Expecting '${field}' to be present`);
  const parsed = schema.safeParse(body ?? {});
  if (!parsed.success) return refuse(faultOf(parsed.error, field));
  // The table ties each type to its schema; TypeScript cannot follow that through a lookup.
  const call = { kind: type, frameworkId: framework_id?.value, body: parsed.data } as Call;
  const fault = callFault(call, framework_id?.value);
  return fault === undefined ? ok(call) : refuse(fault);
}

function callFault(call: Call, frameworkId: string | undefined): string | undefined {
  if (call.kind === 'SUBSCRIBE') {
    return call.body.framework_info.id?.value === frameworkId
      ? undefined
      : "'framework_id' differs from 'subscribe.framework_info.id': set both to the same id, or neither";
  }
  if (frameworkId === undefined) return "Expecting 'framework_id' to be present";
  switch (call.kind) {
    case 'UPDATE_FRAMEWORK':
      return call.body.framework_info.id?.value === frameworkId
        ? undefined
        : "'framework_id' differs from 'update_framework.framework_info.id': set both to the same id";
    case 'ACKNOWLEDGE':
      return uuidFault('acknowledge.uuid', call.body.uuid);
    case 'ACKNOWLEDGE_OPERATION_STATUS':
      return uuidFault('acknowledge_operation_status.uuid', call.body.uuid);
    default:
      return undefined;
  }
}

const UUID_BYTES = 16;

const uuidFault = (field: string, base64: string): string | undefined =>
  Buffer.byteLength(base64, 'base64') !== UUID_BYTES
    ? `'${field}' is not a UUID: expected 16 bytes in base64`
    : undefined;

/** A UUID of 16 bytes in base64 as lower-case text; undefined when it is none. */
export function uuidFromBase64(base64: string): string | undefined {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== UUID_BYTES) return undefined;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function uuidToBase64(uuid: string): string {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64');
}

/** Default and longest filter of declined resources. Source: Mesos `src/master/constants.hpp`, proto default of `refuse_seconds`. */
const DEFAULT_REFUSE_SECONDS = 5;
const MAX_REFUSE_SECONDS = 31_536_000;

/** How long refused resources stay refused, in ms; 0 sets no filter. Negative and absurd values mean the default. */
export function refuseMsOf(
  filters: { readonly refuse_seconds?: number | undefined } | undefined,
): number {
  const seconds = filters?.refuse_seconds ?? DEFAULT_REFUSE_SECONDS;
  if (seconds === Number.POSITIVE_INFINITY) return MAX_REFUSE_SECONDS * 1000;
  if (Number.isNaN(seconds) || seconds < 0) return DEFAULT_REFUSE_SECONDS * 1000;
  return Math.round(Math.min(seconds, MAX_REFUSE_SECONDS) * 1000);
}
