import { describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { DISRUPTION_BUDGETS, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { type ContractEnv, freshName, podOf } from '../fixtures.ts';

interface Budget extends KubeObject {
  readonly spec?: object;
  readonly status?: { readonly disruptionsAllowed?: number };
}

const NODE = 'contract-node';
const FINALIZER = 'mezzo.dev/task';

export function podActionContract(env: () => ContractEnv): void {
  /** A running Pod that stays visible after its deletion. */
  async function runningPod(app: string): Promise<Pod> {
    const { kube, namespace } = env();
    const made = await kube.create(
      PODS,
      podOf(namespace, freshName('evicted'), {
        nodeName: NODE,
        labels: { app },
        finalizers: [FINALIZER],
      }),
    );
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    return await kube.patch<Pod>(
      PODS,
      made.metadata,
      'merge',
      { status },
      { subresource: 'status' },
    );
  }
  /** A budget as its controller would have judged it. */
  async function budget(app: string, disruptionsAllowed: number): Promise<Budget> {
    const { kube, namespace } = env();
    const made = await kube.create<Budget>(DISRUPTION_BUDGETS, {
      metadata: { name: freshName('budget'), namespace },
      spec: { minAvailable: 1, selector: { matchLabels: { app } } },
    });
    const status = {
      observedGeneration: made.metadata.generation,
      disruptionsAllowed,
      currentHealthy: 1,
      desiredHealthy: 1,
      expectedPods: 1,
    };
    return await kube.patch<Budget>(
      DISRUPTION_BUDGETS,
      made.metadata,
      'merge',
      { status },
      { subresource: 'status' },
    );
  }
  const now = (pod: Pod): Promise<Pod> => env().kube.get<Pod>(PODS, pod.metadata);

  describe('evict', () => {
    test('without a budget deletes the Pod with its grace, and marks it as disrupted', async () => {
      const pod = await runningPod(freshName('app'));
      await env().kube.evict(pod.metadata, { gracePeriodSeconds: 7 });
      const after = await now(pod);
      expect(after.metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
      expect(after.status?.conditions).toContainEqual(
        expect.objectContaining({
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'EvictionByEvictionAPI',
        }),
      );
    });

    test('a budget that allows one is spent by it; the next is tooManyRequests', async () => {
      const app = freshName('app');
      const [first, second] = [await runningPod(app), await runningPod(app)];
      const made = await budget(app, 1);
      const { kube } = env();
      await kube.evict(first.metadata);
      expect((await now(first)).metadata.deletionTimestamp).toBeDefined();
      const spent = await kube.get<Budget>(DISRUPTION_BUDGETS, made.metadata);
      expect(spent.status?.disruptionsAllowed).toBe(0);
      await expect(kube.evict(second.metadata)).rejects.toMatchObject({
        code: 'tooManyRequests',
        status: 429,
        message: expect.stringContaining('disruption budget'),
      });
      expect((await now(second)).metadata.deletionTimestamp).toBeUndefined();
    });

    test('a budget its controller has not looked at yet is tooManyRequests', async () => {
      const { kube, namespace } = env();
      const app = freshName('app');
      const pod = await runningPod(app);
      await kube.create<Budget>(DISRUPTION_BUDGETS, {
        metadata: { name: freshName('budget'), namespace },
        spec: { minAvailable: 0, selector: { matchLabels: { app } } },
      });
      await expect(kube.evict(pod.metadata)).rejects.toMatchObject({ code: 'tooManyRequests' });
    });

    test('a Pod that does not run, or is being deleted, needs no budget', async () => {
      const { kube, namespace } = env();
      const app = freshName('app');
      await budget(app, 0);
      const pending = await kube.create(
        PODS,
        podOf(namespace, freshName('pending'), {
          nodeName: NODE,
          labels: { app },
          finalizers: [FINALIZER],
        }),
      );
      await kube.evict(pending.metadata);
      expect((await now(pending)).metadata.deletionTimestamp).toBeDefined();
      const leaving = await runningPod(app);
      await kube.delete(PODS, leaving.metadata);
      await kube.evict(leaving.metadata);
    });

    test('with another uid or a stale resourceVersion is a conflict; with the right ones it works', async () => {
      const { kube } = env();
      const pod = await runningPod(freshName('app'));
      const uid = '00000000-0000-4000-8000-000000000000';
      await expect(kube.evict(pod.metadata, { uid })).rejects.toMatchObject({ code: 'conflict' });
      const { resourceVersion = '' } = pod.metadata;
      const changed = await kube.patch<Pod>(PODS, pod.metadata, 'merge', {
        metadata: { annotations: { a: '1' } },
      });
      await expect(kube.evict(pod.metadata, { resourceVersion })).rejects.toMatchObject({
        code: 'conflict',
      });
      expect((await now(pod)).metadata.deletionTimestamp).toBeUndefined();
      await kube.evict(pod.metadata, {
        uid: changed.metadata.uid ?? '',
        resourceVersion: changed.metadata.resourceVersion ?? '',
      });
      expect((await now(pod)).metadata.deletionTimestamp).toBeDefined();
    });

    test('as a dry run asks the budget and changes nothing', async () => {
      const { kube } = env();
      const app = freshName('app');
      const pod = await runningPod(app);
      const made = await budget(app, 1);
      await kube.evict(pod.metadata, { dryRun: true });
      expect((await now(pod)).metadata.deletionTimestamp).toBeUndefined();
      const kept = await kube.get<Budget>(DISRUPTION_BUDGETS, made.metadata);
      expect(kept.status?.disruptionsAllowed).toBe(1);
      await kube.patch(
        DISRUPTION_BUDGETS,
        made.metadata,
        'merge',
        { status: { disruptionsAllowed: 0 } },
        { subresource: 'status' },
      );
      await expect(kube.evict(pod.metadata, { dryRun: true })).rejects.toMatchObject({
        code: 'tooManyRequests',
      });
    });

    test('of a Pod that is gone is notFound', async () => {
      const { kube, namespace } = env();
      const gone = { name: freshName('gone'), namespace };
      await expect(kube.evict(gone)).rejects.toMatchObject({ code: 'notFound' });
    });
  });

  describe('bind', () => {
    const unbound = (): Promise<Pod> =>
      env().kube.create(PODS, podOf(env().namespace, freshName('bound')));

    test('gives a Pod its node, once', async () => {
      const { kube } = env();
      const pod = await unbound();
      await kube.bind(pod.metadata, NODE, {
        uid: pod.metadata.uid ?? '',
        resourceVersion: pod.metadata.resourceVersion ?? '',
      });
      expect((await now(pod)).spec.nodeName).toBe(NODE);
      await expect(kube.bind(pod.metadata, 'other')).rejects.toMatchObject({ code: 'conflict' });
      expect((await now(pod)).spec.nodeName).toBe(NODE);
    });

    test('with another uid or a stale resourceVersion is a conflict', async () => {
      const { kube } = env();
      const pod = await unbound();
      const uid = '00000000-0000-4000-8000-000000000000';
      await expect(kube.bind(pod.metadata, NODE, { uid })).rejects.toMatchObject({
        code: 'conflict',
      });
      const { resourceVersion = '' } = pod.metadata;
      await kube.patch(PODS, pod.metadata, 'merge', { metadata: { annotations: { a: '1' } } });
      await expect(kube.bind(pod.metadata, NODE, { resourceVersion })).rejects.toMatchObject({
        code: 'conflict',
      });
      expect((await now(pod)).spec.nodeName ?? '').toBe('');
    });

    test('of a Pod that is being deleted is a conflict, of one that is gone notFound', async () => {
      const { kube, namespace } = env();
      const pod = await kube.create(
        PODS,
        podOf(namespace, freshName('leaving'), { finalizers: [FINALIZER] }),
      );
      await kube.delete(PODS, pod.metadata);
      await expect(kube.bind(pod.metadata, NODE)).rejects.toMatchObject({ code: 'conflict' });
      const gone = { name: freshName('gone'), namespace };
      await expect(kube.bind(gone, NODE)).rejects.toMatchObject({ code: 'notFound' });
    });
  });
}
