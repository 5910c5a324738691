import { expectEqual, expectThat } from '../mismatch.ts';
import { askAgain, type Context, type Rule } from '../rule.ts';
import { uniqueId } from '../session.ts';
import type { Json } from '../wire/protobuf.ts';

/** What a read endpoint answers; anything but 200 with JSON breaks the rule. */
export async function read(c: Context, path: string): Promise<Json> {
  const { status, body } = await c.post({ method: 'GET', path, headers: { Accept: undefined } });
  expectEqual(`${path} status`, status, 200);
  return JSON.parse(body.toString('utf8')) as Json;
}

export const listOf = (value: unknown): readonly Json[] =>
  Array.isArray(value) ? (value as Json[]) : [];

const idOf = (one: Json): unknown => one['id'];

/** The one object of a list with this id, once it is there. */
function findById(path: string, list: unknown, id: string): Json {
  const found = listOf(list).find((one) => idOf(one) === id);
  expectThat(`${id} in ${path}`, found !== undefined, listOf(list).map(idOf));
  return found;
}

const PLAIN_READS = [
  '/weights',
  '/quota',
  '/agents',
  '/metrics/snapshot',
  '/maintenance/schedule',
  '/maintenance/status',
] as const;

/** §1.1: what the endpoints that old clients read tell. */
export const READ_RULES: readonly Rule[] = [
  ...PLAIN_READS.map(
    (path): Rule => ({
      id: `1.1${path}`,
      title: `GET ${path} answers JSON, also under /master`,
      wires: ['json'],
      async run(c) {
        for (const one of [path, `/master${path}`]) {
          const value: unknown = await read(c, one);
          expectThat('an object or a list', typeof value === 'object' && value !== null, value);
        }
      },
    }),
  ),
  {
    id: '1.1/health',
    title: 'GET /health answers 200, also under /master',
    wires: ['json'],
    async run(c) {
      for (const path of ['/health', '/master/health'])
        await c.expectStatus(200, { method: 'GET', path, headers: { 'Content-Type': undefined } });
    },
  },
  {
    id: '1.1/unknown-path',
    title: 'a path that nobody serves is 404, whatever the method',
    wires: ['json'],
    async run(c) {
      await c.expectStatus(404, { method: 'GET', path: '/no/such/path' });
      await c.expectStatus(404, { path: '/api/v1/no-such-api', body: Buffer.from('{}') });
    },
  },
  {
    id: '1.1/metrics-of-the-leader',
    title: '/metrics/snapshot tells that this is the leader and how many frameworks are connected',
    wires: ['json'],
    async run(c) {
      await c.subscribe();
      const metrics = await read(c, '/metrics/snapshot');
      expectEqual('master/elected', metrics['master/elected'], 1);
      expectThat('an uptime', Number(metrics['master/uptime_secs']) > 0, metrics);
      const connected = Number(metrics['master/frameworks_connected']);
      expectThat('a connected framework', connected >= 1, connected);
    },
  },
  {
    id: '1.1/framework-is-told',
    title: 'a connected framework is in /state and /frameworks with its name, roles and times',
    wires: ['json'],
    async run(c) {
      const name = uniqueId('told');
      const { frameworkId } = await c.subscribe(c.info({ name, failover_timeout: 7 }));
      for (const path of ['/state', '/frameworks', '/master/state'])
        await askAgain(async () => {
          const one = findById(path, (await read(c, path))['frameworks'], frameworkId);
          expectEqual(`${path} name`, one['name'], name);
          expectEqual(`${path} active`, one['active'], true);
          expectEqual(`${path} failover_timeout`, one['failover_timeout'], 7);
          expectThat('registered_time', Number(one['registered_time']) > 1.6e9, one);
        });
    },
  },
  {
    id: '1.1/framework-is-completed',
    title: 'a framework that was torn down is among the completed ones of /state',
    wires: ['json'],
    alone: true,
    async run(c) {
      const session = await c.subscribe();
      const id = session.frameworkId;
      await session.ok('TEARDOWN');
      await askAgain(async () => {
        await session.settle(500);
        const state = await read(c, '/state');
        findById('/state completed_frameworks', state['completed_frameworks'], id);
        const live = listOf(state['frameworks']).map(idOf);
        expectThat('it to be nowhere else', !live.includes(id), live);
      });
    },
  },
  {
    id: '1.1/task-is-told',
    title: 'a running task is in /state, /tasks and its agent in /slaves, with what it was given',
    wires: ['json'],
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      const { id, offer } = await session.runOne('told');
      await askAgain(async () => {
        await session.settle(300);
        const state = await read(c, '/state');
        const framework = findById('/state', state['frameworks'], session.frameworkId);
        const inState = findById('/state tasks', framework['tasks'], id);
        const inTasks = findById('/tasks', (await read(c, '/tasks?limit=10000'))['tasks'], id);
        for (const task of [inState, inTasks]) {
          expectEqual('state', task['state'], 'TASK_RUNNING');
          expectEqual('framework_id', task['framework_id'], session.frameworkId);
          expectEqual('slave_id', task['slave_id'], offer.agent_id.value);
          expectEqual('cpus', (task['resources'] as Json)['cpus'], 0.1);
          expectEqual('mem', (task['resources'] as Json)['mem'], 32);
        }
        const agents = (await read(c, '/slaves'))['slaves'];
        const agent = findById('/slaves', agents, offer.agent_id.value);
        expectEqual('hostname', agent['hostname'], offer.hostname);
        const used = (agent['used_resources'] ?? {}) as Json;
        expectThat('cpus in use', Number(used['cpus']) >= 0.1, used);
      });
    },
  },
  {
    id: '1.1/task-counts',
    title: '/state-summary counts the running tasks of a framework',
    wires: ['json'],
    offers: true,
    async run(c) {
      const session = await c.subscribe();
      await session.runOne('counted');
      await askAgain(async () => {
        await session.settle(300);
        const summary = await read(c, '/state-summary');
        const one = findById('/state-summary', summary['frameworks'], session.frameworkId);
        expectEqual('TASK_RUNNING', one['TASK_RUNNING'], 1);
      });
    },
  },
  {
    id: '1.1/teardown',
    title: 'POST /teardown with a frameworkId ends the framework and its stream',
    wires: ['json'],
    async run(c) {
      const session = await c.subscribe();
      await c.expectStatus(200, {
        path: '/master/teardown',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(`frameworkId=${encodeURIComponent(session.frameworkId)}`),
      });
      session.isTornDown = true;
      const closed = await session.response.until(() => session.response.isOver, 10_000);
      expectThat('the stream to end', closed, session.events.at(-1));
    },
  },
];
