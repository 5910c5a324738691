import { z } from 'zod';
import { PRIVILEGE_RESOURCE } from '../../controllers/framework/pod/privileges.ts';
import type {
  AccessVerdict,
  FrameworkAuthorizer,
  Principal,
} from '../../controllers/framework/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi, KubeObject } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { SUBJECT_ACCESS_REVIEWS } from '../../schema/kubeKinds.ts';
import { GROUP, ROLES } from '../../schema/mezzoKinds.ts';
import { ExpiringCache } from './expiringCache.ts';

const ALLOWED_MS = 60_000;
const DENIED_MS = 5_000;
const MAX_CACHED = 4_096;

const ReviewStatus = z.object({ allowed: z.boolean().optional() });

interface Attributes {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  readonly name?: string;
  readonly namespace?: string;
}

/** A right on objects, or on a path that stands for no object. */
export type AccessQuestion = Attributes | { readonly path: string; readonly verb: string };

/** May the principal do this? Asked as `kubectl auth can-i` would. */
export interface AccessReviewer {
  may(principal: Principal, question: AccessQuestion): Promise<AccessVerdict>;
}

export interface AccessReviewOptions {
  readonly kube: Pick<KubeApi, 'create'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What frameworks may do, asked of the cluster's own authorizer, so that plain RBAC rules it. */
export function createAccessReview(
  options: AccessReviewOptions,
): FrameworkAuthorizer & AccessReviewer {
  const cache = new ExpiringCache<AccessVerdict>(options.clock, MAX_CACHED);
  const ask = async (principal: Principal, attributes: AccessQuestion): Promise<AccessVerdict> => {
    const key = JSON.stringify([principal.name, principal.groups, principal.extra, attributes]);
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    const verdict = await review(principal, attributes, options);
    if (verdict.kind !== 'unavailable')
      cache.set(key, verdict, verdict.kind === 'allowed' ? ALLOWED_MS : DENIED_MS);
    return verdict;
  };
  return {
    may: ask,
    mayOffer: (principal, role) =>
      ask(principal, { group: GROUP, resource: ROLES.plural, verb: 'offer', name: role }),
    mayCreatePods: (principal, namespace) =>
      ask(principal, { group: '', resource: 'pods', verb: 'create', namespace }),
    mayUse: (principal, name, namespace) =>
      ask(principal, { group: GROUP, resource: PRIVILEGE_RESOURCE, verb: 'use', name, namespace }),
  };
}

async function review(
  principal: Principal,
  attributes: AccessQuestion,
  { kube, log }: AccessReviewOptions,
): Promise<AccessVerdict> {
  try {
    const reply = await kube.create<KubeObject & { spec: unknown; status?: unknown }>(
      SUBJECT_ACCESS_REVIEWS,
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: { name: '' },
        spec: {
          user: principal.name,
          groups: principal.groups,
          uid: principal.uid,
          extra: principal.extra,
          ...('path' in attributes
            ? { nonResourceAttributes: attributes }
            : { resourceAttributes: attributes }),
        },
      },
    );
    return ReviewStatus.parse(reply.status ?? {}).allowed === true
      ? { kind: 'allowed' }
      : { kind: 'denied', missing: describe(attributes) };
  } catch (error) {
    log.warn('access could not be reviewed', { error });
    return {
      kind: 'unavailable',
      message: 'Permissions cannot be reviewed at the moment; try again',
    };
  }
}

function describe(question: AccessQuestion): string {
  if ('path' in question) return `${question.verb} ${question.path}`;
  const { group, resource, subresource, verb, name, namespace } = question;
  const plural = subresource === undefined ? resource : `${resource}/${subresource}`;
  const what = group === '' ? plural : `${plural}.${group}`;
  const which = name === undefined ? '' : ` "${name}"`;
  return `${verb} ${what}${which}${namespace === undefined ? '' : ` in namespace "${namespace}"`}`;
}
