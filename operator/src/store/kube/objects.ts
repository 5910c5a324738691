import {
  type DeleteOptions,
  KubeApiError,
  type KubeObject,
  type ListPage,
  type ObjectMeta,
  type ResourceRef,
} from '../../ports/kubeApi.ts';

export const apiVersionOf = (ref: ResourceRef): string =>
  ref.group === '' ? ref.version : `${ref.group}/${ref.version}`;

/**
 * Makes a freshly parsed object fit for the cache: without `managedFields` (two thirds of a Pod's heap), with the
 * `apiVersion` and `kind` that list items lack. Changes the object in place: nobody else holds it yet.
 * Errors: `unavailable` when it is no object with metadata.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names what it asked the server for
export function prepare<T extends KubeObject>(ref: ResourceRef, parsed: unknown): T {
  const object = parsed as { [key: string]: unknown } | null;
  const metadata = object?.['metadata'] as { [key: string]: unknown } | null | undefined;
  if (object === null || metadata === null || typeof metadata !== 'object')
    throw new KubeApiError('unavailable', `the reply for ${ref.plural} has no metadata`);
  delete metadata['managedFields'];
  object['apiVersion'] ??= apiVersionOf(ref);
  object['kind'] ??= ref.kind;
  return object as unknown as T;
}

/** Kinds whose objects are large and written by the server as Go structs, metadata before spec. */
const TRIMMED = new Set(['pods', 'nodes']);
const FIELDS_BEGIN = ',"managedFields":[';
const FIELDS_END = '}]},"spec":';
/** What of the end belongs to the fields. */
const FIELDS_CLOSE = '}]';

/**
 * Parses one object, or a watch event of one, as the server wrote it, past the `managedFields` of kinds where they are half
 * of the text. In those they are the last of the metadata, and a quote inside a string is escaped, so neither mark can be part
 * of a value; where a mark is missing everything is parsed.
 */
export function parseObject(ref: Pick<ResourceRef, 'group' | 'plural'>, text: string): unknown {
  if (ref.group !== '' || !TRIMMED.has(ref.plural)) return JSON.parse(text);
  const begin = text.indexOf(FIELDS_BEGIN);
  const end = begin < 0 ? -1 : text.indexOf(FIELDS_END, begin);
  if (end < 0) return JSON.parse(text);
  return JSON.parse(text.slice(0, begin) + text.slice(end + FIELDS_CLOSE.length));
}

/** Errors: `unavailable` when the reply is no list. */
export function pageOf<T extends KubeObject>(ref: ResourceRef, parsed: unknown): ListPage<T> {
  const { metadata, items } = (parsed ?? {}) as {
    metadata?: { resourceVersion?: string; continue?: string };
    items?: unknown;
  };
  if (metadata?.resourceVersion === undefined || !(Array.isArray(items) || items === null))
    throw new KubeApiError('unavailable', `the reply for ${ref.plural} is no list`);
  return {
    items: ((items ?? []) as unknown[]).map((item) => prepare<T>(ref, item)),
    resourceVersion: metadata.resourceVersion,
    ...(metadata.continue ? { continueToken: metadata.continue } : {}),
  };
}

/** The namespace of an object's collection. Errors: `badRequest` when a namespaced object names none. */
export function namespaceOf(ref: ResourceRef, metadata: Partial<ObjectMeta>): string | undefined {
  if (!ref.namespaced) return undefined;
  if (metadata.namespace === undefined)
    throw new KubeApiError(
      'badRequest',
      `${ref.kind} "${metadata.name ?? ''}" needs metadata.namespace: the kind is namespaced`,
    );
  return metadata.namespace;
}

export function deleteBody(options: DeleteOptions): unknown {
  const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy, dryRun } = options;
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy !== undefined && { propagationPolicy }),
    // A server that is sent a body looks for it there alone: in the query it would be ignored, and the object gone.
    ...(dryRun === true && { dryRun: ['All'] }),
    ...((uid !== undefined || resourceVersion !== undefined) && {
      preconditions: {
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
      },
    }),
  };
}
