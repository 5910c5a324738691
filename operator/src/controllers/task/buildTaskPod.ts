import type { z } from 'zod';
import type { PendingTask } from '../../model/job.ts';
import { ANNOTATION, LABEL, TASK_FINALIZER } from '../../model/labels.ts';
import { amountOf, isEmpty, type Resources } from '../../model/resources.ts';
import type { OwnerReference } from '../../ports/kubeApi.ts';
import type { TaskTemplate } from '../../schema/crd/common.ts';
import type { Container, Pod, Probe } from '../../schema/kubeObjects.ts';
import { formatResources, resourcesToKube } from '../../schema/quantity.ts';
import { REVOCABLE_CPU, REVOCABLE_MEMORY } from './taskView.ts';

export interface JobTaskInput {
  readonly task: PendingTask;
  readonly namespace: string;
  readonly jobName: string;
  readonly jobKind: string;
  readonly owner: OwnerReference;
  readonly template: z.infer<typeof TaskTemplate>;
  readonly templateHash: string;
  readonly flaps: number;
  readonly failures: number;
  readonly extraEnv?: readonly { readonly name: string; readonly value: string }[];
}

/** User that task containers run as when their template names none: `nobody`. */
const DEFAULT_USER = 65534;
/** Aurora gives a task 30 s between the polite and the hard signal. */
const DEFAULT_GRACE_SECONDS = 30;

/**
 * The Pod of one instance of a job, complete but for `spec.nodeName`.
 * Guarantees: built from a constant restricted base and a typed template; nothing of a client's Pod spec passes through.
 */
export function buildTaskPod(input: JobTaskInput): Pod {
  const { task, template } = input;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: task.podName,
      namespace: input.namespace,
      labels: { ...template.labels, ...jobLabels(input) },
      annotations: {
        [ANNOTATION.rolePath]: task.group.role,
        [ANNOTATION.priority]: String(task.group.priority),
        [ANNOTATION.flaps]: String(input.flaps),
        [ANNOTATION.failures]: String(input.failures),
        ...revocableAnnotation(task.group.resources, task.group.revocable),
      },
      finalizers: [TASK_FINALIZER],
      ownerReferences: [input.owner],
    },
    spec: {
      ...RESTRICTED_POD,
      securityContext: {
        ...RESTRICTED_POD.securityContext,
        runAsUser: template.runAsUser ?? DEFAULT_USER,
      },
      terminationGracePeriodSeconds: template.killGraceSeconds ?? DEFAULT_GRACE_SECONDS,
      ...(template.serviceAccountName === undefined
        ? {}
        : { serviceAccountName: template.serviceAccountName }),
      containers: [container(input)],
    },
  };
}

/** What every task Pod has in common, whoever asked for it: the restricted Pod Security level and no API token. */
export const RESTRICTED_POD = {
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  securityContext: {
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  },
} as const;

export const RESTRICTED_CONTAINER = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
} as const;

function jobLabels({ task, ...input }: JobTaskInput): { [key: string]: string } {
  return {
    [LABEL.framework]: 'mezzo-jobs',
    [LABEL.role]: roleLabel(task.group.role),
    [LABEL.job]: input.jobName,
    [LABEL.jobKind]: input.jobKind,
    [LABEL.jobUid]: task.group.jobUid,
    [LABEL.instance]: String(task.instance),
    [LABEL.generation]: String(task.generation),
    [LABEL.templateHash]: input.templateHash,
    [LABEL.tier]: task.group.tier,
  };
}

/** A role path as a label value, which may not end in a separator: `eng/web` → `eng.web`, `*` → `default`. */
export function roleLabel(role: string): string {
  return role === '*'
    ? 'default'
    : role
        .replaceAll('/', '.')
        .slice(0, 63)
        .replace(/[^A-Za-z0-9]+$/, '');
}

function revocableAnnotation(plain: Resources, revocable: Resources): { [key: string]: string } {
  return isEmpty(revocable)
    ? {}
    : { [ANNOTATION.resources]: JSON.stringify(formatResources(plain)) };
}

function container({ template, task, ...input }: JobTaskInput): Container {
  const probe = template.health === undefined ? undefined : probeOf(template.health);
  return {
    name: 'task',
    image: template.image,
    imagePullPolicy: template.imagePullPolicy ?? 'IfNotPresent',
    ...(template.command === undefined ? {} : { command: template.command }),
    ...(template.args === undefined ? {} : { args: template.args }),
    env: [
      ...(template.env ?? []),
      ...(input.extraEnv ?? []),
      { name: 'MEZZO_INSTANCE', value: String(task.instance) },
      { name: 'MEZZO_JOB', value: input.jobName },
    ],
    ...(template.ports === undefined ? {} : { ports: template.ports }),
    resources: containerResources(task.group.resources, task.group.revocable),
    ...(probe === undefined ? {} : { readinessProbe: probe, livenessProbe: probe }),
    securityContext: RESTRICTED_CONTAINER,
  };
}

/**
 * Requests equal limits. A revocable task asks for nothing but the extended resources its node publishes, and so is
 * BestEffort: the kernel gives it what others leave.
 */
export function containerResources(
  plain: Resources,
  revocable: Resources,
): NonNullable<Container['resources']> {
  const amounts = isEmpty(revocable) ? resourcesToKube(plain) : revocableRequests(revocable);
  return { requests: amounts, limits: amounts };
}

function revocableRequests(revocable: Resources): { [name: string]: string } {
  const requests: { [name: string]: string } = {};
  if (amountOf(revocable, 'cpus') > 0)
    requests[REVOCABLE_CPU] = String(amountOf(revocable, 'cpus'));
  if (amountOf(revocable, 'mem') > 0)
    requests[REVOCABLE_MEMORY] = String(amountOf(revocable, 'mem'));
  return requests;
}

function probeOf(health: NonNullable<z.infer<typeof TaskTemplate>['health']>): Probe | undefined {
  const timing = {
    initialDelaySeconds: health.initialDelaySeconds ?? 15,
    periodSeconds: health.intervalSeconds ?? 10,
    timeoutSeconds: health.timeoutSeconds ?? 1,
    failureThreshold: (health.maxConsecutiveFailures ?? 0) + 1,
  };
  if (health.http) return { httpGet: health.http, ...timing };
  if (health.tcp) return { tcpSocket: health.tcp, ...timing };
  if (health.command) return { exec: { command: health.command }, ...timing };
  return undefined;
}
