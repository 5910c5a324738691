import type { ObjectKey, ResourceRef } from '../../ports/kubeApi.ts';

export type Query = { readonly [name: string]: string | number | boolean | undefined };

/** Path of a kind's collection: of one namespace, or of all when `namespace` is absent. */
export function collectionPath(ref: ResourceRef, namespace: string | undefined): string {
  const root = ref.group === '' ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`;
  const scope =
    ref.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${ref.plural}`;
}

/** Path of one object, or of one of its subresources. */
export function objectPath(ref: ResourceRef, key: ObjectKey, subresource?: string): string {
  const base = `${collectionPath(ref, key.namespace)}/${encodeURIComponent(key.name)}`;
  return subresource === undefined ? base : `${base}/${subresource}`;
}

export function withQuery(path: string, query: Query): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '')
      pairs.push(`${name}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}
