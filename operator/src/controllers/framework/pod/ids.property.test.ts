import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { POD_CONTEXT, parsedTask } from '../../../../../test/support/taskPods.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { ExecutorInfo } from '../../../schema/mesos/task.ts';
import { taskGroupToPod } from './groupToPod.ts';
import { podTasks } from './podMetadata.ts';
import { taskToPod } from './taskToPod.ts';

/** Ids as Mesos takes them, near ones on purpose: case, punctuation, length. */
const id = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'A', 'b', '_', '-', '.', ' ', '1', 'é', '"'),
    minLength: 1,
    maxLength: 6,
  }),
  fc.string({ unit: fc.constantFrom('a', 'A', '_'), minLength: 250, maxLength: 255 }),
);
const isTaken = (text: string): boolean => text !== '.' && text !== '..';

const podOf = (task: string): Pod => {
  const translated = taskToPod(parsedTask(task), POD_CONTEXT);
  if (!translated.ok) throw new Error(translated.refusal);
  return translated.value.pod;
};

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

test('every id comes back from its Pod unchanged, and the Pod is one Kubernetes takes', () => {
  fc.assert(
    fc.property(id.filter(isTaken), (task) => {
      const pod = podOf(task);
      expect(podTasks(pod).map((one) => one.task)).toEqual([task]);
      expect(pod.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
      for (const value of Object.values(pod.metadata.labels ?? {}))
        expect(value).toMatch(LABEL_VALUE);
    }),
    { numRuns: 500 },
  );
});

test('the ids of a group come back in order', () => {
  const executor = ExecutorInfo.parse({ executor_id: { value: 'E' } });
  const ids = fc.uniqueArray(id.filter(isTaken), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(ids, (tasks) => {
      const translated = taskGroupToPod(
        tasks.map((one) => parsedTask(one)),
        executor,
        POD_CONTEXT,
      );
      if (!translated.ok) throw new Error(translated.refusal);
      expect(podTasks(translated.value.pod).map((one) => one.task)).toEqual(tasks);
    }),
    { numRuns: 200 },
  );
});

test('no two of a thousand near ids share a name', () => {
  const names = new Map<string, string>();
  for (const task of fc.sample(id.filter(isTaken), { numRuns: 1_000, seed: 1 })) {
    const { name } = podOf(task).metadata;
    expect(names.get(name) ?? task).toBe(task);
    names.set(name, task);
  }
});

test.each(['', '.', '..', 'a/b', 'a\\b', 'a\nb', 'x'.repeat(256)])(
  'the id %j is refused',
  (task) => {
    const translated = taskToPod(parsedTask(task), POD_CONTEXT);
    expect(translated).toMatchObject({ ok: false, refusal: expect.stringMatching(/^task_id: /) });
  },
);

test('an annotation somebody edited makes the Pod nobody’s', () => {
  const annotated = (text: string): Pod => ({
    ...podOf('a'),
    metadata: { name: 'x', annotations: { 'mezzo.dev/task-group': text } },
  });
  for (const text of ['', '{', '1', '[1]', '[{"id":1,"name":"a"}]', '[{"id":"a"}]'])
    expect(podTasks(annotated(text))).toEqual([]);
});
