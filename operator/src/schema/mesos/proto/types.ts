/**
 * How wire messages are described: one table per message, one line per field, kept as data so that reading and writing
 * are each one function for every message, in JSON and in protobuf.
 */

export type ScalarType =
  | 'string'
  | 'bytes'
  | 'bool'
  | 'double'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64';

export type FieldLabel = 'required' | 'repeated' | 'map';

/**
 * Number, type and label of a field. The type is a scalar, or the name of a message or enum of the same schema; without
 * a label the field is optional. A `map` has text keys, and the type is that of its values.
 */
export type FieldLine = readonly [no: number, type: string, label?: FieldLabel];

export type MessageTables = {
  readonly [message: string]: { readonly [field: string]: FieldLine };
};
export type EnumTables = { readonly [name: string]: { readonly [value: string]: number } };

/** A message in the form both readers give and both writers take: as JSON has it, `bytes` in base64. */
export type WireObject = { readonly [field: string]: unknown };

export interface EnumType {
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

export type FieldType =
  | { readonly kind: 'scalar'; readonly of: ScalarType }
  | { readonly kind: 'enum'; readonly of: EnumType }
  | { readonly kind: 'message'; readonly of: MessageType };

export interface Field {
  readonly name: string;
  readonly no: number;
  readonly label: FieldLabel | 'optional';
  readonly type: FieldType;
}

export interface MessageType {
  readonly name: string;
  readonly byName: ReadonlyMap<string, Field>;
  readonly byNumber: ReadonlyMap<number, Field>;
  /** In the order of their numbers, which is the order they are written in. */
  readonly fields: readonly Field[];
  readonly required: readonly Field[];
}

/** Messages nested deeper are refused: recursive readers would overflow their stack. */
export const MAX_MESSAGE_DEPTH = 64;
