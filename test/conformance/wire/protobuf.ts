import { ENUMS, MESSAGES } from './protoTables.ts';

/** A second, independent protobuf codec: the server's own would agree with its own mistakes. */

interface Field {
  readonly name: string;
  readonly no: number;
  readonly type: string;
  readonly label: '' | '!' | '*' | '%';
}
interface Message {
  readonly byName: ReadonlyMap<string, Field>;
  readonly byNo: ReadonlyMap<number, Field>;
}

export type Json = { readonly [field: string]: unknown };

const SCALARS: ReadonlySet<string> = new Set([
  'string',
  'bytes',
  'bool',
  'double',
  'int32',
  'uint32',
  'int64',
  'uint64',
]);

/** Entries start at the margin; their continuation lines are indented. */
const entriesOf = (text: string): string[][] =>
  text
    .trim()
    .replaceAll(/\n +/g, ' ')
    .split('\n')
    .map((line) => line.trim().split(' '));

const messages = new Map<string, Message>(
  entriesOf(MESSAGES).map(([name = '', ...parts]) => {
    const fields = parts.map(fieldOf);
    return [
      name,
      {
        byName: new Map(fields.map((one) => [one.name, one])),
        byNo: new Map(fields.map((one) => [one.no, one])),
      },
    ];
  }),
);

const enums = new Map<string, ReadonlyMap<string, number>>(
  entriesOf(ENUMS).map(([name = '', ...parts]) => [
    name,
    new Map(
      parts.map((part) => {
        const [value = '', no] = part.split(':');
        return [value, Number(no)];
      }),
    ),
  ]),
);

function fieldOf(part: string): Field {
  const match = /^(\w+)([!*%]?):(\d+):([\w.]+)$/.exec(part);
  if (match === null) throw new Error(`the table entry ${part} cannot be read`);
  const [, name = '', label = '', no, type = ''] = match;
  return { name, no: Number(no), type, label: label as Field['label'] };
}

function messageOf(name: string): Message {
  const message = messages.get(name);
  if (message === undefined) throw new Error(`there is no message ${name}`);
  return message;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export function encode(type: string, value: Json): Buffer {
  const { byName } = messageOf(type);
  const parts: Buffer[] = [];
  for (const [name, one] of Object.entries(value)) {
    const field = byName.get(name);
    if (field === undefined || one === undefined) continue;
    if (field.label === '%') {
      for (const [key, item] of Object.entries(one as Json))
        parts.push(
          tag(field.no, BYTES),
          sized(
            Buffer.concat([tag(1, BYTES), sized(Buffer.from(key)), single(2, field.type, item)]),
          ),
        );
    } else if (field.label === '*')
      for (const item of one as readonly unknown[]) parts.push(single(field.no, field.type, item));
    else parts.push(single(field.no, field.type, one));
  }
  return Buffer.concat(parts);
}

function single(no: number, type: string, value: unknown): Buffer {
  switch (type) {
    case 'string':
      return Buffer.concat([tag(no, BYTES), sized(Buffer.from(String(value)))]);
    case 'bytes':
      return Buffer.concat([tag(no, BYTES), sized(Buffer.from(String(value), 'base64'))]);
    case 'bool':
      return Buffer.concat([tag(no, VARINT), varint(value === true ? 1n : 0n)]);
    case 'double': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(Number(value));
      return Buffer.concat([tag(no, FIXED64), bytes]);
    }
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      return Buffer.concat([
        tag(no, VARINT),
        varint(BigInt.asUintN(64, BigInt(Math.trunc(Number(value))))),
      ]);
    default: {
      const names = enums.get(type);
      if (names === undefined)
        return Buffer.concat([tag(no, BYTES), sized(encode(type, value as Json))]);
      const known = names.get(String(value));
      // A number stands for a value no version knows.
      return Buffer.concat([tag(no, VARINT), varint(BigInt(known ?? Number(value)))]);
    }
  }
}

const tag = (no: number, wire: number): Buffer => varint(BigInt((no << 3) | wire));
const sized = (bytes: Buffer): Buffer => Buffer.concat([varint(BigInt(bytes.length)), bytes]);

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

/** Reads a message into the form JSON has. Unknown fields are skipped. Errors: throws on bytes that are no message. */
export function decode(type: string, bytes: Buffer): { [field: string]: unknown } {
  const { byNo } = messageOf(type);
  const value: { [field: string]: unknown } = {};
  const at = { offset: 0 };
  while (at.offset < bytes.length) {
    const key = Number(readVarint(bytes, at));
    const raw = readRaw(bytes, at, key & 7);
    const field = byNo.get(key >>> 3);
    if (field === undefined) continue;
    if (field.label === '%') {
      const entry = mapEntry(field.type, raw as Buffer);
      value[field.name] = { ...(value[field.name] as object | undefined), ...entry };
    } else if (field.label === '*')
      value[field.name] = [
        ...((value[field.name] as unknown[] | undefined) ?? []),
        valueOf(field.type, raw),
      ];
    else value[field.name] = valueOf(field.type, raw);
  }
  return value;
}

function readVarint(bytes: Buffer, at: { offset: number }): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at.offset];
    if (byte === undefined || shift > 63n) throw new Error('a varint does not end');
    at.offset += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

function readRaw(bytes: Buffer, at: { offset: number }, wire: number): bigint | Buffer {
  if (wire === VARINT) return readVarint(bytes, at);
  const length =
    wire === FIXED64
      ? 8
      : wire === FIXED32
        ? 4
        : wire === BYTES
          ? Number(readVarint(bytes, at))
          : -1;
  if (length < 0 || at.offset + length > bytes.length)
    throw new Error(`wire type ${wire} of length ${length} at byte ${at.offset}`);
  const part = bytes.subarray(at.offset, at.offset + length);
  at.offset += length;
  return part;
}

function valueOf(type: string, raw: bigint | Buffer): unknown {
  if (SCALARS.has(type)) return scalarOf(type, raw);
  const names = enums.get(type);
  if (names === undefined) return decode(type, raw as Buffer);
  const no = Number(raw);
  return [...names].find(([, value]) => value === no)?.[0] ?? no;
}

function scalarOf(type: string, raw: bigint | Buffer): unknown {
  if (typeof raw === 'bigint') {
    if (type === 'bool') return raw !== 0n;
    return Number(type.startsWith('int') ? BigInt.asIntN(64, raw) : raw);
  }
  if (type === 'double') return raw.readDoubleLE();
  return raw.toString(type === 'bytes' ? 'base64' : 'utf8');
}

function mapEntry(type: string, bytes: Buffer): { [key: string]: unknown } {
  const at = { offset: 0 };
  let key = '';
  let value: unknown;
  while (at.offset < bytes.length) {
    const no = Number(readVarint(bytes, at));
    const raw = readRaw(bytes, at, no & 7);
    if (no >>> 3 === 1) key = (raw as Buffer).toString('utf8');
    else value = valueOf(type, raw);
  }
  return { [key]: value };
}

const NUMBERS: ReadonlySet<string> = new Set(['double', 'int32', 'uint32', 'int64', 'uint64']);

/** What in a message does not fit its proto: unknown names, wrong types, missing required fields. Undefined when all fits. */
export function misfitOf(type: string, value: unknown, path = type): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `${path} is ${JSON.stringify(value)} instead of an object`;
  const { byName } = messageOf(type);
  for (const field of byName.values())
    if (field.label === '!' && (value as Json)[field.name] === undefined)
      return `${path} lacks the required ${field.name}`;
  for (const [name, one] of Object.entries(value)) {
    const field = byName.get(name);
    if (field === undefined) return `${path} has the unknown field ${name}`;
    const misfit = fieldMisfit(field, one, `${path}.${name}`);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

function fieldMisfit(field: Field, value: unknown, path: string): string | undefined {
  if (field.label === '*') {
    if (!Array.isArray(value)) return `${path} is not a list`;
    if (value.length === 0) return `${path} is an empty list, which is to be left out`;
  }
  const items: readonly unknown[] =
    field.label === '*'
      ? (value as readonly unknown[])
      : field.label === '%'
        ? Object.values(value as Json)
        : [value];
  for (const item of items) {
    const misfit = itemMisfit(field.type, item, path);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

function itemMisfit(type: string, value: unknown, path: string): string | undefined {
  const wrong = `${path} is ${JSON.stringify(value)}, which is no ${type}`;
  if (type === 'bool') return typeof value === 'boolean' ? undefined : wrong;
  if (NUMBERS.has(type)) return typeof value === 'number' ? undefined : wrong;
  if (type === 'string') return typeof value === 'string' ? undefined : wrong;
  if (type === 'bytes')
    return typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value) ? undefined : wrong;
  const names = enums.get(type);
  if (names !== undefined) return typeof value === 'string' && names.has(value) ? undefined : wrong;
  return misfitOf(type, value, path);
}
