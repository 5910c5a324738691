import type {
  ClusterView,
  ViewedAgent,
  ViewedFramework,
  ViewedTask,
} from '../../controllers/clusterView/types.ts';
import { equalJson } from '../../model/hash.ts';

/** What happened between two looks at the cluster, in Mesos's events. */
export type ClusterEvent =
  | { readonly kind: 'TASK_ADDED' | 'TASK_UPDATED'; readonly task: ViewedTask }
  | { readonly kind: 'AGENT_ADDED'; readonly agent: ViewedAgent }
  | { readonly kind: 'AGENT_REMOVED'; readonly agent: ViewedAgent }
  | {
      readonly kind: 'FRAMEWORK_ADDED' | 'FRAMEWORK_UPDATED' | 'FRAMEWORK_REMOVED';
      readonly framework: ViewedFramework;
    };

/** Order: agents and frameworks come before their tasks and go after them. */
export function diffEvents(before: ClusterView, after: ClusterView): readonly ClusterEvent[] {
  const agents = compare(before.agents, after.agents, (one) => one.id);
  const registered = (view: ClusterView): readonly ViewedFramework[] =>
    view.frameworks.filter((one) => !one.completed);
  const frameworks = compare(registered(before), registered(after), (one) => one.id);
  const tasks = compare(before.tasks, after.tasks, (one) => `${one.podUid} ${one.id}`);
  return [
    ...agents.added.map((agent) => ({ kind: 'AGENT_ADDED', agent }) as const),
    ...frameworks.added.map((framework) => ({ kind: 'FRAMEWORK_ADDED', framework }) as const),
    ...frameworks.kept
      .filter(([was, is]) => !equalJson(registrationOf(was), registrationOf(is)))
      .map(([, framework]) => ({ kind: 'FRAMEWORK_UPDATED', framework }) as const),
    ...tasks.added.map((task) => ({ kind: 'TASK_ADDED', task }) as const),
    ...tasks.kept
      .filter(([was, is]) => was.state !== is.state)
      .map(([, task]) => ({ kind: 'TASK_UPDATED', task }) as const),
    ...frameworks.removed.map((framework) => ({ kind: 'FRAMEWORK_REMOVED', framework }) as const),
    ...agents.removed.map((agent) => ({ kind: 'AGENT_REMOVED', agent }) as const),
  ];
}

/** What a framework says of itself and whether it is there: amounts change all the time and are no update. */
function registrationOf(framework: ViewedFramework): object {
  const {
    allocated: _allocated,
    offered: _offered,
    offers: _offers,
    counts: _counts,
    ...rest
  } = framework;
  return rest;
}

function compare<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (one: T) => string,
): {
  readonly added: readonly T[];
  readonly kept: readonly (readonly [T, T])[];
  readonly removed: readonly T[];
} {
  const known = new Map(before.map((one) => [keyOf(one), one]));
  const added: T[] = [];
  const kept: (readonly [T, T])[] = [];
  for (const one of after) {
    const key = keyOf(one);
    const was = known.get(key);
    if (was === undefined) added.push(one);
    else kept.push([was, one]);
    known.delete(key);
  }
  return { added, kept, removed: [...known.values()] };
}
