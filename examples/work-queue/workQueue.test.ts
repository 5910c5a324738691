import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { TaskStatus } from '../../client/index.ts';
import { type Item, WorkQueue } from './workQueue.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mezzo-queue-'));
  await writeFile(join(folder, 'a.json'), '{"command":"true"}');
});
afterEach(() => rm(folder, { recursive: true }));

const status = (id: string, state: TaskStatus['state']): TaskStatus => ({
  task_id: { value: id },
  state,
});

test('an item runs, fails, is tried again, and ends; a new process knows all of it', async () => {
  const queue = await WorkQueue.open(folder);
  expect(await queue.begin(queue.waiting[0] as Item, 'node-1')).toBe('a.1');
  const reopened = await WorkQueue.open(folder);
  expect(reopened.running).toEqual([{ task_id: { value: 'a.1' }, agent_id: { value: 'node-1' } }]);
  expect(await reopened.settle(status('a.1', 'TASK_RUNNING'))).toBeUndefined();
  expect(await reopened.settle(status('a.1', 'TASK_LOST'))).toMatchObject({ state: 'waiting' });
  expect(await reopened.begin(reopened.waiting[0] as Item, 'node-2')).toBe('a.2');
  // The update of the try before comes late, and twice.
  expect(await reopened.settle(status('a.1', 'TASK_FINISHED'))).toBeUndefined();
  expect(await reopened.settle(status('a.2', 'TASK_FINISHED'))).toMatchObject({ state: 'done' });
  expect((await WorkQueue.open(folder)).isEmpty).toBe(true);
});

test('after three tries an item is given up', async () => {
  const queue = await WorkQueue.open(folder);
  for (const turn of [1, 2, 3]) {
    await queue.begin(queue.waiting[0] as Item, 'node-1');
    await queue.settle(status(`a.${turn}`, 'TASK_FAILED'));
  }
  expect([queue.count('failed'), queue.isEmpty]).toEqual([1, true]);
});

test('items that are added later are found', async () => {
  const queue = await WorkQueue.open(folder);
  await writeFile(join(folder, 'b.json'), '{"command":"false"}');
  await queue.refresh();
  expect(queue.waiting.map((item) => item.id)).toEqual(['a', 'b']);
});
