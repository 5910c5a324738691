import type { AccessQuestion } from '../../operator/src/api/auth/accessReview.ts';
import type { KubeObject, ResourceRef } from '../../operator/src/ports/kubeApi.ts';
import { NODES } from '../../operator/src/schema/kubeKinds.ts';
import { API_VERSION } from '../../operator/src/schema/mezzoKinds.ts';
import { ApiHarness } from './apiHarness.ts';
import { clusterOf } from './clusterOf.ts';
import { nodeOf } from './operatorWorld.ts';

export type AnyObject = KubeObject & { readonly spec: { readonly [field: string]: unknown } };

/** The API with an operator API that reads and writes the fake cluster behind it, which has one agent, `big`. */
export interface OperatorApiHarness {
  readonly api: ApiHarness;
  all(ref: ResourceRef): readonly AnyObject[];
  make(ref: ResourceRef, name: string, spec: object): void;
}

export async function startOperatorApi(
  may: (question: AccessQuestion) => boolean,
): Promise<OperatorApiHarness> {
  const first = await ApiHarness.start();
  const options = first.operatorApi;
  await first.stop();
  const kube = new Proxy({}, { get: (_none, name): unknown => boundTo(api.world.kube, name) });
  const api: ApiHarness = await ApiHarness.start({
    operatorApi: {
      ...options,
      kube: kube as never,
      access: {
        may: (_who, question) =>
          Promise.resolve(
            may(question)
              ? { kind: 'allowed' }
              : { kind: 'denied', missing: JSON.stringify(question) },
          ),
      },
      cluster: () => clusterOf(api.world),
    },
  });
  api.world.api.create(
    NODES,
    nodeOf('big', { cpu: '8', memory: '16Gi', 'ephemeral-storage': '10Gi' }),
  );
  return {
    api,
    all: (ref) => api.world.api.list(ref, {}).items as never,
    make: (ref, name, spec) => {
      const object = { apiVersion: API_VERSION, kind: ref.kind, metadata: { name }, spec };
      api.world.api.create(ref, object);
    },
  };
}

function boundTo(kube: object, name: string | symbol): unknown {
  const method: unknown = Reflect.get(kube, name);
  return typeof method === 'function' ? method.bind(kube) : method;
}
