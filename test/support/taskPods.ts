import type { PodContext } from '../../operator/src/controllers/framework/pod/podContext.ts';
import { taskToPod } from '../../operator/src/controllers/framework/pod/taskToPod.ts';
import { frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import type { Container, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { withoutNulls } from '../../operator/src/schema/mesos/lenient.ts';
import { TaskInfo } from '../../operator/src/schema/mesos/task.ts';
import { taskInfo } from './frameworkHarness.ts';

/** A framework without any privilege, as most are. */
export const POD_CONTEXT: PodContext = {
  place: {
    id: frameworkId('FW_1'),
    namespace: 'tenants',
    objectName: 'fw-1',
    objectUid: 'uid-1',
  },
  role: rolePath('eng/web'),
  podTemplate: undefined,
  defaultImage: 'busybox:1',
  runAsUser: 65534,
  fetcher: { image: 'mezzo:1', maxBytes: 1_000_000 },
  offeredPorts: [{ begin: 31_000, end: 31_010 }],
};

export const parsedTask = (id: string, more: object = {}): TaskInfo =>
  TaskInfo.parse(withoutNulls(taskInfo(id, more)));

/** The Pod of a task; throws when it is refused. */
export function translatedPod(more: object = {}, context: PodContext = POD_CONTEXT): Pod {
  const translated = taskToPod(parsedTask('My.Task_1', more), context);
  if (!translated.ok) throw new Error(translated.refusal);
  return translated.value.pod;
}

export function translatedContainer(
  more: object = {},
  context: PodContext = POD_CONTEXT,
): Container {
  const [container] = translatedPod(more, context).spec.containers;
  if (container === undefined) throw new Error('the Pod has no container');
  return container;
}

/** Why a task is refused; `accepted` when it is not. */
export function refusalOf(more: object, context: PodContext = POD_CONTEXT): string {
  const translated = taskToPod(parsedTask('t', more), context);
  return translated.ok ? 'accepted' : translated.refusal;
}

/** TaskInfo fields of a task in a Docker image. */
export const dockerImage = (image: string, more: object = {}): object => ({
  container: { type: 'DOCKER', docker: { image, ...more } },
});

/** Resources of a small task that takes ports. */
export const withPorts = (...ranges: readonly (readonly [number, number])[]): object => ({
  resources: [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
    {
      name: 'ports',
      type: 'RANGES',
      ranges: { range: ranges.map(([begin, end]) => ({ begin, end })) },
    },
  ],
});
