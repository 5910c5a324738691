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
    return ok(readMessage(type, json, []));
  } catch (error) {
    if (error instanceof JsonFault) return refuse(error.message);
    throw error;
  }
}

/** The way to the value that is being read: names of fields, places in lists. Made to words only for a fault. */
type Way = (string | number)[];

function pathOf(way: Way): string {
  let path = '';
  for (const step of way) path = typeof step === 'number' ? `${path}[${step}]` : join(path, step);
  return path;
}

const faultAt = (way: Way, what: string): JsonFault => new JsonFault(`${pathOf(way)}: ${what}`);

function readMessage(type: MessageType, json: unknown, way: Way): Draft {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw way.length === 0
      ? new JsonFault('call: expected an object')
      : faultAt(way, 'expected an object');
  const draft: Draft = {};
  for (const name of Object.keys(json)) {
    const field = type.byName.get(name);
    const value = (json as Draft)[name];
    if (field === undefined || value === null || value === undefined) continue;
    way.push(name);
    const read = readField(field, value, way);
    way.pop();
    if (read !== undefined) draft[name] = read;
  }
  for (const field of type.required)
    if (draft[field.name] === undefined) throw new JsonFault(missing(pathOf(way), field.name));
  return draft;
}

function readField(field: Field, value: unknown, way: Way): unknown {
  switch (field.label) {
    case 'repeated':
      return readList(field, Array.isArray(value) ? value : [value], way);
    case 'map':
      return readMap(field, value, way);
    case 'optional':
    case 'required':
      return readValue(field.type, value, way);
  }
}

function readList(field: Field, list: readonly unknown[], way: Way): unknown[] {
  const values: unknown[] = [];
  for (const [index, one] of list.entries()) {
    if (one === null) continue;
    way.push(index);
    const read = readValue(field.type, one, way);
    way.pop();
    if (read !== undefined) values.push(read);
  }
  return values;
}

function readMap(field: Field, value: unknown, way: Way): Draft {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw faultAt(way, 'expected an object');
  const map: Draft = {};
  for (const [key, one] of Object.entries(value)) {
    // An own `__proto__` would change the prototype of whoever copies the map.
    if (one === null || key === '__proto__') continue;
    way.push(key);
    map[key] = readValue(field.type, one, way);
    way.pop();
  }
  return map;
}

function readValue(type: FieldType, value: unknown, way: Way): unknown {
  switch (type.kind) {
    case 'message':
      return readMessage(type.of, value, way);
    case 'enum':
      return typeof value === 'string' && type.of.numbers.has(value) ? value : undefined;
    case 'scalar':
      return readScalar(type.of, value, way);
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

function readScalar(type: ScalarType, value: unknown, way: Way): unknown {
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value;
      throw faultAt(way, 'expected a text');
    case 'bytes':
      if (typeof value === 'string' && BASE64.test(value)) return value;
      throw faultAt(way, 'expected base64');
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw faultAt(way, 'expected true or false');
    case 'double':
      return readDouble(value, way);
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      return readInteger(type, value, way);
  }
}

function readDouble(value: unknown, way: Way): number {
  if (typeof value === 'number') return value;
  const named = NAMED_NUMBERS.get(value);
  if (named !== undefined) return named;
  if (typeof value === 'string' && DECIMAL.test(value)) return Number(value);
  throw faultAt(way, 'expected a number');
}

const RANGE = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** As a number where that is exact, else as decimal text. */
function readInteger(type: keyof typeof RANGE, value: unknown, way: Way): number | string {
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
    throw faultAt(way, `expected a whole number from ${least} to ${most}`);
  const number = Number(whole);
  return Number.isSafeInteger(number) ? number : whole.toString();
}
