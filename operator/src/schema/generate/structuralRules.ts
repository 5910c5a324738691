import type { StructuralSchema } from './structuralSchema.ts';

/**
 * What Mezzo asks of its own schemas beyond what the API server does: every field is described and bounded, every
 * list says how it merges. Returns one sentence per fault, naming the field; none when the schema is good.
 */
export function structuralFaults(schema: StructuralSchema): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    name === 'metadata' ? [] : [...undescribed(child, name), ...faultsOf(child, name)],
  );
}

function faultsOf(schema: StructuralSchema, path: string): string[] {
  return [...unbounded(schema, path), ...unmergeable(schema, path), ...childFaults(schema, path)];
}

function childFaults(schema: StructuralSchema, path: string): string[] {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => [
    ...undescribed(child, `${path}.${name}`),
    ...faultsOf(child, `${path}.${name}`),
  ]);
  const { items, additionalProperties } = schema;
  return [
    ...fields,
    ...(items ? faultsOf(items, `${path}[]`) : []),
    ...(additionalProperties ? faultsOf(additionalProperties, `${path}.*`) : []),
  ];
}

function undescribed({ description }: StructuralSchema, path: string): string[] {
  if (description === undefined || description === '') return [`${path} has no description`];
  return description.endsWith('.') ? [] : [`the description of ${path} is not a sentence`];
}

/** Unbounded counts come out of zod with the bounds of a safe integer; only byte counts and generations need them. */
function unbounded(schema: StructuralSchema, path: string): string[] {
  if (schema['x-kubernetes-int-or-string']) {
    return schema.maxLength === undefined ? [`${path} has no maxLength`] : [];
  }
  switch (schema.type) {
    case 'string':
      return schema.maxLength === undefined && !schema.enum ? [`${path} has no maxLength`] : [];
    case 'integer': {
      const { minimum, maximum } = schema;
      const isBounded = minimum !== undefined && minimum >= -1 && maximum !== undefined;
      return isBounded ? [] : [`${path} has no bounds`];
    }
    case 'array':
      return schema.maxItems === undefined ? [`${path} has no maxItems`] : [];
    case 'object': {
      const isOpen = schema.additionalProperties !== undefined;
      return isOpen && schema.maxProperties === undefined ? [`${path} has no maxProperties`] : [];
    }
    case 'boolean':
      return [];
    default:
      return schema.type === undefined ? [`${path} has no type`] : [];
  }
}

function unmergeable(schema: StructuralSchema, path: string): string[] {
  if (!schema.items) return [];
  const listType = schema['x-kubernetes-list-type'];
  if (listType === undefined) return [`${path} has no list type`];
  if (listType !== 'map') return [];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const required = new Set(schema.items.required ?? []);
  return keys
    .filter((key) => !required.has(key))
    .map((key) => `${path} merges by ${key}, which its entries need not have`);
}
