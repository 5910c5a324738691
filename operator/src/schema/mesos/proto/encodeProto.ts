import { invariant } from '../../../model/result.ts';
import type { Field, FieldType, MessageType, ScalarType, WireObject } from './types.ts';
import { WIRE } from './wireReader.ts';
import { WireWriter } from './wireWriter.ts';

/**
 * Writes a message, given as JSON has it, as protobuf; fields in the order of their numbers, lists unpacked.
 * Assumes the value fits its table: a required field that is missing or an unknown enum name is a bug and throws.
 */
export function encodeProto(type: MessageType, value: WireObject): Buffer {
  const writer = new WireWriter();
  writeMessage(writer, type, value);
  return writer.bytes();
}

/** Back to front, so that the length of a part is known when its length is written. */
function writeMessage(writer: WireWriter, type: MessageType, value: WireObject): void {
  for (let index = type.fields.length - 1; index >= 0; index -= 1) {
    const field = type.fields[index];
    if (field === undefined) continue;
    const one = value[field.name];
    if (one === undefined) {
      invariant(field.label !== 'required', `${type.name}.${field.name} is set`);
      continue;
    }
    writeField(writer, field, one);
  }
}

function writeField(writer: WireWriter, field: Field, value: unknown): void {
  switch (field.label) {
    case 'repeated': {
      const list = value as readonly unknown[];
      for (let index = list.length - 1; index >= 0; index -= 1)
        writeTagged(writer, field.no, field.type, list[index]);
      return;
    }
    case 'map':
      for (const [key, one] of Object.entries(value as WireObject).toReversed()) {
        const end = writer.size;
        writeTagged(writer, 2, field.type, one);
        writeTagged(writer, 1, { kind: 'scalar', of: 'string' }, key);
        writer.small(writer.size - end);
        writer.tag(field.no, WIRE.bytes);
      }
      return;
    case 'optional':
    case 'required':
      writeTagged(writer, field.no, field.type, value);
  }
}

function writeTagged(writer: WireWriter, no: number, type: FieldType, value: unknown): void {
  switch (type.kind) {
    case 'message': {
      const end = writer.size;
      writeMessage(writer, type.of, value as WireObject);
      writer.small(writer.size - end);
      writer.tag(no, WIRE.bytes);
      return;
    }
    case 'enum': {
      const number = type.of.numbers.get(String(value));
      invariant(number !== undefined, `enum value ${String(value)} is known`);
      // Enum numbers are never negative in these tables.
      writer.small(number);
      writer.tag(no, WIRE.varint);
      return;
    }
    case 'scalar':
      writer.tag(no, writeScalar(writer, type.of, value));
  }
}

/** Writes the value and returns its wire type. */
function writeScalar(writer: WireWriter, type: ScalarType, value: unknown): number {
  switch (type) {
    case 'string':
      writer.text(String(value));
      return WIRE.bytes;
    case 'bytes':
      writer.part(Buffer.from(String(value), 'base64'));
      return WIRE.bytes;
    case 'double':
      writer.double(Number(value));
      return WIRE.fixed64;
    case 'bool':
      writer.small(value === true ? 1 : 0);
      return WIRE.varint;
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
      if (typeof value === 'number' && value >= 0 && value < 2 ** 32 && Number.isInteger(value)) {
        writer.small(value);
        return WIRE.varint;
      }
      // Through text: nanoseconds of a date are beyond exact integers, but print as what was meant.
      writer.varint(BigInt.asUintN(64, BigInt(String(value))));
      return WIRE.varint;
  }
}
