import { ok, type Result, refuse } from '../../../model/result.ts';
import { join, missing } from './decodeProto.ts';
import type { Field, FieldType, MessageType, ScalarType } from './types.ts';

type Draft = { [field: string]: unknown };

class JsonFault extends Error {}

/**
 * Reads a message from parsed JSON with the leniency of Mesos's own reader: unknown fields are ignored, null means
 * unset, numeric text is taken for a number, a lone value for a list of one; an unknown enum name counts as unset.
 *
 * Input: JSON of bounded depth. Output: only fields of the table, each of the type it says, lists as lists.
 * Errors: a text that names the field.
 * Source: Mesos `3rdparty/stout/include/stout/protobuf.hpp`.
 */
export function readJson(type: MessageType, json: unknown): Result<Draft, string> {
  try {
    return ok(readMessage(type, json, ''));
  } catch (error) {
    if (error instanceof JsonFault) return refuse(error.message);
    throw error;
  }
}

function readMessage(type: MessageType, json: unknown, path: string): Draft {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new JsonFault(`${path === '' ? 'call' : path}: expected an object`);
  const draft: Draft = {};
  for (const [name, value] of Object.entries(json)) {
    const field = type.byName.get(name);
    if (field === undefined || value === null || value === undefined) continue;
    const read = readField(field, value, join(path, name));
    if (read !== undefined) draft[name] = read;
  }
  for (const field of type.required)
    if (draft[field.name] === undefined) throw new JsonFault(missing(path, field.name));
  return draft;
}

function readField(field: Field, value: unknown, path: string): unknown {
  switch (field.label) {
    case 'repeated': {
      const list: unknown[] = Array.isArray(value) ? value : [value];
      return list.flatMap((one, index) => {
        const read = one === null ? undefined : readValue(field.type, one, `${path}[${index}]`);
        return read === undefined ? [] : [read];
      });
    }
    case 'map':
      return readMap(field, value, path);
    case 'optional':
    case 'required':
      return readValue(field.type, value, path);
  }
}

function readMap(field: Field, value: unknown, path: string): Draft {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new JsonFault(`${path}: expected an object`);
  const map: Draft = {};
  for (const [key, one] of Object.entries(value)) {
    // An own `__proto__` would change the prototype of whoever copies the map.
    if (one === null || key === '__proto__') continue;
    map[key] = readValue(field.type, one, `${path}.${key}`);
  }
  return map;
}

function readValue(type: FieldType, value: unknown, path: string): unknown {
  switch (type.kind) {
    case 'message':
      return readMessage(type.of, value, path);
    case 'enum':
      return typeof value === 'string' && type.of.numbers.has(value) ? value : undefined;
    case 'scalar':
      return readScalar(type.of, value, path);
  }
}

/** Base64 in the standard alphabet, padded or not. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const INTEGER = /^[+-]?\d{1,20}$/;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NAMED_NUMBERS: ReadonlyMap<unknown, number> = new Map([
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['NaN', Number.NaN],
]);

function readScalar(type: ScalarType, value: unknown, path: string): unknown {
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value;
      throw new JsonFault(`${path}: expected a text`);
    case 'bytes':
      if (typeof value === 'string' && BASE64.test(value)) return value;
      throw new JsonFault(`${path}: expected base64`);
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw new JsonFault(`${path}: expected true or false`);
    case 'double':
      return readDouble(value, path);
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      return readInteger(type, value, path);
  }
}

function readDouble(value: unknown, path: string): number {
  if (typeof value === 'number') return value;
  const named = NAMED_NUMBERS.get(value);
  if (named !== undefined) return named;
  if (typeof value === 'string' && DECIMAL.test(value)) return Number(value);
  throw new JsonFault(`${path}: expected a number`);
}

const RANGE = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** As a number where that is exact, else as decimal text. */
function readInteger(type: keyof typeof RANGE, value: unknown, path: string): number | string {
  const whole =
    typeof value === 'number'
      ? Number.isInteger(value)
        ? BigInt(value)
        : undefined
      : typeof value === 'string' && INTEGER.test(value)
        ? BigInt(value.replace(/^\+/, ''))
        : undefined;
  const [least, most] = RANGE[type];
  if (whole === undefined || whole < least || whole > most)
    throw new JsonFault(`${path}: expected a whole number from ${least} to ${most}`);
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole.toString();
}
