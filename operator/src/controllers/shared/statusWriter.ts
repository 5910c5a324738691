import { equalJson } from '../../model/hash.ts';
import type { KubeApi, KubeObject, ResourceRef } from '../../ports/kubeApi.ts';

/**
 * Writes `status` when it differs from what the object holds, and returns the object as it then is.
 * Guarantees: no write when nothing changed; the write carries the resourceVersion the decision was made from, so a
 * stale decision is refused with `conflict` and made again.
 */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  kube: KubeApi,
  ref: ResourceRef,
  object: T,
  status: NonNullable<T['status']>,
): Promise<T> {
  if (equalJson(object.status ?? {}, status)) return object;
  return await kube.update<T>(ref, { ...object, status }, { subresource: 'status' });
}
