import { ANNOTATION } from '../../model/labels.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Node, Pod } from '../../schema/kubeObjects.ts';
import { isoTime } from '../shared/conditions.ts';
import { isTaskPod, taskViewOf, timeOf } from '../task/taskView.ts';

/** Since when a node has not been ready; undefined while it is. */
export function notReadySinceMs(node: Node): number | undefined {
  const ready = node.status?.conditions?.find((one) => one.type === 'Ready');
  if (ready === undefined || ready.status === 'True') return undefined;
  return timeOf(ready.lastTransitionTime);
}

/** Live tasks on a node that nobody has declared lost yet. */
export function losable(pods: readonly Pod[]): readonly Pod[] {
  return pods.filter((pod) => isTaskPod(pod) && !taskViewOf(pod).terminal);
}

/**
 * Marks a task as lost: its instance may be replaced, though behind the partition it may still run. The mark is written
 * with the resourceVersion it was decided on, so a Pod whose node came back meanwhile is not touched.
 * Source: Aurora declares a partitioned task LOST after a delay and kills it when it comes back.
 */
export async function declareLost(kube: KubeApi, pod: Pod, nowMs: number): Promise<void> {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  await kube.patch(PODS, { name, ...(namespace === undefined ? {} : { namespace }) }, 'merge', {
    metadata: { uid, resourceVersion, annotations: { [ANNOTATION.lost]: isoTime(nowMs) } },
  });
}
