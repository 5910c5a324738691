import type { Clock } from '../../operator/src/ports/clock.ts';
import type { KubeApi, KubeObject, ResourceRef } from '../../operator/src/ports/kubeApi.ts';
import { PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Oracles } from './oracles.ts';

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
}

export interface LeaseWatchOptions {
  readonly identity: string;
  readonly clock: Clock;
  readonly oracles: Oracles;
  /** Told when a write of a Pod has just been sent: the most telling moment to die. */
  readonly onPodWrite: () => void;
}

/**
 * Stands between a process and its client and knows, by the process's own clock, until when its lease is good: from
 * the moment the last successful renewal was sent. A write of Pods or Mezzo's objects after that is a violation,
 * whatever the server would say to it.
 */
export function watchLease(
  kube: KubeApi,
  { identity, clock, oracles, onPodWrite }: LeaseWatchOptions,
): KubeApi {
  let validUntilMs = -Infinity;
  const judge = (verb: string, ref: ResourceRef, name: string): void => {
    if (ref.plural === 'pods') onPodWrite();
    const isGuarded = ref.plural === 'pods' || ref.group === 'mezzo.dev';
    if (!isGuarded || clock.monotonicMs() <= validUntilMs) return;
    const late = Math.round(clock.monotonicMs() - validUntilMs);
    oracles.fail(
      'lease',
      `${identity} sends ${verb} ${ref.plural} ${name} ${late} ms after its lease ended`,
    );
  };
  const renewed = async <T extends KubeObject>(
    ref: ResourceRef,
    send: () => Promise<T>,
  ): Promise<T> => {
    const sentMs = clock.monotonicMs();
    const result = await send();
    if (ref.plural === 'leases') {
      const { spec } = result as { spec?: LeaseSpec };
      const isHeld = (spec?.holderIdentity ?? '') !== '';
      validUntilMs = isHeld ? sentMs + (spec?.leaseDurationSeconds ?? 0) * 1000 : -Infinity;
    }
    return result;
  };
  return {
    get: (ref, key, signal) => kube.get(ref, key, signal),
    list: (ref, options, signal) => kube.list(ref, options, signal),
    watch: (ref, options, onEvent, signal) => kube.watch(ref, options, onEvent, signal),
    create: (ref, object, options) => {
      judge('create', ref, object.metadata.name);
      return renewed(ref, () => kube.create(ref, object, options));
    },
    update: (ref, object, options) => {
      judge('update', ref, object.metadata.name);
      return renewed(ref, () => kube.update(ref, object, options));
    },
    patch: (ref, key, type, body, options) => {
      judge('patch', ref, key.name);
      return renewed(ref, () => kube.patch(ref, key, type, body, options));
    },
    delete: (ref, key, options) => {
      judge('delete', ref, key.name);
      return kube.delete(ref, key, options);
    },
    evict: (pod, options) => {
      judge('evict', PODS, pod.name);
      return kube.evict(pod, options);
    },
    bind: (pod, nodeName, options) => {
      judge('bind', PODS, pod.name);
      return kube.bind(pod, nodeName, options);
    },
  };
}
