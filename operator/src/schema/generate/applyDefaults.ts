import type { StructuralSchema } from './structuralSchema.ts';

/**
 * Fills in defaults as the API server does: an absent field takes its default, and so do fields inside that default.
 * Guarantees: pure; what is present is kept as it is; the value handed in is not touched.
 * Source: Kubernetes "Defaulting" of custom resources; null is not treated specially, as no field of Mezzo is nullable.
 */
export function applyDefaults(schema: StructuralSchema, value: unknown): unknown {
  if (Array.isArray(value)) return schema.items ? mapList(schema.items, value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const filled: { [name: string]: unknown } = { ...value };
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const present = filled[name] ?? child.default;
    if (present !== undefined) filled[name] = applyDefaults(child, present);
  }
  const { additionalProperties } = schema;
  if (additionalProperties) {
    for (const [name, entry] of Object.entries(filled)) {
      filled[name] = applyDefaults(additionalProperties, entry);
    }
  }
  return filled;
}

const mapList = (items: StructuralSchema, list: readonly unknown[]): unknown[] =>
  list.map((entry) => applyDefaults(items, entry));
