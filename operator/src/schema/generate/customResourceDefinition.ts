import { CATEGORY, type KindEntry, type PrinterColumn } from '../kindTable.ts';
import { type StructuralSchema, structuralSchemaOf } from './structuralSchema.ts';

/** A `CustomResourceDefinition` as JSON; only what Mezzo sets. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: {
    readonly name: string;
    readonly labels: { readonly [label: string]: string };
  };
  readonly spec: { readonly [field: string]: unknown };
}

/** The CustomResourceDefinition of one kind. Guarantees: the same entry gives the same object, key order included. */
export function customResourceDefinitionOf(entry: KindEntry): CustomResourceDefinition {
  const { group, version, plural, kind, namespaced } = entry.ref;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      labels: { 'app.kubernetes.io/part-of': 'mezzo' },
    },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: entry.singular,
        shortNames: [entry.shortName],
        categories: [CATEGORY],
      },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      conversion: { strategy: 'None' },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: entry.columns.map(printerColumn),
          selectableFields: entry.selectableFields.map((jsonPath) => ({ jsonPath })),
          subresources: { status: {}, ...(entry.scale ? { scale: entry.scale } : {}) },
          schema: { openAPIV3Schema: rootSchemaOf(entry) },
        },
      ],
    },
  };
}

/** Schema of a whole object: the kind's own `spec` and `status` beside what every object has. */
export function rootSchemaOf(entry: KindEntry): StructuralSchema {
  const { properties, required, ...root } = structuralSchemaOf(entry.schema);
  return {
    ...root,
    ...(required === undefined ? {} : { required }),
    properties: {
      apiVersion: {
        description: `Version of the API this object is written in: ${entry.ref.group}/${entry.ref.version}.`,
        type: 'string',
        maxLength: 64,
      },
      kind: {
        description: `Kind of the object: ${entry.ref.kind}.`,
        type: 'string',
        maxLength: 64,
      },
      // The API server allows nothing more here, and describes it itself.
      metadata: { type: 'object' },
      ...properties,
    },
  };
}

function printerColumn({ name, type, jsonPath, description, wide }: PrinterColumn): object {
  return { name, type, description, jsonPath, ...(wide ? { priority: 1 } : {}) };
}
