import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ApiHarness, type RawStream, until } from '../../../../test/support/apiHarness.ts';
import { clusterOf } from '../../../../test/support/clusterOf.ts';
import { nodeOf, RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import type { ClusterView, ViewedTask } from '../../controllers/clusterView/types.ts';
import type { AccessVerdict } from '../../controllers/framework/types.ts';
import type { KubeObject, ResourceRef } from '../../ports/kubeApi.ts';
import { NODES, PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import {
  OPERATOR_CALL_CODEC,
  OPERATOR_EVENT_CODEC,
  OPERATOR_REPLY_CODEC,
} from '../../schema/mesos/operatorCodec.ts';
import {
  AGENTS,
  API_VERSION,
  FRAMEWORKS,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  ROLES,
} from '../../schema/mezzoKinds.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';

let api: ApiHarness;
let rights: (question: AccessQuestion, who: string) => boolean;
let changed: () => void;
let watching = 0;
let synthetic: ClusterView | undefined;

beforeEach(async () => {
  rights = () => true;
  watching = 0;
  synthetic = undefined;
  changed = () => undefined;
  api = await start();
});
afterEach(async () => api.stop());

async function start(limits: object = {}): Promise<ApiHarness> {
  const first = await ApiHarness.start();
  const options = first.operatorApi;
  await first.stop();
  const may = async (who: { name: string }, question: AccessQuestion): Promise<AccessVerdict> => {
    await new Promise((resolve) => setImmediate(resolve));
    return rights(question, who.name)
      ? { kind: 'allowed' }
      : { kind: 'denied', missing: JSON.stringify(question) };
  };
  let harness: ApiHarness | undefined;
  const world = (): ApiHarness['world'] => {
    if (harness === undefined) throw new Error('not started');
    return harness.world;
  };
  const bound = (name: string | symbol): unknown => {
    const method: unknown = Reflect.get(world().kube, name);
    return typeof method === 'function' ? method.bind(world().kube) : method;
  };
  const kube = new Proxy({}, { get: (_none, name) => bound(name) });
  harness = await ApiHarness.start({
    limits,
    operatorApi: {
      ...options,
      kube: kube as never,
      access: { may },
      cluster: () => synthetic ?? clusterOf(world()),
      onChange: (listener) => {
        watching += 1;
        changed = listener;
        return () => {
          watching -= 1;
        };
      },
    },
  });
  harness.world.api.create(NODES, nodeOf('big', { cpu: '8', memory: '16Gi' }));
  return harness;
}

async function send(call: object, headers: { readonly [name: string]: string } = {}) {
  const response = await api.post(call, headers, '/api/v1');
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

const messageOf = ({ body }: { body: unknown }): string =>
  (body as { error: { message: string } }).error.message;
const all = (ref: ResourceRef): (KubeObject & { spec: { [field: string]: unknown } })[] =>
  api.world.api.list(ref, {}).items as never;
const make = (ref: ResourceRef, name: string, spec: object, metadata: object = {}): unknown =>
  api.world.api.create(ref, {
    apiVersion: API_VERSION,
    kind: ref.kind,
    metadata: { name, ...metadata },
    spec,
  } as never);
const runTask = (pod: Pod): void => {
  const made = api.world.api.create(PODS, pod) as Pod;
  api.world.api.update(PODS, { ...made, status: RUNNING } as never, { subresource: 'status' });
};

/** Whole numbers beyond exact ones as text, as the codec reads them. */
const withExactNumbers = (body: unknown): unknown =>
  JSON.parse(
    JSON.stringify(body, (_key, value: unknown) =>
      Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value,
    ),
  );

describe('the checks, in their order', () => {
  test('another leader, credentials, method, content type, body, Accept', async () => {
    api.leadership = { kind: 'other', address: '10.0.0.2:5050' };
    const elsewhere = await api.post('garbage', { authorization: 'Bearer bad' }, '/api/v1');
    expect(elsewhere.headers.get('location')).toBe('//10.0.0.2:5050/api/v1');
    api.leadership = undefined;
    expect((await send({}, { authorization: 'Bearer bad' })).status).toBe(401);
    expect((await api.get('/api/v1', { authorization: 'Bearer alice' })).status).toBe(405);
    expect((await send({}, { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await send({ type: 'GET_HEALTH' }, { accept: 'text/html' })).status).toBe(406);
    const both = await api.post({ type: 'GET_HEALTH' }, {}, '/master/api/v1');
    expect(both.headers.get('content-type')).toBe('application/json');
  });

  test.each([
    [{}, /'type'/],
    [{ type: 'NO_SUCH_CALL' }, /'type'/],
    [{ type: 'DRAIN_AGENT' }, /'drain_agent'/],
    [{ type: 'DRAIN_AGENT', drain_agent: {} }, /agent_id/],
    [
      { type: 'UPDATE_WEIGHTS', update_weights: { weight_infos: [{ role: 'a', weight: 'x' }] } },
      /weight/,
    ],
  ])('%j: 400 that names the field', async (call, message) => {
    const reply = await send(call);
    expect(reply.status).toBe(400);
    expect(messageOf(reply)).toMatch(message);
  });

  test.each(['UNKNOWN', 'SET_LOGGING_LEVEL', 'READ_FILE'])(
    '%s: 501 with a reason',
    async (type) => {
      const reply = await send({
        type,
        set_logging_level: { level: 1, duration: { nanoseconds: 1 } },
        read_file: { path: '/x', offset: 0 },
      });
      expect(reply.status).toBe(501);
      expect(messageOf(reply)).toMatch(new RegExp(`^${type} calls are not served: .{10,}`));
    },
  );
});

describe('reads', () => {
  test.each([
    ['GET_HEALTH', { healthy: true }],
    ['GET_VERSION', { version_info: { version: '1.11.0' } }],
    ['GET_FLAGS', { flags: [{ name: 'http_port', value: '5050' }] }],
    ['GET_LOGGING_LEVEL', { level: 0 }],
    ['GET_EXECUTORS', {}],
    ['GET_OPERATIONS', {}],
    ['GET_WEIGHTS', { weight_infos: [{ role: 'web', weight: 3 }] }],
    ['GET_QUOTA', { status: { configs: [{ role: 'web', limits: { cpus: { value: 2 } } }] } }],
    [
      'GET_MASTER',
      {
        master_info: { id: 'mezzo-1', ip: 0x0900000a, port: 5050, hostname: 'master.test' },
        start_time: 1,
        elected_time: 2,
      },
    ],
    ['GET_MAINTENANCE_STATUS', { status: {} }],
    ['GET_MAINTENANCE_SCHEDULE', { schedule: {} }],
  ])('%s', async (type, expected) => {
    make(ROLES, 'web', { path: 'web', weight: 3 });
    make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' } });
    const reply = await send({ type });
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({ type, [type.toLowerCase()]: expected });
    expect(Object.keys(reply.body as object)).toEqual(['type', type.toLowerCase()]);
  });

  test('GET_STATE holds agents, frameworks and tasks; empty lists are left out', async () => {
    runTask(taskPod({ job: 'shop', agent: 'big', role: 'web', cpus: '500m' }));
    const { body } = await send({ type: 'GET_STATE' });
    const state = (body as { get_state: { [part: string]: object } }).get_state;
    expect(state['get_executors']).toEqual({});
    expect(state['get_tasks']).toEqual({
      tasks: [
        expect.objectContaining({
          name: 'shop',
          framework_id: { value: 'mezzo-jobs' },
          agent_id: { value: 'big' },
          state: 'TASK_RUNNING',
          resources: expect.arrayContaining([
            {
              name: 'cpus',
              type: 'SCALAR',
              scalar: { value: 0.5 },
              allocation_info: { role: 'web' },
            },
          ]),
        }),
      ],
    });
    const { agents } = state['get_agents'] as { agents: { [field: string]: unknown }[] };
    expect(agents.find((one) => JSON.stringify(one).includes('"big"'))).toMatchObject({
      agent_info: { id: { value: 'big' }, port: 5051 },
      active: true,
      deactivated: false,
      version: '1.11.0',
      total_resources: expect.arrayContaining([
        { name: 'cpus', type: 'SCALAR', scalar: { value: 8 } },
      ]),
      allocated_resources: expect.any(Array),
    });
  });

  test('the same in protobuf, call and reply', async () => {
    make(ROLES, 'web', { path: 'web', weight: 3 });
    const response = await fetch(`${api.url}/api/v1`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer alice',
        'content-type': 'application/x-protobuf',
        accept: 'application/x-protobuf',
      },
      body: new Uint8Array(OPERATOR_CALL_CODEC.toProto({ type: 'GET_STATE' })),
    });
    expect(response.headers.get('content-type')).toBe('application/x-protobuf');
    const reply = OPERATOR_REPLY_CODEC.fromProto(new Uint8Array(await response.arrayBuffer()));
    const json = OPERATOR_REPLY_CODEC.fromJson((await send({ type: 'GET_STATE' })).body);
    expect(reply.ok && reply.value['get_state']).toBeTruthy();
    expect(reply).toEqual(json);
  });

  test('every reply fits the tables of its messages', async () => {
    make(MAINTENANCE_WINDOWS, 'w', {
      agents: ['big'],
      start: '2099-01-01T00:00:00Z',
      durationSeconds: 60,
    });
    make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' } });
    runTask(taskPod({ job: 'shop', agent: 'big' }));
    await api.world.subscribe();
    for (const part of [
      'AGENTS',
      'FRAMEWORKS',
      'TASKS',
      'ROLES',
      'QUOTA',
      'METRICS',
      'MASTER',
      'MAINTENANCE_SCHEDULE',
      'MAINTENANCE_STATUS',
    ]) {
      const { body } = await send({ type: `GET_${part}` });
      const read = OPERATOR_REPLY_CODEC.fromJson(body);
      expect([part, read.ok && Object.keys(read.value)]).toEqual([
        part,
        ['type', `get_${part.toLowerCase()}`],
      ]);
      const again =
        read.ok && OPERATOR_REPLY_CODEC.fromProto(OPERATOR_REPLY_CODEC.toProto(read.value));
      expect(again).toEqual(read);
      // Nothing is written that the tables do not know, and nothing in a wrong place.
      expect(withExactNumbers(body)).toEqual(read.ok && read.value);
    }
  });

  test('show only what the caller may see; flags are refused by name', async () => {
    runTask(taskPod({ job: 'shop', agent: 'big' }));
    rights = () => false;
    const { body } = await send({ type: 'GET_STATE' });
    expect(body).toEqual({
      type: 'GET_STATE',
      get_state: { get_tasks: {}, get_executors: {}, get_frameworks: {}, get_agents: {} },
    });
    const flags = await send({ type: 'GET_FLAGS' });
    expect([flags.status, messageOf(flags)]).toEqual([403, 'Missing: get /flags']);
  });
});

const WEIGHT = {
  type: 'UPDATE_WEIGHTS',
  update_weights: { weight_infos: [{ role: 'a/b', weight: 4 }] },
};

describe('writes', () => {
  test('UPDATE_WEIGHTS makes and changes Role objects', async () => {
    make(ROLES, 'web', { path: 'web', weight: 3, sorter: 'random' });
    const infos = [
      { role: 'web', weight: 5 },
      { role: 'a/b', weight: 4 },
    ];
    expect(await send({ type: 'UPDATE_WEIGHTS', update_weights: { weight_infos: infos } })).toEqual(
      {
        status: 200,
        body: undefined,
      },
    );
    const specs = all(ROLES).map((one) => one.spec);
    expect(specs).toContainEqual(
      expect.objectContaining({ path: 'web', weight: 5, sorter: 'random' }),
    );
    expect(specs).toContainEqual(expect.objectContaining({ path: 'a/b', weight: 4 }));
  });

  test.each([[0], [-1], [0.0005], [1e7]])(
    'weight %d is refused and nothing is written',
    async (weight) => {
      const infos = [
        { role: 'ok', weight: 2 },
        { role: 'a', weight },
      ];
      const reply = await send({ type: 'UPDATE_WEIGHTS', update_weights: { weight_infos: infos } });
      expect(reply.status).toBe(400);
      expect(messageOf(reply)).toContain(`'${weight}' of role 'a'`);
      expect(all(ROLES).filter((one) => one.spec['path'] === 'ok')).toEqual([]);
    },
  );

  test('whoever may not do it with kubectl may not do it here; the missing right is named', async () => {
    rights = (question) => !('resource' in question && question.verb === 'create');
    const reply = await send(WEIGHT);
    expect(reply.status).toBe(403);
    expect(messageOf(reply)).toContain('"resource":"roles","verb":"create"');
    expect(all(ROLES).some((one) => one.spec['path'] === 'a/b')).toBe(false);
  });

  test('what the API server would refuse is refused before anything is written', async () => {
    make(ROLES, 'c', { path: 'taken/by/another' });
    const infos = [
      { role: 'a', weight: 2 },
      { role: 'c', weight: 2 },
    ];
    const reply = await send({ type: 'UPDATE_WEIGHTS', update_weights: { weight_infos: infos } });
    expect([reply.status, messageOf(reply)]).toEqual([409, expect.stringMatching(/create Role c/)]);
    expect(all(ROLES).map((one) => one.spec['path'])).toEqual(['taken/by/another']);
  });

  test('writes of several callers are decided one after the other', async () => {
    const replies = await Promise.all([send(WEIGHT), send(WEIGHT), send(WEIGHT)]);
    expect(replies.map((one) => one.status)).toEqual([200, 200, 200]);
    expect(all(ROLES).filter((one) => one.spec['path'] === 'a/b')).toHaveLength(1);
  });

  const quota = (configs: object, force = false): object => ({
    type: 'UPDATE_QUOTA',
    update_quota: { force, quota_configs: configs },
  });

  test('UPDATE_QUOTA replaces guarantees and limits whole, and removes empty quotas', async () => {
    const first = {
      role: 'web',
      guarantees: { cpus: { value: 1 } },
      limits: { cpus: { value: 2.5 }, mem: { value: 512 } },
    };
    expect((await send(quota([first]))).status).toBe(200);
    expect(all(QUOTAS)[0]?.spec).toMatchObject({
      role: 'web',
      guarantees: { cpus: '1' },
      limits: { cpus: '2500m', mem: '512Mi' },
    });
    expect(
      (await send(quota({ role: 'web', limits: { mem: { value: 1024 }, gpus: { value: 0 } } })))
        .status,
    ).toBe(200);
    expect(all(QUOTAS)[0]?.spec).not.toHaveProperty('guarantees');
    expect(all(QUOTAS)[0]?.spec).toMatchObject({
      limits: { mem: '1Gi', gpus: '0' },
    });
    expect(all(QUOTAS)[0]?.spec['limits']).not.toHaveProperty('cpus');
    expect((await send(quota({ role: 'web' }))).status).toBe(200);
    expect(all(QUOTAS)).toEqual([]);
  });

  test.each([
    [
      'a guarantee over its limit',
      { role: 'a', guarantees: { cpus: { value: 2 } }, limits: { cpus: { value: 1 } } },
      /guarantee of cpus \(2\) exceeds its limit \(1\)/,
    ],
    ['a role that is none', { role: 'a/..', limits: { cpus: { value: 1 } } }, /role 'a\/\.\.'/],
    ['a negative amount', { role: 'a', limits: { cpus: { value: -1 } } }, /limits\.cpus is -1/],
    ['an absurd amount', { role: 'a', limits: { mem: { value: 1e13 } } }, /limits\.mem/],
    ['a role twice', [{ role: 'a', limits: { cpus: { value: 1 } } }, { role: 'a' }], /twice/],
  ])('UPDATE_QUOTA refuses %s', async (_name, configs, message) => {
    const reply = await send(quota(configs, true));
    expect([reply.status, all(QUOTAS)]).toEqual([400, []]);
    expect(messageOf(reply)).toMatch(message);
  });

  test('UPDATE_QUOTA refuses guarantees beyond the cluster, summed over the tree, unless forced', async () => {
    const configs = [
      { role: 'a', guarantees: { cpus: { value: 3 } } },
      { role: 'a/x', guarantees: { cpus: { value: 5 } } },
      { role: 'b', guarantees: { cpus: { value: 4 } } },
    ];
    const reply = await send(quota(configs));
    expect(reply.status).toBe(400);
    expect(messageOf(reply)).toMatch(/cpus together would be 9, more than the 8/);
    expect(all(QUOTAS)).toEqual([]);
    expect((await send(quota(configs, true))).status).toBe(200);
    expect(all(QUOTAS)).toHaveLength(3);
    // Lowering what was forced needs no force.
    expect((await send(quota({ role: 'b', guarantees: { cpus: { value: 3.5 } } }))).status).toBe(
      200,
    );
  });

  test('SET_QUOTA and REMOVE_QUOTA, for old clients', async () => {
    const request = {
      role: 'old',
      guarantee: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 2 } }],
    };
    const set = { type: 'SET_QUOTA', set_quota: { quota_request: request } };
    expect((await send(set)).status).toBe(200);
    expect(all(QUOTAS)[0]?.spec).toMatchObject({
      guarantees: { cpus: '2' },
      limits: { cpus: '2' },
    });
    expect((await send(set)).status).toBe(400);
    const remove = { type: 'REMOVE_QUOTA', remove_quota: { role: 'old' } };
    expect((await send(remove)).status).toBe(200);
    expect((await send(remove)).status).toBe(400);
    const more = {
      ...request,
      guarantee: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 99 } }],
    };
    expect((await send({ type: 'SET_QUOTA', set_quota: { quota_request: more } })).status).toBe(
      409,
    );
  });

  test('what a framework says of its host and web pages is shown, until it says so no more', async () => {
    const told = { name: 'mine', hostname: 'sched.test', webui_url: 'http://sched.test/ui' };
    const who = await api.world.subscribe({ ...told, failover_timeout: 60 });
    const shown = async (): Promise<unknown[]> => {
      const reply = await send({ type: 'GET_FRAMEWORKS' });
      const { get_frameworks } = reply.body as {
        get_frameworks: { frameworks: { framework_info: { [field: string]: unknown } }[] };
      };
      const info = get_frameworks.frameworks[0]?.framework_info;
      return [info?.['hostname'], info?.['webui_url']];
    };
    expect(await shown()).toEqual(['sched.test', 'http://sched.test/ui']);
    const [object] = all(FRAMEWORKS);
    expect(object?.spec).toMatchObject({
      hostname: 'sched.test',
      webuiUrl: 'http://sched.test/ui',
    });
    await api.world.subscribe({
      name: 'mine',
      id: { value: who.id },
      failover_timeout: 60,
      hostname: 'x'.repeat(256),
    });
    await until('it to be forgotten', async () => (await shown())[0] === undefined);
    expect(await shown()).toEqual([undefined, undefined]);
  });

  test('TEARDOWN deletes the Framework object; whoever is not known is 400', async () => {
    const who = await api.world.subscribe({ name: 'mine' });
    const teardown = (value: string) =>
      send({ type: 'TEARDOWN', teardown: { framework_id: { value } } });
    expect((await teardown('nobody')).status).toBe(400);
    expect((await teardown(who.id)).status).toBe(200);
    expect(all(FRAMEWORKS)).toEqual([]);
    expect(who.sink.state).toBe('ended');
  });
});

describe('agents', () => {
  const agent = (type: string, value: string, more: object = {}) =>
    send({ type, [type.toLowerCase()]: { agent_id: { value }, ...more } });

  test('DEACTIVATE_AGENT and REACTIVATE_AGENT freeze and thaw the Agent object', async () => {
    expect((await agent('REACTIVATE_AGENT', 'big')).status).toBe(400);
    expect((await agent('DEACTIVATE_AGENT', 'big')).status).toBe(200);
    expect(all(AGENTS)[0]?.spec).toMatchObject({ freeze: true });
    expect((await agent('REACTIVATE_AGENT', 'big')).status).toBe(200);
    expect(all(AGENTS)[0]?.spec).toMatchObject({ freeze: false });
    expect((await agent('DEACTIVATE_AGENT', 'none')).status).toBe(400);
  });

  test('DRAIN_AGENT empties one agent until it is reactivated, outside the schedule', async () => {
    runTask(taskPod({ job: 'shop', agent: 'big' }));
    expect((await agent('DRAIN_AGENT', 'big')).status).toBe(200);
    expect((await agent('DRAIN_AGENT', 'big')).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS)).toHaveLength(1);
    expect(all(MAINTENANCE_WINDOWS)[0]?.spec).toMatchObject({
      agents: ['big'],
      mode: 'Drain',
      slaPolicy: 'Ignore',
    });
    expect((await send({ type: 'GET_MAINTENANCE_SCHEDULE' })).body).toEqual({
      type: 'GET_MAINTENANCE_SCHEDULE',
      get_maintenance_schedule: { schedule: {} },
    });
    const agents = async (): Promise<string> =>
      JSON.stringify((await send({ type: 'GET_AGENTS' })).body);
    expect(await agents()).toContain('"drain_info":{"state":"DRAINING"');
    const early = await agent('REACTIVATE_AGENT', 'big');
    expect([early.status, messageOf(early)]).toEqual([400, 'Agent is still in the DRAINING state']);
    const [pod] = all(PODS);
    api.world.api.update(PODS, { ...pod, status: { phase: 'Failed' } } as never, {
      subresource: 'status',
    });
    expect(await agents()).toContain('"drain_info":{"state":"DRAINED"');
    expect((await agent('REACTIVATE_AGENT', 'big')).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS)).toEqual([]);
  });

  test.each([
    [{ max_grace_period: { seconds: 5 } }, 501],
    [{ mark_gone: true }, 501],
  ])('DRAIN_AGENT with %j is refused, not half done', async (more, status) => {
    expect((await agent('DRAIN_AGENT', 'big', more)).status).toBe(status);
    expect(all(MAINTENANCE_WINDOWS)).toEqual([]);
  });

  test('MARK_AGENT_GONE deletes the node of an agent that does not answer, and of no other', async () => {
    expect((await agent('MARK_AGENT_GONE', 'none')).status).toBe(404);
    expect((await agent('MARK_AGENT_GONE', 'big')).status).toBe(409);
    // The harness's first node has never been ready.
    expect((await agent('MARK_AGENT_GONE', 'node-1')).status).toBe(200);
    expect(all(NODES).map((one) => one.metadata.name)).toEqual(['big']);
  });
});

describe('maintenance', () => {
  const startNs = (Date.now() + 3_600_000) * 1_000_000;
  const window = (hostnames: readonly string[], more: object = {}): object => ({
    machine_ids: hostnames.map((hostname) => ({ hostname })),
    unavailability: { start: { nanoseconds: startNs }, duration: { nanoseconds: 60e9 }, ...more },
  });
  const update = (...windows: readonly object[]) =>
    send({
      type: 'UPDATE_MAINTENANCE_SCHEDULE',
      update_maintenance_schedule: { schedule: { windows } },
    });
  const machines = (type: string, ...hostnames: readonly string[]) =>
    send({ type, [type.toLowerCase()]: { machines: hostnames.map((hostname) => ({ hostname })) } });
  const status = async (): Promise<unknown> =>
    (
      (await send({ type: 'GET_MAINTENANCE_STATUS' })).body as {
        get_maintenance_status: { status: unknown };
      }
    ).get_maintenance_status.status;

  beforeEach(() => {
    api.world.api.create(NODES, nodeOf('two', { cpu: '8', memory: '16Gi' }));
  });

  test('a schedule freezes, START empties, STOP ends it', async () => {
    expect((await update(window(['big', 'two']))).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS).map((one) => one.spec)).toEqual([
      expect.objectContaining({ agents: ['big', 'two'], durationSeconds: 60, mode: 'Freeze' }),
    ]);
    expect(JSON.stringify(await status())).toContain('draining_machines');
    expect((await machines('STOP_MAINTENANCE', 'big')).status).toBe(400);
    expect((await machines('START_MAINTENANCE', 'big')).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS).map((one) => [one.spec['agents'], one.spec['mode']])).toEqual(
      expect.arrayContaining([
        [['two'], 'Freeze'],
        [['big'], 'Drain'],
      ]),
    );
    expect(await status()).toMatchObject({
      draining_machines: [{ id: { hostname: 'two' } }],
      down_machines: [{ hostname: 'big' }],
    });
    const again = await machines('START_MAINTENANCE', 'big');
    expect([again.status, messageOf(again)]).toEqual([
      400,
      "Machine 'big' is not in DRAINING mode and cannot be brought down",
    ]);
    const removed = await update(window(['two']));
    expect([removed.status, messageOf(removed)]).toEqual([
      400,
      expect.stringContaining("'big' is deactivated"),
    ]);
    expect((await machines('STOP_MAINTENANCE', 'big')).status).toBe(200);
    expect((await update()).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS)).toEqual([]);
  });

  test('a window that stays the same is left alone', async () => {
    await update(window(['big']));
    const [before] = all(MAINTENANCE_WINDOWS);
    await update(window(['big']), window(['two']));
    expect(all(MAINTENANCE_WINDOWS)).toContainEqual(before);
    expect(all(MAINTENANCE_WINDOWS)).toHaveLength(2);
  });

  test.each([
    ['an empty window', [window([])], /empty/],
    ['a machine without a name', [{ ...window(['x']), machine_ids: [{}] }], /empty/],
    ['a machine twice', [window(['big']), window(['big'])], /more than once/],
    ['a stranger', [window(['elsewhere'])], /'elsewhere'.*not an agent/],
    ['a negative duration', [window(['big'], { duration: { nanoseconds: -1e9 } })], /negative/],
  ])('a schedule with %s is refused whole', async (_name, windows, message) => {
    const reply = await update(...windows, window(['two']));
    expect([reply.status, all(MAINTENANCE_WINDOWS)]).toEqual([400, []]);
    expect(messageOf(reply)).toMatch(message);
  });

  test('machines in no window can neither start nor stop', async () => {
    const reply = await machines('START_MAINTENANCE', 'two');
    expect([reply.status, messageOf(reply)]).toEqual([
      400,
      "Machine 'two' is not part of a maintenance schedule",
    ]);
    expect((await machines('START_MAINTENANCE')).status).toBe(400);
  });
});

async function subscribe(who = 'alice', accept = 'application/json'): Promise<RawStream> {
  const body = '{"type":"SUBSCRIBE"}';
  return await api.rawRequest(
    [
      'POST /api/v1 HTTP/1.1',
      'Host: test',
      `Authorization: Bearer ${who}`,
      'Content-Type: application/json',
      `Accept: ${accept}`,
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  );
}

describe('SUBSCRIBE', () => {
  const typesOf = (stream: RawStream): string[] => stream.events().map((one) => one.type);

  test('a snapshot first, then what changes, in order; nothing is watched without subscribers', async () => {
    expect(watching).toBe(0);
    const stream = await subscribe();
    await until('the snapshot', () => typesOf(stream).length === 2);
    expect(watching).toBe(1);
    expect(stream.events()[0]).toMatchObject({
      type: 'SUBSCRIBED',
      subscribed: {
        heartbeat_interval_seconds: 15,
        get_state: { get_agents: { agents: [{ agent_info: { id: { value: 'big' } } }, {}] } },
      },
    });
    expect(typesOf(stream)).toEqual(['SUBSCRIBED', 'HEARTBEAT']);
    api.world.api.create(NODES, nodeOf('new', { cpu: '1', memory: '1Gi' }));
    runTask(taskPod({ job: 'shop', agent: 'new' }));
    const who = await api.world.subscribe({ name: 'mine' });
    changed();
    await until('three additions', () => typesOf(stream).length >= 6);
    // The job scheduler becomes a framework with its first task.
    expect(typesOf(stream).slice(2)).toEqual([
      'AGENT_ADDED',
      'FRAMEWORK_ADDED',
      'FRAMEWORK_ADDED',
      'TASK_ADDED',
    ]);
    const [pod] = all(PODS);
    api.world.api.update(PODS, { ...pod, status: { phase: 'Failed' } } as never, {
      subresource: 'status',
    });
    changed();
    await until('the update', () => typesOf(stream).length >= 7);
    expect(stream.events().at(-1)).toMatchObject({
      type: 'TASK_UPDATED',
      task_updated: { state: 'TASK_FAILED', framework_id: { value: 'mezzo-jobs' } },
    });
    await send({ type: 'TEARDOWN', teardown: { framework_id: { value: who.id } } });
    api.world.api.delete(NODES, { name: 'new' });
    changed();
    await until('the removals', () => typesOf(stream).length >= 9);
    expect(typesOf(stream).slice(7)).toEqual(['FRAMEWORK_REMOVED', 'AGENT_REMOVED']);
    stream.socket.destroy();
    await until('nobody watches', () => watching === 0);
  });

  test('in protobuf', async () => {
    const stream = await subscribe('alice', 'application/x-protobuf');
    await until(
      'the snapshot',
      () => stream.bytes.includes('SUBSCRIBED') || stream.bytes.length > 300,
    );
    expect(stream.header('content-type')).toBe('application/x-protobuf');
    const body = stream.bytes.indexOf('\r\n\r\n') + 4;
    const chunk = stream.bytes.indexOf('\r\n', body) + 2;
    const lf = stream.bytes.indexOf('\n', chunk);
    const length = Number(stream.bytes.subarray(chunk, lf).toString('latin1'));
    const event = OPERATOR_EVENT_CODEC.fromProto(stream.bytes.subarray(lf + 1, lf + 1 + length));
    expect(event).toMatchObject({ ok: true, value: { type: 'SUBSCRIBED' } });
  });

  test('everybody is told only what they may see', async () => {
    rights = (_question, who) => who !== 'mallory';
    const streams = [await subscribe('alice'), await subscribe('mallory')];
    await until('both snapshots', () => streams.every((one) => typesOf(one).length === 2));
    runTask(taskPod({ job: 'secret', agent: 'big' }));
    changed();
    await until('the task', () => typesOf(streams[0] as RawStream).includes('TASK_ADDED'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(streams[1]?.bytes.toString()).not.toMatch(/big|secret/);
  });

  test('a reader that does not read is cut off, and nobody else feels it', async () => {
    await api.stop();
    api = await start({ streamBufferBytes: 1_000_000 });
    runTask(taskPod({ job: 'shop', agent: 'big' }));
    const dead = await subscribe();
    await until('the snapshot', () => dead.bytes.length > 0);
    dead.socket.pause();
    const alive = await subscribe();
    await until('the other', () => typesOf(alive).length === 2);
    const base = clusterOf(api.world);
    const some = { ...base.tasks[0], podUid: '', framework: 'mezzo-jobs' } as ViewedTask;
    // Counted as it comes: so much text is too much to read again and again.
    let told = 0;
    alive.socket.removeAllListeners('data');
    alive.socket.on('data', (data: Buffer) => {
      told += data.toString('latin1').split('"type":"TASK_').length - 1;
    });
    const rounds = 8;
    for (let round = 0; round < rounds; round += 1) {
      const state = round % 2 === 0 ? 'TASK_RUNNING' : 'TASK_KILLING';
      const tasks = Array.from({ length: 100 }, (_none, index) => ({
        ...some,
        podUid: `uid-${index}`,
        message: 'x'.repeat(30_000),
        state: state as ViewedTask['state'],
      }));
      synthetic = { ...base, tasks };
      changed();
      await until(`round ${round}`, () => told >= (round + 1) * 100 - round, 20_000);
    }
    const snapshot = await api.get('/metrics/snapshot', { authorization: 'Bearer alice' });
    expect(await snapshot.json()).toMatchObject({ 'master/operator_event_stream_subscribers': 1 });
    dead.socket.resume();
    await until('the dead one learns it', () => dead.closed);
    expect(dead.finished).toBe(false);
  }, 60_000);
});
