import { describe, expect, test } from '@jest/globals';
import { dockerImage, POD_CONTEXT, parsedTask } from '../../../../../test/support/taskPods.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { ExecutorInfo, type TaskInfo } from '../../../schema/mesos/task.ts';
import { taskGroupToPod } from './groupToPod.ts';
import { podTasks } from './podMetadata.ts';

const EXECUTOR = ExecutorInfo.parse({ type: 'DEFAULT', executor_id: { value: 'Group.1' } });
const groupOf = (...infos: readonly TaskInfo[]) => taskGroupToPod(infos, EXECUTOR, POD_CONTEXT);

function podOf(...infos: readonly TaskInfo[]): Pod {
  const translated = groupOf(...infos);
  if (!translated.ok) throw new Error(translated.refusal);
  return translated.value.pod;
}
const refusalOf = (more: object): string => {
  const translated = groupOf(parsedTask('a'), parsedTask('b', more));
  return translated.ok ? 'accepted' : translated.refusal;
};

describe('a group', () => {
  const shared = {
    mode: 'RW',
    container_path: '/shared',
    source: { type: 'SANDBOX_PATH', sandbox_path: { type: 'PARENT', path: 'x' } },
  };
  const grace = (seconds: number): object => ({
    kill_policy: { grace_period: { nanoseconds: seconds * 1e9 } },
  });
  const uris = [{ value: 'http://files.test/a' }];

  test('is one Pod with a container, a sandbox and a fetcher for each task', () => {
    const pod = podOf(
      parsedTask('Web_1', { ...grace(7), container: { type: 'MESOS', volumes: [shared] } }),
      parsedTask('log.2', { ...grace(2), command: { value: 'tail', uris } }),
    );
    expect(pod.spec.containers.map((one) => one.name)).toEqual(['task-0', 'task-1']);
    expect(pod.spec.volumes).toEqual([
      { name: 'sandbox-0', emptyDir: {} },
      { name: 'sandbox-1', emptyDir: {} },
      { name: 'shared', emptyDir: {} },
    ]);
    expect(pod.spec.containers[0]?.volumeMounts).toEqual([
      { name: 'sandbox-0', mountPath: '/mnt/mesos/sandbox' },
      { name: 'shared', subPath: 'x', mountPath: '/shared' },
    ]);
    expect(pod.spec.initContainers).toMatchObject([
      { name: 'fetch-1', volumeMounts: [{ name: 'sandbox-1' }] },
    ]);
    expect(pod.spec.terminationGracePeriodSeconds).toBe(7);
    expect(pod.spec.containers[1]?.env).toContainEqual({
      name: 'MESOS_EXECUTOR_ID',
      value: 'Group.1',
    });
  });

  test('its tasks are read back from the Pod exactly, in order', () => {
    const pod = podOf(parsedTask('Web_1'), parsedTask('log.2'));
    expect(podTasks(pod)).toEqual([
      { task: 'Web_1', name: 'Web_1-name', container: 'task-0' },
      { task: 'log.2', name: 'log.2-name', container: 'task-1' },
    ]);
  });

  test('of one task is a group still', () => {
    expect(podTasks(podOf(parsedTask('only')))).toEqual([
      { task: 'only', name: 'only-name', container: 'task-0' },
    ]);
  });

  test('takes the sum of what its tasks take', () => {
    const translated = groupOf(parsedTask('a'), parsedTask('b'));
    expect(translated).toMatchObject({
      ok: true,
      value: { task: 'a', resources: { cpus: 200, mem: 2 * 32 * 2 ** 20 } },
    });
  });
});

describe('a group is refused whole, the task named,', () => {
  const revocable = [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, revocable: {} }];
  test.each([
    ['for a Docker container', dockerImage('x'), /^task 'b': container: Docker/],
    ['for a missing command', { command: null }, /^task 'b': command/],
    [
      'for a completion time of one task',
      { max_completion_time: { nanoseconds: 1 } },
      /max_completion_time/,
    ],
    ['for limits in shared cgroups', { limits: { mem: { value: 64 } } }, /^task 'b': limits/],
    ['for a mix with revocable tasks', { resources: revocable }, /^task_group: revocable/],
    ['for a negative grace', { kill_policy: { grace_period: { nanoseconds: -1 } } }, /kill_policy/],
  ])('%s', (_name, more, message) => {
    expect(refusalOf(more)).toMatch(message);
  });

  test('for limits only with own cgroups', () => {
    const container = { linux_info: { share_cgroups: false } };
    expect(refusalOf({ limits: { mem: { value: 64 } }, container })).toBe('accepted');
  });

  test('when it is empty', () => {
    expect(groupOf()).toEqual({ ok: false, refusal: 'task_group.tasks: must not be empty' });
  });
});
