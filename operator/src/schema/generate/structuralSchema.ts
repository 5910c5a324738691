import { z } from 'zod';

/** An OpenAPI v3 schema as a CustomResourceDefinition may carry it ("structural"). */
export interface StructuralSchema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: { readonly [name: string]: StructuralSchema };
  readonly required?: readonly string[];
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly anyOf?: readonly StructuralSchema[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly {
    readonly rule: string;
    readonly message: string;
    readonly messageExpression?: string;
    readonly fieldPath?: string;
  }[];
}

/** Every key a generated schema may hold, in the order they are written. */
const KEYS = [
  'description',
  'type',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'anyOf',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
] as const satisfies readonly (keyof StructuralSchema)[];

type Json = { readonly [key: string]: unknown };

/**
 * Translates a zod schema into a structural schema: everything inlined, metadata carried over.
 * Errors: throws on anything the API server would refuse or that has no counterpart there, naming the field.
 */
export function structuralSchemaOf(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    unrepresentable: 'throw',
  });
  return structural(json, '');
}

function structural(json: Json, path: string): StructuralSchema {
  const known: ReadonlySet<string> = new Set(KEYS);
  for (const key of Object.keys(json)) {
    if (!known.has(key)) throw new Error(`${path || '.'}: "${key}" has no place in a CRD schema`);
  }
  const isIntOrString = json['x-kubernetes-int-or-string'] === true;
  if (json['anyOf'] !== undefined && !isIntOrString) {
    throw new Error(`${path || '.'}: a union has no place in a CRD schema; use one type`);
  }
  const out: { [key: string]: unknown } = {};
  for (const key of KEYS) {
    const value = json[key];
    if (value !== undefined) out[key] = translated(key, value, path);
  }
  if (json['additionalProperties'] === false) delete out['additionalProperties'];
  return isIntOrString ? intOrString(out, json) : out;
}

function translated(key: (typeof KEYS)[number], value: unknown, path: string): unknown {
  switch (key) {
    case 'properties':
      return Object.fromEntries(
        Object.entries(value as Json).map(([name, one]) => [
          name,
          structural(one as Json, `${path}.${name}`),
        ]),
      );
    case 'items':
      return structural(value as Json, `${path}[]`);
    case 'additionalProperties':
      return value === false ? false : structural(value as Json, `${path}.*`);
    default:
      return value;
  }
}

/** Bounds of the two halves move up beside the marker: the API server allows only their types inside `anyOf`. */
function intOrString(out: Json, json: Json): StructuralSchema {
  const halves = json['anyOf'] as readonly Json[];
  const integer = halves.find((half) => half['type'] === 'integer');
  const text = halves.find((half) => half['type'] === 'string');
  if (halves.length !== 2 || !integer || !text) {
    throw new Error('an int-or-string must be a union of exactly one integer and one string');
  }
  const { minimum, maximum } = integer;
  const { minLength, maxLength } = text;
  const bounds = { minimum, maximum, minLength, maxLength };
  return {
    ...Object.fromEntries(Object.entries(bounds).filter(([, value]) => value !== undefined)),
    ...out,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
  };
}
