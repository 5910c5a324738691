import type { KubeObject, WatchEvent } from '../../../operator/src/ports/kubeApi.ts';
import type { KindOptions } from './kinds.ts';
import { fieldMatcher, labelMatcher, type Matches } from './selectors.ts';

/** One committed change of one object. */
export interface Change {
  readonly rv: number;
  readonly type: 'added' | 'modified' | 'deleted';
  readonly key: string;
  /** For `deleted`: the last state, under the deletion's resourceVersion. */
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Watcher {
  readonly matches: Matches;
  readonly deliver: (event: WatchEvent<KubeObject>) => void;
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Objects, change history and watchers of one kind. */
export class KindStore {
  readonly options: KindOptions;
  readonly objects = new Map<string, KubeObject>();
  readonly watchers = new Set<Watcher>();
  #history: Change[] = [];

  constructor(options: KindOptions) {
    this.options = options;
  }

  /** Stores a change and hands it to every watcher that may see it. */
  commit(change: Change): void {
    if (change.type === 'deleted') this.objects.delete(change.key);
    else this.objects.set(change.key, change.object);
    this.#history.push(change);
    for (const watcher of this.watchers) {
      const event = eventFor(change, watcher.matches);
      if (event !== undefined) watcher.deliver(event);
    }
  }

  forgetThrough(rv: number): void {
    this.#history = this.#history.filter((change) => change.rv > rv);
  }

  /** Changes after `rv`, oldest first. */
  changesAfter(rv: number): readonly Change[] {
    return this.#history.filter((change) => change.rv > rv);
  }

  /** The objects as they were at `rv`, by key in byte order. */
  snapshotAt(rv: number): readonly (readonly [string, KubeObject])[] {
    const objects = new Map(this.objects);
    for (let index = this.#history.length - 1; index >= 0; index -= 1) {
      const change = this.#history[index];
      if (change === undefined || change.rv <= rv) break;
      if (change.previous === undefined) objects.delete(change.key);
      else objects.set(change.key, change.previous);
    }
    return [...objects].sort(([left], [right]) => (left < right ? -1 : 1));
  }

  matcher(selection: Selection): Matches {
    const byLabel = labelMatcher(selection.labelSelector);
    const byField = fieldMatcher(selection.fieldSelector, this.options.fieldSelectors ?? {});
    const namespace = this.options.ref.namespaced ? selection.namespace : undefined;
    return (object) =>
      (namespace === undefined || object.metadata.namespace === namespace) &&
      byLabel(object) &&
      byField(object);
  }
}

/** What a watcher with a selector sees of a change: objects that enter or leave the selection are added or deleted. */
export function eventFor(change: Change, matches: Matches): WatchEvent<KubeObject> | undefined {
  const isSeen = change.type !== 'deleted' && matches(change.object);
  const wasSeen = change.previous !== undefined && matches(change.previous);
  if (isSeen) return { kind: wasSeen ? 'modified' : 'added', object: change.object };
  if (!wasSeen) return undefined;
  if (change.type === 'deleted') return { kind: 'deleted', object: change.object };
  const last = change.previous;
  const { resourceVersion } = change.object.metadata;
  return {
    kind: 'deleted',
    object: {
      ...last,
      metadata: { ...last.metadata, ...(resourceVersion !== undefined && { resourceVersion }) },
    },
  };
}
