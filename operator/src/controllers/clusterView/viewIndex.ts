import { BUCKETS, type ClusterView, type ViewedOffer, type ViewedTask } from './types.ts';

/** A view looked up by agent and by framework: a walk over all tasks for each agent would take seconds in a large cluster. */
export interface ViewIndex {
  readonly liveOn: (agent: string) => readonly ViewedTask[];
  readonly liveOf: (framework: string) => readonly ViewedTask[];
  readonly tasksOf: (framework: string) => readonly ViewedTask[];
  readonly offersOn: (agent: string) => readonly ViewedOffer[];
  /** The id itself for an agent that is not in the view. */
  readonly hostnameOf: (agent: string) => string;
}

const indexes = new WeakMap<ClusterView, ViewIndex>();

/** The index of a view; views do not change, so each is indexed once. */
export function indexOf(view: ClusterView): ViewIndex {
  const known = indexes.get(view);
  if (known !== undefined) return known;
  const live = view.tasks.filter((task) => BUCKETS[task.state] === 'live');
  const hostnames = new Map(view.agents.map((one) => [one.id, one.hostname]));
  const made: ViewIndex = {
    liveOn: lookUp(live, (task) => task.agent),
    liveOf: lookUp(live, (task) => task.framework),
    tasksOf: lookUp(view.tasks, (task) => task.framework),
    offersOn: lookUp(
      view.frameworks.flatMap((one) => one.offers),
      (offer) => offer.agent,
    ),
    hostnameOf: (agent) => hostnames.get(agent) ?? agent,
  };
  indexes.set(view, made);
  return made;
}

function lookUp<T>(
  things: readonly T[],
  keyOf: (thing: T) => string,
): (key: string) => readonly T[] {
  const groups = Map.groupBy(things, keyOf);
  return (key) => groups.get(key) ?? [];
}
