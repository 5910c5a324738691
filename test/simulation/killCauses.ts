import { ANNOTATION, LABEL } from '../../operator/src/model/labels.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import type { AdhocJobObject, ServiceJobObject } from '../../operator/src/schema/mezzoKinds.ts';
import type { Commit } from '../support/fakeApiServer.ts';
import { isLost, jobUidOf } from './podFacts.ts';

/** A state of a job in which `wants` tells whether a Pod of it belongs; a deleted job wants none. */
interface Wish {
  readonly fromMs: number;
  readonly image: string | undefined;
  readonly instances: number;
}

/** What each job asked for, when: a kill is right when some state the killer may still believe in did not want the Pod. */
export class KillCauses {
  readonly #wishes = new Map<string, Wish[]>();

  note({ change }: Commit, nowMs: number): void {
    const { uid = '', generation, deletionTimestamp } = change.object.metadata;
    if (change.type === 'modified' && generation === change.previous?.metadata.generation) return;
    const { spec } = change.object as ServiceJobObject | AdhocJobObject;
    // Nobody can know what a job wants that cannot be read: what it wanted before, it wants still.
    if (typeof (spec.instances ?? 1) !== 'number') return;
    const isGone = change.type === 'deleted' || deletionTimestamp !== undefined;
    const wish: Wish = {
      fromMs: nowMs,
      image: isGone ? undefined : spec.template.image,
      instances: isGone ? 0 : (spec.instances ?? 1),
    };
    const known = this.#wishes.get(uid);
    if (known === undefined) this.#wishes.set(uid, [wish]);
    else known.push(wish);
  }

  /** True when `pod` was wanted by its job all the time since `sinceMs` and nobody asked for its end. */
  isNeedless(pod: Pod, sinceMs: number): boolean {
    if (isLost(pod) || pod.metadata.annotations?.[ANNOTATION.preemptedBy] !== undefined)
      return false;
    const wishes = this.#wishes.get(jobUidOf(pod) ?? '') ?? [];
    const instance = Number(pod.metadata.labels?.[LABEL.instance]);
    const image = pod.spec.containers[0]?.image;
    return (
      wishes.length > 0 &&
      wishes.every((wish, index) => {
        const isOver = (wishes[index + 1]?.fromMs ?? Infinity) < sinceMs;
        return isOver || (wish.image === image && instance < wish.instances);
      })
    );
  }
}
