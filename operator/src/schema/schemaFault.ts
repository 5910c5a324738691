import type { z } from 'zod';
import type { KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import { KIND_TABLE, type KindEntry } from './kindTable.ts';

/** Parts of objects that were found right: most writes change status or metadata and share the spec. */
const accepted = new WeakSet<object>();

/** Which half of an object is wrong, and how; `message` begins with the path of the field. */
export interface SchemaFault {
  readonly part: 'spec' | 'status';
  readonly message: string;
}

/**
 * The first thing in `spec` or `status` that this version's schema of the kind does not know how to read; undefined when
 * all is well. A field nobody here has heard of is no fault: a newer version may have added it.
 * Does not: judge the rules that only the API server evaluates (CEL).
 */
export function schemaFaultOf(entry: KindEntry, object: KubeObject): SchemaFault | undefined {
  const { spec, status } = object as { spec?: object; status?: object };
  const { shape } = entry.schema as z.ZodObject<{ spec: z.ZodType; status: z.ZodType }>;
  return faultOfPart('spec', shape.spec, spec) ?? faultOfPart('status', shape.status, status);
}

function faultOfPart(
  part: SchemaFault['part'],
  schema: z.ZodType,
  value: object | undefined,
): SchemaFault | undefined {
  if (value !== undefined && accepted.has(value)) return undefined;
  const result = schema.safeParse(value);
  const issue = result.error?.issues.find(({ code }) => code !== 'unrecognized_keys');
  if (issue !== undefined)
    return { part, message: `${[part, ...issue.path].join('.')}: ${issue.message}` };
  if (value !== undefined) accepted.add(value);
  return undefined;
}

/** The table's row of a kind; undefined for kinds that are not Mezzo's. */
export function kindEntryOf(ref: ResourceRef): KindEntry | undefined {
  const entries: readonly KindEntry[] = KIND_TABLE;
  return entries.find((one) => one.ref.group === ref.group && one.ref.plural === ref.plural);
}
