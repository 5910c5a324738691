import { describe, expect, test } from '@jest/globals';
import { rolePath } from '../../model/ids.ts';
import type { TaskGroup } from '../../model/job.ts';
import { ANNOTATION, TASK_FINALIZER } from '../../model/labels.ts';
import { buildTaskPod, type JobTaskInput, roleLabel } from './buildTaskPod.ts';
import { REVOCABLE_CPU, taskViewOf } from './taskView.ts';

const build = (
  template: Partial<JobTaskInput['template']> = {},
  more: Partial<JobTaskInput> = {},
  group: Partial<TaskGroup> = {},
) =>
  buildTaskPod({
    task: {
      group: {
        jobKey: 'ServiceJob/apps/shop',
        jobUid: 'uid-shop',
        role: rolePath('eng/web'),
        tier: 'production',
        priority: 5,
        resources: { cpus: 500, mem: 2 ** 30 },
        revocable: {},
        constraints: [],
        ...group,
      },
      instance: 2,
      generation: 1,
      podName: 'shop-abcde-2-1',
      sinceMs: 0,
    },
    namespace: 'apps',
    jobName: 'shop',
    jobKind: 'ServiceJob',
    owner: { apiVersion: 'mezzo.dev/v1alpha1', kind: 'ServiceJob', name: 'shop', uid: 'uid-shop' },
    template: { image: 'app:1', resources: {}, ...template },
    templateHash: 'hash-1',
    flaps: 2,
    failures: 1,
    ...more,
  });

describe('every Pod of a job', () => {
  const pod = build();
  const [task] = pod.spec.containers;

  test('meets the restricted Pod Security level and carries no API token', () => {
    expect(pod.spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65534,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    });
    expect(pod.spec.containers).toHaveLength(1);
    expect(task?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
    for (const field of [
      'volumes',
      'initContainers',
      'hostNetwork',
      'hostPID',
      'hostIPC',
      'nodeName',
    ])
      expect(pod.spec).not.toHaveProperty(field);
  });
  test('is held by the finalizer and owned by its job', () => {
    expect(pod.metadata).toMatchObject({
      name: 'shop-abcde-2-1',
      namespace: 'apps',
      finalizers: [TASK_FINALIZER],
      ownerReferences: [{ kind: 'ServiceJob', uid: 'uid-shop' }],
    });
  });
  test('is read back as the task it was made for', () => {
    expect(taskViewOf({ ...pod, spec: { ...pod.spec, nodeName: 'node-1' } })).toMatchObject({
      role: 'eng/web',
      tier: 'production',
      priority: 5,
      instance: 2,
      generation: 1,
      templateHash: 'hash-1',
      flaps: 2,
      failures: 1,
      resources: { cpus: 500, mem: 2 ** 30 },
    });
  });
  test('asks for what it may use and no less', () => {
    const amounts = { cpu: '500m', memory: '1Gi' };
    expect(task?.resources).toEqual({ requests: amounts, limits: amounts });
  });
  test('knows its job and instance; parameters come after the template, which may not pose as them', () => {
    const env = build(
      { env: [{ name: 'A', value: 'template' }] },
      { extraEnv: [{ name: 'P', value: 'parameter' }] },
    ).spec.containers[0]?.env;
    expect(env).toEqual([
      { name: 'A', value: 'template' },
      { name: 'P', value: 'parameter' },
      { name: 'MEZZO_INSTANCE', value: '2' },
      { name: 'MEZZO_JOB', value: 'shop' },
    ]);
  });
});

describe('the template', () => {
  test('cannot overwrite the labels that say whose the Pod is', () => {
    const { labels } = build({ labels: { 'mezzo.dev/job-uid': 'forged', app: 'shop' } }).metadata;
    expect(labels).toMatchObject({ 'mezzo.dev/job-uid': 'uid-shop', app: 'shop' });
  });
  test('sets user, grace, service account, words and ports', () => {
    const pod = build({
      runAsUser: 1000,
      killGraceSeconds: 5,
      serviceAccountName: 'shop',
      command: ['run'],
      args: ['-x'],
      ports: [{ name: 'http', containerPort: 80 }],
      imagePullPolicy: 'Always',
    });
    expect(pod.spec).toMatchObject({
      securityContext: { runAsUser: 1000, runAsNonRoot: true },
      terminationGracePeriodSeconds: 5,
      serviceAccountName: 'shop',
      automountServiceAccountToken: false,
      containers: [
        {
          command: ['run'],
          args: ['-x'],
          ports: [{ name: 'http', containerPort: 80 }],
          imagePullPolicy: 'Always',
        },
      ],
    });
  });
  test.each([
    [
      'http',
      { http: { path: '/healthz', port: 'http' } },
      { httpGet: { path: '/healthz', port: 'http' } },
    ],
    ['tcp', { tcp: { port: 'http' } }, { tcpSocket: { port: 'http' } }],
    ['command', { command: ['true'] }, { exec: { command: ['true'] } }],
  ])('a health check by %s decides readiness and life alike', (_how, health, probe) => {
    const [task] = build({ health: { ...health, maxConsecutiveFailures: 2, intervalSeconds: 4 } })
      .spec.containers;
    const expected = {
      ...probe,
      failureThreshold: 3,
      periodSeconds: 4,
      initialDelaySeconds: 15,
      timeoutSeconds: 1,
    };
    expect(task?.readinessProbe).toEqual(expected);
    expect(task?.livenessProbe).toEqual(expected);
  });
});

test('a revocable task is BestEffort: it asks for lent CPU only and notes the memory it owns', () => {
  const group = {
    tier: 'revocable' as const,
    resources: { mem: 2 ** 29 },
    revocable: { cpus: 250 },
  };
  const pod = build({}, {}, group);
  expect(pod.spec.containers[0]?.resources).toEqual({
    requests: { [REVOCABLE_CPU]: '250' },
    limits: { [REVOCABLE_CPU]: '250' },
  });
  expect(pod.metadata.annotations?.[ANNOTATION.resources]).toBe('{"mem":"512Mi"}');
});

test.each([
  ['*', 'default'],
  ['eng/web', 'eng.web'],
  [`${'a'.repeat(62)}/web`, 'a'.repeat(62)],
])('role %s as a label value', (role, label) => {
  expect(roleLabel(role)).toBe(label);
});
