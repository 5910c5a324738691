import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { kubeError } from './errors.ts';
import { isMap, valueAt } from './json.ts';
import type { KindOptions } from './kinds.ts';

function fieldsOf({ scale, ref }: KindOptions): NonNullable<KindOptions['scale']> {
  if (scale === undefined) {
    throw kubeError(
      'notFound',
      `${ref.plural}/scale: the server could not find the requested resource`,
    );
  }
  return scale;
}

/** The object as its `/scale` subresource shows it. */
export function scaleOf(options: KindOptions, object: KubeObject): KubeObject {
  const { specField, statusField } = fieldsOf(options);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const metadata = {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
  } as KubeObject['metadata'];
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata,
    spec: { replicas: valueAt(object, ['spec', specField]) ?? 0 },
    status: { replicas: valueAt(object, ['status', statusField]) ?? 0 },
  } as KubeObject;
}

/** The object after a write of its scale. */
export function scaleWrite(
  options: KindOptions,
  object: KubeObject,
  scale: KubeObject,
): KubeObject {
  const replicas = valueAt(scale, ['spec', 'replicas']);
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    throw kubeError('invalid', 'spec.replicas: Invalid value: must be greater than or equal to 0');
  }
  const { spec } = object as KubeObject & { spec?: unknown };
  const changed = { ...(isMap(spec) ? spec : {}), [fieldsOf(options).specField]: replicas };
  return { ...object, spec: changed } as KubeObject;
}
