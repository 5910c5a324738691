import { describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { CONFIG_MAPS, LEASES, NODES, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../../operator/src/schema/kubeObjects.ts';
import type { ServiceJobObject } from '../../../operator/src/schema/mezzoKinds.ts';
import {
  type ContractEnv,
  configMap,
  freshName,
  jobRef,
  type Lease,
  nodeOf,
  podOf,
  removeNode,
  serviceJob,
} from '../fixtures.ts';

export function writeContract(env: () => ContractEnv): void {
  describe('create', () => {
    test('fills in uid, resourceVersion, creationTimestamp in whole seconds', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('made'), { a: '1' }),
      );
      expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      expect(made.metadata.resourceVersion).toMatch(/^[1-9][0-9]*$/);
      expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } });
      expect(await kube.get(CONFIG_MAPS, made.metadata)).toEqual(made);
    });

    test('a second object of the name is alreadyExists', async () => {
      const { kube, namespace } = env();
      const name = freshName('twice');
      await kube.create(CONFIG_MAPS, configMap(namespace, name));
      await expect(kube.create(CONFIG_MAPS, configMap(namespace, name))).rejects.toMatchObject({
        code: 'alreadyExists',
        status: 409,
      });
    });

    test('a name or label that is no DNS or label syntax is invalid', async () => {
      const { kube, namespace } = env();
      await expect(
        kube.create(CONFIG_MAPS, configMap(namespace, 'Not_A_Name')),
      ).rejects.toMatchObject({
        code: 'invalid',
        status: 422,
      });
      const badLabel = podOf(namespace, freshName('label'), { labels: { role: 'eng/web' } });
      await expect(kube.create(PODS, badLabel)).rejects.toMatchObject({ code: 'invalid' });
    });

    test('a resourceVersion on a new object is refused', async () => {
      const { kube, namespace } = env();
      const object = configMap(namespace, freshName('versioned'));
      const versioned = { ...object, metadata: { ...object.metadata, resourceVersion: '5' } };
      await expect(kube.create(CONFIG_MAPS, versioned)).rejects.toMatchObject({
        code: 'badRequest',
      });
      await expect(kube.get(CONFIG_MAPS, object.metadata)).rejects.toMatchObject({
        code: 'notFound',
      });
    });

    test('a custom resource starts at generation 1, with defaults instead of the status it was sent with', async () => {
      const { kube, namespace } = env();
      const asked = { ...serviceJob(namespace, freshName('fresh')), status: { replicas: 7 } };
      const made = await kube.create(jobRef, asked);
      expect(made.metadata.generation).toBe(1);
      expect(made.status).toEqual({ observedGeneration: -1 });
      expect(made.spec).toMatchObject({ tier: 'preemptible', template: { killGraceSeconds: 30 } });
    });

    test('a Pod starts Pending whatever status it was sent with', async () => {
      const { kube, namespace } = env();
      const asked: Pod = { ...podOf(namespace, freshName('pod')), status: { phase: 'Running' } };
      const made = await kube.create(PODS, asked);
      expect(made.status?.phase).toBe('Pending');
      expect(made.metadata.generation).toBe(1);
      expect(made.spec.terminationGracePeriodSeconds).toBe(30);
    });

    test('a Node keeps the status it was sent with', async () => {
      const { kube } = env();
      const made = await kube.create<Node>(NODES, nodeOf(freshName('node')));
      expect(made.status?.allocatable?.['cpu']).toBe('4');
      await removeNode(kube, made.metadata.name);
    });

    test('an object the schema refuses is invalid', async () => {
      const { kube, namespace } = env();
      const bad = serviceJob(namespace, freshName('bad'), -1);
      await expect(kube.create(jobRef, bad)).rejects.toMatchObject({
        code: 'invalid',
        status: 422,
      });
    });

    test('a dry run answers the object and stores nothing', async () => {
      const { kube, namespace } = env();
      const object = configMap(namespace, freshName('dry'), { a: '1' });
      const made = await kube.create(CONFIG_MAPS, object, { dryRun: true });
      expect(made.data).toEqual({ a: '1' });
      await expect(kube.get(CONFIG_MAPS, object.metadata)).rejects.toMatchObject({
        code: 'notFound',
        status: 404,
      });
    });

    test('a dry run of a deletion leaves the object', async () => {
      const { kube, namespace } = env();
      const object = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('kept')));
      await kube.delete(CONFIG_MAPS, object.metadata, { dryRun: true });
      const kept = await kube.get(CONFIG_MAPS, object.metadata);
      expect(kept.metadata.uid).toBe(object.metadata.uid);
    });

    test('a name that was deleted can be used again, with another uid', async () => {
      const { kube, namespace } = env();
      const object = configMap(namespace, freshName('again'));
      const first = await kube.create(CONFIG_MAPS, object);
      await kube.delete(CONFIG_MAPS, first.metadata);
      const second = await kube.create(CONFIG_MAPS, object);
      expect(second.metadata.uid).not.toBe(first.metadata.uid);
      expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(
        Number(first.metadata.resourceVersion),
      );
    });
  });

  describe('update', () => {
    test('replaces the object under a new resourceVersion; the old one is then a conflict', async () => {
      const { kube, namespace } = env();
      const first = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('update'), { a: '1' }),
      );
      const second = await kube.update(CONFIG_MAPS, { ...first, data: { b: '2' } });
      expect(second.data).toEqual({ b: '2' });
      expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(
        Number(first.metadata.resourceVersion),
      );
      await expect(kube.update(CONFIG_MAPS, { ...first, data: {} })).rejects.toMatchObject({
        code: 'conflict',
        status: 409,
      });
    });

    test('an update that changes nothing keeps the resourceVersion', async () => {
      const { kube, namespace } = env();
      const first = await kube.create(jobRef, serviceJob(namespace, freshName('noop')));
      // The first write stores the default of status that reads had shown before.
      const second = await kube.update(jobRef, first);
      const third = await kube.update(jobRef, second);
      expect(third.metadata.resourceVersion).toBe(second.metadata.resourceVersion);
    });

    test('a missing object is notFound, another uid a conflict', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('uid')));
      const uid = '00000000-0000-4000-8000-000000000000';
      const other = { ...made, metadata: { ...made.metadata, uid } };
      await expect(kube.update(CONFIG_MAPS, other)).rejects.toMatchObject({ code: 'conflict' });
      await kube.delete(CONFIG_MAPS, made.metadata);
      await expect(kube.update(CONFIG_MAPS, made)).rejects.toMatchObject({ code: 'notFound' });
    });

    test('a changed spec raises the generation and leaves status alone', async () => {
      const { kube, namespace } = env();
      const first = await kube.create(jobRef, serviceJob(namespace, freshName('spec')));
      const status = await kube.update(
        jobRef,
        { ...first, status: { replicas: 3 } },
        { subresource: 'status' },
      );
      const asked: ServiceJobObject = {
        ...status,
        spec: { ...status.spec, instances: 2 },
        status: { replicas: 9 },
      };
      const second = await kube.update(jobRef, asked);
      expect(second.metadata.generation).toBe(2);
      expect(second.status).toEqual({ replicas: 3 });
      const labelled = { ...second, metadata: { ...second.metadata, labels: { a: 'b' } } };
      const third = await kube.update(jobRef, labelled);
      expect(third.metadata.generation).toBe(2);
      expect(third.metadata.labels).toEqual({ a: 'b' });
    });

    test('a write to status touches nothing else', async () => {
      const { kube, namespace } = env();
      const first = await kube.create(jobRef, serviceJob(namespace, freshName('status')));
      const asked: ServiceJobObject = {
        ...first,
        metadata: { ...first.metadata, labels: { smuggled: 'yes' } },
        spec: { ...first.spec, instances: 50 },
        status: { observedGeneration: 1, replicas: 1 },
      };
      const second = await kube.update(jobRef, asked, { subresource: 'status' });
      expect(second.status).toEqual({ observedGeneration: 1, replicas: 1 });
      expect(second.spec.instances).toBe(1);
      expect(second.metadata.labels).toBeUndefined();
      expect(second.metadata.generation).toBe(1);
      expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(
        Number(first.metadata.resourceVersion),
      );
    });

    test("a Pod's plain update leaves status alone, its spec is fixed, its labels are free", async () => {
      const { kube, namespace } = env();
      const first = await kube.create<Pod>(PODS, podOf(namespace, freshName('fixed')));
      const running: Pod = { ...first, status: { ...first.status, phase: 'Running' } };
      expect((await kube.update(PODS, running)).status?.phase).toBe('Pending');
      const moved = { ...first, spec: { ...first.spec, restartPolicy: 'Never' } };
      await expect(kube.update(PODS, moved)).rejects.toMatchObject({ code: 'invalid' });
      const started = await kube.update(PODS, running, { subresource: 'status' });
      expect(started.status?.phase).toBe('Running');
      const labelled = { ...started, metadata: { ...started.metadata, labels: { a: 'b' } } };
      expect((await kube.update(PODS, labelled)).metadata.labels).toEqual({ a: 'b' });
    });

    test('of two leases taken at the same version only one is', async () => {
      const { kube, namespace } = env();
      const lease: Lease = {
        metadata: { name: freshName('lease'), namespace },
        spec: { holderIdentity: 'a', leaseDurationSeconds: 15 },
      };
      const first = await kube.create(LEASES, lease);
      const claim = (holderIdentity: string): Promise<KubeObject> =>
        kube.update(LEASES, { ...first, spec: { ...first.spec, holderIdentity } });
      const results = await Promise.allSettled([claim('b'), claim('c')]);
      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const lost = results.find((result) => result.status === 'rejected');
      expect(lost?.reason).toMatchObject({ code: 'conflict' });
    });

    test('an aborted call rejects and says that it may have happened, or that it was not sent', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('abort')));
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(kube.get(CONFIG_MAPS, made.metadata, signal)).rejects.toMatchObject({
        code: 'unavailable',
      });
      const write = kube.update(CONFIG_MAPS, { ...made, data: { a: '1' } }, { signal });
      await expect(write).rejects.toMatchObject({ code: 'unavailable' });
      expect(await kube.get(CONFIG_MAPS, made.metadata)).toEqual(made);
    });
  });
}
