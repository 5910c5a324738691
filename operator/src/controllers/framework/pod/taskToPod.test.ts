import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { anyCodePoint } from '../../../../../test/support/anyCodePoint.ts';
import { taskInfo } from '../../../../../test/support/frameworkHarness.ts';
import {
  POD_CONTEXT as CONTEXT,
  dockerImage as docker,
  translatedPod as podOf,
  refusalOf,
} from '../../../../../test/support/taskPods.ts';
import { frameworkId, taskId } from '../../../model/ids.ts';
import { withoutNulls } from '../../../schema/mesos/lenient.ts';
import { TaskInfo } from '../../../schema/mesos/task.ts';
import { frameworkObjectName, taskPodName, updateUuid } from '../names.ts';
import { taskToPod } from './taskToPod.ts';

test('the whole Pod of a plain shell task', () => {
  expect(podOf()).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: expect.stringMatching(/^my-task-1-[a-z2-7]{12}$/),
      namespace: 'tenants',
      labels: {
        'mezzo.dev/framework': expect.stringMatching(/^fw-1-[a-z2-7]{12}$/),
        'mezzo.dev/role': 'eng.web',
        'mezzo.dev/tier': 'production',
      },
      annotations: {
        'mezzo.dev/framework-id': 'FW_1',
        'mezzo.dev/task-id': 'My.Task_1',
        'mezzo.dev/task-name': 'My.Task_1-name',
        'mezzo.dev/role-path': 'eng/web',
      },
      finalizers: ['mezzo.dev/task'],
      ownerReferences: [
        {
          apiVersion: 'mezzo.dev/v1alpha1',
          kind: 'Framework',
          name: 'fw-1',
          uid: 'uid-1',
          controller: true,
        },
      ],
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65534,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      terminationGracePeriodSeconds: 3,
      volumes: [{ name: 'sandbox', emptyDir: {} }],
      containers: [
        {
          name: 'task',
          image: 'busybox:1',
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh', '-c', 'echo hello'],
          workingDir: '/mnt/mesos/sandbox',
          env: [
            { name: 'MESOS_TASK_ID', value: 'My.Task_1' },
            { name: 'MESOS_FRAMEWORK_ID', value: 'FW_1' },
            { name: 'MESOS_EXECUTOR_ID', value: 'My.Task_1' },
            { name: 'MESOS_SLAVE_ID', value: 'node-1' },
            { name: 'MESOS_AGENT_ID', value: 'node-1' },
            { name: 'MESOS_ALLOCATION_ROLE', value: 'eng/web' },
            { name: 'MESOS_SANDBOX', value: '/mnt/mesos/sandbox' },
            { name: 'MESOS_DIRECTORY', value: '/mnt/mesos/sandbox' },
          ],
          resources: {
            requests: { cpu: '100m', memory: '32Mi' },
            limits: { cpu: '100m', memory: '32Mi' },
          },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [{ name: 'sandbox', mountPath: '/mnt/mesos/sandbox' }],
        },
      ],
    },
  });
});

describe('commands', () => {
  test.each([
    ['shell', { command: { value: 'a | b' } }, { command: ['/bin/sh', '-c', 'a | b'] }],
    [
      'no shell: argv replaces the program name',
      { command: { shell: false, value: '/bin/echo', arguments: ['echo', 'x'] } },
      { command: ['/bin/echo'], args: ['x'] },
    ],
    [
      'no shell, one argument that is no list',
      { command: { shell: false, value: '/bin/true', arguments: 'true' } },
      { command: ['/bin/true'] },
    ],
    [
      'no shell in a Docker image: all are arguments of its entrypoint',
      { command: { shell: false, value: 'serve', arguments: ['--port', '80'] }, ...docker('x') },
      { args: ['serve', '--port', '80'] },
    ],
    ['the image’s own entrypoint', { command: { shell: false }, ...docker('x') }, {}],
    [
      'what the kubelet would expand is kept literal',
      { command: { value: 'echo $(date) $$ $HOME' } },
      { command: ['/bin/sh', '-c', 'echo $$(date) $$$$ $$HOME'] },
    ],
    [
      'a lone dollar needs no care',
      { command: { value: 'echo $HOME' } },
      { command: ['/bin/sh', '-c', 'echo $HOME'] },
    ],
  ])('%s', (_name, more, expected) => {
    const { command, args } = podOf(more).spec.containers[0] ?? {};
    expect({ ...(command && { command }), ...(args && { args }) }).toEqual(expected);
  });

  test('a later variable of the same name wins, and none can pose as Mezzo’s', () => {
    const variables = [
      { name: 'A', value: '1' },
      { name: 'A', value: '$(B)' },
      { name: 'MESOS_TASK_ID', value: 'forged' },
    ];
    const env = podOf({ command: { value: 'x', environment: { variables } } }).spec.containers[0]
      ?.env;
    expect(env?.filter((one) => one.name === 'A')).toEqual([{ name: 'A', value: '$$(B)' }]);
    expect(env?.filter((one) => one.name === 'MESOS_TASK_ID')).toEqual([
      { name: 'MESOS_TASK_ID', value: 'My.Task_1' },
    ]);
  });
});

describe('what else is translated', () => {
  test('image of the task, of the Framework object, of the operator, in this order', () => {
    const context = { ...CONTEXT, podTemplate: { image: 'own:1' } };
    expect(podOf(docker('theirs:1'), context).spec.containers[0]?.image).toBe('theirs:1');
    expect(podOf({}, context).spec.containers[0]?.image).toBe('own:1');
    expect(podOf().spec.containers[0]?.image).toBe('busybox:1');
  });

  test('revocable tasks ask for extended resources alone and keep the rest in an annotation', () => {
    const pod = podOf({
      resources: [
        { name: 'cpus', type: 'SCALAR', scalar: { value: 0.5 }, revocable: {} },
        { name: 'mem', type: 'SCALAR', scalar: { value: 16 } },
      ],
    });
    expect(pod.spec.containers[0]?.resources).toEqual({
      requests: { 'mezzo.dev/revocable-cpu': '500' },
      limits: { 'mezzo.dev/revocable-cpu': '500' },
    });
    expect(pod.metadata.annotations?.['mezzo.dev/resources']).toBe('{"mem":"16Mi"}');
    expect(pod.metadata.labels?.['mezzo.dev/tier']).toBe('revocable');
  });

  test('kill policy, completion time, labels', () => {
    const pod = podOf({
      kill_policy: { grace_period: { nanoseconds: 1_500_000_000 } },
      max_completion_time: { nanoseconds: '60000000000' },
      labels: {
        labels: [
          { key: 'team', value: 'web' },
          { key: 'app.kubernetes.io/name', value: 'x' },
        ],
      },
    });
    expect(pod.spec.terminationGracePeriodSeconds).toBe(2);
    expect(pod.spec.activeDeadlineSeconds).toBe(60);
    expect(pod.metadata.labels).toMatchObject({ 'task.mezzo.dev/team': 'web' });
    expect(Object.keys(pod.metadata.labels ?? {})).toHaveLength(4);
  });
});

describe('refusals name the field', () => {
  test.each([
    ['no command', { command: null }, /command and executor/],
    ['an empty shell command', { command: { value: '' } }, /command\.value/],
    [
      'a program without a name or an image',
      { command: { shell: false, arguments: ['a'] } },
      /command\.value/,
    ],
    ['an executor', { command: null, executor: { executor_id: { value: 'e' } } }, /^executor/],
    [
      'the default executor in LAUNCH',
      { command: null, executor: { type: 'DEFAULT', executor_id: { value: 'e' } } },
      /^executor\.type/,
    ],
    ['both', { executor: { executor_id: { value: 'e' } } }, /command and executor/],
    ['an image with a space', docker('x y'), /image/],
    ['type DOCKER without docker', { container: { type: 'DOCKER' } }, /container\.docker/],
    [
      'an APPC image',
      { container: { type: 'MESOS', mesos: { image: { type: 'APPC' } } } },
      /mesos\.image/,
    ],
    ['no resources', { resources: [] }, /^resources/],
    ['a negative grace', { kill_policy: { grace_period: { nanoseconds: -1 } } }, /kill_policy/],
    ['a negative time', { max_completion_time: { nanoseconds: -1 } }, /max_completion_time/],
    ['rlimits', { container: { rlimit_info: {} } }, /rlimit_info/],
    ['no network', docker('x', { network: 'NONE' }), /docker\.network/],
    [
      'a named network',
      { container: { network_infos: [{ name: 'dcos' }] } },
      /network_infos\[0\]\.name/,
    ],
    ['a host name with a dot', { container: { hostname: 'a.b' } }, /container\.hostname/],
    [
      'own cgroups outside of a group',
      { container: { linux_info: { share_cgroups: false } } },
      /share_cgroups/,
    ],
  ])('%s', (_name, more, message) => {
    expect(refusalOf(more)).toMatch(message);
  });

  test('zero resources are no fault', () => {
    const zero = { resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 0 } }] };
    expect(refusalOf(zero)).toBe('accepted');
  });
});

/** Every path of a JSON value, list positions as `[]`. */
function pathsOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => pathsOf(one, `${prefix}[]`));
  if (value === null || typeof value !== 'object') return [prefix];
  return Object.entries(value).flatMap(([key, one]) => pathsOf(one, `${prefix}.${key}`));
}

test('no wish for privileges reaches the Pod, whatever fields a task carries', () => {
  const allowed = new Set(
    pathsOf(
      podOf({
        ...docker('x', { force_pull_image: true }),
        command: { shell: false, value: 'a', arguments: ['b', 'c'] },
        max_completion_time: { nanoseconds: 1 },
        labels: { labels: [{ key: 'team', value: 'x' }] },
      }).spec,
    ).concat(pathsOf(podOf({ container: { tty_info: {} } }).spec)),
  );
  const name = fc.constantFrom(
    'privileged',
    'hostNetwork',
    'host_path',
    'hostPath',
    'hostPID',
    'securityContext',
    'capabilities',
    'serviceAccountName',
    'service_account',
    'nodeName',
    'tolerations',
    'volumes',
    'volumeMounts',
    'podSpecPatch',
    'runAsUser',
    'user',
    'annotations',
    'finalizers',
    'ownerReferences',
    'namespace',
    'initContainers',
    'ephemeralContainers',
    'priorityClassName',
    'runtimeClassName',
    'hostIPC',
    'data',
    'discovery',
    'network_infos',
    'tty_info',
    '__proto__',
    'constructor',
  );
  const leaf = fc.oneof(fc.boolean(), fc.constantFrom('root', '/', 0, '*'), fc.constant({}));
  const extras = fc.dictionary(name, fc.oneof(leaf, fc.dictionary(name, leaf)));
  fc.assert(
    fc.property(extras, extras, extras, (task, command, container) => {
      const more = {
        ...task,
        command: { ...command, value: 'x' },
        container: { ...container, docker: { ...container, image: 'x' } },
      };
      const parsed = TaskInfo.safeParse(withoutNulls(taskInfo('t', more)));
      if (!parsed.success) return;
      const translated = taskToPod(parsed.data, CONTEXT);
      if (!translated.ok) return;
      const { pod } = translated.value;
      for (const path of pathsOf(pod.spec)) expect(allowed).toContain(path);
      expect(pod.metadata.namespace).toBe('tenants');
      expect(pod.spec.securityContext).toEqual(podOf().spec.securityContext);
      expect(pod.spec.containers).toHaveLength(1);
    }),
    { numRuns: 300 },
  );
});

describe('names', () => {
  const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
  test('every id gives a DNS label', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 255, unit: anyCodePoint }), (id) => {
        expect(taskPodName(frameworkId('f'), taskId(id))).toMatch(DNS_LABEL);
        expect(frameworkObjectName(frameworkId(id))).toMatch(DNS_LABEL);
      }),
    );
  });

  test.each([
    ['case', 'Task', 'task'],
    ['punctuation', 'a_b', 'a.b'],
    ['a long common start', `${'x'.repeat(200)}1`, `${'x'.repeat(200)}2`],
  ])('ids that differ in %s give different names', (_name, left, right) => {
    expect(taskPodName(frameworkId('f'), taskId(left))).not.toBe(
      taskPodName(frameworkId('f'), taskId(right)),
    );
    expect(frameworkObjectName(frameworkId(left))).not.toBe(
      frameworkObjectName(frameworkId(right)),
    );
  });

  test('frameworks may use the same task id', () => {
    expect(taskPodName(frameworkId('f'), taskId('t'))).not.toBe(
      taskPodName(frameworkId('g'), taskId('t')),
    );
  });

  test('an update has one uuid for ever', () => {
    expect(updateUuid('pod', 'running')).toBe(updateUuid('pod', 'running'));
    expect(updateUuid('pod', 'running')).not.toBe(updateUuid('pod', 'ended'));
    expect(updateUuid('pod', 'running')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});
