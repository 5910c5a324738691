import { expect, test } from '@jest/globals';
import type { ClusterView, ViewedTask } from '../../controllers/clusterView/types.ts';
import { getExecutors } from './v1.ts';

const task = (id: string, more: Partial<ViewedTask>): Partial<ViewedTask> => ({
  id,
  framework: 'fw-1',
  agent: 'node-1',
  container: 'task',
  state: 'TASK_RUNNING',
  executor: undefined,
  ...more,
});

test('executors are told once each, while one of their tasks lives', () => {
  const tasks = [
    task('a', { executor: 'Own_1' }),
    task('b', { executor: 'Own_1' }),
    task('c', { executor: 'Group', container: 'task-0' }),
    task('d', { executor: 'Over', state: 'TASK_FINISHED' }),
    task('e', {}),
  ];
  const executor = (id: string, type: string): object => ({
    agent_id: { value: 'node-1' },
    executor_info: { executor_id: { value: id }, framework_id: { value: 'fw-1' }, type },
  });
  expect(getExecutors({ tasks } as unknown as ClusterView)).toEqual({
    executors: [executor('Own_1', 'CUSTOM'), executor('Group', 'DEFAULT')],
  });
  expect(getExecutors({ tasks: [] } as unknown as ClusterView)).toEqual({});
});
