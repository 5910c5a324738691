import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApiHarness } from '../../../../test/support/apiHarness.ts';
import {
  type OperatorApiHarness,
  startOperatorApi,
} from '../../../../test/support/operatorApiHarness.ts';
import type { ResourceRef } from '../../ports/kubeApi.ts';
import {
  FRAMEWORKS,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  RESERVATIONS,
  ROLES,
} from '../../schema/mezzoKinds.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';

let harness: OperatorApiHarness;
let api: ApiHarness;
let may: (question: AccessQuestion) => boolean;

beforeEach(async () => {
  may = () => true;
  harness = await startOperatorApi((question) => may(question));
  api = harness.api;
});
afterEach(async () => api.stop());

async function send(
  method: string,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly text: string; readonly allow: string | null }> {
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: 'Bearer alice' },
    ...(body === undefined ? {} : { body }),
  });
  return {
    status: response.status,
    text: await response.text(),
    allow: response.headers.get('allow'),
  };
}

const form = (fields: { readonly [name: string]: string }): string =>
  new URLSearchParams(fields).toString();
const all = (ref: ResourceRef) => harness.all(ref);

const CPUS = {
  name: 'cpus',
  type: 'SCALAR',
  scalar: { value: 2 },
  role: 'web',
  reservation: { principal: 'alice' },
};

describe('old write endpoints', () => {
  test.each(['', '/master'])(
    '%s/reserve and /unreserve make and delete a Reservation',
    async (prefix) => {
      const body = form({ slaveId: 'big', resources: JSON.stringify([CPUS]) });
      expect(await send('POST', `${prefix}/reserve`, body)).toMatchObject({
        status: 202,
        text: '',
      });
      expect(all(RESERVATIONS)[0]?.spec).toMatchObject({
        role: 'web',
        agent: 'big',
        resources: { cpus: '2' },
        principal: 'alice',
      });
      expect((await send('POST', `${prefix}/unreserve`, body)).status).toBe(202);
      expect(all(RESERVATIONS)).toEqual([]);
    },
  );

  test.each([
    ['/reserve', '', "Missing 'slaveId' query parameter in the request body"],
    ['/reserve', 'slaveId=big', "Missing 'resources' query parameter in the request body"],
    ['/unreserve', 'slaveId=big&resources=%7B', "Error in parsing 'resources' query parameter"],
    ['/create-volumes', 'slaveId=big', "Missing 'volumes' query parameter in the request body"],
    ['/destroy-volumes', 'slaveId=big', "Missing 'volumes' query parameter in the request body"],
    ['/teardown', 'id=1', "Missing 'frameworkId' query parameter in the request body"],
    ['/quota', '{', 'The body is not JSON'],
    ['/quota', '[]', 'set_quota'],
    ['/machine/down', '{"hostname":1}', 'start_maintenance'],
    ['/maintenance/schedule', '{"windows":[{}]}', 'update_maintenance_schedule'],
  ])('POST %s with "%s" is 400 and says what is wrong', async (path, body, message) => {
    const reply = await send('POST', path, body);
    expect(reply.status).toBe(400);
    expect(reply.text).toContain(message);
  });

  test('/create-volumes makes a volume of reserved disk, /destroy-volumes gives the disk back', async () => {
    const disk = { ...CPUS, name: 'disk', scalar: { value: 100 } };
    const reserved = form({ slaveId: 'big', resources: JSON.stringify([disk]) });
    expect((await send('POST', '/reserve', reserved)).status).toBe(202);
    const volume = {
      ...disk,
      scalar: { value: 40 },
      disk: {
        persistence: { id: 'data', principal: 'alice' },
        volume: { container_path: 'data', mode: 'RW' },
      },
    };
    const body = form({ slaveId: 'big', volumes: JSON.stringify([volume]) });
    expect(await send('POST', '/create-volumes', body)).toMatchObject({ status: 202, text: '' });
    const [made] = all(RESERVATIONS).filter((one) => one.spec['volume'] !== undefined);
    expect(made?.spec).toMatchObject({
      role: 'web',
      agent: 'big',
      resources: { disk: '40Mi' },
      volume: { id: 'data' },
    });
    expect((await send('POST', '/unreserve', reserved)).status).toBe(409);
    expect((await send('POST', '/create-volumes', body)).status).toBe(409);
    expect((await send('POST', '/master/destroy-volumes', body)).status).toBe(202);
  });

  test('PUT /weights', async () => {
    const reply = await send('PUT', '/weights', '[{"role":"a/b","weight":3}]');
    expect(reply).toMatchObject({ status: 200, text: '' });
    expect(all(ROLES).map((one) => one.spec)).toMatchObject([{ path: 'a/b', weight: 3 }]);
    expect((await send('PUT', '/weights', '[{"role":"a/b","weight":0}]')).status).toBe(400);
  });

  test('POST /quota and DELETE /quota/ROLE, of nested roles too', async () => {
    const guarantee = [{ name: 'cpus', type: 'SCALAR', scalar: { value: 2 } }];
    const body = JSON.stringify({ role: 'a/b', guarantee });
    expect((await send('POST', '/quota', body)).status).toBe(200);
    expect(all(QUOTAS)[0]?.spec).toMatchObject({ role: 'a/b', guarantees: { cpus: '2' } });
    expect((await send('GET', '/quota')).text).toContain('"role":"a/b"');
    expect((await send('DELETE', '/quota/a/c')).status).toBe(400);
    expect((await send('DELETE', '/quota/a/b')).status).toBe(200);
    expect(all(QUOTAS)).toEqual([]);
  });

  test('POST /maintenance/schedule, /machine/down and /machine/up', async () => {
    const windows = [
      {
        machine_ids: [{ hostname: 'big' }],
        unavailability: { start: { nanoseconds: (Date.now() + 3_600_000) * 1e6 } },
      },
    ];
    const schedule = await send('POST', '/maintenance/schedule', JSON.stringify({ windows }));
    expect(schedule.status).toBe(200);
    expect((await send('GET', '/maintenance/schedule')).text).toContain('"hostname":"big"');
    const machines = '[{"hostname":"big"}]';
    expect((await send('POST', '/machine/down', machines)).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS)[0]?.spec).toMatchObject({ mode: 'Drain' });
    expect((await send('GET', '/maintenance/status')).text).toContain('down_machines');
    expect((await send('POST', '/machine/up', machines)).status).toBe(200);
    expect(all(MAINTENANCE_WINDOWS)).toEqual([]);
  });

  test('POST /teardown', async () => {
    const who = await api.world.subscribe({ name: 'mine' });
    expect((await send('POST', '/teardown', form({ frameworkId: 'nobody' }))).status).toBe(400);
    expect((await send('POST', '/teardown', form({ frameworkId: who.id }))).status).toBe(200);
    expect(all(FRAMEWORKS)).toEqual([]);
    expect(who.sink.state).toBe('ended');
  });

  test.each([
    ['GET', '/reserve', 'POST'],
    ['POST', '/weights', 'GET, HEAD, PUT'],
    ['PUT', '/quota', 'GET, HEAD, POST'],
    ['POST', '/quota/a', 'DELETE'],
    ['DELETE', '/maintenance/schedule', 'GET, HEAD, POST'],
    ['GET', '/machine/up', 'POST'],
  ])('%s %s is 405 and names what is allowed', async (method, path, allowed) => {
    expect(await send(method, path)).toMatchObject({ status: 405, allow: allowed });
  });

  test('go the way of the operator API: rights, and no write without them', async () => {
    may = (question) => question.verb !== 'create';
    const reply = await send('PUT', '/weights', '[{"role":"a/b","weight":3}]');
    expect(reply.status).toBe(403);
    expect(reply.text).toContain('Missing');
    expect(all(ROLES)).toEqual([]);
  });

  test('nobody without credentials, and only at the leader', async () => {
    const anonymous = await fetch(`${api.url}/teardown`, { method: 'POST', body: 'frameworkId=x' });
    expect(anonymous.status).toBe(401);
    api.leadership = { kind: 'other', address: '10.0.0.2:5050' };
    const elsewhere = await fetch(`${api.url}/master/teardown`, {
      method: 'POST',
      redirect: 'manual',
    });
    expect(elsewhere.status).toBe(307);
    expect(elsewhere.headers.get('location')).toBe('//10.0.0.2:5050/master/teardown');
  });

  test('a body without end is not read', async () => {
    const reply = await send('POST', '/quota', 'x'.repeat(5 * 1024 * 1024));
    expect(reply.status).toBe(413);
  });
});
