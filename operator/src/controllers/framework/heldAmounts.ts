import type { FrameworkId } from '../../model/ids.ts';
import { add, type Resources, sumOf } from '../../model/resources.ts';
import type { CacheEvent } from '../../runtime/cache.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { taskViewOf } from '../task/taskView.ts';

/** What the live tasks of each framework hold, borrowed amounts included. */
export class HeldAmounts {
  readonly #byFramework = new Map<FrameworkId, Map<string, Resources>>();

  observe({ kind, object: pod }: Pick<CacheEvent<Pod>, 'kind' | 'object'>, id: FrameworkId): void {
    const view = taskViewOf(pod);
    const held = this.#byFramework.get(id) ?? new Map<string, Resources>();
    if (kind === 'deleted' || view.terminal) held.delete(view.key);
    else held.set(view.key, add(view.resources, view.revocable));
    if (held.size === 0) this.#byFramework.delete(id);
    else this.#byFramework.set(id, held);
  }

  of(id: FrameworkId): Resources {
    return sumOf(this.#byFramework.get(id)?.values() ?? []);
  }
}
