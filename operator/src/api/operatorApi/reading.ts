import type { ClusterView } from '../../controllers/clusterView/types.ts';
import type { Principal } from '../../controllers/framework/types.ts';
import type { RouteContext } from '../context.ts';
import { visibilityFor, visiblePart } from './visibility.ts';

export interface Reading {
  /** The whole cluster. */
  readonly all: ClusterView;
  /** The part of it the caller may see. */
  readonly visible: ClusterView;
  /** Absent for callers who may not see them. */
  readonly flags: { readonly [name: string]: string } | undefined;
}

/** The right to see the flags, as one on the path that shows them. */
export const FLAGS_QUESTION = { path: '/flags', verb: 'get' } as const;

/** The cluster as the caller may see it. Throws `ReviewUnavailable` when nobody could be asked. */
export async function readFor(
  { operatorApi }: Pick<RouteContext, 'operatorApi'>,
  principal: Principal,
): Promise<Reading> {
  const all = operatorApi.cluster();
  const visible = visiblePart(all, await visibilityFor(all, principal, operatorApi.access));
  const mayFlags = await operatorApi.access.may(principal, FLAGS_QUESTION);
  return { all, visible, flags: mayFlags.kind === 'allowed' ? operatorApi.flags : undefined };
}
