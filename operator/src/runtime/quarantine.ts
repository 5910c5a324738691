import type { KubeApi } from '../ports/kubeApi.ts';
import { PODS } from '../schema/kubeKinds.ts';
import { OperatorError } from './errors.ts';

/**
 * A KubeApi that deletes no Pod while in quarantine. After an etcd restore, objects that asked for running Pods may be
 * missing: killing what nobody seems to want would kill healthy work.
 */
export function quarantinedApi(api: KubeApi, inQuarantine: () => boolean): KubeApi {
  const refusal = (name: string): OperatorError =>
    new OperatorError(
      'unavailable',
      `Pod ${name} is not deleted: the cluster's history went backwards and is in quarantine`,
    );
  return {
    ...api,
    delete(ref, key, options) {
      const isPod = ref.plural === PODS.plural && ref.group === PODS.group;
      return isPod && inQuarantine()
        ? Promise.reject(refusal(key.name))
        : api.delete(ref, key, options);
    },
    evict: (pod, options) =>
      inQuarantine() ? Promise.reject(refusal(pod.name)) : api.evict(pod, options),
  };
}
