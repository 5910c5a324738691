import type { Result } from '../../../model/result.ts';
import { CONTAINER_ENUMS, CONTAINER_MESSAGES } from './container.ts';
import { decodeProto } from './decodeProto.ts';
import { encodeProto } from './encodeProto.ts';
import { FRAMEWORK_ENUMS, FRAMEWORK_MESSAGES } from './framework.ts';
import { OFFER_ENUMS, OFFER_MESSAGES } from './offer.ts';
import { readJson } from './readJson.ts';
import { RESOURCE_ENUMS, RESOURCE_MESSAGES } from './resource.ts';
import { SCHEDULER_ENUMS, SCHEDULER_MESSAGES } from './scheduler.ts';
import { linkSchema } from './schema.ts';
import { STATUS_ENUMS, STATUS_MESSAGES } from './status.ts';
import { TASK_ENUMS, TASK_MESSAGES } from './task.ts';
import type { EnumTables, MessageTables, WireObject } from './types.ts';

/** Messages that several APIs share; spread them into the schema of another API. */
export const COMMON_MESSAGES = {
  ...CONTAINER_MESSAGES,
  ...FRAMEWORK_MESSAGES,
  ...OFFER_MESSAGES,
  ...RESOURCE_MESSAGES,
  ...STATUS_MESSAGES,
  ...TASK_MESSAGES,
} as const satisfies MessageTables;

export const COMMON_ENUMS = {
  ...CONTAINER_ENUMS,
  ...FRAMEWORK_ENUMS,
  ...OFFER_ENUMS,
  ...RESOURCE_ENUMS,
  ...STATUS_ENUMS,
  ...TASK_ENUMS,
} as const satisfies EnumTables;

/** Reads and writes one message in both wire forms. What is read has the form of JSON, whichever way it came. */
export interface MessageCodec {
  fromJson(json: unknown): Result<WireObject, string>;
  fromProto(bytes: Uint8Array): Result<WireObject, string>;
  toProto(value: WireObject): Buffer;
}

/** Makes codecs of the messages of one schema, by name. */
export function createCodecs(
  messages: MessageTables,
  enums: EnumTables,
): (message: string) => MessageCodec {
  const lookUp = linkSchema(messages, enums);
  return (name) => {
    const type = lookUp(name);
    return {
      fromJson: (json) => readJson(type, json),
      fromProto: (bytes) => decodeProto(type, bytes),
      toProto: (value) => encodeProto(type, value),
    };
  };
}

const schedulerCodec = createCodecs(
  { ...COMMON_MESSAGES, ...SCHEDULER_MESSAGES },
  { ...COMMON_ENUMS, ...SCHEDULER_ENUMS },
);

export const CALL_CODEC: MessageCodec = schedulerCodec('scheduler.Call');
export const EVENT_CODEC: MessageCodec = schedulerCodec('scheduler.Event');
