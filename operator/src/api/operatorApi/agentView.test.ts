import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { HttpNodeViews } from '../../../../agent-daemonset/src/adapters/httpNodeViews.ts';
import { AGENT_ACCOUNT, ApiHarness } from '../../../../test/support/apiHarness.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import { RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { AGENT_VIEW_PATH, AgentViewReply } from '../../schema/http/agentView.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import { createSystemClock } from '../../store/system/systemClock.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';

let api: ApiHarness;
let rights: (question: AccessQuestion) => boolean;

beforeEach(async () => {
  rights = () => true;
  const plain = await ApiHarness.start();
  const options = plain.operatorApi;
  await plain.stop();
  let harness: ApiHarness | undefined;
  harness = await ApiHarness.start({
    operatorApi: {
      ...options,
      cluster: () => harness?.operatorApi.cluster() ?? options.cluster(),
      access: {
        may: (_who, question) =>
          Promise.resolve(
            rights(question) ? { kind: 'allowed' } : { kind: 'denied', missing: 'a right' },
          ),
      },
    },
  });
  api = harness;
  for (const [job, namespace] of [
    ['here', 'apps'],
    ['hidden', 'secret'],
  ] as const) {
    const pod = taskPod({ job, agent: 'node-1' });
    const made = api.world.api.create(PODS, {
      ...pod,
      metadata: { ...pod.metadata, namespace },
    });
    api.world.api.update(PODS, { ...made, status: RUNNING } as never, { subresource: 'status' });
  }
});
afterEach(async () => api.stop());

const asAgent = { authorization: `Bearer ${AGENT_ACCOUNT}@node-1` };

async function ask(body: object, headers: object = asAgent) {
  const response = await api.post(body, headers as never, AGENT_VIEW_PATH);
  const text = await response.text();
  return { status: response.status, reply: AgentViewReply.safeParse(JSON.parse(text)).data };
}

test('an agent learns what its caller may see of its node', async () => {
  const { status, reply } = await ask({ node: 'node-1', authorization: 'Bearer bob' });
  expect(status).toBe(200);
  expect(reply).toMatchObject({
    kind: 'principal',
    principal: 'bob',
    mayDebug: true,
    agent: { id: 'node-1', resources: { cpus: 4 } },
    frameworks: [{ id: 'mezzo-jobs' }],
  });
  const tasks = reply?.kind === 'principal' ? reply.tasks : [];
  expect(tasks.map((one) => [one.podName, one.mayReadLogs, one.mayReadFiles])).toEqual([
    ['here-0-0', true, true],
    ['hidden-0-0', true, true],
  ]);
});

test('tasks, logs and files follow three different rights', async () => {
  rights = (question) =>
    'resource' in question &&
    question.namespace === 'apps' &&
    question.resource === 'pods' &&
    (question.verb === 'list' || question.subresource === 'log');
  const { reply } = await ask({ node: 'node-1', authorization: 'Bearer bob' });
  const tasks = reply?.kind === 'principal' ? reply.tasks : [];
  expect(tasks.map((one) => [one.podName, one.mayReadLogs, one.mayReadFiles])).toEqual([
    ['here-0-0', true, false],
  ]);
  expect(reply).toMatchObject({ mayDebug: false });
});

test('a caller nobody knows is told to the agent, not taken for the agent', async () => {
  expect((await ask({ node: 'node-1' })).reply).toMatchObject({ kind: 'rejected' });
  expect((await ask({ node: 'node-1', authorization: 'Bearer bad' })).reply).toMatchObject({
    kind: 'rejected',
  });
  expect((await ask({ node: 'node-1', authorization: 'Bearer away' })).reply).toMatchObject({
    kind: 'unavailable',
  });
});

test.each([
  ['another node than its own', { node: 'node-2' }, asAgent, 403],
  ['somebody who is no agent', { node: 'node-1' }, { authorization: 'Bearer alice' }, 403],
  ['a bad token', { node: 'node-1' }, { authorization: 'Bearer bad' }, 401],
  ['an unknown field', { node: 'node-1', more: 1 }, asAgent, 400],
  ['no node', {}, asAgent, 400],
])('%s is refused', async (_name, body, headers, status) => {
  expect((await ask(body, headers)).status).toBe(status);
});

test('the adapter of the agent asks, remembers for a moment, and says when nobody answers', async () => {
  const clock = createSystemClock();
  const options = {
    node: 'node-1',
    tokenFile: undefined,
    caFile: undefined,
    clock,
    log: silentLog,
  };
  await api.stop();
  api = await ApiHarness.start({
    agents: { serviceAccount: AGENT_ACCOUNT, allowAnonymous: true, onReport: () => undefined },
  });
  const views = new HttpNodeViews({ ...options, operatorUrl: `${api.url}/agent/v1/report` });
  expect(await views.viewFor('Bearer bob')).toMatchObject({ kind: 'principal', principal: 'bob' });
  expect(await views.viewFor('Bearer eve')).toMatchObject({ kind: 'principal', principal: 'eve' });
  await api.stop();
  expect(await views.viewFor('Bearer bob')).toMatchObject({ kind: 'principal', principal: 'bob' });
  expect(await views.viewFor('Bearer new')).toMatchObject({ kind: 'unavailable' });
  await views.close();
  api = await ApiHarness.start();
});
