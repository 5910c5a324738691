import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { KIND_TABLE, type KindEntry } from '../../../operator/src/schema/kindTable.ts';
import { valueAt } from './json.ts';
import { customKind, type KindOptions } from './kinds.ts';
import type { FieldReader } from './selectors.ts';

/** Mezzo's kinds as the API server knows them from their CRDs: validated by the schemas those are generated from. */
export const MEZZO_KINDS: readonly KindOptions[] = (KIND_TABLE as readonly KindEntry[]).map(
  (entry) =>
    customKind(entry.ref, {
      validate: (object) => faultOf(entry, object),
      fieldSelectors: Object.fromEntries(entry.selectableFields.map(selectable)),
      ...(entry.scale !== undefined && {
        scale: {
          specField: lastName(entry.scale.specReplicasPath),
          statusField: lastName(entry.scale.statusReplicasPath),
        },
      }),
    }),
);

/** Parts of objects the schema accepted before: most writes change status or metadata and share the spec. */
const accepted = new WeakSet<object>();

function faultOf({ schema }: KindEntry, object: KubeObject): string | undefined {
  const { spec, status } = object as { spec?: object; status?: object };
  const isKnown = (part: object | undefined): boolean => part === undefined || accepted.has(part);
  if (isKnown(spec) && isKnown(status) && spec !== undefined) return undefined;
  const result = schema.safeParse({ spec, status });
  if (!result.success) {
    const [issue] = result.error.issues;
    return `${issue?.path.join('.')}: ${issue?.message}`;
  }
  if (spec !== undefined) accepted.add(spec);
  if (status !== undefined) accepted.add(status);
  return undefined;
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
