import type { FrameworkId, RolePath, TaskId } from '../../../model/ids.ts';
import { taskId } from '../../../model/ids.ts';
import { ANNOTATION, LABEL, TASK_FINALIZER } from '../../../model/labels.ts';
import { isEmpty } from '../../../model/resources.ts';
import { ok, type Result, refuse } from '../../../model/result.ts';
import type { Container, Pod } from '../../../schema/kubeObjects.ts';
import { idFault } from '../../../schema/mesos/framework.ts';
import { amountsFromMesos, type TaskAmounts } from '../../../schema/mesos/resource.ts';
import type { CommandInfo, ContainerInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import { API_VERSION, type FrameworkObject } from '../../../schema/mezzoKinds.ts';
import { formatResources } from '../../../schema/quantity.ts';
import {
  containerResources,
  RESTRICTED_CONTAINER,
  RESTRICTED_POD,
  roleLabel,
} from '../../task/buildTaskPod.ts';
import { frameworkObjectName, taskPodName } from '../names.ts';
import type { FrameworkPlace } from '../types.ts';
import { TASK_CONTAINER } from './podUpdates.ts';

/** What a task's Pod takes from its framework and from the operator's configuration. */
export interface PodContext {
  readonly place: FrameworkPlace;
  readonly role: RolePath;
  readonly podTemplate: FrameworkObject['spec']['podTemplate'];
  readonly defaultImage: string;
  readonly runAsUser: number;
}

export interface TranslatedTask extends TaskAmounts {
  readonly task: TaskId;
  readonly pod: Pod;
}

/** Grace of Mesos's command executor. Source: Mesos `src/launcher/executor.cpp`. */
const DEFAULT_GRACE_SECONDS = 3;
const MAX_GRACE_SECONDS = 86_400;
const MAX_ENV = 1_000;
/** Where a Mesos task finds its sandbox. Source: Mesos `src/slave/flags.cpp`, `sandbox_directory`. */
const SANDBOX = '/mnt/mesos/sandbox';
/** Prefix of the Pod labels that carry a task's own labels. */
const TASK_LABEL_PREFIX = 'task.mezzo.dev/';

/**
 * The Pod of one task, complete but for its node.
 *
 * Guarantees: built from a constant restricted base; only the fields read here can reach it, each through its own
 * check, so no wish of a framework for privileges, host access, volumes, accounts or foreign labels passes.
 * Errors: a text that names the field, for TASK_ERROR with REASON_TASK_INVALID.
 */
export function taskToPod(info: TaskInfo, context: PodContext): Result<TranslatedTask, string> {
  const fault = taskFault(info);
  if (fault !== undefined) return refuse(fault);
  const amounts = amountsFromMesos(info.resources);
  if (!amounts.ok) return amounts;
  if (isEmpty(amounts.value.resources) && isEmpty(amounts.value.revocable))
    return refuse('resources: the task asks for nothing; name at least one amount above 0');
  const graceSeconds = graceSecondsOf(info.kill_policy);
  if (graceSeconds === undefined) return refuse('kill_policy.grace_period: must not be negative');
  const container = containerOf(info, context, amounts.value);
  if (!container.ok) return container;
  const task = taskId(info.task_id.value);
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(info, context, amounts.value),
    spec: {
      ...RESTRICTED_POD,
      securityContext: { ...RESTRICTED_POD.securityContext, runAsUser: context.runAsUser },
      terminationGracePeriodSeconds: graceSeconds,
      ...deadlineOf(info),
      ...(context.podTemplate?.serviceAccountName === undefined
        ? {}
        : { serviceAccountName: context.podTemplate.serviceAccountName }),
      ...(context.podTemplate?.tolerations === undefined
        ? {}
        : { tolerations: context.podTemplate.tolerations }),
      volumes: [{ name: 'sandbox', emptyDir: {} }],
      containers: [container.value],
    },
  };
  return ok({ task, pod, ...amounts.value });
}

/** The grace a kill policy asks for, in whole seconds rounded up; the default without one; undefined when negative. */
export function graceSecondsOf(policy: TaskInfo['kill_policy']): number | undefined {
  const nanoseconds = policy?.grace_period?.nanoseconds;
  if (nanoseconds === undefined) return DEFAULT_GRACE_SECONDS;
  if (nanoseconds < 0) return undefined;
  return Math.min(Math.ceil(nanoseconds / 1e9), MAX_GRACE_SECONDS);
}

const NOT_SERVED = 'is not served by this version';

/** What this version does not translate is refused, never dropped in silence: the task would not be what was asked for. */
function taskFault(info: TaskInfo): string | undefined {
  const fault = idFault(info.task_id.value);
  if (fault !== undefined) return `task_id: ${fault}`;
  if (info.executor !== undefined && info.command !== undefined)
    return 'exactly one of command and executor must be set';
  if (info.executor !== undefined) return `executor: a custom or default executor ${NOT_SERVED}`;
  if (info.health_check !== undefined) return `health_check ${NOT_SERVED}`;
  if (info.check !== undefined) return `check ${NOT_SERVED}`;
  if (info.limits !== undefined && Object.keys(info.limits).length > 0)
    return `limits: limits that differ from resources ${NOT_SERVED}`;
  if ((info.max_completion_time?.nanoseconds ?? 0) < 0)
    return 'max_completion_time: must not be negative';
  if (info.command === undefined) return 'exactly one of command and executor must be set';
  return commandFault(info.command) ?? containerFault(info.container);
}

function commandFault(command: CommandInfo): string | undefined {
  if (command.uris.length > 0)
    return `command.uris: fetching ${NOT_SERVED}; use an image that holds the files`;
  const variables = command.environment?.variables ?? [];
  if (variables.length > MAX_ENV) return `command.environment: more than ${MAX_ENV} variables`;
  for (const variable of variables) {
    if (variable.type === 'SECRET' || variable.secret !== undefined)
      return `command.environment: variable '${variable.name}' is a secret, which ${NOT_SERVED}`;
    if (!ENV_NAME.test(variable.name))
      return 'command.environment: a variable name is empty, holds a control character or is too long';
  }
  return undefined;
}

/** What Kubernetes takes as the name of an environment variable: printable ASCII without `=`. */
const ENV_NAME = /^[\u0020-\u003c\u003e-\u007e]{1,253}$/;

function containerFault(container: ContainerInfo | undefined): string | undefined {
  if (container === undefined) return undefined;
  const docker = container.docker;
  if (docker?.privileged === true)
    return 'container.docker.privileged: privileged tasks are refused';
  if ((docker?.parameters.length ?? 0) > 0)
    return 'container.docker.parameters: arbitrary Docker parameters are refused';
  if (docker?.network === 'HOST' || docker?.network === 'NONE')
    return `container.docker.network: ${docker.network} is refused; a task has the network of its Pod (leave it unset, BRIDGE or USER)`;
  if ((docker?.port_mappings.length ?? 0) > 0)
    return `container.docker.port_mappings ${NOT_SERVED}`;
  if (container.volumes.length > 0) return `container.volumes ${NOT_SERVED}`;
  if (container.linux_info !== undefined) return 'container.linux_info is refused';
  if (container.rlimit_info !== undefined) return 'container.rlimit_info is refused';
  if (container.mesos?.image?.type === 'APPC')
    return 'container.mesos.image: only DOCKER images are run';
  return undefined;
}

function deadlineOf(info: TaskInfo): { activeDeadlineSeconds?: number } {
  const nanoseconds = info.max_completion_time?.nanoseconds;
  // Kubernetes wants at least one second.
  return nanoseconds === undefined
    ? {}
    : { activeDeadlineSeconds: Math.max(1, Math.ceil(nanoseconds / 1e9)) };
}

function imageOf(container: ContainerInfo | undefined): string | undefined {
  return container?.docker?.image ?? container?.mesos?.image?.docker?.name;
}

function containerOf(
  info: TaskInfo,
  context: PodContext,
  amounts: TaskAmounts,
): Result<Container, string> {
  const image = imageOf(info.container) ?? context.podTemplate?.image ?? context.defaultImage;
  if (image === '' || image.length > 512 || /\s/.test(image))
    return refuse('container: the image name is empty, too long or holds white space');
  const command = commandOf(info);
  if (!command.ok) return command;
  const pull = info.container?.docker?.force_pull_image === true ? 'Always' : 'IfNotPresent';
  return ok({
    name: TASK_CONTAINER,
    image,
    imagePullPolicy: context.podTemplate?.imagePullPolicy ?? pull,
    ...command.value,
    // An image of the framework's own choice keeps its working directory, as in Mesos's Docker containerizer.
    ...(imageOf(info.container) === undefined ? { workingDir: SANDBOX } : {}),
    env: environmentOf(info, context.place.id),
    resources: containerResources(amounts.resources, amounts.revocable),
    securityContext: RESTRICTED_CONTAINER,
    volumeMounts: [{ name: 'sandbox', mountPath: SANDBOX }],
  });
}

/**
 * `shell` (the default) runs `value` in `/bin/sh -c`. Without it `value` is the program and `arguments` its whole
 * argv, first element included, unless the image is Docker's, where all of them are arguments; without `value` the
 * image's own entrypoint gets the arguments. Source: Mesos `docs/container-image.md`, `src/docker/docker.cpp`.
 */
function commandOf(info: TaskInfo): Result<Pick<Container, 'command' | 'args'>, string> {
  const { value, shell } = info.command ?? {};
  const argv = (info.command?.arguments ?? []).map(literal);
  if (shell !== false) {
    if (value === undefined || value === '')
      return refuse('command.value: a shell command needs one');
    return ok({ command: ['/bin/sh', '-c', literal(value)] });
  }
  if (value === undefined) {
    if (imageOf(info.container) === undefined)
      return refuse('command.value: without shell and without an image a program must be named');
    return ok(argv.length === 0 ? {} : { args: argv });
  }
  if (info.container?.docker !== undefined) return ok({ args: [literal(value), ...argv] });
  return ok({ command: [literal(value)], ...(argv.length > 1 ? { args: argv.slice(1) } : {}) });
}

function environmentOf(
  info: TaskInfo,
  framework: FrameworkId,
): readonly { readonly name: string; readonly value: string }[] {
  // A later variable of the same name wins, as in a process's environment; Kubernetes wants each name once.
  const variables = new Map<string, string>();
  for (const one of info.command?.environment?.variables ?? [])
    variables.set(one.name, one.value ?? '');
  variables.set('MESOS_TASK_ID', info.task_id.value);
  variables.set('MESOS_FRAMEWORK_ID', framework);
  variables.set('MESOS_SANDBOX', SANDBOX);
  return [...variables].map(([name, value]) => ({ name, value: literal(value) }));
}

/**
 * A text that reaches the container as it is. The kubelet expands `$(NAME)` and reads `$$` as `$` in commands,
 * arguments and values; Mesos does neither. Source: Kubernetes `third_party/forked/golang/expansion`.
 */
function literal(text: string): string {
  return /\$[($]/.test(text) ? text.replaceAll('$', () => '$$') : text;
}

function metadataOf(info: TaskInfo, context: PodContext, amounts: TaskAmounts): Pod['metadata'] {
  const { place, role } = context;
  const revocable = !isEmpty(amounts.revocable);
  return {
    name: taskPodName(place.id, taskId(info.task_id.value)),
    namespace: place.namespace,
    labels: {
      ...taskLabels(info),
      [LABEL.framework]: frameworkObjectName(place.id),
      [LABEL.role]: roleLabel(role),
      [LABEL.tier]: revocable ? 'revocable' : 'production',
    },
    annotations: {
      [ANNOTATION.frameworkId]: place.id,
      [ANNOTATION.taskId]: info.task_id.value,
      [ANNOTATION.taskName]: info.name,
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

const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** A task's own labels under a prefix of their own, so that they can select no Service or policy by accident. */
function taskLabels(info: TaskInfo): { [key: string]: string } {
  const labels: { [key: string]: string } = {};
  for (const { key, value = '' } of info.labels?.labels.slice(0, 64) ?? []) {
    if (LABEL_NAME.test(key) && (value === '' || LABEL_NAME.test(value)))
      labels[`${TASK_LABEL_PREFIX}${key}`] = value;
  }
  return labels;
}
