import type { KubeObject, ResourceRef } from '../../../operator/src/ports/kubeApi.ts';
import {
  CONFIG_MAPS,
  CONTROLLER_REVISIONS,
  DISRUPTION_BUDGETS,
  ENDPOINT_SLICES,
  EVENTS,
  LEASES,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  SECRETS,
  SERVICES,
} from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { equalJson, valueAt } from './json.ts';
import type { FieldReader } from './selectors.ts';

/** How the API server treats one kind. */
export interface KindOptions {
  readonly ref: ResourceRef;
  /** The kind has `/status`: plain writes leave status alone, writes to `/status` touch nothing else. */
  readonly statusSubresource?: boolean;
  /** Status given at creation is kept (Nodes). */
  readonly keepsStatusOnCreate?: boolean;
  /** Labels, annotations and finalizers may be written through `/status` too (built-in kinds). */
  readonly metadataThroughStatus?: boolean;
  readonly countsGenerations?: boolean;
  /** Deletion goes through a grace period and the kubelet (Pods). */
  readonly graceful?: boolean;
  readonly fieldSelectors?: { readonly [path: string]: FieldReader };
  /** Fills in what the server would on creation. */
  readonly onCreate?: (object: KubeObject) => KubeObject;
  /** Fills in defaults, on every write. */
  readonly withDefaults?: (object: KubeObject) => KubeObject;
  /** Says what is wrong with a new state of an object, or undefined. Answered as `invalid`. */
  readonly validate?: (object: KubeObject, old: KubeObject | undefined) => string | undefined;
  /** Where `/scale` reads and writes. */
  readonly scale?: { readonly specField: string; readonly statusField: string };
}

const field =
  (...path: string[]): FieldReader =>
  (object) => {
    const value = valueAt(object, path);
    return typeof value === 'string' ? value : '';
  };

function newPod(object: KubeObject): KubeObject {
  const pod = object as Pod;
  const spec = {
    ...pod.spec,
    restartPolicy: pod.spec.restartPolicy ?? 'Always',
    terminationGracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30,
  };
  return { ...pod, spec, status: { phase: 'Pending' } } as Pod;
}

/** What may change in a Pod's spec: images, an earlier deadline, more tolerations. */
function checkPod(object: KubeObject, old: KubeObject | undefined): string | undefined {
  const { spec } = object as Pod;
  if ((spec?.containers ?? []).length === 0) return 'spec.containers: Required value';
  if (old === undefined) return undefined;
  const before = (old as Pod).spec;
  if (spec === before || equalJson(frozenPart(spec), frozenPart(before))) return undefined;
  return 'spec: Forbidden: pod updates may not change fields other than image, activeDeadlineSeconds, tolerations';
}

function frozenPart(spec: Pod['spec']): unknown {
  const withoutImages = (containers: Pod['spec']['containers'] | undefined): unknown =>
    containers?.map((container) => ({ ...container, image: '' }));
  return {
    ...spec,
    containers: withoutImages(spec.containers),
    initContainers: withoutImages(spec.initContainers),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
  };
}

const plain = (ref: ResourceRef): KindOptions => ({ ref });

/** The built-in kinds the operator meets. */
export const BUILT_IN_KINDS: readonly KindOptions[] = [
  {
    ref: PODS,
    statusSubresource: true,
    metadataThroughStatus: true,
    countsGenerations: true,
    graceful: true,
    fieldSelectors: {
      'spec.nodeName': field('spec', 'nodeName'),
      'status.phase': field('status', 'phase'),
    },
    onCreate: newPod,
    validate: checkPod,
  },
  {
    ref: NODES,
    statusSubresource: true,
    keepsStatusOnCreate: true,
    metadataThroughStatus: true,
  },
  plain(LEASES),
  plain(CONFIG_MAPS),
  plain(PERSISTENT_VOLUMES),
  plain(PERSISTENT_VOLUME_CLAIMS),
  plain(SECRETS),
  plain(NAMESPACES),
  plain(SERVICES),
  plain(EVENTS),
  plain(ENDPOINT_SLICES),
  plain(CONTROLLER_REVISIONS),
  {
    ref: DISRUPTION_BUDGETS,
    statusSubresource: true,
    metadataThroughStatus: true,
    countsGenerations: true,
  },
];

/** A custom resource with a status subresource, as every Mezzo kind has. */
export function customKind(
  ref: ResourceRef,
  options: Pick<KindOptions, 'withDefaults' | 'validate' | 'fieldSelectors' | 'scale'> = {},
): KindOptions {
  return { ref, statusSubresource: true, countsGenerations: true, ...options };
}
