import type {
  BindOptions,
  DeleteOptions,
  KubeObject,
  ObjectKey,
} from '../../../operator/src/ports/kubeApi.ts';
import { DISRUPTION_BUDGETS, PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import type { FakeApiServer, Sent } from '../fakeApiServer.ts';
import { kubeError } from './errors.ts';
import { timestamp } from './objectRules.ts';

interface DisruptionBudget extends KubeObject {
  readonly spec?: {
    readonly selector?: { readonly matchLabels?: { readonly [label: string]: string } };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly disruptionsAllowed?: number;
    readonly disruptedPods?: { readonly [pod: string]: string };
  };
}

/**
 * `pods/eviction`: asks the budgets, marks the Pod, deletes it.
 * Source: Kubernetes `pkg/registry/core/pod/storage/eviction.go`.
 * Does not: know `unhealthyPodEvictionPolicy`, match selectors by expression.
 */
export function evictPod(api: FakeApiServer, key: ObjectKey, options: DeleteOptions & Sent): void {
  const pod = api.get(PODS, key) as Pod;
  checkPreconditions(pod, options);
  if (!isFreeOfBudgets(pod)) spendBudget(api, pod, options);
  if (options.dryRun === true) return;
  const by = options.by ?? 'server';
  const at = timestamp(api.clock.nowMs());
  const others = (pod.status?.conditions ?? []).filter((one) => one.type !== 'DisruptionTarget');
  const conditions = [
    ...others,
    {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastTransitionTime: at,
    },
  ];
  api.patch(PODS, key, 'merge', { status: { conditions } }, { subresource: 'status', by });
  // Marking it has moved the version on.
  const { resourceVersion: _seen, ...deletion } = options;
  api.delete(PODS, key, deletion);
}

function checkPreconditions({ metadata }: Pod, asked: DeleteOptions): void {
  if (asked.uid !== undefined && asked.uid !== metadata.uid)
    throw kubeError(
      'conflict',
      `Precondition failed: UID in precondition: ${asked.uid}, UID in object meta: ${metadata.uid}`,
    );
  if (asked.resourceVersion !== undefined && asked.resourceVersion !== metadata.resourceVersion)
    throw kubeError(
      'conflict',
      `Precondition failed: ResourceVersion in precondition: ${asked.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
}

/** What does not run, or is on its way out, disturbs no budget. */
function isFreeOfBudgets({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined || status?.phase !== 'Running';
}

function spendBudget(api: FakeApiServer, pod: Pod, { by = 'server', dryRun = false }: Sent): void {
  const budgets = [...(api.all(DISRUPTION_BUDGETS) as Iterable<DisruptionBudget>)].filter(
    (budget) => budget.metadata.namespace === pod.metadata.namespace && covers(budget, pod),
  );
  const [budget, ...more] = budgets;
  if (budget === undefined) return;
  if (more.length > 0)
    throw kubeError(
      'unavailable',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  const { status = {}, metadata } = budget;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw refused(`The disruption budget ${metadata.name} is still being processed by the server.`);
  const allowed = status.disruptionsAllowed ?? 0;
  if (allowed <= 0)
    throw refused("Cannot evict pod as it would violate the pod's disruption budget.");
  if (dryRun) return;
  const disruptedPods = {
    ...status.disruptedPods,
    [pod.metadata.name]: timestamp(api.clock.nowMs()),
  };
  const key = { name: metadata.name, namespace: metadata.namespace ?? '' };
  api.patch(
    DISRUPTION_BUDGETS,
    key,
    'merge',
    { status: { disruptionsAllowed: allowed - 1, disruptedPods } },
    { subresource: 'status', by },
  );
}

function covers({ spec }: DisruptionBudget, { metadata }: Pod): boolean {
  const wanted = Object.entries(spec?.selector?.matchLabels ?? {});
  return wanted.every(([label, value]) => metadata.labels?.[label] === value);
}

function refused(message: string): Error {
  return kubeError('tooManyRequests', message, { retryAfterMs: 10_000 });
}

/**
 * `pods/binding`: the one way to give a Pod a node after its creation.
 * Source: Kubernetes `pkg/registry/core/pod/storage/storage.go`, BindingREST.
 */
export function bindPod(
  api: FakeApiServer,
  key: ObjectKey,
  nodeName: string,
  options: BindOptions & Sent,
): void {
  const pod = api.get(PODS, key) as Pod;
  checkPreconditions(pod, options);
  const { name } = pod.metadata;
  if (pod.metadata.deletionTimestamp !== undefined)
    throw kubeError('conflict', `pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '')
    throw kubeError('conflict', `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if (options.dryRun === true) return;
  api.forceSpec(PODS, key, { ...pod.spec, nodeName }, options);
}
