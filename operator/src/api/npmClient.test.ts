import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiHarness, until } from '../../../test/support/apiHarness.ts';
import { clientVersion, MesosFrameworkClient } from '../../../test/support/mesosFrameworkClient.ts';

let api: ApiHarness;
let client: MesosFrameworkClient | undefined;
beforeEach(async () => {
  api = await ApiHarness.start({ anonymous: 'local' });
  api.world.scheduling.auto = { resources: { cpus: 4000, mem: 2 ** 31 } };
});
afterEach(async () => {
  await client?.stop();
  await api.stop();
});

test('npm mesos-framework, as published, runs a task to TASK_FINISHED and tears down', async () => {
  expect(clientVersion()).toBe('0.5.3');
  const npm = new MesosFrameworkClient(api.url, 'echo "it works: $((6*7)) é"');
  client = npm;
  await until('a Pod', () => api.world.pods().length === 1, 15_000);
  const task = api.world.pods()[0]?.metadata.annotations?.['mezzo.dev/task-id'] ?? '';
  expect(task).toMatch(/^npm-mesos-framework\.hello-1\./);
  expect(api.world.podOf(task).spec.containers[0]).toMatchObject({
    image: 'busybox:1',
    command: ['/bin/sh', '-c', 'echo "it works: $$((6*7)) é"'],
    resources: { limits: { cpu: '100m', memory: '32Mi' } },
  });
  await until('TASK_STARTING', () => npm.states().includes('TASK_STARTING'));
  api.world.run(task);
  await until('TASK_RUNNING', () => npm.states().includes('TASK_RUNNING'));
  api.world.exit(task, 0);
  expect(await npm.exited).toBe(0);
  expect(npm.states()).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
  // TEARDOWN closes the stream, and the client says so.
  const errors = npm.events.filter((one) => one.event === 'error').map((one) => one.message);
  expect(errors.filter((one) => one !== 'Long-running connection was closed!')).toEqual([]);
  expect(npm.events.at(-1)?.event).toBe('torn down');
  await until('Pod released', () => api.world.pods().length === 0);
  await until('completed', () => api.world.frameworkObjects()[0]?.status?.completed === true);
}, 60_000);

test('the npm client outlives silence longer than its time-out, thanks to heartbeats', async () => {
  await api.stop();
  api = await ApiHarness.start({ anonymous: 'local', hub: { heartbeatMs: 400 } });
  const npm = new MesosFrameworkClient(api.url, 'true', 1, 1);
  client = npm;
  const count = (event: string): number => npm.events.filter((one) => one.event === event).length;
  await until('heartbeats for more than two seconds', () => count('heartbeat') >= 6, 20_000);
  expect([count('subscribed'), count('error')]).toEqual([1, 0]);
}, 60_000);
