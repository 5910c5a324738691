import { z } from 'zod';
import { ok, type Result, refuse } from '../../model/result.ts';
import { uuidFromBase64 } from './call.ts';
import type { MesosTaskState, WireId } from './event.ts';
import { MESOS_TASK_STATES } from './event.ts';
import { Base64, faultOf, IdValue, listOf, optionalEnum } from './lenient.ts';
import { COMMON_ENUMS, COMMON_MESSAGES, createCodecs } from './proto/codec.ts';
import { EXECUTOR_ENUMS, EXECUTOR_MESSAGES } from './proto/executor.ts';
import type { WireObject } from './proto/types.ts';
import { type ExecutorInfo, TaskInfo } from './task.ts';

/** Mesos v1 executor API: calls an executor makes to its agent, and the events it is sent. */

const codec = createCodecs(
  { ...COMMON_MESSAGES, ...EXECUTOR_MESSAGES },
  { ...COMMON_ENUMS, ...EXECUTOR_ENUMS },
);
export const EXECUTOR_EVENT_CODEC = codec('executor.Event');

/** Longest status of one update, as JSON: it is kept in the API server until its framework has acknowledged it. */
export const MAX_STATUS_BYTES = 32_768;

/** Whatever else a status carries is passed on as it is. */
const WireStatus = z.looseObject({
  task_id: IdValue,
  state: z.enum(MESOS_TASK_STATES),
  uuid: Base64.optional(),
  source: z.string().optional(),
  executor_id: IdValue.optional(),
  timestamp: z.number().optional(),
});

const Update = z.object({ status: WireStatus });

const Call = z.object({
  executor_id: IdValue,
  framework_id: IdValue,
  type: optionalEnum(['SUBSCRIBE', 'UPDATE', 'MESSAGE', 'HEARTBEAT']),
  subscribe: z
    .object({ unacknowledged_tasks: listOf(TaskInfo), unacknowledged_updates: listOf(Update) })
    .optional(),
  update: Update.optional(),
  message: z.object({ data: Base64 }).optional(),
});

/** A status as its executor wrote it, with its uuid. */
export interface ExecutorStatus {
  readonly task_id: WireId;
  readonly state: MesosTaskState;
  /** Base64 of 16 bytes. */
  readonly uuid: string;
  readonly source?: string | undefined;
  readonly executor_id?: WireId | undefined;
  readonly timestamp?: number | undefined;
  readonly [field: string]: unknown;
}

interface From {
  readonly framework: string;
  readonly executor: string;
}

export type ExecutorCall =
  | (From & {
      readonly kind: 'SUBSCRIBE';
      /** Ids of tasks it was sent and has heard no acknowledgement of. */
      readonly unacknowledgedTasks: readonly string[];
      readonly unacknowledgedUpdates: readonly ExecutorStatus[];
    })
  | (From & { readonly kind: 'UPDATE'; readonly status: ExecutorStatus })
  | (From & { readonly kind: 'MESSAGE' /** Base64. */; readonly data: string })
  | (From & { readonly kind: 'HEARTBEAT' });

/** Both wire forms of a call, brought into that of JSON; `parseExecutorCall` takes it from there. */
export const EXECUTOR_CALL_CODEC = codec('executor.Call');

/** Reads one call of an executor. Errors: a text that names the field, for a 400. */
export function parseExecutorCall(json: unknown): Result<ExecutorCall, string> {
  const wire = EXECUTOR_CALL_CODEC.fromJson(json);
  return wire.ok ? callOf(wire.value) : wire;
}

/** Source of the checks: Mesos `src/slave/validation.cpp`, `executor::call::validate`. */
function callOf(wire: WireObject): Result<ExecutorCall, string> {
  const parsed = Call.safeParse(wire);
  if (!parsed.success) return refuse(faultOf(parsed.error, 'call'));
  const { type, subscribe, update, message } = parsed.data;
  const from = {
    framework: parsed.data.framework_id.value,
    executor: parsed.data.executor_id.value,
  };
  switch (type) {
    case undefined:
      return refuse("Expecting 'type' to be present and a known call type");
    case 'SUBSCRIBE': {
      if (subscribe === undefined) return refuse("Expecting 'subscribe' to be present");
      const updates: ExecutorStatus[] = [];
      for (const one of subscribe.unacknowledged_updates) {
        const status = statusOf(one.status, from.executor);
        if (!status.ok) return refuse(`subscribe.unacknowledged_updates: ${status.refusal}`);
        updates.push(status.value);
      }
      const tasks = subscribe.unacknowledged_tasks.map((info) => info.task_id.value);
      const unacknowledged = { unacknowledgedTasks: tasks, unacknowledgedUpdates: updates };
      return ok({ ...from, kind: type, ...unacknowledged });
    }
    case 'UPDATE': {
      if (update === undefined) return refuse("Expecting 'update' to be present");
      const status = statusOf(update.status, from.executor);
      return status.ok ? ok({ ...from, kind: type, status: status.value }) : status;
    }
    case 'MESSAGE':
      if (message === undefined) return refuse("Expecting 'message' to be present");
      return ok({ ...from, kind: type, data: message.data });
    case 'HEARTBEAT':
      return ok({ ...from, kind: type });
  }
}

function statusOf(
  status: z.infer<typeof WireStatus>,
  executor: string,
): Result<ExecutorStatus, string> {
  const { uuid, executor_id: named, source, state } = status;
  if (uuid === undefined) return refuse("Expecting 'uuid' to be present");
  if (uuidFromBase64(uuid) === undefined)
    return refuse("'uuid' is not a UUID: expected 16 bytes in base64");
  if (named !== undefined && named.value !== executor)
    return refuse(
      `ExecutorID in Call: ${executor} does not match ExecutorID in TaskStatus: ${named.value}`,
    );
  if (source !== undefined && source !== 'SOURCE_EXECUTOR')
    return refuse(
      `Received Call from executor ${executor} with invalid source, expecting 'SOURCE_EXECUTOR'`,
    );
  if (state === 'TASK_STAGING')
    return refuse(`Received TASK_STAGING from executor ${executor} which is not allowed`);
  if (JSON.stringify(status).length > MAX_STATUS_BYTES)
    return refuse(`'status' is longer than ${MAX_STATUS_BYTES} bytes of JSON`);
  return ok({ ...status, uuid });
}

/** States after which a task says no more. */
export const TERMINAL_STATES: ReadonlySet<MesosTaskState> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

export type ExecutorEvent =
  | {
      readonly type: 'SUBSCRIBED';
      readonly subscribed: {
        readonly executor_info: ExecutorInfo;
        readonly framework_info: {
          readonly id: WireId;
          readonly user: string;
          readonly name: string;
          readonly roles: readonly string[];
          readonly checkpoint: boolean;
          readonly failover_timeout: number;
          readonly principal: string;
        };
        readonly agent_info: {
          readonly id: WireId;
          readonly hostname: string;
          readonly port: number;
        };
      };
    }
  | { readonly type: 'LAUNCH'; readonly launch: { readonly task: TaskInfo } }
  | {
      readonly type: 'KILL';
      readonly kill: {
        readonly task_id: WireId;
        readonly kill_policy?: { readonly grace_period?: { readonly nanoseconds: number } };
      };
    }
  | {
      readonly type: 'ACKNOWLEDGED';
      readonly acknowledged: { readonly task_id: WireId; readonly uuid: string };
    }
  | { readonly type: 'MESSAGE'; readonly message: { readonly data: string } }
  | { readonly type: 'SHUTDOWN' }
  | { readonly type: 'ERROR'; readonly error: { readonly message: string } }
  | { readonly type: 'HEARTBEAT' };
