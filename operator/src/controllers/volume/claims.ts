import type { KubeObject, OwnerReference } from '../../ports/kubeApi.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import { claimName, persistentVolumeName, VOLUME_LABEL } from './volumeNames.ts';

/** A volume as Kubernetes knows it: one PersistentVolume and one claim per namespace it is used in. */

export interface PersistentVolumeObject extends KubeObject {
  readonly spec?: {
    readonly claimRef?: {
      readonly apiVersion?: string;
      readonly kind?: string;
      readonly namespace?: string;
      readonly name?: string;
    };
    readonly [field: string]: unknown;
  };
}

interface ClaimObject extends KubeObject {
  readonly spec: { readonly [field: string]: unknown };
}

interface Claimed {
  readonly name: string;
  readonly node: Node;
  readonly sizeBytes: number;
  readonly path: string;
  readonly namespace: string;
  readonly owner: OwnerReference;
}

/** The volume is a folder of its agent and nothing deletes it but its end. Kubernetes keeps it to no size. */
export function persistentVolume(volume: Claimed): PersistentVolumeObject {
  const { name, node, sizeBytes, path, namespace, owner } = volume;
  const hostname = node.metadata.labels?.[HOSTNAME] ?? node.metadata.name;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: persistentVolumeName(name, namespace),
      labels: { [VOLUME_LABEL]: name },
      ownerReferences: [owner],
    },
    spec: {
      ...SHARED_FIELDS,
      capacity: { storage: String(sizeBytes) },
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace,
        name: claimName(name),
      },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: HOSTNAME, operator: 'In', values: [hostname] }] },
          ],
        },
      },
    },
  };
}

const HOSTNAME = 'kubernetes.io/hostname';

/** Bound to its PersistentVolume by name from both sides: no other claim gets the one, no other volume the other. */
export function persistentVolumeClaim(volume: Claimed): ClaimObject {
  const { name, sizeBytes, namespace, owner } = volume;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(name),
      namespace,
      labels: { [VOLUME_LABEL]: name },
      ownerReferences: [owner],
    },
    spec: {
      ...SHARED_FIELDS,
      volumeName: persistentVolumeName(name, namespace),
      resources: { requests: { storage: String(sizeBytes) } },
    },
  };
}

/** All Pods that use a volume are on its agent, so one node is enough for shared ones too. */
const SHARED_FIELDS = {
  accessModes: ['ReadWriteOnce'],
  storageClassName: '',
  volumeMode: 'Filesystem',
};
