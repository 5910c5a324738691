import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import { createAccessReview } from '../../../operator/src/api/auth/accessReview.ts';
import { principalNamed } from '../../../operator/src/controllers/framework/pod/askedPrivileges.ts';
import type { PodContext } from '../../../operator/src/controllers/framework/pod/podContext.ts';
import {
  PRIVILEGES,
  type Privilege,
} from '../../../operator/src/controllers/framework/pod/privileges.ts';
import { isKubeError } from '../../../operator/src/ports/kubeApi.ts';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import type { KubeApiClient } from '../../../operator/src/store/kube/createKubeApi.ts';
import { silentLog } from '../../support/frameworkHarness.ts';
import { dockerImage, POD_CONTEXT, translatedPod, withPorts } from '../../support/taskPods.ts';
import { clientFor, clock } from '../kube/harness.ts';
import { eventually } from './operatorCluster.ts';

/** Two gates before a privileged task: the permission of its principal, and the Pod Security level of its namespace. */

let cluster: TestCluster;
let kube: KubeApiClient;

const RUNNER = 'system:serviceaccount:strict:runner';
const OBJECTS = `
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: open, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: strict}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: makes-pods}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mounts-hosts}
rules: [{apiGroups: [mezzo.dev], resources: [taskprivileges], resourceNames: [host-path], verbs: [use]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: makes-pods, namespace: strict}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: makes-pods}
subjects: [{kind: ServiceAccount, name: runner, namespace: strict}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: makes-pods, namespace: open}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: makes-pods}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:strict'}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mounts-hosts, namespace: open}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mounts-hosts}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:strict'}]
`;

beforeAll(async () => {
  cluster = await startTestCluster();
  kube = clientFor(cluster);
  await cluster.apply(OBJECTS);
  for (const namespace of ['strict', 'open', 'kube-system'])
    await eventually('the default service account', async () =>
      (await cluster.kubectl(['get', 'sa', '-n', namespace, '-o', 'name'])).includes('/default')
        ? true
        : undefined,
    );
}, 240_000);
afterAll(async () => {
  await kube?.close();
  await cluster?.stop();
}, 60_000);

const EVERYTHING: PodContext = { ...POD_CONTEXT, privileges: new Set<Privilege>(PRIVILEGES) };
const hostVolume = { mode: 'RO', container_path: '/host', host_path: '/etc' };
const ASKING: readonly (readonly [string, object, string])[] = [
  ['privileged', dockerImage('x', { privileged: true }), 'privileged'],
  ['the host network', dockerImage('x', { network: 'HOST' }), 'host namespaces'],
  ['a path of the host', { container: { volumes: [hostVolume] } }, 'hostPath'],
  [
    'a capability',
    { container: { linux_info: { bounding_capabilities: { capabilities: ['NET_ADMIN'] } } } },
    'capabilities',
  ],
];

/** Creates the Pod as its principal; `created`, or the refusal. */
async function created(pod: Pod, namespace: string): Promise<string> {
  const { ownerReferences: _owner, ...metadata } = pod.metadata;
  const name = `${metadata.name.slice(0, 40)}-${Math.random().toString(36).slice(2, 8)}`;
  try {
    await kube.create<Pod>(
      PODS,
      { ...pod, metadata: { ...metadata, name, namespace } },
      { impersonate: { user: RUNNER } },
    );
    return 'created';
  } catch (error) {
    if (isKubeError(error, 'forbidden')) return error.message;
    throw error;
  }
}

describe('the namespace’s Pod Security level', () => {
  test('restricted admits what a task without privileges becomes', async () => {
    const uris = [{ value: 'http://files.test/a.tar.gz' }];
    const plain = translatedPod({
      command: { value: 'x', uris },
      health_check: { type: 'TCP', tcp: { port: 80 } },
      container: { linux_info: { bounding_capabilities: { capabilities: ['NET_BIND_SERVICE'] } } },
    });
    expect(await created(plain, 'strict')).toBe('created');
  });

  test.each(ASKING)(
    'restricted refuses %s even to whoever holds the permission',
    async (...row) => {
      const [, more, said] = row;
      const pod = translatedPod(more, EVERYTHING);
      expect(await created(pod, 'strict')).toContain(said);
      expect(await created(pod, 'open')).toBe('created');
    },
  );

  test('restricted refuses ports of the host, and says so', async () => {
    expect(await created(translatedPod(withPorts([31_000, 31_000])), 'strict')).toContain(
      'hostPort',
    );
  });

  test('another namespace is as closed as it is to kubectl', async () => {
    expect(await created(translatedPod(), 'kube-system')).toContain(
      'cannot create resource "pods"',
    );
  });
});

describe('the permission', () => {
  test('is asked of RBAC by name and namespace, groups of service accounts included', async () => {
    const review = createAccessReview({ kube, clock, log: silentLog });
    const runner = principalNamed(RUNNER);
    expect(await review.mayUse(runner, 'host-path', 'open')).toEqual({ kind: 'allowed' });
    expect(await review.mayUse(runner, 'host-path', 'strict')).toMatchObject({ kind: 'denied' });
    const denied = await review.mayUse(runner, 'privileged', 'open');
    expect(denied).toMatchObject({
      kind: 'denied',
      missing: expect.stringMatching(/use.*taskprivileges.*privileged/),
    });
    const nobody = principalNamed('mallory');
    expect(await review.mayUse(nobody, 'host-path', 'open')).toMatchObject({ kind: 'denied' });
  });
});
