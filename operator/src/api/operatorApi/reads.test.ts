import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ApiHarness } from '../../../../test/support/apiHarness.ts';
import { AN_AGENT } from '../../../../test/support/clusterOf.ts';
import type {
  ClusterView,
  ViewedFramework,
  ViewedTask,
} from '../../controllers/clusterView/types.ts';
import type { AccessVerdict } from '../../controllers/framework/types.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';

const GIB = 2 ** 30;

const task = (id: string, more: Partial<ViewedTask> = {}): ViewedTask => ({
  podUid: `uid-${id}`,
  podName: id,
  namespace: 'apps',
  container: 'task',
  labels: [{ key: 'team', value: 'a' }],
  discovery: undefined,
  id,
  name: `name of ${id}`,
  framework: 'fw-1',
  executor: undefined,
  agent: 'node-1',
  role: 'eng/web',
  reserved: {},
  volumes: [],
  resources: { cpus: 500, mem: GIB },
  revocable: {},
  state: 'TASK_RUNNING',
  message: 'running',
  statuses: [{ state: 'TASK_RUNNING', atMs: 5_000 }],
  image: 'app:1',
  podIp: '10.1.2.3',
  used: undefined,
  ...more,
});

const framework = (id: string, more: Partial<ViewedFramework> = {}): ViewedFramework => ({
  id,
  name: `name of ${id}`,
  user: 'root',
  hostname: 'sched.test',
  webuiUrl: 'http://sched.test/',
  namespace: 'apps',
  objectName: id,
  principal: 'alice',
  roles: ['eng/web'],
  capabilities: ['MULTI_ROLE'],
  failoverTimeoutMs: 90_000,
  connected: true,
  completed: false,
  registeredMs: 1_500,
  reregisteredMs: undefined,
  unregisteredMs: undefined,
  allocated: { resources: { cpus: 500, mem: GIB }, revocable: {} },
  offered: { resources: { cpus: 250 }, revocable: { cpus: 100 } },
  offers: [
    {
      id: '1-7',
      agent: 'node-1',
      role: 'eng/web',
      resources: { cpus: 250 },
      revocable: { cpus: 100 },
      reserved: {},
    },
  ],
  counts: { sent: 4, accepted: 2, declined: 1, rescinded: 0 },
  ...more,
});

const VIEW: ClusterView = {
  agents: [
    {
      ...AN_AGENT,
      total: { resources: { cpus: 4000, mem: 2 * GIB }, revocable: { cpus: 700 } },
      reservations: [
        {
          role: 'eng/web',
          resources: { cpus: 1000 },
          name: 'r',
          principal: 'ops',
          labels: { a: 'b' },
          wanted: { cpus: 1000 },
          volume: undefined,
          hereOnly: true,
        },
      ],
    },
    { ...AN_AGENT, id: 'node-2', hostname: 'node-2', active: false, unreachable: true },
  ],
  frameworks: [
    framework('fw-1'),
    framework('fw-2', {
      namespace: 'secret',
      principal: 'bob',
      roles: ['ops'],
      offers: [],
      capabilities: [],
    }),
    framework('gone', { completed: true, connected: false, offers: [], roles: [] }),
  ],
  tasks: [
    task('a'),
    task('b', { state: 'TASK_FAILED', statuses: [{ state: 'TASK_RUNNING', atMs: 9_000 }] }),
    task('c', { state: 'TASK_STAGING', statuses: [], executor: 'Group.1' }),
    task('d', { state: 'TASK_UNREACHABLE', statuses: [{ state: 'TASK_RUNNING', atMs: 7_000 }] }),
    task('s', { framework: 'fw-2', namespace: 'secret', agent: 'node-2', role: 'ops' }),
  ],
  roles: [
    {
      role: 'eng/web',
      weight: 3,
      roleObject: 'web',
      quotaObject: 'web',
      guarantees: { cpus: 1000 },
      limits: { cpus: 2000, mem: 4 * GIB },
      consumed: { cpus: 1500 },
      allocated: { cpus: 500 },
      offered: { cpus: 250 },
      reserved: { cpus: 1000 },
      dominantSharePpm: 125_000,
      frameworks: ['fw-1'],
    },
    {
      role: 'ops',
      weight: 1,
      roleObject: undefined,
      quotaObject: undefined,
      guarantees: {},
      limits: {},
      consumed: {},
      allocated: {},
      offered: {},
      reserved: {},
      dominantSharePpm: 0,
      frameworks: ['fw-2'],
    },
  ],
  inverseAnswers: [
    { framework: 'fw-1', agent: 'node-1', answer: 'accepted', atMs: 70_000 },
    { framework: 'fw-2', agent: 'node-2', answer: 'unknown', atMs: 80_000 },
  ],
  windows: [
    {
      name: 'w1',
      agents: ['node-1'],
      startMs: 60_000,
      durationMs: 1_000,
      mode: 'Drain',
      active: false,
      bySelector: false,
      isAgentDrain: false,
    },
    {
      name: 'w2',
      agents: ['node-2'],
      startMs: 0,
      durationMs: 31_536_000_000,
      mode: 'Drain',
      active: true,
      bySelector: false,
      isAgentDrain: false,
    },
  ],
};

let api: ApiHarness;
let rights: (question: AccessQuestion) => boolean;
let away = false;

beforeEach(async () => {
  rights = () => true;
  away = false;
  api = await ApiHarness.start();
  const options = api.operatorApi;
  await api.stop();
  const may = (_who: unknown, question: AccessQuestion): Promise<AccessVerdict> =>
    Promise.resolve(
      away
        ? { kind: 'unavailable', message: 'reviews are away' }
        : rights(question)
          ? { kind: 'allowed' }
          : { kind: 'denied', missing: JSON.stringify(question) },
    );
  api = await ApiHarness.start({
    operatorApi: { ...options, cluster: () => VIEW, access: { may } },
  });
});
afterEach(async () => api.stop());

async function read(path: string, who = 'alice'): Promise<{ readonly [field: string]: unknown }> {
  const response = await api.get(path, { authorization: `Bearer ${who}` });
  expect(response.status).toBe(200);
  return (await response.json()) as { readonly [field: string]: unknown };
}

const idsOf = (list: unknown): unknown[] => (list as { id: unknown }[]).map((one) => one.id);

describe('shapes of Mesos', () => {
  test.each(['/frameworks', '/master/frameworks'])('%s', async (path) => {
    const all = await read(path);
    expect(Object.keys(all)).toEqual([
      'frameworks',
      'completed_frameworks',
      'unregistered_frameworks',
    ]);
    expect(idsOf(all['completed_frameworks'])).toEqual(['gone']);
    const [first, second] = all['frameworks'] as { [field: string]: unknown }[];
    expect(first).toMatchObject({
      id: 'fw-1',
      name: 'name of fw-1',
      user: 'root',
      principal: 'alice',
      failover_timeout: 90,
      registered_time: 1.5,
      unregistered_time: 0,
      active: true,
      connected: true,
      recovered: false,
      roles: ['eng/web'],
      capabilities: ['MULTI_ROLE'],
      used_resources: { cpus: 0.5, mem: 1024, disk: 0, gpus: 0 },
      offered_resources: { cpus: 0.25, cpus_revocable: 0.1, mem: 0, disk: 0, gpus: 0 },
      resources: { cpus: 0.75, mem: 1024, cpus_revocable: 0.1 },
      offers: [
        {
          id: '1-7',
          framework_id: 'fw-1',
          slave_id: 'node-1',
          allocation_info: { role: 'eng/web' },
          resources: { cpus: 0.25, cpus_revocable: 0.1 },
        },
      ],
    });
    expect(first).not.toHaveProperty('role');
    expect(second).toMatchObject({ role: 'ops' });
    expect(second).not.toHaveProperty('roles');
    expect(idsOf(first?.['tasks'])).toEqual(['a', 'c']);
    expect(idsOf(first?.['unreachable_tasks'])).toEqual(['d']);
    expect(idsOf(first?.['completed_tasks'])).toEqual(['b']);
  });

  test('/frameworks?framework_id= chooses one', async () => {
    const all = await read('/frameworks?framework_id=fw-2');
    expect([idsOf(all['frameworks']), all['completed_frameworks']]).toEqual([['fw-2'], []]);
  });

  test('a task', async () => {
    const { tasks } = await read('/tasks?task_id=a');
    expect(tasks).toEqual([
      {
        id: 'a',
        name: 'name of a',
        framework_id: 'fw-1',
        executor_id: '',
        slave_id: 'node-1',
        state: 'TASK_RUNNING',
        resources: { cpus: 0.5, gpus: 0, mem: 1024, disk: 0 },
        role: 'eng/web',
        labels: [{ key: 'team', value: 'a' }],
        statuses: [
          {
            state: 'TASK_RUNNING',
            timestamp: 5,
            container_status: {
              container_id: { value: 'uid-a' },
              network_infos: [{ ip_addresses: [{ protocol: 'IPv4', ip_address: '10.1.2.3' }] }],
            },
          },
        ],
        container: { type: 'DOCKER', docker: { image: 'app:1' } },
      },
    ]);
  });

  test.each([
    ['', ['b', 'd', 'a', 's', 'c']],
    ['?order=asc', ['c', 'a', 's', 'd', 'b']],
    ['?order=asc&limit=2&offset=1', ['a', 's']],
    ['?limit=2', ['b', 'd']],
    ['?limit=0', []],
    ['?limit=-1', ['b', 'd', 'a', 's', 'c']],
    ['?offset=99', []],
    ['?framework_id=fw-2', ['s']],
  ])('/tasks%s: by the time of the first status, newest first', async (query, expected) => {
    expect(idsOf((await read(`/tasks${query}`))['tasks'])).toEqual(expected);
  });

  test.each(['/slaves', '/agents', '/master/slaves'])('%s', async (path) => {
    const { slaves, recovered_slaves } = await read(path);
    expect(recovered_slaves).toEqual([]);
    const [first] = slaves as { [field: string]: unknown }[];
    expect(first).toMatchObject({
      id: 'node-1',
      hostname: 'node-1',
      port: 5055,
      pid: 'slave(1)@10.0.0.1:5055',
      attributes: { hostname: 'node-1' },
      resources: { cpus: 4, mem: 2048, cpus_revocable: 0.7 },
      used_resources: { cpus: 1.5 },
      reserved_resources: { 'eng/web': { cpus: 1 } },
      unreserved_resources: { cpus: 3, mem: 2048, cpus_revocable: 0.7 },
      active: true,
      deactivated: false,
      version: '1.11.0',
      reserved_resources_full: {
        'eng/web': [
          {
            name: 'cpus',
            type: 'SCALAR',
            scalar: { value: 1 },
            reservations: [
              {
                type: 'DYNAMIC',
                role: 'eng/web',
                principal: 'ops',
                labels: { labels: [{ key: 'a', value: 'b' }] },
              },
            ],
          },
        ],
      },
      unreserved_resources_full: [
        { name: 'cpus', scalar: { value: 3 } },
        { name: 'mem', scalar: { value: 2048 } },
        { name: 'cpus', scalar: { value: 0.7 }, revocable: {} },
      ],
    });
    const used = first?.['used_resources_full'] as { name: string; allocation_info: object }[];
    expect(used.filter((one) => one.name === 'cpus')).toHaveLength(2);
    expect(used[0]?.allocation_info).toEqual({ role: 'eng/web' });
  });

  test('/state', async () => {
    const state = await read('/state');
    expect(state).toMatchObject({
      version: '1.11.0',
      id: 'mezzo-1',
      pid: 'master@10.0.0.9:5050',
      leader: 'master@10.0.0.9:5050',
      leader_info: { id: 'mezzo-1', port: 5050, hostname: 'master.test' },
      start_time: 1,
      elected_time: 2,
      activated_slaves: 1,
      deactivated_slaves: 0,
      unreachable_slaves: 1,
      flags: { http_port: '5050' },
      orphan_tasks: [],
      recovered_slaves: [],
      unregistered_frameworks: [],
    });
    expect(idsOf(state['frameworks'])).toEqual(['fw-1', 'fw-2']);
    expect(idsOf(state['slaves'])).toEqual(['node-1', 'node-2']);
  });

  test('/state-summary counts states per agent and per framework', async () => {
    const { frameworks, slaves } = await read('/state-summary');
    expect((slaves as unknown[])[0]).toMatchObject({
      id: 'node-1',
      TASK_RUNNING: 1,
      TASK_STAGING: 1,
      TASK_FAILED: 1,
      TASK_UNREACHABLE: 1,
      TASK_KILLING: 0,
      framework_ids: ['fw-1'],
    });
    expect((frameworks as unknown[])[0]).toMatchObject({
      id: 'fw-1',
      TASK_RUNNING: 1,
      slave_ids: ['node-1'],
    });
    expect(frameworks).toHaveLength(2);
  });

  test('/roles, /weights and /quota', async () => {
    const { roles } = await read('/roles');
    expect((roles as unknown[])[0]).toEqual({
      name: 'eng/web',
      weight: 3,
      quota: {
        role: 'eng/web',
        guarantee: { cpus: 1 },
        limit: { cpus: 2, mem: 4096 },
        consumed: { cpus: 1.5 },
      },
      resources: { cpus: 0.75 },
      allocated: { cpus: 0.5 },
      offered: { cpus: 0.25 },
      reserved: { cpus: 1 },
      frameworks: ['fw-1'],
    });
    expect(await read('/weights')).toEqual([{ role: 'eng/web', weight: 3 }]);
    expect(await read('/quota')).toEqual({
      infos: [
        { role: 'eng/web', guarantee: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1 } }] },
      ],
      configs: [
        {
          role: 'eng/web',
          guarantees: { cpus: { value: 1 } },
          limits: { cpus: { value: 2 }, mem: { value: 4096 } },
        },
      ],
    });
  });

  test('/maintenance/schedule and /maintenance/status', async () => {
    expect(await read('/maintenance/schedule')).toEqual({
      windows: [
        {
          machine_ids: [{ hostname: 'node-1', ip: '10.0.0.1' }],
          unavailability: {
            start: { nanoseconds: 60_000_000_000 },
            duration: { nanoseconds: 1_000_000_000 },
          },
        },
        {
          machine_ids: [{ hostname: 'node-2', ip: '10.0.0.1' }],
          unavailability: { start: { nanoseconds: 0 } },
        },
      ],
    });
    expect(await read('/maintenance/status')).toEqual({
      draining_machines: [
        {
          id: { hostname: 'node-1', ip: '10.0.0.1' },
          statuses: [
            {
              status: 'ACCEPT',
              framework_id: { value: 'fw-1' },
              timestamp: { nanoseconds: 70_000_000_000 },
            },
          ],
        },
      ],
      down_machines: [{ hostname: 'node-2', ip: '10.0.0.1' }],
    });
  });

  test('/metrics/snapshot: sums of the cluster, then single roles and frameworks', async () => {
    const snapshot = await read('/metrics/snapshot');
    expect(snapshot).toMatchObject({
      'master/elected': 1,
      'master/slaves_active': 1,
      'master/slaves_unreachable': 1,
      'master/frameworks_connected': 2,
      'master/outstanding_offers': 1,
      'master/tasks_running': 2,
      'master/tasks_unreachable': 1,
      'master/cpus_total': 8,
      'master/cpus_used': 3,
      'master/cpus_percent': 0.375,
      'master/cpus_revocable_total': 0.7,
      'allocator/mesos/resources/cpus/total': 8,
      'allocator/mesos/roles/eng/web/shares/dominant': 0.125 / 3,
      'allocator/mesos/quota/roles/eng/web/resources/cpus/guarantee': 1,
      'allocator/mesos/quota/roles/eng/web/resources/mem/limit': 4096,
      'master/frameworks/name%20of%20fw-1/fw-1/offers/sent': 4,
      'master/frameworks/name%20of%20fw-1/fw-1/tasks/active/task_running': 1,
    });
    expect(snapshot).not.toHaveProperty([
      'allocator/mesos/quota/roles/eng/web/resources/mem/guarantee',
    ]);
  });

  test('/flags', async () => {
    expect(await read('/flags')).toEqual({ flags: { http_port: '5050' } });
  });
});

describe('a caller sees what kubectl would show, and what is its own', () => {
  beforeEach(() => {
    rights = () => false;
  });

  test('nothing of others', async () => {
    const state = await read('/state', 'mallory');
    expect(state).not.toHaveProperty('flags');
    expect([state['frameworks'], state['completed_frameworks'], state['slaves']]).toEqual([
      [],
      [],
      [],
    ]);
    for (const path of ['/tasks', '/roles', '/weights', '/quota', '/maintenance/schedule'])
      expect(JSON.stringify(await read(path, 'mallory'))).not.toMatch(/node-|eng|ops|fw-/);
    expect(JSON.stringify(await read('/metrics/snapshot', 'mallory'))).not.toMatch(/fw-|eng/);
    const flags = await api.get('/flags', { authorization: 'Bearer mallory' });
    expect(flags.status).toBe(403);
    expect(await flags.text()).toContain('/flags');
  });

  test("the frameworks of one's own, with their tasks, agents and roles", async () => {
    const state = await read('/state', 'bob');
    expect([idsOf(state['frameworks']), idsOf(state['slaves'])]).toEqual([['fw-2'], ['node-2']]);
    expect(idsOf((await read('/tasks', 'bob'))['tasks'])).toEqual(['s']);
    expect(JSON.stringify(await read('/roles', 'bob'))).not.toContain('eng');
  });

  test('a right on Pods in one namespace shows the tasks there', async () => {
    rights = (question) =>
      'resource' in question && question.resource === 'pods' && question.namespace === 'secret';
    expect(idsOf((await read('/tasks', 'mallory'))['tasks'])).toEqual(['s']);
    expect((await read('/frameworks', 'mallory'))['frameworks']).toEqual([]);
  });

  test('reservations of roles that are not visible are left out of an agent', async () => {
    rights = (question) => 'resource' in question && question.resource === 'agents';
    const { slaves } = await read('/slaves', 'bob');
    expect(slaves).toHaveLength(2);
    expect(JSON.stringify(slaves)).not.toContain('eng');
  });

  test('503 while nobody can be asked', async () => {
    away = true;
    expect((await api.get('/state', { authorization: 'Bearer alice' })).status).toBe(503);
  });
});

test('reads go to the leader, are bounded per principal, and take GET alone', async () => {
  expect((await api.post({}, {}, '/roles')).status).toBe(405);
  const get = async (): Promise<number> =>
    (await api.get('/weights', { authorization: 'Bearer alice' })).status;
  const statuses = await Promise.all(Array.from({ length: 200 }, get));
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  api.leadership = { kind: 'other', address: '10.0.0.2:5050' };
  const response = await api.get('/roles?x=1', { authorization: 'Bearer alice' });
  expect(response.headers.get('location')).toBe('//10.0.0.2:5050/roles?x=1');
});
