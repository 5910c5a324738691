import { invariant } from '../../../model/result.ts';
import type {
  EnumTables,
  EnumType,
  Field,
  FieldType,
  MessageTables,
  MessageType,
  ScalarType,
} from './types.ts';

const SCALARS: ReadonlySet<string> = new Set<ScalarType>([
  'string',
  'bytes',
  'bool',
  'double',
  'int32',
  'uint32',
  'int64',
  'uint64',
]);

interface OpenMessage {
  readonly name: string;
  readonly byName: Map<string, Field>;
  readonly byNumber: Map<number, Field>;
  readonly fields: Field[];
  readonly required: Field[];
}

/**
 * Links tables into message types. Looks a message up by its name.
 * Errors: throws on a name that no table has and on a field number used twice: both are bugs in a table.
 */
export function linkSchema(
  messages: MessageTables,
  enums: EnumTables,
): (name: string) => MessageType {
  const linked = new Map<string, OpenMessage>();
  for (const name of Object.keys(messages))
    linked.set(name, {
      name,
      byName: new Map(),
      byNumber: new Map(),
      fields: [],
      required: [],
    });
  const enumTypes = new Map(Object.entries(enums).map(([name, table]) => [name, enumType(table)]));
  const typeOf = (name: string): FieldType => {
    if (SCALARS.has(name)) return { kind: 'scalar', of: name as ScalarType };
    const message = linked.get(name);
    if (message !== undefined) return { kind: 'message', of: message };
    const found = enumTypes.get(name);
    invariant(found !== undefined, `wire type ${name} has a table`);
    return { kind: 'enum', of: found };
  };
  for (const [message, open] of linked) {
    for (const [name, [no, type, label = 'optional']] of Object.entries(messages[message] ?? {})) {
      invariant(!open.byNumber.has(no), `field number ${no} of ${message} is used once`);
      const field: Field = { name, no, label, type: typeOf(type) };
      open.byName.set(name, field);
      open.byNumber.set(no, field);
      open.fields.push(field);
      if (label === 'required') open.required.push(field);
    }
    open.fields.sort((left, right) => left.no - right.no);
  }
  return (name) => {
    const found = linked.get(name);
    invariant(found !== undefined, `message ${name} has a table`);
    return found;
  };
}

/** Two names may share a number; the first is the one that is read. */
function enumType(table: { readonly [value: string]: number }): EnumType {
  const names = new Map<number, string>();
  for (const [name, no] of Object.entries(table)) if (!names.has(no)) names.set(no, name);
  return { numbers: new Map(Object.entries(table)), names };
}
