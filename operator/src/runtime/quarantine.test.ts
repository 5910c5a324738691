import { beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { OperatorWorld, taskPod } from '../../../test/support/operatorWorld.ts';
import type { KubeApi } from '../ports/kubeApi.ts';
import { PODS } from '../schema/kubeKinds.ts';
import type { Pod } from '../schema/kubeObjects.ts';
import { ROLES } from '../schema/mezzoKinds.ts';
import { quarantinedApi } from './quarantine.ts';

let all: OperatorWorld;
let kube: KubeApi;
let inQuarantine: boolean;
beforeEach(() => {
  all = new OperatorWorld(new FakeClock());
  inQuarantine = true;
  // Methods of the guarded API are plain functions; so are those of this one.
  const { kube: inner } = all;
  const plain: KubeApi = {
    get: (...call) => inner.get(...call),
    list: (...call) => inner.list(...call),
    watch: (...call) => inner.watch(...call),
    create: (...call) => inner.create(...call),
    update: (...call) => inner.update(...call),
    patch: (...call) => inner.patch(...call),
    delete: (...call) => inner.delete(...call),
    evict: (...call) => inner.evict(...call),
    bind: (...call) => inner.bind(...call),
  };
  kube = quarantinedApi(plain, () => inQuarantine);
});
const key = { name: 'shop-0-0', namespace: 'apps' };

test('in quarantine no Pod is deleted, and the refusal may be tried again', async () => {
  all.pod(taskPod());
  await expect(kube.delete(PODS, key)).rejects.toMatchObject({
    code: 'unavailable',
    retryable: true,
    message:
      "Pod shop-0-0 is not deleted: the cluster's history went backwards and is in quarantine",
  });
  await expect(kube.evict(key)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect((all.api.get(PODS, key) as Pod).metadata.deletionTimestamp).toBeUndefined();
  inQuarantine = false;
  await kube.delete(PODS, key);
  expect((all.api.get(PODS, key) as Pod).metadata.deletionTimestamp).toBeDefined();
});

test('everything else goes on', async () => {
  await kube.create(PODS, taskPod());
  await kube.patch(PODS, key, 'merge', { metadata: { annotations: { a: 'b' } } });
  all.make(ROLES, 'web', { path: 'web' });
  await kube.delete(ROLES, { name: 'web' });
  expect([...all.api.all(ROLES)]).toEqual([]);
  expect((await kube.get(PODS, key)).metadata.annotations?.['a']).toBe('b');
});
