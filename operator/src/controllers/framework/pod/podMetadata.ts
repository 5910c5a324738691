import { type TaskId, taskId } from '../../../model/ids.ts';
import { ANNOTATION, LABEL, TASK_FINALIZER } from '../../../model/labels.ts';
import { isEmpty } from '../../../model/resources.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { TaskAmounts } from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { API_VERSION } from '../../../schema/mezzoKinds.ts';
import { formatResources } from '../../../schema/quantity.ts';
import { roleLabel } from '../../task/buildTaskPod.ts';
import { frameworkObjectName } from '../names.ts';
import type { PodContext } from './podContext.ts';

/** Prefix of the Pod labels that carry a task's own labels. */
const TASK_LABEL_PREFIX = 'task.mezzo.dev/';
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const MAX_LABELS = 64;
/** Longest text of labels and discovery information kept on a Pod. */
const MAX_TOLD = 65_536;

/** Identity of a Pod: whose it is, and what its framework calls its tasks, exactly. */
export function metadataOf(
  name: string,
  infos: readonly TaskInfo[],
  context: PodContext,
  amounts: TaskAmounts,
): Pod['metadata'] {
  const { place, role } = context;
  const revocable = !isEmpty(amounts.revocable);
  return {
    name,
    namespace: place.namespace,
    labels: {
      ...Object.assign({}, ...infos.map(taskLabels)),
      [LABEL.framework]: frameworkObjectName(place.id),
      [LABEL.role]: roleLabel(role),
      [LABEL.tier]: revocable ? 'revocable' : 'production',
    },
    annotations: {
      [ANNOTATION.frameworkId]: place.id,
      ...namesOf(infos),
      [ANNOTATION.rolePath]: role,
      ...(revocable
        ? { [ANNOTATION.resources]: JSON.stringify(formatResources(amounts.resources)) }
        : {}),
    },
    finalizers: [TASK_FINALIZER],
    ownerReferences: [
      {
        apiVersion: API_VERSION,
        kind: 'Framework',
        name: place.objectName,
        uid: place.objectUid,
        controller: true,
      },
    ],
  };
}

/** One task of a Pod. */
export interface PodTask {
  readonly task: TaskId;
  readonly name: string;
  readonly container: string;
}

/** Container of a task that has its Pod to itself; others may be added by admission webhooks. */
export const TASK_CONTAINER = 'task';

export const groupContainer = (index: number): string => `${TASK_CONTAINER}-${index}`;

function namesOf(infos: readonly TaskInfo[]): { readonly [key: string]: string } {
  const [first] = infos;
  if (first === undefined) return {};
  if (infos.length > 1 || first.executor !== undefined) {
    const tasks = infos.map((info) => ({
      id: info.task_id.value,
      name: info.name,
      ...toldOf(info),
    }));
    return { [ANNOTATION.taskGroup]: JSON.stringify(tasks) };
  }
  const told = JSON.stringify(toldOf(first));
  return {
    [ANNOTATION.taskId]: first.task_id.value,
    [ANNOTATION.taskName]: first.name,
    ...(told === '{}' ? {} : { [ANNOTATION.taskInfo]: told }),
  };
}

/** Labels and discovery information exactly as they were given, for whoever reads the state of tasks. */
function toldOf({ labels, discovery }: TaskInfo): object {
  const told = {
    ...(labels === undefined || labels.labels.length === 0 ? {} : { labels: labels.labels }),
    ...(discovery === undefined ? {} : { discovery }),
  };
  return JSON.stringify(told).length > MAX_TOLD ? {} : told;
}

/** The tasks a Pod was made for; empty when its annotations name none. */
export function podTasks(pod: Pod): readonly PodTask[] {
  const annotations = pod.metadata.annotations ?? {};
  const single = annotations[ANNOTATION.taskId];
  if (single !== undefined) {
    const name = annotations[ANNOTATION.taskName] ?? '';
    return [{ task: taskId(single), name, container: TASK_CONTAINER }];
  }
  return parsedGroup(annotations[ANNOTATION.taskGroup]).map((one, index) => ({
    task: taskId(one.id),
    name: one.name,
    container: groupContainer(index),
  }));
}

interface StoredTask {
  readonly id: string;
  readonly name: string;
}

function parsedGroup(text: string | undefined): readonly StoredTask[] {
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every(isStoredTask) ? value : [];
  } catch {
    // Somebody edited it: the Pod is nobody's task any more, as if the annotation were gone.
    return [];
  }
}

const isStoredTask = (value: unknown): value is StoredTask =>
  typeof value === 'object' &&
  value !== null &&
  'id' in value &&
  typeof value.id === 'string' &&
  'name' in value &&
  typeof value.name === 'string';

/** A task's own labels under a prefix of their own, so that they can select no Service or policy by accident. */
function taskLabels(info: TaskInfo): { [key: string]: string } {
  const labels: { [key: string]: string } = {};
  for (const { key, value = '' } of info.labels?.labels.slice(0, MAX_LABELS) ?? []) {
    if (LABEL_NAME.test(key) && (value === '' || LABEL_NAME.test(value)))
      labels[`${TASK_LABEL_PREFIX}${key}`] = value;
  }
  return labels;
}
