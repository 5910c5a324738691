import type { ResourceRef } from '../ports/kubeApi.ts';

const core = (plural: string, kind: string, namespaced: boolean): ResourceRef => ({
  group: '',
  version: 'v1',
  plural,
  kind,
  namespaced,
});

const grouped = (
  group: string,
  plural: string,
  kind: string,
  namespaced: boolean,
): ResourceRef => ({ group, version: 'v1', plural, kind, namespaced });

/** Built-in kinds the operator reads or writes. */
export const PODS = core('pods', 'Pod', true);
export const NODES = core('nodes', 'Node', false);
export const NAMESPACES = core('namespaces', 'Namespace', false);
export const PERSISTENT_VOLUMES = core('persistentvolumes', 'PersistentVolume', false);
export const PERSISTENT_VOLUME_CLAIMS = core(
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
  true,
);
export const SERVICES = core('services', 'Service', true);
export const SECRETS = core('secrets', 'Secret', true);
export const CONFIG_MAPS = core('configmaps', 'ConfigMap', true);
export const LEASES = grouped('coordination.k8s.io', 'leases', 'Lease', true);
export const EVENTS = grouped('events.k8s.io', 'events', 'Event', true);
export const ENDPOINT_SLICES = grouped('discovery.k8s.io', 'endpointslices', 'EndpointSlice', true);
export const DISRUPTION_BUDGETS = grouped(
  'policy',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
  true,
);
export const CONTROLLER_REVISIONS = grouped(
  'apps',
  'controllerrevisions',
  'ControllerRevision',
  true,
);

/** Reviews are only ever created: the verdict is in the reply's `status` and nothing is stored. */
export const TOKEN_REVIEWS = grouped('authentication.k8s.io', 'tokenreviews', 'TokenReview', false);
export const SUBJECT_ACCESS_REVIEWS = grouped(
  'authorization.k8s.io',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);
