import { describe, expect, test } from '@jest/globals';
import { CONFIG_MAPS, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import {
  type ContractEnv,
  configMap,
  freshName,
  jobRef,
  kubeletRemoves,
  podOf,
  serviceJob,
} from '../fixtures.ts';

const FINALIZER = 'mezzo.dev/task';
const NODE = 'contract-node';

export function deletionContract(env: () => ContractEnv): void {
  const gone = async (key: {
    readonly name: string;
    readonly namespace?: string;
  }): Promise<boolean> =>
    env()
      .kube.get(PODS, key)
      .then(
        () => false,
        (error: { code: string }) => error.code === 'notFound',
      );

  describe('delete', () => {
    test('removes an object without finalizers; a second delete is notFound', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('gone')));
      await kube.delete(CONFIG_MAPS, made.metadata);
      await expect(kube.get(CONFIG_MAPS, made.metadata)).rejects.toMatchObject({
        code: 'notFound',
      });
      await expect(kube.delete(CONFIG_MAPS, made.metadata)).rejects.toMatchObject({
        code: 'notFound',
      });
    });

    test('with another uid or a stale resourceVersion is a conflict', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(CONFIG_MAPS, configMap(namespace, freshName('precondition')));
      const uid = '00000000-0000-4000-8000-000000000000';
      await expect(kube.delete(CONFIG_MAPS, made.metadata, { uid })).rejects.toMatchObject({
        code: 'conflict',
      });
      await kube.patch(CONFIG_MAPS, made.metadata, 'merge', { data: { a: '1' } });
      const { resourceVersion = '' } = made.metadata;
      await expect(
        kube.delete(CONFIG_MAPS, made.metadata, { resourceVersion }),
      ).rejects.toMatchObject({
        code: 'conflict',
      });
      const now = await kube.get(CONFIG_MAPS, made.metadata);
      await kube.delete(CONFIG_MAPS, now.metadata, {
        uid: now.metadata.uid ?? '',
        resourceVersion: now.metadata.resourceVersion ?? '',
      });
      await expect(kube.get(CONFIG_MAPS, made.metadata)).rejects.toMatchObject({
        code: 'notFound',
      });
    });

    test('a finalizer keeps the object until it is removed; deletion raises the generation', async () => {
      const { kube, namespace } = env();
      const asked = serviceJob(namespace, freshName('held'));
      const made = await kube.create(jobRef, {
        ...asked,
        metadata: { ...asked.metadata, finalizers: [FINALIZER] },
      });
      await kube.delete(jobRef, made.metadata);
      const held = await kube.get(jobRef, made.metadata);
      expect(held.metadata.deletionTimestamp).toMatch(/Z$/);
      expect(held.metadata.deletionGracePeriodSeconds).toBe(0);
      expect(held.metadata.generation).toBe(2);
      await kube.delete(jobRef, made.metadata);
      const again = await kube.get(jobRef, made.metadata);
      expect(again.metadata.resourceVersion).toBe(held.metadata.resourceVersion);
      await kube.patch(jobRef, made.metadata, 'merge', { metadata: { finalizers: null } });
      await expect(kube.get(jobRef, made.metadata)).rejects.toMatchObject({ code: 'notFound' });
    });

    test('no finalizer can be added to an object being deleted', async () => {
      const { kube, namespace } = env();
      const asked = serviceJob(namespace, freshName('late'));
      const made = await kube.create(jobRef, {
        ...asked,
        metadata: { ...asked.metadata, finalizers: [FINALIZER] },
      });
      await kube.delete(jobRef, made.metadata);
      const patch = { metadata: { finalizers: [FINALIZER, 'mezzo.dev/more'] } };
      await expect(kube.patch(jobRef, made.metadata, 'merge', patch)).rejects.toMatchObject({
        code: 'invalid',
      });
      await kube.patch(jobRef, made.metadata, 'merge', { metadata: { finalizers: [] } });
    });

    test('removing the last finalizer of an object not being deleted keeps it', async () => {
      const { kube, namespace } = env();
      const asked = podOf(namespace, freshName('kept'), { finalizers: [FINALIZER] });
      const made = await kube.create(PODS, asked);
      const patch = { metadata: { finalizers: null } };
      const freed = await kube.patch(PODS, made.metadata, 'merge', patch);
      expect(freed.metadata.finalizers).toBeUndefined();
      expect(await gone(made.metadata)).toBe(false);
    });
  });

  describe('delete of a Pod', () => {
    test('not bound to a node is immediate', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(PODS, podOf(namespace, freshName('unbound')));
      await kube.delete(PODS, made.metadata);
      expect(await gone(made.metadata)).toBe(true);
    });

    test('on a node waits for the kubelet, which deletes it for good', async () => {
      const { kube, namespace } = env();
      const asked = podOf(namespace, freshName('bound'), { nodeName: NODE, graceSeconds: 20 });
      const made = await kube.create(PODS, asked);
      await kube.delete(PODS, made.metadata, { uid: made.metadata.uid ?? '' });
      const ending = await kube.get<Pod>(PODS, made.metadata);
      expect(ending.metadata.deletionGracePeriodSeconds).toBe(20);
      const leftMs =
        Date.parse(ending.metadata.deletionTimestamp ?? '') -
        Date.parse(made.metadata.creationTimestamp ?? '');
      expect(leftMs).toBeGreaterThanOrEqual(20_000);
      await kube.delete(PODS, made.metadata, { gracePeriodSeconds: 25 });
      expect((await kube.get(PODS, made.metadata)).metadata.deletionGracePeriodSeconds).toBe(20);
      await kube.delete(PODS, made.metadata, { gracePeriodSeconds: 5 });
      expect((await kube.get(PODS, made.metadata)).metadata.deletionGracePeriodSeconds).toBe(5);
      await kubeletRemoves(kube, made);
      expect(await gone(made.metadata)).toBe(true);
    });

    const secondDeletion = async (gracePeriodSeconds: number): Promise<number> => {
      const { kube, namespace } = env();
      const asked = podOf(namespace, freshName('second'), {
        nodeName: NODE,
        graceSeconds: 20,
        finalizers: [FINALIZER],
      });
      const made = await kube.create(PODS, asked);
      await kube.delete(PODS, made.metadata);
      const first = await kube.get(PODS, made.metadata);
      const requestedMs = Date.parse(first.metadata.deletionTimestamp ?? '') - 20_000;
      await new Promise((resolve) => setTimeout(resolve, 2100));
      await kube.delete(PODS, made.metadata, { gracePeriodSeconds });
      const { metadata } = await kube.get(PODS, made.metadata);
      expect(metadata.deletionGracePeriodSeconds).toBe(gracePeriodSeconds);
      await kube.patch(PODS, made.metadata, 'merge', { metadata: { finalizers: null } });
      const endMs = Date.parse(metadata.deletionTimestamp ?? '');
      return endMs - gracePeriodSeconds * 1000 - requestedMs;
    };

    test('a shorter grace counts from the first request', async () => {
      expect(await secondDeletion(5)).toBe(0);
    }, 20_000);

    test("the kubelet's last step, without grace, forgets when the first request came", async () => {
      expect(await secondDeletion(0)).toBeGreaterThanOrEqual(2000);
    }, 20_000);

    test('a grace period asked for overrides that of the Pod', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        PODS,
        podOf(namespace, freshName('grace'), { nodeName: NODE }),
      );
      await kube.delete(PODS, made.metadata, { gracePeriodSeconds: 3 });
      expect((await kube.get(PODS, made.metadata)).metadata.deletionGracePeriodSeconds).toBe(3);
      await kubeletRemoves(kube, made);
    });

    test('that has ended is immediate, even on a node', async () => {
      const { kube, namespace } = env();
      const made = await kube.create(
        PODS,
        podOf(namespace, freshName('ended'), { nodeName: NODE }),
      );
      const patch = { status: { phase: 'Succeeded' } };
      await kube.patch(PODS, made.metadata, 'merge', patch, { subresource: 'status' });
      await kube.delete(PODS, made.metadata);
      expect(await gone(made.metadata)).toBe(true);
    });

    test('with a finalizer outlives the kubelet, and goes with its finalizer', async () => {
      const { kube, namespace } = env();
      const asked = podOf(namespace, freshName('both'), {
        nodeName: NODE,
        finalizers: [FINALIZER],
      });
      const made = await kube.create(PODS, asked);
      await kube.delete(PODS, made.metadata);
      await kubeletRemoves(kube, made);
      const held = await kube.get<Pod>(PODS, made.metadata);
      expect(held.metadata.deletionGracePeriodSeconds).toBe(0);
      await kube.patch(PODS, made.metadata, 'merge', { metadata: { finalizers: null } });
      expect(await gone(made.metadata)).toBe(true);
    });

    test('whose finalizer goes first stays until the kubelet is done', async () => {
      const { kube, namespace } = env();
      const asked = podOf(namespace, freshName('first'), {
        nodeName: NODE,
        finalizers: [FINALIZER],
      });
      const made = await kube.create(PODS, asked);
      await kube.delete(PODS, made.metadata);
      await kube.patch(PODS, made.metadata, 'merge', { metadata: { finalizers: null } });
      expect(await gone(made.metadata)).toBe(false);
      await kubeletRemoves(kube, made);
      expect(await gone(made.metadata)).toBe(true);
    });
  });
}
