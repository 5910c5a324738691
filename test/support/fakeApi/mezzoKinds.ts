import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { applyDefaults } from '../../../operator/src/schema/generate/applyDefaults.ts';
import { rootSchemaOf } from '../../../operator/src/schema/generate/customResourceDefinition.ts';
import { KIND_TABLE, type KindEntry } from '../../../operator/src/schema/kindTable.ts';
import { schemaFaultOf } from '../../../operator/src/schema/schemaFault.ts';
import { frozenCopy, valueAt } from './json.ts';
import { customKind, type KindOptions } from './kinds.ts';
import type { FieldReader } from './selectors.ts';

/** Mezzo's kinds as the API server knows them from their CRDs: validated by the schemas those are generated from. */
export const MEZZO_KINDS: readonly KindOptions[] = (KIND_TABLE as readonly KindEntry[]).map(
  (entry) =>
    customKind(entry.ref, {
      withDefaults: defaultsOf(entry),
      validate: (object) => schemaFaultOf(entry, object)?.message,
      fieldSelectors: Object.fromEntries(entry.selectableFields.map(selectable)),
      ...(entry.scale !== undefined && {
        scale: {
          specField: lastName(entry.scale.specReplicasPath),
          statusField: lastName(entry.scale.statusReplicasPath),
        },
      }),
    }),
);

/** Parts that hold their defaults already: most writes change status or metadata and share the spec. */
const filled = new WeakSet<object>();

/**
 * Defaults of the CRD. A real server adds those of status when it reads; here they are stored at once, so that the
 * first write after creation may change nothing where the real one stores the default.
 */
function defaultsOf(entry: KindEntry): (object: KubeObject) => KubeObject {
  let fillers: { readonly spec: Fill; readonly status: Fill } | undefined;
  return (object) => {
    // Made at the first object: generating all the schemas takes longer than many a test.
    fillers ??= { spec: fillerOf(entry, 'spec'), status: fillerOf(entry, 'status') };
    const { spec, status } = object as { spec?: object; status?: object };
    return { ...object, spec: fillers.spec(spec), status: fillers.status(status) } as KubeObject;
  };
}

type Fill = (part: object | undefined) => object | undefined;

function fillerOf(entry: KindEntry, name: 'spec' | 'status'): Fill {
  const child = rootSchemaOf(entry).properties?.[name];
  const isPlain = !hasDefaults(child?.properties);
  return (part) => {
    if (part !== undefined && (filled.has(part) || isPlain)) return part;
    if (child === undefined) return part;
    const whole = frozenCopy(applyDefaults(child, part ?? child.default)) as object | undefined;
    if (whole !== undefined) filled.add(whole);
    return whole;
  };
}

function hasDefaults(schema: unknown): boolean {
  return JSON.stringify(schema ?? {}).includes('"default":');
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

function selectable(path: string): readonly [string, FieldReader] {
  const names = path.split('.').slice(1);
  return [
    names.join('.'),
    (object) => {
      const value = valueAt(object, names);
      return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
    },
  ];
}
