import { describe, expect, test } from '@jest/globals';
import { CONFIG_MAPS, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import type { ServiceJobObject } from '../../../operator/src/schema/mezzoKinds.ts';
import {
  type ConfigMap,
  type ContractEnv,
  configMap,
  freshName,
  jobRef,
  podOf,
  serviceJob,
} from '../fixtures.ts';

export function patchContract(env: () => ContractEnv): void {
  describe('merge patch', () => {
    test('merges maps, removes nulls, keeps the rest', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('merge'), { a: '1', b: '2' }),
      );
      const patch = { data: { b: null, c: '3' }, metadata: { annotations: { note: 'x' } } };
      const patched = await kube.patch<ConfigMap>(CONFIG_MAPS, made.metadata, 'merge', patch);
      expect(patched.data).toEqual({ a: '1', c: '3' });
      expect(patched.metadata.annotations).toEqual({ note: 'x' });
    });

    test('is a conflict when it names a stale resourceVersion, notFound for a missing object', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('stale')));
      const { resourceVersion } = made.metadata;
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      const late = kube.patch(CONFIG_MAPS, made.metadata, 'merge', {
        metadata: { resourceVersion },
        data: { a: '2' },
      });
      await expect(late).rejects.toMatchObject({ code: 'conflict' });
      const missing = kube.patch(CONFIG_MAPS, { name: 'missing', namespace }, 'merge', {
        data: {},
      });
      await expect(missing).rejects.toMatchObject({ code: 'notFound' });
    });

    test('that changes nothing keeps the resourceVersion', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('same'), { a: '1' }),
      );
      const patched = await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      expect(patched.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
    });

    test('of status leaves the spec, of the spec leaves status', async () => {
      const { kube, namespace } = env();
      const { metadata } = await kube.create(jobRef, serviceJob(namespace, freshName('split')));
      const both = { spec: { instances: 5 }, status: { replicas: 2 } };
      const status = await kube.patch<ServiceJobObject>(jobRef, metadata, 'merge', both, {
        subresource: 'status',
      });
      expect([status.spec.instances, status.status?.replicas, status.metadata.generation]).toEqual([
        1, 2, 1,
      ]);
      const other = { spec: { instances: 5 }, status: { replicas: 8 } };
      const spec = await kube.patch<ServiceJobObject>(jobRef, metadata, 'merge', other);
      expect([spec.spec.instances, spec.status?.replicas, spec.metadata.generation]).toEqual([
        5, 2, 2,
      ]);
    });

    test("of a Pod's status sets its phase and leaves spec and labels of the Pod", async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        PODS,
        podOf(namespace, freshName('phase'), { labels: { a: 'b' } }),
      );
      const patch = { status: { phase: 'Failed', reason: 'OutOfcpu' } };
      const patched = await kube.patch<Pod>(PODS, made.metadata, 'merge', patch, {
        subresource: 'status',
      });
      expect(patched.status).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu' });
      expect(patched.metadata.labels).toEqual({ a: 'b' });
    });

    test('of scale changes the number of instances', async () => {
      const { kube, namespace } = env();
      const { metadata } = await kube.create(jobRef, serviceJob(namespace, freshName('scale')));
      const patch = { spec: { replicas: 4 } };
      const scale = await kube.patch(jobRef, metadata, 'merge', patch, { subresource: 'scale' });
      expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 4 } });
      const after = await kube.get<ServiceJobObject>(jobRef, metadata);
      expect([after.spec.instances, after.metadata.generation]).toEqual([4, 2]);
    });
  });

  describe('JSON patch', () => {
    test('applies its operations in order', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('json'), { a: '1', b: '2' }),
      );
      const patched = await kube.patch<ConfigMap>(CONFIG_MAPS, made.metadata, 'json', [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'replace', path: '/data/a', value: '9' },
        { op: 'remove', path: '/data/b' },
        { op: 'add', path: '/metadata/annotations', value: { 'x.test/y': 'z' } },
      ]);
      expect(patched.data).toEqual({ a: '9' });
      expect(patched.metadata.annotations).toEqual({ 'x.test/y': 'z' });
    });

    test('a failed test and a missing path are invalid and change nothing', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        CONFIG_MAPS,
        configMap(namespace, freshName('test'), { a: '1' }),
      );
      const failed = kube.patch(CONFIG_MAPS, made.metadata, 'json', [
        { op: 'replace', path: '/data/a', value: '2' },
        { op: 'test', path: '/metadata/name', value: 'other' },
      ]);
      await expect(failed).rejects.toMatchObject({ code: 'invalid', status: 422 });
      const missing = kube.patch(CONFIG_MAPS, made.metadata, 'json', [
        { op: 'remove', path: '/data/zz' },
      ]);
      await expect(missing).rejects.toMatchObject({ code: 'invalid' });
      expect(await kube.get(CONFIG_MAPS, made.metadata)).toEqual(made);
    });
  });

  describe('apply', () => {
    const applied = (
      namespace: string,
      name: string,
      data: { readonly [key: string]: string },
    ): ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace },
      data,
    });

    test('creates what is missing, then removes what its manager no longer names', async () => {
      const { kube, namespace } = env();
      const name = freshName('apply');
      const key = { name, namespace };
      const by = { fieldManager: 'manager-a' };
      await kube.patch(CONFIG_MAPS, key, 'apply', applied(namespace, name, { a: '1', b: '2' }), by);
      await kube.patch(CONFIG_MAPS, key, 'apply', applied(namespace, name, { c: '3' }), {
        fieldManager: 'manager-b',
      });
      const left = await kube.patch<ConfigMap>(
        CONFIG_MAPS,
        key,
        'apply',
        applied(namespace, name, { a: '1' }),
        by,
      );
      expect(left.data).toEqual({ a: '1', c: '3' });
    });

    test("another manager's field is a conflict unless forced", async () => {
      const { kube, namespace } = env();
      const name = freshName('owned');
      const key = { name, namespace };
      await kube.patch(CONFIG_MAPS, key, 'apply', applied(namespace, name, { a: '1' }), {
        fieldManager: 'one',
      });
      const other = applied(namespace, name, { a: '2' });
      await expect(
        kube.patch(CONFIG_MAPS, key, 'apply', other, { fieldManager: 'two' }),
      ).rejects.toMatchObject({ code: 'conflict', status: 409 });
      const forced = await kube.patch<ConfigMap>(CONFIG_MAPS, key, 'apply', other, {
        fieldManager: 'two',
        force: true,
      });
      expect(forced.data).toEqual({ a: '2' });
    });
  });
}
