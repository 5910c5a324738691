import { ok, type Result, refuse } from '../../../model/result.ts';
import { type Field, MAX_MESSAGE_DEPTH, type MessageType, type ScalarType } from './types.ts';
import { ProtoFault, WIRE, WireReader } from './wireReader.ts';

type Draft = { [field: string]: unknown };

/**
 * Reads one protobuf message into the form JSON has: enums by name, `bytes` in base64, 64-bit integers as numbers where
 * those are exact and as decimal text otherwise.
 *
 * Guarantees: unknown fields and unknown enum numbers are skipped, a repeated occurrence of a single field replaces it
 * (messages: merges into it), packed and unpacked lists are both taken. Takes time linear in the input.
 * Errors: a text that names the field, as for JSON.
 * Source: protobuf encoding specification; Mesos refuses what lacks a required field.
 */
export function decodeProto(type: MessageType, bytes: Uint8Array): Result<Draft, string> {
  const reader = new WireReader(bytes);
  const draft: Draft = {};
  try {
    readInto(draft, type, reader, { end: bytes.length, path: '', depth: 0 });
    const missing = missingIn(draft, type, '');
    return missing === undefined ? ok(draft) : refuse(missing);
  } catch (error) {
    if (error instanceof ProtoFault) return refuse(error.message);
    throw error;
  }
}

/** Where a part ends and how it is called. */
interface At {
  readonly end: number;
  readonly wire: number;
  readonly path: string;
  readonly depth: number;
}

function readInto(
  draft: Draft,
  type: MessageType,
  reader: WireReader,
  { end, path, depth }: Omit<At, 'wire'>,
): void {
  if (depth > MAX_MESSAGE_DEPTH)
    throw new ProtoFault(`${path}: nested deeper than ${MAX_MESSAGE_DEPTH} levels`);
  while (reader.at < end) {
    const tag = reader.tag(end);
    const field = type.byNumber.get(tag.no);
    if (field === undefined || !isExpected(field, tag.wire)) {
      reader.skip(tag, end, depth);
      continue;
    }
    readField(draft, field, reader, { end, wire: tag.wire, path: join(path, field.name), depth });
  }
}

function readField(draft: Draft, field: Field, reader: WireReader, at: At): void {
  if (field.label === 'map') {
    readEntry(draft, field, reader, at);
    return;
  }
  if (field.label === 'repeated' && isPacked(field, at.wire)) {
    const end = reader.length(at.end, at.path);
    while (reader.at < end) push(draft, field, readValue(field, reader, { ...at, end }, undefined));
    return;
  }
  if (field.label === 'repeated') {
    push(draft, field, readValue(field, reader, at, undefined));
    return;
  }
  const value = readValue(field, reader, at, draft[field.name]);
  if (value !== undefined) draft[field.name] = value;
}

/** A map is a list of messages with the key as field 1 and the value as field 2. */
function readEntry(draft: Draft, field: Field, reader: WireReader, at: At): void {
  const end = reader.length(at.end, at.path);
  let key = '';
  let value: unknown;
  while (reader.at < end) {
    const tag = reader.tag(end);
    if (tag.no === 1 && tag.wire === WIRE.bytes) key = reader.text(end, `${at.path} (key)`);
    else if (tag.no === 2 && isExpected(field, tag.wire))
      value = readValue(field, reader, { ...at, end, path: `${at.path}.${key}` }, value);
    else reader.skip(tag, end, at.depth);
  }
  const map = (draft[field.name] ?? {}) as Draft;
  // Defined, not assigned: the key may be `__proto__`.
  Object.defineProperty(map, key, {
    value: value ?? (field.type.kind === 'message' ? {} : undefined),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  draft[field.name] = map;
}

function readValue(field: Field, reader: WireReader, at: At, former: unknown): unknown {
  switch (field.type.kind) {
    case 'scalar':
      return readScalar(field.type.of, reader, at);
    case 'enum':
      return field.type.of.names.get(Number(BigInt.asIntN(32, reader.varint(at.end))));
    case 'message': {
      const end = reader.length(at.end, at.path);
      const draft = (former ?? {}) as Draft;
      readInto(draft, field.type.of, reader, { end, path: at.path, depth: at.depth + 1 });
      return draft;
    }
  }
}

function readScalar(type: ScalarType, reader: WireReader, at: At): unknown {
  switch (type) {
    case 'string':
      return reader.text(at.end, at.path);
    case 'bytes':
      return reader.base64(at.end, at.path);
    case 'bool':
      return reader.varint(at.end) !== 0n;
    case 'double':
      return reader.double(at.end);
    case 'int32':
      return Number(BigInt.asIntN(32, reader.varint(at.end)));
    case 'uint32':
      return Number(BigInt.asUintN(32, reader.varint(at.end)));
    case 'int64':
      return exact(BigInt.asIntN(64, reader.varint(at.end)));
    case 'uint64':
      return exact(BigInt.asUintN(64, reader.varint(at.end)));
  }
}

function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Wire type of one value of each scalar. */
const WIRE_OF = {
  string: WIRE.bytes,
  bytes: WIRE.bytes,
  bool: WIRE.varint,
  double: WIRE.fixed64,
  int32: WIRE.varint,
  uint32: WIRE.varint,
  int64: WIRE.varint,
  uint64: WIRE.varint,
} as const satisfies Record<ScalarType, number>;

function wireOf(field: Field): number {
  if (field.type.kind === 'message') return WIRE.bytes;
  return field.type.kind === 'enum' ? WIRE.varint : WIRE_OF[field.type.of];
}

const isPacked = (field: Field, wire: number): boolean =>
  wire === WIRE.bytes && wireOf(field) !== WIRE.bytes;

/** A known number with another wire type is an unknown field, as for every protobuf reader. */
function isExpected(field: Field, wire: number): boolean {
  if (field.label === 'map') return wire === WIRE.bytes || wire === wireOf(field);
  return wire === wireOf(field) || (field.label === 'repeated' && isPacked(field, wire));
}

function push(draft: Draft, field: Field, value: unknown): void {
  if (value === undefined) return;
  const list = draft[field.name];
  if (Array.isArray(list)) list.push(value);
  else draft[field.name] = [value];
}

/** Looked at once the whole message is there: parts of it may come in any order and in pieces. */
function missingIn(draft: Draft, type: MessageType, path: string): string | undefined {
  for (const field of type.required)
    if (draft[field.name] === undefined) return missing(path, field.name);
  for (const field of type.fields) {
    const value = draft[field.name];
    if (field.type.kind !== 'message' || value === undefined) continue;
    const fault = missingBelow(value, field, join(path, field.name));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function missingBelow(value: unknown, field: Field, path: string): string | undefined {
  if (field.type.kind !== 'message') return undefined;
  if (field.label === 'optional' || field.label === 'required')
    return missingIn(value as Draft, field.type.of, path);
  const parts = Array.isArray(value)
    ? value.map((one, index): [string, unknown] => [`${path}[${index}]`, one])
    : Object.entries(value as Draft).map(([key, one]): [string, unknown] => [
        `${path}.${key}`,
        one,
      ]);
  for (const [at, one] of parts) {
    const fault = missingIn(one as Draft, field.type.of, at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

export const join = (path: string, name: string): string =>
  path === '' ? name : `${path}.${name}`;

export const missing = (path: string, name: string): string =>
  `${join(path, name)}: required field is missing`;
