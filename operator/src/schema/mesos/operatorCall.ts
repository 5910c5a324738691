import { z } from 'zod';
import { ok, type Result, refuse } from '../../model/result.ts';
import { faultOf, IdValue } from './lenient.ts';
import { OPERATOR_CALL_ENUMS } from './operatorCallProto.ts';
import { OPERATOR_CALL_CODEC } from './operatorCodec.ts';
import type { WireObject } from './proto/types.ts';
import { MesosResource } from './resource.ts';

/**
 * Mesos v1 operator calls, as both wire forms bring them. What the codec has read has the right types and every required
 * field; here it is given its names.
 * Source: Mesos `src/master/validation.cpp`, `master::call::validate`.
 */

/** A list the codec left out because it was empty. */
const many = <Item extends z.ZodType>(item: Item) => z.array(item).default([]);
/** 64-bit numbers beyond exact integers come as text. */
const Long = z.union([z.number(), z.string()]).transform(Number);

const Label = z.object({ key: z.string(), value: z.string().optional() });
const Labels = z.object({ labels: many(Label) });
const ReservationInfo = z.object({
  type: z.string().optional(),
  role: z.string().optional(),
  principal: z.string().optional(),
  labels: Labels.optional(),
});

const OperatorResource = z.object({
  name: z.string(),
  type: z.string().optional(),
  scalar: z.object({ value: z.number() }).optional(),
  role: z.string().optional(),
  reservation: ReservationInfo.optional(),
  reservations: many(ReservationInfo),
  revocable: z.object({}).optional(),
  disk: z.object({}).optional(),
});
export type OperatorResource = z.infer<typeof OperatorResource>;

const Machine = z.object({ hostname: z.string().optional(), ip: z.string().optional() });
export type Machine = z.infer<typeof Machine>;

const Schedule = z.object({
  windows: many(
    z.object({
      machine_ids: many(Machine),
      unavailability: z.object({
        start: z.object({ nanoseconds: Long }),
        duration: z.object({ nanoseconds: Long }).optional(),
      }),
    }),
  ),
});
export type Schedule = z.infer<typeof Schedule>;

const ScalarMap = z.record(z.string(), z.object({ value: z.number() })).default({});
const QuotaConfig = z.object({ role: z.string(), guarantees: ScalarMap, limits: ScalarMap });
export type QuotaConfig = z.infer<typeof QuotaConfig>;

const OfAgent = z.object({ agent_id: IdValue });
/** Volumes of a resource provider need none. */
const MaybeOfAgent = z.object({ agent_id: IdValue.optional() });
const Volumes = OfAgent.extend({ volumes: many(MesosResource) });
const Machines = z.object({ machines: many(Machine) });
const AnyBody = z.object({});

/** Body of each call: the field that carries it, and its schema; none for calls without one. */
const BODIES = {
  UNKNOWN: undefined,
  GET_HEALTH: undefined,
  GET_FLAGS: undefined,
  GET_VERSION: undefined,
  GET_METRICS: undefined,
  GET_LOGGING_LEVEL: undefined,
  SET_LOGGING_LEVEL: { field: 'set_logging_level', schema: AnyBody },
  LIST_FILES: { field: 'list_files', schema: AnyBody },
  READ_FILE: { field: 'read_file', schema: AnyBody },
  GET_STATE: undefined,
  GET_AGENTS: undefined,
  GET_FRAMEWORKS: undefined,
  GET_EXECUTORS: undefined,
  GET_OPERATIONS: undefined,
  GET_TASKS: undefined,
  GET_ROLES: undefined,
  GET_WEIGHTS: undefined,
  UPDATE_WEIGHTS: {
    field: 'update_weights',
    schema: z.object({ weight_infos: many(z.object({ role: z.string(), weight: z.number() })) }),
  },
  GET_MASTER: undefined,
  SUBSCRIBE: undefined,
  RESERVE_RESOURCES: {
    field: 'reserve_resources',
    schema: OfAgent.extend({ source: many(OperatorResource), resources: many(OperatorResource) }),
  },
  UNRESERVE_RESOURCES: {
    field: 'unreserve_resources',
    schema: OfAgent.extend({ resources: many(OperatorResource) }),
  },
  CREATE_VOLUMES: { field: 'create_volumes', schema: Volumes },
  DESTROY_VOLUMES: { field: 'destroy_volumes', schema: Volumes },
  GROW_VOLUME: {
    field: 'grow_volume',
    schema: MaybeOfAgent.extend({ volume: MesosResource, addition: MesosResource }),
  },
  SHRINK_VOLUME: {
    field: 'shrink_volume',
    schema: MaybeOfAgent.extend({
      volume: MesosResource,
      subtract: z.object({ value: z.number() }),
    }),
  },
  GET_MAINTENANCE_STATUS: undefined,
  GET_MAINTENANCE_SCHEDULE: undefined,
  UPDATE_MAINTENANCE_SCHEDULE: {
    field: 'update_maintenance_schedule',
    schema: z.object({ schedule: Schedule }),
  },
  START_MAINTENANCE: { field: 'start_maintenance', schema: Machines },
  STOP_MAINTENANCE: { field: 'stop_maintenance', schema: Machines },
  DRAIN_AGENT: {
    field: 'drain_agent',
    schema: OfAgent.extend({
      max_grace_period: z.object({ seconds: Long.optional() }).optional(),
      mark_gone: z.boolean().optional(),
    }),
  },
  DEACTIVATE_AGENT: { field: 'deactivate_agent', schema: OfAgent },
  REACTIVATE_AGENT: { field: 'reactivate_agent', schema: OfAgent },
  GET_QUOTA: undefined,
  UPDATE_QUOTA: {
    field: 'update_quota',
    schema: z.object({ force: z.boolean().default(false), quota_configs: many(QuotaConfig) }),
  },
  SET_QUOTA: {
    field: 'set_quota',
    schema: z.object({
      quota_request: z.object({
        force: z.boolean().default(false),
        role: z.string().optional(),
        guarantee: many(OperatorResource),
      }),
    }),
  },
  REMOVE_QUOTA: { field: 'remove_quota', schema: z.object({ role: z.string() }) },
  TEARDOWN: { field: 'teardown', schema: z.object({ framework_id: IdValue }) },
  MARK_AGENT_GONE: { field: 'mark_agent_gone', schema: OfAgent },
} as const satisfies Record<
  keyof (typeof OPERATOR_CALL_ENUMS)['master.Call.Type'],
  { readonly field: string; readonly schema: z.ZodType } | undefined
>;

export type OperatorCallType = keyof typeof BODIES;

type BodyOf<Type extends OperatorCallType> = (typeof BODIES)[Type] extends {
  readonly schema: infer Schema extends z.ZodType;
}
  ? z.infer<Schema>
  : undefined;

export type OperatorCall = {
  readonly [Type in OperatorCallType]: { readonly kind: Type; readonly body: BodyOf<Type> };
}[OperatorCallType];
export type OperatorCallOf<Type extends OperatorCallType> = Extract<
  OperatorCall,
  { readonly kind: Type }
>;

/** Reads one call from parsed JSON of bounded depth. Errors: a text that names the field, for a 400. */
export function parseOperatorCall(json: unknown): Result<OperatorCall, string> {
  const wire = OPERATOR_CALL_CODEC.fromJson(json);
  return wire.ok ? callOf(wire.value) : wire;
}

/** Reads one call from protobuf. Errors: as `parseOperatorCall`. */
export function parseOperatorProtoCall(bytes: Uint8Array): Result<OperatorCall, string> {
  const wire = OPERATOR_CALL_CODEC.fromProto(bytes);
  return wire.ok ? callOf(wire.value) : wire;
}

function callOf(wire: WireObject): Result<OperatorCall, string> {
  const type = wire['type'];
  if (typeof type !== 'string' || !Object.hasOwn(BODIES, type))
    return refuse("Expecting 'type' to be present and a known call type");
  const kind = type as OperatorCallType;
  const described = BODIES[kind];
  if (described === undefined) return ok({ kind, body: undefined } as OperatorCall);
  const body = wire[described.field];
  if (body === undefined) return refuse(`Expecting '${described.field}' to be present`);
  const parsed = described.schema.safeParse(body);
  if (!parsed.success) return refuse(faultOf(parsed.error, described.field));
  // The table ties each type to its schema; TypeScript cannot follow that through a lookup.
  return ok({ kind, body: parsed.data } as OperatorCall);
}
