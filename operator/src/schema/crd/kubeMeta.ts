import type { z } from 'zod';

/** A validation rule the API server runs itself (CEL). The message says what to do, not only what is wrong. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  /** A CEL expression whose string replaces `message`; used to name the offending entry. */
  readonly messageExpression?: string;
  /** Where the error is reported, relative to the field that carries the rule: `.cpus`. */
  readonly fieldPath?: string;
}

/** What Kubernetes must know of a field beyond its zod type; ends up as `x-kubernetes-*` in the CRD. */
export interface KubeMeta {
  readonly description?: string;
  /** Filled in by the API server. The zod type stays optional: objects older than the default lack it. */
  readonly default?: unknown;
  readonly rules?: readonly CelRule[];
  readonly maxProperties?: number;
  readonly minProperties?: number;
  /** Server-side apply merges a list by these fields (`map`), by value (`set`), or replaces it (`atomic`). */
  readonly list?: 'atomic' | 'set' | { readonly keys: readonly string[] };
}

/**
 * Metadata for `.meta(…)`; `z.toJSONSchema` copies it into the schema as it is.
 * Guarantees: only the keys that were given are set, so metadata of a reused schema is refined, not erased.
 */
export function kube(meta: KubeMeta): z.GlobalMeta {
  const { rules, list, ...plain } = meta;
  return {
    ...plain,
    ...(rules === undefined ? {} : { 'x-kubernetes-validations': rules }),
    ...(list === undefined ? {} : listMeta(list)),
  };
}

function listMeta(list: NonNullable<KubeMeta['list']>): z.GlobalMeta {
  return typeof list === 'string'
    ? { 'x-kubernetes-list-type': list }
    : { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': list.keys };
}

/** The rule that a field keeps the value it was created with. */
export function immutable(field: string, remedy: string): CelRule {
  return { rule: 'self == oldSelf', message: `${field} may not be changed; ${remedy}` };
}
