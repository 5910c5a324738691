import type { Clock } from '../../../operator/src/ports/clock.ts';
import {
  isKubeError,
  type KubeObject,
  type ResourceRef,
} from '../../../operator/src/ports/kubeApi.ts';
import type { FakeApiServer } from '../fakeApiServer.ts';

interface Dependent {
  readonly ref: ResourceRef;
  readonly object: KubeObject;
}

/**
 * The garbage collector of kube-controller-manager, background propagation only: an object none of whose owners
 * exists (by uid) is deleted after a delay, also one that was created when its owner was already gone.
 */
export class GarbageCollector {
  readonly #api: FakeApiServer;
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #live = new Set<string>();
  readonly #dependents = new Map<string, Map<string, Dependent>>();

  constructor(api: FakeApiServer, clock: Clock, delayMs: () => number) {
    this.#api = api;
    this.#clock = clock;
    this.#delayMs = delayMs;
    api.onCommit(({ change, ref }) => {
      const { uid = '', ownerReferences = [] } = change.object.metadata;
      if (change.type === 'deleted') {
        this.#live.delete(uid);
        const orphans = this.#dependents.get(uid);
        this.#dependents.delete(uid);
        for (const orphan of orphans?.values() ?? []) this.#collectLater(orphan);
        return;
      }
      if (change.type === 'added') this.#live.add(uid);
      const dependent = { ref, object: change.object };
      for (const owner of ownerReferences) this.#remember(owner.uid, uid, dependent);
    });
  }

  #remember(ownerUid: string, uid: string, dependent: Dependent): void {
    if (!this.#live.has(ownerUid)) {
      this.#collectLater(dependent);
      return;
    }
    const known = this.#dependents.get(ownerUid);
    if (known === undefined) this.#dependents.set(ownerUid, new Map([[uid, dependent]]));
    else known.set(uid, dependent);
  }

  #collectLater({ ref, object }: Dependent): void {
    const { uid = '', name, namespace } = object.metadata;
    const key = { name, ...(namespace !== undefined && { namespace }) };
    this.#clock.setTimer(this.#delayMs(), () => {
      const now = this.#api.peek(ref, key);
      if (now === undefined || now.metadata.uid !== uid) return;
      const owners = now.metadata.ownerReferences ?? [];
      if (owners.length === 0 || owners.some((owner) => this.#live.has(owner.uid))) return;
      if (now.metadata.deletionTimestamp !== undefined) return;
      try {
        this.#api.delete(ref, key, { uid, by: 'garbage-collector' });
      } catch (error) {
        if (!isKubeError(error, 'notFound', 'conflict')) throw error;
      }
    });
  }
}
