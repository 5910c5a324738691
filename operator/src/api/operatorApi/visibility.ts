import type {
  ClusterView,
  ViewedFramework,
  ViewedTask,
} from '../../controllers/clusterView/types.ts';
import type { AccessVerdict, Principal } from '../../controllers/framework/types.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import {
  AGENTS,
  FRAMEWORKS,
  GROUP,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  ROLES,
} from '../../schema/mezzoKinds.ts';
import type { AccessQuestion, AccessReviewer } from '../auth/accessReview.ts';

/** What one caller may see: exactly what `kubectl list` of the same objects would show, and what is the caller's own. */
export interface Visibility {
  task(of: Pick<ViewedTask, 'namespace' | 'framework'>): boolean;
  framework(of: Pick<ViewedFramework, 'id' | 'namespace'>): boolean;
  readonly allAgents: boolean;
  readonly allRoles: boolean;
  readonly allQuotas: boolean;
  readonly allWindows: boolean;
}

/** Namespaces asked about in one request; tasks in others are shown to those only who may list across the cluster. */
const MAX_NAMESPACES = 256;

export class ReviewUnavailable extends Error {}

/** Asks what `principal` may list. Throws `ReviewUnavailable` when nobody could be asked. */
export async function visibilityFor(
  view: ClusterView,
  principal: Principal,
  access: AccessReviewer,
): Promise<Visibility> {
  const may = async (question: AccessQuestion): Promise<boolean> =>
    isAllowed(await access.may(principal, question));
  const listing = (plural: string): Promise<boolean> =>
    may({ group: GROUP, resource: plural, verb: 'list' });
  const [allAgents, allRoles, allQuotas, allWindows, frameworks, tasks] = await Promise.all([
    listing(AGENTS.plural),
    listing(ROLES.plural),
    listing(QUOTAS.plural),
    listing(MAINTENANCE_WINDOWS.plural),
    namespacesOf(GROUP, FRAMEWORKS.plural, view.frameworks, may),
    namespacesOf('', PODS.plural, view.tasks, may),
  ]);
  const own = new Set(
    view.frameworks.filter((one) => one.principal === principal.name).map((one) => one.id),
  );
  const seesTask = (of: Pick<ViewedTask, 'namespace' | 'framework'>): boolean =>
    own.has(of.framework) || tasks(of.namespace);
  // Mezzo's own job scheduler has no namespace: whoever sees one of its tasks sees it.
  const seesJobs = view.tasks.some(seesTask);
  return {
    task: seesTask,
    framework: (of) =>
      own.has(of.id) || (of.namespace === undefined ? seesJobs : frameworks(of.namespace)),
    allAgents,
    allRoles,
    allQuotas,
    allWindows,
  };
}

function isAllowed(verdict: AccessVerdict): boolean {
  if (verdict.kind === 'unavailable') throw new ReviewUnavailable(verdict.message);
  return verdict.kind === 'allowed';
}

async function namespacesOf(
  group: string,
  resource: string,
  things: readonly { readonly namespace: string | undefined }[],
  may: (question: AccessQuestion) => Promise<boolean>,
): Promise<(namespace: string) => boolean> {
  if (await may({ group, resource, verb: 'list' })) return () => true;
  const namespaces = [...new Set(things.flatMap((one) => one.namespace ?? []))].slice(
    0,
    MAX_NAMESPACES,
  );
  const verdicts = await Promise.all(
    namespaces.map((namespace) => may({ group, resource, verb: 'list', namespace })),
  );
  const seen = new Set(namespaces.filter((_one, index) => verdicts[index]));
  return (namespace) => seen.has(namespace);
}

/** The part of the cluster that is visible. Agents, roles and windows of visible tasks and offers are visible too. */
export function visiblePart(view: ClusterView, visibility: Visibility): ClusterView {
  const tasks = view.tasks.filter((one) => visibility.task(one));
  const frameworks = view.frameworks.filter((one) => visibility.framework(one));
  const offers = frameworks.flatMap((one) => one.offers);
  const agents = new Set([...tasks, ...offers].map((one) => one.agent));
  const roles = new Set([
    ...[...tasks, ...offers].map((one) => one.role),
    ...frameworks.flatMap((one) => one.roles),
  ]);
  const seesAgent = (id: string): boolean => visibility.allAgents || agents.has(id);
  const seesRole = (role: string): boolean => visibility.allRoles || roles.has(role);
  return {
    tasks,
    frameworks,
    agents: view.agents
      .filter((one) => seesAgent(one.id))
      .map((one) => ({
        ...one,
        reservations: one.reservations.filter((each) => seesRole(each.role)),
      })),
    roles: view.roles
      .filter(
        (one) => seesRole(one.role) || (visibility.allQuotas && one.quotaObject !== undefined),
      )
      .map((one) => ({
        ...one,
        frameworks: one.frameworks.filter((id) => frameworks.some((each) => each.id === id)),
      })),
    inverseAnswers: view.inverseAnswers.filter((one) =>
      frameworks.some((each) => each.id === one.framework),
    ),
    windows: view.windows
      .map((one) =>
        visibility.allWindows ? one : { ...one, agents: one.agents.filter(seesAgent) },
      )
      .filter((one) => visibility.allWindows || one.agents.length > 0),
  };
}
