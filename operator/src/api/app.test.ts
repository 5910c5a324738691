import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AGENT_ACCOUNT, ApiHarness, until } from '../../../test/support/apiHarness.ts';

const SUBSCRIBE = { type: 'SUBSCRIBE', subscribe: { framework_info: { user: 'u', name: 'n' } } };
const STREAM = { 'mesos-stream-id': 'ffffffff-0000-4000-8000-000000000000' };
const SCHEDULER = '/api/v1/scheduler';

let api: ApiHarness;
beforeEach(async () => {
  api = await ApiHarness.start();
});
afterEach(() => api.stop());

async function faultOf(response: Response): Promise<string> {
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const body = (await response.json()) as { error: { status: number; message: string } };
  expect(body.error.status).toBe(response.status);
  return body.error.message;
}

describe('POST /api/v1/scheduler, the checks in their order', () => {
  test('another leader: 307 to the same path there, before anything else is looked at', async () => {
    api.leadership = { kind: 'other', address: '10.0.0.2:5050' };
    const response = await api.post('garbage', { authorization: 'Bearer bad' });
    expect(response.status).toBe(307);
    expect(response.headers.get('location')).toBe('//10.0.0.2:5050/api/v1/scheduler');
  });

  test.each([
    ['no leader known', { kind: 'unknown' } as const],
    ['leader still recovering', { kind: 'self', hub: undefined } as const],
  ])('%s: 503', async (_name, leadership) => {
    api.leadership = leadership;
    expect((await api.post(SUBSCRIBE)).status).toBe(503);
  });

  test.each([
    ['no credentials', {}, 401],
    ['a bad token', { authorization: 'Bearer bad' }, 401],
    ['a wrong secret', { authorization: `Basic ${btoa('old-client:wrong')}` }, 401],
    ['an unknown scheme', { authorization: 'Digest x' }, 401],
    ['reviews unavailable', { authorization: 'Bearer away' }, 503],
  ])('%s: %j', async (_name, headers, status) => {
    const response = await fetch(api.url + SCHEDULER, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers } as never,
      body: JSON.stringify(SUBSCRIBE),
    });
    expect(response.status).toBe(status);
    if (status === 401) expect(response.headers.get('www-authenticate')).toContain('Bearer');
    await faultOf(response);
  });

  test('GET: 405 with Allow', async () => {
    const response = await api.get(SCHEDULER, { authorization: 'Bearer alice' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  test.each([
    ['application/json; charset=utf-8', 415],
    ['Application/JSON', 415],
    ['text/plain', 415],
    ['application/x-protobuf; charset=utf-8', 415],
  ])('content type %s: %d', async (type, status) => {
    expect((await api.post(SUBSCRIBE, { 'content-type': type })).status).toBe(status);
  });

  test('no content type: 400', async () => {
    const stream = await api.rawRequest(
      `POST ${SCHEDULER} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
    await new Promise((resolve) => stream.socket.once('close', resolve));
    expect(stream.head).toContain('HTTP/1.1 400');
  });

  test.each([
    ['no JSON', '{', /not JSON/],
    ['JSON that is too deep', '['.repeat(65) + ']'.repeat(65), /deeper than 64/],
    ['JSON of too many lists', `[${'[],'.repeat(400_000)}[]]`, /more than 400000 brackets/],
    ['a call without a type', {}, /'type'/],
    ['a call without a framework id', { type: 'REVIVE' }, /'framework_id'/],
    [
      'a field of the wrong kind',
      { ...SUBSCRIBE, subscribe: { framework_info: { user: 1, name: 'n' } } },
      /framework_info\.user/,
    ],
  ])('%s: 400 that names the fault', async (_name, body, message) => {
    const response = await api.post(body);
    expect(response.status).toBe(400);
    expect(await faultOf(response)).toMatch(message);
  });

  test('a body that is too large: 413, whether it says so or not', async () => {
    const huge = `"${'x'.repeat(4 * 1024 * 1024)}"`;
    expect((await api.post(huge)).status).toBe(413);
    const stream = await api.rawRequest(
      `POST ${SCHEDULER} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const piece = 'x'.repeat(65_536);
    for (let sent = 0; sent <= 80; sent += 1) stream.socket.write(`10000\r\n${piece}\r\n`);
    await new Promise((resolve) => stream.socket.once('close', resolve));
    expect(stream.head).toContain('HTTP/1.1 413');
  });

  test('a compressed body: 415', async () => {
    expect((await api.post(SUBSCRIBE, { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test.each([
    ['text/html', 406],
    ['application/x-protobuf;q=0, application/json;q=0', 406],
    ['application/x-protobuf', 200],
    ['application/json;q=0', 406],
    ['application/x-protobuf, application/json', 200],
    ['*/*', 200],
  ])('SUBSCRIBE with Accept %s: %d', async (accept, status) => {
    const response = await api.post(SUBSCRIBE, { accept });
    expect(response.status).toBe(status);
    await response.body?.cancel();
  });

  test('Accept does not matter to other calls', async () => {
    const response = await api.post(
      { type: 'REVIVE', framework_id: { value: 'x' } },
      { accept: 'text/html' },
    );
    expect(await faultOf(response)).toBe('Framework cannot be found');
  });

  test('SUBSCRIBE with a stream id: 400', async () => {
    expect((await api.post(SUBSCRIBE, STREAM)).status).toBe(400);
  });

  test('a refused subscription is 200 with one ERROR, then the end', async () => {
    const info = { user: 'u', name: 'n', role: 'nope' };
    const response = await api.post({ type: 'SUBSCRIBE', subscribe: { framework_info: info } });
    expect(response.status).toBe(200);
    const text = await response.text();
    const [length, json = ''] = text.split('\n');
    expect(Number(length)).toBe(json.length);
    expect(JSON.parse(json)).toMatchObject({
      type: 'ERROR',
      error: { message: expect.stringContaining("Role 'nope'") },
    });
  });

  test('every other call: 202 without a body; 400, 403 and 501 as they come', async () => {
    for (const path of [SCHEDULER, `/master${SCHEDULER}`]) {
      const subscribed = await api.post(SUBSCRIBE, {}, path);
      const streamId = subscribed.headers.get('mesos-stream-id') ?? '';
      const reader = subscribed.body?.getReader();
      const first = new TextDecoder().decode((await reader?.read())?.value);
      const [length = '', rest = ''] = first.split('\n');
      const event = JSON.parse(rest.slice(0, Number(length))) as {
        subscribed: { framework_id: object };
      };
      const id = event.subscribed.framework_id;
      const call = async (type: string, headers: object): Promise<Response> =>
        await api.post({ type, framework_id: id }, headers as never, path);
      const accepted = await call('REVIVE', { 'mesos-stream-id': streamId });
      expect([accepted.status, await accepted.text()]).toEqual([202, '']);
      expect((await call('REVIVE', {})).status).toBe(400);
      expect((await call('REVIVE', STREAM)).status).toBe(400);
      expect((await call('UNKNOWN', { 'mesos-stream-id': streamId })).status).toBe(501);
      expect(
        (await call('REVIVE', { 'mesos-stream-id': streamId, authorization: 'Bearer eve' })).status,
      ).toBe(400);
      await reader?.cancel();
    }
  });

  test('UPDATE_FRAMEWORK is answered when it is done: 200, 400, 403', async () => {
    const subscribed = await api.post(SUBSCRIBE);
    const streamId = subscribed.headers.get('mesos-stream-id') ?? '';
    const id = { value: 'mezzo-1-0000' };
    const update = async (info: object): Promise<number> => {
      const framework_info = { user: 'root', name: 'test', id, ...info };
      const call = {
        type: 'UPDATE_FRAMEWORK',
        framework_id: id,
        update_framework: { framework_info },
      };
      return (await api.post(call, { 'mesos-stream-id': streamId })).status;
    };
    await until('connected', () => api.world.hub.frameworks()[0]?.connected === true);
    const { user } = SUBSCRIBE.subscribe.framework_info;
    expect(await update({ user, failover_timeout: 5 })).toBe(200);
    expect(await update({ user: `${user}2` })).toBe(400);
    api.world.addRole('eng');
    api.world.authorizer.denied.add('alice offer eng');
    await until('the role is seen', async () => (await update({ user, role: 'eng' })) === 403);
    await subscribed.body?.cancel();
  });

  test('HTTP Basic works for old clients', async () => {
    const response = await api.post(SUBSCRIBE, {
      authorization: `Basic ${btoa('old-client:secret')}`,
    });
    expect(response.status).toBe(200);
    await response.body?.cancel();
    expect(api.world.frameworkObjects()[0]?.spec.principal).toBe('old-client');
  });
});

test("a principal in FrameworkInfo that is not the caller's: 400 that names both", async () => {
  const info = { user: 'root', name: 'x', principal: 'mallory' };
  const call = { type: 'SUBSCRIBE', subscribe: { framework_info: info } };
  const response = await api.post(call);
  expect(response.status).toBe(400);
  expect(await response.text()).toMatch(/'alice' does not match principal .*mallory/);
});

test('a principal that an anonymous caller gives itself is neither refused nor believed', async () => {
  await api.stop();
  api = await ApiHarness.start({ anonymous: 'nobody' });
  const info = { ...SUBSCRIBE.subscribe.framework_info, principal: 'mallory' };
  const response = await fetch(`${api.url}/api/v1/scheduler`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: info } }),
  });
  expect(response.status).toBe(200);
  await response.body?.cancel();
  expect(api.world.frameworkObjects().map((one) => one.spec.principal)).toEqual(['nobody']);
});

describe('limits', () => {
  test('calls beyond the rate: 429 with Retry-After, per principal', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { callsPerSecond: 1, burst: 3 } });
    const statuses: number[] = [];
    for (let call = 0; call < 5; call += 1) statuses.push((await api.post({})).status);
    expect(statuses).toEqual([400, 400, 400, 429, 429]);
    expect((await api.post({})).headers.get('retry-after')).toBe('1');
    expect((await api.post({}, { authorization: 'Bearer bob' })).status).toBe(400);
  });

  test('calls beyond the rate: 429 per framework too, whoever sends them', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { callsPerSecond: 1, burst: 2 } });
    const revive = { type: 'REVIVE', framework_id: { value: 'of-alice' } };
    const statuses: number[] = [];
    for (const who of ['alice', 'bob', 'carol'])
      statuses.push((await api.post(revive, { authorization: `Bearer ${who}` })).status);
    expect(statuses).toEqual([400, 400, 429]);
  });

  test('an address that keeps failing is not asked about any more', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { failuresPerSecond: 1 } });
    const statuses: number[] = [];
    for (let call = 0; call < 4; call += 1)
      statuses.push((await api.post({}, { authorization: 'Bearer bad' })).status);
    expect(statuses).toEqual([401, 401, 429, 429]);
  });

  test('one principal does not take all the streams, and closing one makes room', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { maxStreams: 3, maxStreamsPerPrincipal: 1 } });
    const first = await api.post(SUBSCRIBE);
    const refused = await api.post(SUBSCRIBE);
    expect([first.status, refused.status]).toEqual([200, 503]);
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(await faultOf(refused)).toContain("Principal 'alice' has 1 streams open");
    const other = await api.post(SUBSCRIBE, { authorization: 'Bearer bob' });
    expect(other.status).toBe(200);
    await first.body?.cancel();
    await until('room again', async () => {
      const again = await api.post(SUBSCRIBE);
      await again.body?.cancel();
      return again.status === 200;
    });
    await other.body?.cancel();
  });

  test('subscriptions beyond the rate: 429, and no object is made', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { subscriptionsPerSecond: 1, subscriptionBurst: 2 } });
    const statuses: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      const response = await api.post(SUBSCRIBE);
      statuses.push(response.status);
      await response.body?.cancel();
    }
    expect(statuses).toEqual([200, 200, 429]);
    expect(api.world.frameworkObjects()).toHaveLength(2);
  });

  test('streams beyond the limit: 503', async () => {
    await api.stop();
    api = await ApiHarness.start({ limits: { maxStreams: 1 } });
    const first = await api.post(SUBSCRIBE);
    expect(first.status).toBe(200);
    expect((await api.post(SUBSCRIBE)).status).toBe(503);
    await first.body?.cancel();
  });
});

describe('callers without credentials', () => {
  test('are the anonymous principal where one is configured; wrong credentials are still wrong', async () => {
    await api.stop();
    api = await ApiHarness.start({ anonymous: 'local' });
    const send = async (headers: object): Promise<Response> =>
      await fetch(api.url + SCHEDULER, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(SUBSCRIBE),
      });
    const response = await send({});
    expect(response.status).toBe(200);
    await response.body?.cancel();
    expect(api.world.frameworkObjects()[0]?.spec.principal).toBe('local');
    expect((await send({ authorization: 'Bearer bad' })).status).toBe(401);
  });
});

describe('read endpoints', () => {
  test.each(['', '/master'])(
    '/version, /health and /redirect under %j need no credentials',
    async (prefix) => {
      const version = (await (await api.get(`${prefix}/version`)).json()) as { version: string };
      expect(version.version).toBe('1.11.0');
      expect((await api.get(`${prefix}/health`)).status).toBe(200);
      const redirect = await api.get(`${prefix}/redirect`);
      expect([redirect.status, redirect.headers.get('location')]).toEqual([307, '//10.0.0.9:5050']);
      api.leadership = { kind: 'other', address: '10.0.0.2:5050' };
      expect((await api.get(`${prefix}/redirect`)).headers.get('location')).toBe('//10.0.0.2:5050');
      api.leadership = { kind: 'unknown' };
      expect((await api.get(`${prefix}/redirect`)).status).toBe(503);
    },
  );

  test.each([
    '/state',
    '/master/state',
    '/metrics/snapshot',
    '/api/roles',
    '/api/tasks',
    '/api/agents',
    '/api/jobs',
  ])('%s: 401 without credentials, 200 with, 405 for POST', async (path) => {
    expect((await api.get(path)).status).toBe(401);
    const response = await api.get(path, { authorization: 'Bearer alice' });
    expect(response.status).toBe(200);
    await response.json();
    expect((await api.post({}, {}, path)).status).toBe(405);
  });

  test('/state lists frameworks with their tasks, and agents', async () => {
    const who = await api.world.subscribe({ name: 'shown' });
    const state = await (await api.get('/state', { authorization: 'Bearer alice' })).json();
    expect(state).toMatchObject({
      version: '1.11.0',
      activated_slaves: 1,
      slaves: [{ id: 'node-1', resources: { cpus: 4, mem: 2048 }, used_resources: { cpus: 1.5 } }],
      frameworks: [{ id: who.id, name: 'shown', active: true, tasks: [] }],
    });
  });

  test('/metrics/snapshot counts', async () => {
    await api.world.subscribe();
    const snapshot = await (
      await api.get('/metrics/snapshot', { authorization: 'Bearer alice' })
    ).json();
    expect(snapshot).toMatchObject({
      'master/elected': 1,
      'master/frameworks_connected': 1,
      'master/cpus_total': 4,
      'master/cpus_used': 1.5,
      'master/cpus_percent': 0.375,
    });
  });

  test('/api/roles writes amounts as quantities', async () => {
    const roles = await (await api.get('/api/roles', { authorization: 'Bearer alice' })).json();
    expect(roles).toMatchObject({
      roles: [{ role: 'eng', allocated: { cpus: '1500m', mem: '1Gi' }, limit: { cpus: '2' } }],
    });
  });

  test('probes and metrics', async () => {
    expect((await api.get('/livez')).status).toBe(200);
    api.live = false;
    expect((await api.get('/livez')).status).toBe(503);
    expect((await api.get('/readyz')).status).toBe(200);
    const metrics = await api.get('/metrics');
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4');
    expect(await metrics.text()).toBe('up 1\n');
  });

  test('an unknown path: 404 as JSON, without a word about the server', async () => {
    for (const path of ['/', '/nope', '/api/v1/scheduler/', '/API/V1/SCHEDULER', '/%ff']) {
      const response = await api.get(path);
      expect([path, response.status === 404 || response.status === 400]).toEqual([path, true]);
      expect(await faultOf(response)).not.toMatch(/at |node_modules/);
      expect(response.headers.get('x-powered-by')).toBeNull();
    }
  });
});

test('a bug is 500 as JSON, and tells nothing of the inside', async () => {
  await api.stop();
  api = await ApiHarness.start({ metrics: () => Promise.reject(new Error('the secret')) });
  const response = await api.get('/metrics');
  expect(response.status).toBe(500);
  expect(await faultOf(response)).toBe('Internal error');
});

describe('POST /agent/v1/report', () => {
  const PATH = '/agent/v1/report';
  const report = (more: object = {}): object => ({
    node: 'node-1',
    atMs: Date.now(),
    nodeUsage: { cpuMillis: 5, memoryBytes: 6 },
    pods: [],
    ...more,
  });
  const agentOf = (node: string): { authorization: string } => ({
    authorization: `Bearer ${AGENT_ACCOUNT}@${node}`,
  });

  test('an agent reports its own node', async () => {
    expect((await api.post(report(), agentOf('node-1'), PATH)).status).toBe(202);
    expect(api.reports).toHaveLength(1);
  });

  test.each([
    ['another node than its own', {}, agentOf('node-2'), 403],
    ['a token bound to no node', {}, { authorization: `Bearer ${AGENT_ACCOUNT}` }, 403],
    ['somebody who is no agent', {}, { authorization: 'Bearer alice@node-1' }, 403],
    ['a bad token', {}, { authorization: 'Bearer bad' }, 401],
    ['a field of the wrong kind', { node: 7 }, agentOf('node-1'), 400],
    ['an unknown field', { more: 7 }, agentOf('node-1'), 400],
    ['an old report', { atMs: 5 }, agentOf('node-1'), 400],
    ['another content type', {}, { ...agentOf('node-1'), 'content-type': 'text/plain' }, 415],
  ])('%s is refused', async (_name, more, headers, status) => {
    const response = await api.post(report(more), headers, PATH);
    expect(response.status).toBe(status);
    await faultOf(response);
    expect(api.reports).toEqual([]);
  });

  test('reports go to the leader', async () => {
    api.leadership = { kind: 'other', address: '10.0.0.2:8080' };
    const response = await api.post(report(), agentOf('node-1'), PATH);
    expect(response.headers.get('location')).toBe('//10.0.0.2:8080/agent/v1/report');
  });

  test('without a token only where the listener allows it', async () => {
    const send = async (): Promise<number> =>
      (
        await fetch(api.url + PATH, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(report()),
        })
      ).status;
    expect(await send()).toBe(401);
    await api.stop();
    const onReport = (): void => {};
    api = await ApiHarness.start({
      agents: { serviceAccount: AGENT_ACCOUNT, allowAnonymous: true, onReport },
    });
    expect(await send()).toBe(202);
  });
});
