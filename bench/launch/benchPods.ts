import type { Agent } from 'node:https';
import { type ApiAccess, apiCall } from '../../local-cluster/apiProbe.ts';

export interface PodObject {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly spec: { readonly nodeName?: string; readonly [field: string]: unknown };
}

interface PodPage {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount?: number };
  readonly items: readonly PodObject[];
}

/** Who asks, over connections that are kept: a handshake for each look would cost more than the look. */
export interface Asking {
  readonly access: ApiAccess;
  readonly agent: Agent;
}

export const podPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;

async function page({ access, agent }: Asking, path: string): Promise<PodPage> {
  const answer = await apiCall(access, { path, agent });
  if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}`);
  return JSON.parse(answer.body) as PodPage;
}

/** All Pods of a namespace, told by a page of one. */
export async function countOf(asking: Asking, namespace: string): Promise<number> {
  const { metadata, items } = await page(asking, `${podPath(namespace)}?limit=1`);
  return items.length + (metadata.remainingItemCount ?? 0);
}

/** Whether a Pod of the namespace waits for a node. */
export async function isAnyUnscheduled(asking: Asking, namespace: string): Promise<boolean> {
  const selector = encodeURIComponent('spec.nodeName=');
  const { items } = await page(asking, `${podPath(namespace)}?fieldSelector=${selector}&limit=1`);
  return items.length > 0;
}

export async function podsOf(asking: Asking, namespace: string): Promise<readonly PodObject[]> {
  const pods: PodObject[] = [];
  let from: string | undefined = '';
  while (from !== undefined) {
    const next: PodPage = await page(asking, `${podPath(namespace)}?limit=500${from}`);
    pods.push(...next.items);
    const token = next.metadata.continue ?? '';
    from = token === '' ? undefined : `&continue=${encodeURIComponent(token)}`;
  }
  return pods;
}

/** The same Pod in another namespace, owned by nobody; without its node when somebody else shall choose one. */
export function copyOf(pod: PodObject, namespace: string, isPlaced: boolean): object {
  const { name, labels, annotations, finalizers } = pod.metadata;
  const { nodeName, ...spec } = pod.spec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels, annotations, finalizers },
    spec: isPlaced ? { ...spec, nodeName } : spec,
  };
}
