import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApiHarness } from '../../../../test/support/apiHarness.ts';
import { AN_AGENT } from '../../../../test/support/clusterOf.ts';
import {
  type OperatorApiHarness,
  startOperatorApi,
} from '../../../../test/support/operatorApiHarness.ts';
import { RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { planCall, type WriteCall } from '../../controllers/operatorCalls/planCall.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { ResourceRef } from '../../ports/kubeApi.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { parseOperatorCall } from '../../schema/mesos/operatorCall.ts';
import { RESERVATIONS } from '../../schema/mezzoKinds.ts';

let harness: OperatorApiHarness;
let api: ApiHarness;

beforeEach(async () => {
  harness = await startOperatorApi(() => true);
  api = harness.api;
});
afterEach(async () => api.stop());

async function send(call: object) {
  const response = await api.post(call, {}, '/api/v1');
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

const messageOf = ({ body }: { body: unknown }): string =>
  (body as { error: { message: string } }).error.message;
const all = (ref: ResourceRef) => harness.all(ref);
const make = (ref: ResourceRef, name: string, spec: object): void => harness.make(ref, name, spec);
const runTask = (pod: Pod): void => {
  const made = api.world.api.create(PODS, pod) as Pod;
  api.world.api.update(PODS, { ...made, status: RUNNING } as never, { subresource: 'status' });
};

describe('reservations', () => {
  const cpus = (
    value: number,
    more: object = { reservations: [{ type: 'DYNAMIC', role: 'eng' }] },
  ) => ({
    name: 'cpus',
    type: 'SCALAR',
    scalar: { value },
    ...more,
  });
  const reserve = (...resources: readonly object[]) =>
    send({
      type: 'RESERVE_RESOURCES',
      reserve_resources: { agent_id: { value: 'big' }, resources },
    });
  const unreserve = (...resources: readonly object[]) =>
    send({
      type: 'UNRESERVE_RESOURCES',
      unreserve_resources: { agent_id: { value: 'big' }, resources },
    });

  test('RESERVE makes a Reservation of the caller, in the new form and the old', async () => {
    expect(await reserve(cpus(2))).toEqual({ status: 202, body: undefined });
    expect(
      (await reserve(cpus(1, { role: 'old', reservation: { principal: 'alice' } }))).status,
    ).toBe(202);
    expect(all(RESERVATIONS).map((one) => one.spec)).toEqual([
      { role: 'eng', agent: 'big', resources: { cpus: '2' }, principal: 'alice' },
      { role: 'old', agent: 'big', resources: { cpus: '1' }, principal: 'alice' },
    ]);
  });

  test.each([
    ['more than is free', cpus(9), 409, /cpus 1/],
    [
      "another's principal",
      cpus(1, { reservations: [{ role: 'eng', principal: 'bob' }] }),
      400,
      /'bob'/,
    ],
    ['no role', cpus(1, {}), 400, /names no role/],
    ['the default role', cpus(1, { role: '*' }), 400, /names no role/],
    [
      'a refinement',
      cpus(1, { reservations: [{ role: 'a' }, { role: 'a/b' }] }),
      400,
      /spec\.parent/,
    ],
    ['revocable resources', cpus(1, { role: 'eng', revocable: {} }), 400, /revocable/],
    ['nothing', cpus(0), 400, /above 0/],
  ])('RESERVE of %s is refused', async (_name, resource, expected, message) => {
    const reply = await reserve(resource);
    expect([reply.status, all(RESERVATIONS)]).toEqual([expected, []]);
    expect(messageOf(reply)).toMatch(message);
  });

  test('an agent nobody knows: 400', async () => {
    const reply = await send({
      type: 'RESERVE_RESOURCES',
      reserve_resources: { agent_id: { value: 'none' }, resources: [cpus(1)] },
    });
    expect([reply.status, messageOf(reply)]).toEqual([400, 'No agent found with specified ID']);
  });

  test('UNRESERVE takes a part, then the rest', async () => {
    await reserve(cpus(2), { ...cpus(512), name: 'mem' });
    expect((await unreserve(cpus(0.5))).status).toBe(202);
    expect(all(RESERVATIONS)[0]?.spec['resources']).toEqual({ cpus: '1500m', mem: '512Mi' });
    expect((await unreserve(cpus(1.5))).status).toBe(202);
    expect(all(RESERVATIONS)[0]?.spec['resources']).toEqual({ mem: '512Mi' });
    expect((await unreserve({ ...cpus(513), name: 'mem' })).status).toBe(400);
    expect((await unreserve({ ...cpus(512), name: 'mem' })).status).toBe(202);
    expect(all(RESERVATIONS)).toEqual([]);
  });

  test('the same reserved twice is reserved twice', async () => {
    expect([(await reserve(cpus(1))).status, (await reserve(cpus(1))).status]).toEqual([202, 202]);
    expect(all(RESERVATIONS)).toHaveLength(2);
    expect((await reserve(cpus(7))).status).toBe(409);
  });

  test('UNRESERVE of what tasks use: 409', async () => {
    await reserve(cpus(2));
    const pod = taskPod({ job: 'inside', agent: 'big', role: 'eng', cpus: '1' });
    const annotations = { ...pod.metadata.annotations, [ANNOTATION.reserved]: '{"cpus":"1"}' };
    runTask({ ...pod, metadata: { ...pod.metadata, annotations } });
    const reply = await unreserve(cpus(1.5));
    expect([reply.status, messageOf(reply)]).toEqual([
      409,
      expect.stringMatching(/cpus 500m too much/),
    ]);
    expect((await unreserve(cpus(1))).status).toBe(202);
  });

  test('UNRESERVE leaves persistent volumes and what they lie on alone', async () => {
    const disk = (value: number) => ({ ...cpus(value), name: 'disk' });
    make(RESERVATIONS, 'disks', {
      role: 'eng',
      agent: 'big',
      resources: { disk: '100Mi' },
    });
    make(RESERVATIONS, 'volume-1', {
      role: 'eng',
      agent: 'big',
      resources: { disk: '40Mi' },
      parent: 'disks',
      volume: {
        id: 'data',
        containerPath: 'data',
        from: [{ reservation: 'disks', disk: '40Mi' }],
      },
    });
    const reply = await unreserve(disk(80));
    expect([reply.status, messageOf(reply)]).toEqual([
      409,
      expect.stringMatching(/Persistent volumes of role 'eng'.*disk 20Mi too much; destroy them/),
    ]);
    const pod = taskPod({ job: 'inside', agent: 'big', role: 'eng', cpus: '1' });
    const annotations = {
      ...pod.metadata.annotations,
      [ANNOTATION.reserved]: '{"disk":"40Mi"}',
      [ANNOTATION.volumes]: '["volume-1"]',
    };
    runTask({ ...pod, metadata: { ...pod.metadata, annotations } });
    expect((await unreserve(disk(60))).status).toBe(202);
    expect(all(RESERVATIONS).map((one) => one.spec['resources'])).toEqual([
      { disk: '40Mi' },
      { disk: '40Mi' },
    ]);
  });

  test('UNRESERVE of what a selector chose is refused, and says what to do', () => {
    const resources = { cpus: 2_000 };
    const chosen = {
      role: 'eng',
      name: 'anywhere',
      principal: undefined,
      labels: {},
      volume: undefined,
    };
    const reservation = { ...chosen, resources, wanted: resources, hereOnly: false };
    const agents = [{ ...AN_AGENT, reservations: [reservation] }];
    const nothing = { frameworks: [], tasks: [], roles: [], windows: [], inverseAnswers: [] };
    const call = parseOperatorCall({
      type: 'UNRESERVE_RESOURCES',
      unreserve_resources: { agent_id: { value: 'node-1' }, resources: [cpus(1)] },
    });
    const who = { principal: 'alice', nowMs: 0 };
    expect(
      call.ok && planCall(call.value as WriteCall, { view: { agents, ...nothing }, ...who }),
    ).toEqual({
      ok: false,
      refusal: {
        kind: 'conflict',
        message: expect.stringMatching(/'anywhere' lies on agents chosen by selector.*kubectl/),
      },
    });
  });

  test('UNRESERVE of what is not reserved: 400 with the numbers', async () => {
    const reply = await unreserve(cpus(1));
    expect(reply.status).toBe(400);
    expect(messageOf(reply)).toMatch(/role 'eng' has nothing reserved.*lacks cpus 1/);
  });
});
