import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AgentView, AgentViewReply } from '../../../operator/src/schema/http/agentView.ts';
import { createSystemClock } from '../../../operator/src/store/system/systemClock.ts';
import { createNodeTaskFiles } from '../adapters/nodeTaskFiles.ts';
import { RecordingLogger } from '../fixtures/recordingLogger.ts';
import { TaskSandbox } from '../mesos/taskSandbox.ts';
import type { UsageSample } from '../usage/usageSample.ts';
import { startMesosServer } from './mesosServer.ts';

const TASK = {
  podUid: 'uid-1',
  podName: 'pod-1',
  namespace: 'apps',
  container: 'task',
  id: 'Task.A',
  name: 'a task',
  framework: 'fw-1',
  role: 'web',
  state: 'TASK_RUNNING',
  completed: false,
  resources: { cpus: 0.5, mem: 64 },
  mayReadLogs: true,
  mayReadFiles: true,
};
const VIEW: AgentView = {
  kind: 'principal',
  principal: 'alice',
  version: '1.11.0',
  masterHostname: 'master.test',
  mayDebug: false,
  agent: {
    hostname: 'node-1.test',
    resources: { cpus: 4, mem: 1024 },
    used_resources: { cpus: 1, mem: 64 },
  },
  frameworks: [
    {
      id: 'fw-1',
      name: 'marathon',
      user: 'root',
      principal: 'alice',
      roles: ['web'],
      multiRole: false,
      failoverTimeoutSeconds: 60,
    },
  ],
  tasks: [
    TASK,
    {
      ...TASK,
      podUid: 'uid-2',
      podName: 'pod-2',
      id: 'done',
      completed: true,
      state: 'TASK_FINISHED',
    },
  ],
};
const DIRECTORY = '/var/lib/mesos/slaves/node-1/frameworks/fw-1/executors/Task.A/runs/uid-1';

let home: string;
let replies: (authorization: string | undefined) => AgentViewReply;
let sample: UsageSample | undefined;
let server: Awaited<ReturnType<typeof startMesosServer>>;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'mezzo-agent-'));
  replies = () => VIEW;
  sample = undefined;
  const sandbox = join(home, 'pods/uid-1/volumes/kubernetes.io~empty-dir/sandbox');
  const logs = join(home, 'logs/apps_pod-1_uid-1');
  mkdirSync(join(sandbox, 'data'), { recursive: true });
  mkdirSync(join(logs, 'task'), { recursive: true });
  mkdirSync(join(logs, 'fetch'), { recursive: true });
  writeFileSync(join(sandbox, 'result.txt'), 'fünf');
  writeFileSync(join(sandbox, 'data', 'x'), 'y');
  writeFileSync(join(logs, 'task', '0.log'), 'T stdout F first\nT stderr F bad\n');
  writeFileSync(join(logs, 'task', '1.log'), 'T stdout F second\n');
  writeFileSync(join(logs, 'fetch', '0.log'), 'T stdout F fetched\n');
  server = await startMesosServer({
    node: 'node-1',
    host: '127.0.0.1',
    port: 0,
    clock: createSystemClock(),
    log: new RecordingLogger(),
    views: { viewFor: (authorization) => Promise.resolve(replies(authorization)) },
    sandbox: new TaskSandbox(createNodeTaskFiles(), {
      podsDir: join(home, 'pods'),
      logsDir: join(home, 'logs'),
    }),
    newestSample: () => sample,
  });
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true, force: true });
});

const get = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port}${path}`, init);
const files = (what: string, path: string, more = ''): Promise<Response> =>
  get(`/files/${what}?path=${encodeURIComponent(path)}${more}`);

describe('who may ask', () => {
  test.each([
    [{ kind: 'rejected', message: 'send a token' } as const, 401],
    [{ kind: 'unavailable', message: 'away' } as const, 503],
  ])('%j', async (reply, status) => {
    replies = () => reply;
    const response = await get('/state');
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(reply.message);
    expect((await get('/slave(1)/health')).status).toBe(200);
  });

  test('the header of the caller is passed on as it came', async () => {
    let seen: string | undefined;
    replies = (authorization) => {
      seen = authorization;
      return VIEW;
    };
    await get('/state', { headers: { authorization: 'Basic eDp5' } });
    expect(seen).toBe('Basic eDp5');
  });

  test('unknown paths and other methods', async () => {
    expect((await get('/nope')).status).toBe(404);
    expect((await get('/toString')).status).toBe(404);
    expect((await get('/state', { method: 'POST' })).status).toBe(405);
  });
});

describe('what a Mesos agent tells', () => {
  test.each(['/state', '/slave(1)/state'])('%s', async (path) => {
    expect(await (await get(path)).json()).toMatchObject({
      id: 'node-1',
      hostname: 'node-1.test',
      version: '1.11.0',
      master_hostname: 'master.test',
      resources: { cpus: 4 },
      frameworks: [
        {
          id: 'fw-1',
          name: 'marathon',
          role: 'web',
          executors: [
            {
              id: 'Task.A',
              source: 'Task.A',
              container: 'uid-1',
              directory: DIRECTORY,
              tasks: [{ id: 'Task.A', slave_id: 'node-1', state: 'TASK_RUNNING' }],
            },
          ],
          completed_executors: [{ id: 'done', tasks: [], completed_tasks: [{ id: 'done' }] }],
        },
      ],
      completed_frameworks: [],
    });
  });

  test('/monitor/statistics has what was measured, and nothing that was not', async () => {
    expect(await (await get('/monitor/statistics')).json()).toEqual([]);
    const pod = { uid: 'uid-1', memoryBytes: 4096 };
    sample = {
      atMs: 5_000,
      monotonicMs: 0,
      node: {},
      pods: { kind: 'read', pods: [pod], leftOut: 0 },
    } as never;
    expect(await (await get('/slave(1)/monitor/statistics')).json()).toEqual([
      {
        framework_id: 'fw-1',
        executor_id: 'Task.A',
        executor_name: 'Command Executor (Task: Task.A)',
        source: 'Task.A',
        container_id: 'uid-1',
        statistics: {
          timestamp: 5,
          cpus_limit: 0.5,
          mem_limit_bytes: 67_108_864,
          mem_rss_bytes: 4096,
        },
      },
    ]);
  });

  test('/metrics/snapshot', async () => {
    expect(await (await get('/metrics/snapshot')).json()).toMatchObject({
      'slave/cpus_total': 4,
      'slave/cpus_used': 1,
      'slave/cpus_percent': 0.25,
      'slave/tasks_running': 1,
      'slave/uptime_secs': expect.any(Number),
    });
  });
});

describe('files', () => {
  test('browse shows the sandbox with stdout and stderr', async () => {
    const entries = (await (await files('browse', DIRECTORY)).json()) as {
      path: string;
      size: number;
      mode: string;
    }[];
    expect(entries.map((one) => [one.path.slice(DIRECTORY.length), one.size, one.mode[0]])).toEqual(
      [
        ['/stdout', 13, '-'],
        ['/stderr', 4, '-'],
        ['/fetch', expect.any(Number), 'd'],
        ['/data', expect.any(Number), 'd'],
        ['/result.txt', 5, '-'],
      ],
    );
    expect(entries[0]).toMatchObject({
      nlink: 1,
      mtime: expect.any(Number),
      uid: expect.any(String),
    });
  });

  test.each([
    ['/stdout', '', { offset: 13, data: '' }],
    ['/stdout', '&offset=0', { offset: 0, data: 'first\nsecond\n' }],
    ['/stdout', '&offset=6&length=3', { offset: 6, data: 'sec' }],
    ['/stdout', '&offset=99', { offset: 99, data: '' }],
    ['/stderr', '&offset=0&length=-1', { offset: 0, data: 'bad\n' }],
    ['/fetch/stdout', '&offset=0', { offset: 0, data: 'fetched\n' }],
    ['/result.txt', '&offset=0', { offset: 0, data: 'fünf' }],
    // The second half of the character comes with the next piece.
    ['/result.txt', '&offset=0&length=2', { offset: 0, data: 'f' }],
    ['/data/x', '&offset=0', { offset: 0, data: 'y' }],
  ])('read %s%s', async (path, more, expected) => {
    expect(await (await files('read', DIRECTORY + path, more)).json()).toEqual(expected);
  });

  test('download gives the whole file', async () => {
    const response = await files('download', `${DIRECTORY}/result.txt`);
    expect(await response.text()).toBe('fünf');
    expect(response.headers.get('content-disposition')).toContain("filename*=UTF-8''result.txt");
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
  });

  test.each([
    ['browse', '', 400],
    ['browse', '/etc', 404],
    ['browse', `${DIRECTORY}/nope`, 404],
    ['read', DIRECTORY, 400],
    ['read', `${DIRECTORY}/data`, 400],
    ['read', `${DIRECTORY}/../uid-2/x`, 404],
    ['download', `${DIRECTORY}/fetch`, 400],
    ['download', '/etc/passwd', 404],
  ])('%s of %j: %d', async (what, path, status) => {
    expect((await files(what, path)).status).toBe(status);
  });

  test.each(['&offset=x', '&offset=-2', '&offset=0&length=1.5'])(
    'read with %s: 400',
    async (more) => {
      expect((await files('read', `${DIRECTORY}/stdout`, more)).status).toBe(400);
    },
  );

  test('logs and files each need their own right', async () => {
    replies = () => ({ ...VIEW, tasks: [{ ...TASK, mayReadFiles: false }] });
    const names = async (): Promise<string[]> =>
      ((await (await files('browse', DIRECTORY)).json()) as { path: string }[]).map((one) =>
        one.path.slice(DIRECTORY.length),
      );
    expect(await names()).toEqual(['/stdout', '/stderr', '/fetch']);
    expect((await files('read', `${DIRECTORY}/result.txt`, '&offset=0')).status).toBe(404);
    replies = () => ({ ...VIEW, tasks: [{ ...TASK, mayReadLogs: false }] });
    expect(await names()).toEqual(['/data', '/result.txt']);
    expect((await files('read', `${DIRECTORY}/stdout`, '&offset=0')).status).toBe(404);
    replies = () => ({ ...VIEW, tasks: [] });
    expect((await files('browse', DIRECTORY)).status).toBe(404);
  });

  test('a task of a group has the logs and files of its own container', async () => {
    const logs = join(home, 'logs/apps_pod-1_uid-1/task-1');
    const sandbox = join(home, 'pods/uid-1/volumes/kubernetes.io~empty-dir/sandbox-1');
    mkdirSync(logs);
    mkdirSync(sandbox);
    writeFileSync(join(logs, '0.log'), 'T stdout F of the second\n');
    writeFileSync(join(sandbox, 'mine'), 'yes');
    replies = () => ({ ...VIEW, tasks: [{ ...TASK, container: 'task-1' }] });
    const read = async (path: string): Promise<unknown> =>
      (await files('read', DIRECTORY + path, '&offset=0')).json();
    expect(await read('/stdout')).toEqual({ offset: 0, data: 'of the second\n' });
    expect(await read('/mine')).toEqual({ offset: 0, data: 'yes' });
    expect((await files('read', `${DIRECTORY}/result.txt`, '&offset=0')).status).toBe(404);
  });

  test('debug tells the paths of the node only to those who may see them', async () => {
    expect((await get('/files/debug')).status).toBe(403);
    replies = () => ({ ...VIEW, mayDebug: true });
    const paths = (await (await get('/files/debug')).json()) as { [path: string]: string };
    expect(paths[DIRECTORY]).toBe(`${home}/pods/uid-1/volumes/kubernetes.io~empty-dir/sandbox`);
  });
});
