import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePorts } from '../../../local-cluster/support/freePorts.ts';
import {
  describeEnd,
  type ManagedProcess,
  startProcess,
} from '../../../local-cluster/support/managedProcess.ts';
import {
  AGENTS,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  RESERVATIONS,
  SERVICE_JOBS,
} from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, OperatorCluster, template } from '../operator/operatorCluster.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');

let all: OperatorCluster;
let operator: ManagedProcess;
let url: string;
let boss: string;
let nobody: string;
const nodes: string[] = [];

/** The operator with every check on; what it writes for a caller it writes as that caller. */
async function startSecureOperator(): Promise<void> {
  const [httpPort, metricsPort] = await freePorts(2);
  url = `http://127.0.0.1:${httpPort}`;
  operator = await startProcess({
    name: 'secure-operator',
    command: process.execPath,
    args: [
      '--no-warnings',
      join(REPOSITORY, 'operator/src/main.ts'),
      `--kubeconfig=${all.cluster.kubeconfigPath}`,
      '--http-host=127.0.0.1',
      `--http-port=${httpPort}`,
      `--metrics-port=${metricsPort}`,
      '--namespace=mezzo-system',
      '--impersonate',
    ],
    dir: all.cluster.dir,
    cwd: REPOSITORY,
    lifetime: 'parent',
  });
  await eventually('the operator to lead', async () => {
    const response = await fetch(`${url}/api/v1`, { method: 'POST' });
    return response.status === 503 ? undefined : true;
  }).catch(async (cause: unknown) => {
    throw new Error(await describeEnd(operator), { cause });
  });
}

async function tokenOf(account: string): Promise<string> {
  await all.cluster.kubectl(['create', 'serviceaccount', account, '-n', 'team']);
  const token = await all.cluster.kubectl([
    'create',
    'token',
    account,
    '-n',
    'team',
    '--audience=mezzo',
  ]);
  return token.trim();
}

beforeAll(async () => {
  all = await OperatorCluster.start();
  const names = await all.cluster.kubectl(['get', 'nodes', '-o', 'name']);
  nodes.push(
    ...names
      .trim()
      .split('\n')
      .map((name) => name.replace('node/', '')),
  );
  boss = await tokenOf('boss');
  nobody = await tokenOf('nobody');
  await all.cluster.kubectl([
    'create',
    'clusterrolebinding',
    'boss',
    '--clusterrole=cluster-admin',
    '--serviceaccount=team:boss',
  ]);
  await startSecureOperator();
}, 240_000);
afterAll(async () => {
  await operator?.stop(2_000);
  await all?.stop();
}, 60_000);

async function call(
  token: string,
  body: { readonly type: string; readonly [field: string]: unknown },
) {
  const response = await fetch(`${url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const reply = text === '' ? {} : (JSON.parse(text) as { [field: string]: unknown });
  return { status: response.status, text, body: reply[body.type.toLowerCase()] };
}

const agents = async (token: string): Promise<{ [field: string]: unknown }[]> => {
  const { body } = await call(token, { type: 'GET_AGENTS' });
  return (body as { agents?: { [field: string]: unknown }[] }).agents ?? [];
};

/** Waits until a read answers exactly this. */
async function toTell(question: { readonly type: string }, answer: object): Promise<void> {
  await eventually(`${question.type} to answer ${JSON.stringify(answer)}`, async () => {
    const { body } = await call(boss, question);
    expect(body).toEqual(answer);
    return true;
  });
}

test('who may do nothing sees nothing, changes nothing, and is told what is missing', async () => {
  expect(await agents(nobody)).toEqual([]);
  const weights = { weight_infos: [{ role: 'eng/web', weight: 2 }] };
  const refused = await call(nobody, { type: 'UPDATE_WEIGHTS', update_weights: weights });
  expect([refused.status, refused.text]).toEqual([
    403,
    expect.stringContaining('Missing: create roles.mezzo.dev'),
  ]);
  expect(await agents(boss)).toHaveLength(2);
}, 60_000);

test('quotas: the API server has the last word, and all are written or none', async () => {
  const quota = (configs: readonly object[]) =>
    call(boss, { type: 'UPDATE_QUOTA', update_quota: { quota_configs: configs } });
  const good = { role: 'eng/web', limits: { cpus: { value: 2.5 }, mem: { value: 512 } } };
  // No Quota object may be for a role of this length: the schema says so, not the operator.
  const bad = { role: 'eng/web', limits: { 'a_b/c d': { value: 1 } } };
  const refused = await quota([good, { ...bad, role: 'other' }]);
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('Quota')]);
  const { items } = await all.kube.list(QUOTAS, {});
  expect(items).toEqual([]);
  expect(await quota([good])).toMatchObject({ status: 200, text: '' });
  await toTell(
    { type: 'GET_QUOTA' },
    { status: { infos: [{ role: 'eng/web' }], configs: [good] } },
  );
  const lower = { role: 'eng/web', limits: { mem: { value: 256 } } };
  expect(await quota([lower])).toMatchObject({ status: 200, text: '' });
  // What is told is what is in effect: the new quota, once it has been judged.
  await toTell(
    { type: 'GET_QUOTA' },
    { status: { infos: [{ role: 'eng/web' }], configs: [lower] } },
  );
  expect(await quota([{ role: 'eng/web' }])).toMatchObject({ status: 200, text: '' });
  expect((await all.kube.list(QUOTAS, {})).items).toEqual([]);
}, 60_000);

test('reservations are bound, told of, and given back', async () => {
  const [node = ''] = nodes;
  const resources = [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, reservations: [{ role: 'eng' }] },
  ];
  const body = { agent_id: { value: node }, resources };
  const reserved = await call(boss, { type: 'RESERVE_RESOURCES', reserve_resources: body });
  expect([reserved.status, reserved.text]).toEqual([202, '']);
  await eventually('the reservation to be told of', async () => {
    const found = (await agents(boss)).find((one) => JSON.stringify(one).includes(node));
    return JSON.stringify(found?.['total_resources']).includes('"role":"eng"') || undefined;
  });
  const [made] = (await all.kube.list(RESERVATIONS, {})).items;
  expect(made).toMatchObject({ spec: { principal: 'system:serviceaccount:team:boss' } });
  const unreserved = await call(boss, { type: 'UNRESERVE_RESOURCES', unreserve_resources: body });
  expect(unreserved).toMatchObject({ status: 202, text: '' });
  expect((await all.kube.list(RESERVATIONS, {})).items).toEqual([]);
}, 90_000);

test('a drained agent is emptied, told of as it goes, and works again when asked', async () => {
  const events = await subscribe(boss);
  const weights = { weight_infos: [{ role: 'eng/web', weight: 2 }] };
  const made = await call(boss, { type: 'UPDATE_WEIGHTS', update_weights: weights });
  expect(made).toMatchObject({ status: 200, text: '' });
  await all.make(SERVICE_JOBS, 'shop', {
    role: 'eng/web',
    tier: 'production',
    instances: 2,
    template: template('100m'),
  });
  const running = await all.running('shop', 2);
  await eventually('the tasks to be told of', async () => {
    const updates = events.seen.filter((one) => JSON.stringify(one).includes('TASK_RUNNING'));
    return (await Promise.resolve(updates.length >= 2)) || undefined;
  });
  const node = running[0]?.spec.nodeName ?? '';
  const of = { agent_id: { value: node } };
  const drained = await call(boss, { type: 'DRAIN_AGENT', drain_agent: of });
  expect([drained.status, drained.text]).toEqual([200, '']);
  const early = await call(boss, { type: 'REACTIVATE_AGENT', reactivate_agent: of });
  expect([400, 200]).toContain(early.status);
  if (early.status === 400) {
    await eventually(
      'the agent to be empty',
      async () => {
        const found = (await agents(boss)).find((one) => JSON.stringify(one).includes(`"${node}"`));
        return JSON.stringify(found).includes('DRAINED') || undefined;
      },
      120_000,
    );
    expect((await call(boss, { type: 'REACTIVATE_AGENT', reactivate_agent: of })).status).toBe(200);
  }
  expect((await all.kube.list(MAINTENANCE_WINDOWS, {})).items).toEqual([]);
  const elsewhere = await all.running('shop', 2);
  expect(elsewhere.some((pod) => pod.metadata.uid === running[0]?.metadata.uid)).toBe(false);
  expect((await all.kube.list(AGENTS, {})).items).toHaveLength(2);
  events.close();
}, 240_000);

/** An operator event stream, read as it comes. */
async function subscribe(token: string) {
  const stop = new AbortController();
  const response = await fetch(`${url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{"type":"SUBSCRIBE"}',
    signal: stop.signal,
  });
  expect(response.status).toBe(200);
  const seen: { readonly type: string }[] = [];
  let text = '';
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString('latin1');
      for (;;) {
        const feed = text.indexOf('\n');
        const length = Number(text.slice(0, feed));
        if (feed < 0 || text.length < feed + 1 + length) break;
        seen.push(JSON.parse(text.slice(feed + 1, feed + 1 + length)) as { type: string });
        text = text.slice(feed + 1 + length);
      }
    }
  };
  read().catch(() => undefined);
  return { seen, close: () => stop.abort() };
}
