import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { kube } from '../crd/kubeMeta.ts';
import { KIND_TABLE } from '../kindTable.ts';
import { applyDefaults } from './applyDefaults.ts';
import { rootSchemaOf } from './customResourceDefinition.ts';
import { GENERATED_FOLDERS, generatedFiles } from './files.ts';
import { structuralFaults } from './structuralRules.ts';
import { type StructuralSchema, structuralSchemaOf } from './structuralSchema.ts';

const ROOT = join(import.meta.dirname, '../../../..');

describe('generated files', () => {
  test.each(generatedFiles())('$path is committed as the schemas give it', ({ path, text }) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text);
  });

  test('the generated folders hold nothing else', () => {
    const committed = GENERATED_FOLDERS.flatMap((folder) =>
      readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
    );
    expect(committed.toSorted()).toEqual(
      generatedFiles()
        .map((file) => file.path)
        .toSorted(),
    );
  });
});

describe('schemas of the kinds', () => {
  test.each(KIND_TABLE)('$ref.kind describes and bounds every field', (entry) => {
    expect(structuralFaults(rootSchemaOf(entry))).toEqual([]);
  });

  test.each(KIND_TABLE)('$ref.kind is born with observedGeneration -1', (entry) => {
    expect(rootSchemaOf(entry).properties?.['status']?.default).toEqual({ observedGeneration: -1 });
  });

  test.each(KIND_TABLE)('$ref.kind shows columns that its schema has', (entry) => {
    const schema = rootSchemaOf(entry);
    const paths = entry.columns.map((column) => column.jsonPath);
    const missing = [...paths, ...entry.selectableFields].filter((path) => !reaches(schema, path));
    expect(missing).toEqual([]);
  });

  test('no two kinds share a name', () => {
    const names = KIND_TABLE.flatMap(({ ref, singular, shortName }) => [
      ref.plural,
      singular,
      shortName,
    ]);
    expect(new Set(names).size).toBe(names.length);
  });
});

/** True when a JSONPath of the simple kind columns use leads to a field of the schema. */
function reaches(schema: StructuralSchema, jsonPath: string): boolean {
  if (jsonPath.startsWith('.metadata.')) return true;
  let at: StructuralSchema | undefined = schema;
  for (const part of jsonPath
    .replace(/\[\?.*?\]/, '.[]')
    .split('.')
    .filter(Boolean)) {
    at = part === '[]' ? at?.items : (at?.properties?.[part] ?? at?.additionalProperties);
  }
  return at !== undefined;
}

describe('structuralFaults', () => {
  const field = (schema: z.ZodType): readonly string[] =>
    structuralFaults(
      structuralSchemaOf(z.object({ spec: z.object({ f: schema }).describe('S.') })),
    );

  test.each<{ fault: string; schema: z.ZodType; expected: string[] }>([
    { fault: 'no description', schema: z.boolean(), expected: ['spec.f has no description'] },
    {
      fault: 'a description that is no sentence',
      schema: z.boolean().describe('on or off'),
      expected: ['the description of spec.f is not a sentence'],
    },
    {
      fault: 'a string without length',
      schema: z.string().describe('F.'),
      expected: ['spec.f has no maxLength'],
    },
    {
      fault: 'an integer without bounds',
      schema: z.int().describe('F.'),
      expected: ['spec.f has no bounds'],
    },
    {
      fault: 'a list without type and length',
      schema: z.array(z.boolean()).describe('F.'),
      expected: ['spec.f has no maxItems', 'spec.f has no list type'],
    },
    {
      fault: 'a list that merges by an optional field',
      schema: z
        .array(z.object({ name: z.string().max(9).optional().describe('N.') }))
        .max(9)
        .meta(kube({ description: 'F.', list: { keys: ['name'] } })),
      expected: ['spec.f merges by name, which its entries need not have'],
    },
    {
      fault: 'a map without size, of strings without length',
      schema: z.record(z.string(), z.string()).describe('F.'),
      expected: ['spec.f has no maxProperties', 'spec.f.* has no maxLength'],
    },
  ])('finds $fault', ({ schema, expected }) => {
    expect(field(schema)).toEqual(expected);
  });
});

describe('structuralSchemaOf', () => {
  test('keeps the metadata of an optional field and of the schema it refines', () => {
    const base = z
      .string()
      .max(5)
      .meta(kube({ description: 'Old.', rules: [] }));
    const schema = structuralSchemaOf(
      z.object({ f: base.optional().meta(kube({ description: 'New.', default: 'x' })) }),
    );
    expect(schema.properties?.['f']).toEqual({
      description: 'New.',
      type: 'string',
      default: 'x',
      maxLength: 5,
      'x-kubernetes-validations': [],
    });
    expect(schema.required).toBeUndefined();
  });

  test('closes no object, as the API server forbids it', () => {
    expect(structuralSchemaOf(z.strictObject({ f: z.boolean() }))).not.toHaveProperty(
      'additionalProperties',
    );
  });

  test.each<{ what: string; schema: z.ZodType; message: string }>([
    {
      what: 'a union',
      schema: z.object({ f: z.union([z.string(), z.boolean()]) }),
      message: '.f: a union has no place in a CRD schema',
    },
    {
      what: 'a nullable field',
      schema: z.object({ f: z.string().nullable() }),
      message: '.f: "nullable" has no place in a CRD schema',
    },
    {
      what: 'metadata the API server does not know',
      schema: z.object({ f: z.string().meta({ colour: 'red' }) }),
      message: '.f: "colour" has no place in a CRD schema',
    },
  ])('refuses $what, naming the field', ({ schema, message }) => {
    expect(() => structuralSchemaOf(schema)).toThrow(message);
  });
});

describe('applyDefaults', () => {
  const schema = structuralSchemaOf(
    z.object({
      a: z.int().min(0).max(9).optional().meta({ default: 1 }),
      b: z
        .object({ c: z.int().min(0).max(9).optional().meta({ default: 2 }) })
        .optional()
        .meta({ default: {} }),
      d: z.object({ e: z.int().min(0).max(9).optional().meta({ default: 3 }) }).optional(),
      l: z.array(z.object({ f: z.int().min(0).max(9).optional().meta({ default: 4 }) })).optional(),
    }),
  );

  test.each<{ what: string; value: unknown; expected: unknown }>([
    {
      what: 'fills absent fields, also inside a default',
      value: {},
      expected: { a: 1, b: { c: 2 } },
    },
    {
      what: 'keeps what is there',
      value: { a: 0, b: { c: 0 }, other: true },
      expected: { a: 0, b: { c: 0 }, other: true },
    },
    {
      what: 'fills entries of lists and objects without a default only when they are there',
      value: { d: {}, l: [{}, { f: 0 }] },
      expected: { a: 1, b: { c: 2 }, d: { e: 3 }, l: [{ f: 4 }, { f: 0 }] },
    },
  ])('$what', ({ value, expected }) => {
    expect(applyDefaults(schema, value)).toEqual(expected);
  });
});
