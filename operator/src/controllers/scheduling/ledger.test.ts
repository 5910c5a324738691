import { describe, expect, test } from '@jest/globals';
import { ended, nodeOf, RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { agentId } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { Node, Pod, Taint } from '../../schema/kubeObjects.ts';
import type { AgentObject } from '../../schema/mezzoKinds.ts';
import { REVOCABLE_CPU } from '../task/taskView.ts';
import { type AgentInput, allocatorAgentOf, revocableTarget } from './agents.ts';
import { ledgerOf } from './ledger.ts';
import { reservedForOthers } from './reservedForOthers.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);

/** A Pod of somebody else: a DaemonSet, an operator, a person. */
const foreign = (name: string, cpu: string, more: Partial<Pod> = {}): Pod => ({
  metadata: { name, namespace: 'kube-system' },
  spec: {
    nodeName: 'node-1',
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }],
  },
  status: { phase: 'Running' },
  ...more,
});

describe('the ledger', () => {
  test('counts tasks of Mezzo one by one and Pods of others as a sum', () => {
    const ledger = ledgerOf(
      [taskPod({ cpus: '1' }), foreign('dns', '100m'), foreign('proxy', '50m')],
      [],
    );
    expect(ledger.tasks.map((task) => [task.agent, task.resources['cpus']])).toEqual([
      ['node-1', 1000],
    ]);
    expect(ledger.foreign.get(agentId('node-1'))).toEqual({ cpus: 150 });
    expect(ledger.podCount.get(agentId('node-1'))).toBe(3);
  });
  test.each<[string, Pod, boolean]>([
    ['a Pod that has not started yet', taskPod({ status: { phase: 'Pending' } }), true],
    [
      'a Pod that is being deleted, until it has ended',
      taskPod({ status: RUNNING, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
      true,
    ],
    [
      'a Pod declared lost that may still run',
      taskPod({ status: RUNNING, annotations: { [ANNOTATION.lost]: 'true' } }),
      true,
    ],
    ['a Pod that failed, though its object is kept', taskPod({ status: ended(1) }), false],
    ['a Pod that finished', taskPod({ status: ended(0) }), false],
    ['a Pod without a node', { ...taskPod(), spec: { containers: [] } }, false],
  ])('%s takes capacity: %s', (_what, pod, counts) => {
    expect(ledgerOf([pod], []).tasks.length).toBe(counts ? 1 : 0);
    expect(ledgerOf([pod], []).podCount.size).toBe(counts ? 1 : 0);
  });
  test('a foreign Pod that has ended is free again', () => {
    expect(
      ledgerOf([foreign('job', '1', { status: { phase: 'Succeeded' } })], []).foreign.size,
    ).toBe(0);
  });
  test('Pods being created count, until the cache has them, in whatever state', () => {
    const made = taskPod({ agent: 'node-2' });
    expect(ledgerOf([], [made]).tasks).toHaveLength(1);
    expect(ledgerOf([taskPod()], [made]).tasks.map((task) => task.agent)).toEqual(['node-1']);
    expect(ledgerOf([taskPod({ status: ended(1) })], [made]).tasks).toEqual([]);
  });
});

const node = (more: Partial<Node> = {}): Node =>
  nodeOf('node-1', { cpu: '4', memory: '8Gi', pods: '3', 'hugepages-2Mi': '1Gi' }, more);
const tainted = (effect: Taint['effect']): Node =>
  node({ spec: { taints: [{ key: 'k', effect }] } });
const agentWith = (spec: AgentObject['spec'], status?: AgentObject['status']): AgentObject => ({
  metadata: { name: 'node-1' },
  spec,
  ...(status === undefined ? {} : { status }),
});

const seen = (more: Partial<AgentInput> = {}) =>
  allocatorAgentOf({
    node: node(),
    agent: undefined,
    ledger: ledgerOf([], []),
    reservations: [],
    inMaintenance: false,
    nowMs: NOW_MS,
    ...more,
  });

describe('a node as the allocator sees it', () => {
  test('has what is allocatable, less what Pods of others ask for', () => {
    expect(seen({ ledger: ledgerOf([foreign('dns', '500m')], []) })).toMatchObject({
      id: 'node-1',
      total: { cpus: 3500, mem: 8 * 2 ** 30 },
      schedulable: true,
      attributes: { hostname: 'node-1' },
    });
  });
  test.each<[string, Partial<AgentInput>, string | undefined]>([
    ['ready', {}, undefined],
    [
      'not ready',
      { node: node({ status: { conditions: [{ type: 'Ready', status: 'False' }] } }) },
      'NodeNotReady',
    ],
    ['silent about itself', { node: node({ status: {} }) }, 'NodeNotReady'],
    ['cordoned', { node: node({ spec: { unschedulable: true } }) }, 'NodeCordoned'],
    ['tainted NoSchedule', { node: tainted('NoSchedule') }, 'NodeTainted'],
    ['tainted NoExecute', { node: tainted('NoExecute') }, 'NodeTainted'],
    ['tainted PreferNoSchedule', { node: tainted('PreferNoSchedule') }, undefined],
    [
      'being deleted',
      { node: node({ metadata: { name: 'node-1', deletionTimestamp: '2026-01-01T00:00:00Z' } }) },
      'NodeDeleting',
    ],
    ['frozen', { agent: agentWith({ freeze: true }) }, 'AgentFrozen'],
    ['in a maintenance window', { inMaintenance: true }, 'InMaintenance'],
    [
      'full of Pods',
      { ledger: ledgerOf([foreign('a', '1m'), foreign('b', '1m'), foreign('c', '1m')], []) },
      'PodLimitReached',
    ],
  ])('%s: nothing new starts because of %s', (_state, input, reason) => {
    const agent = seen(input);
    expect(agent.schedulable).toBe(reason === undefined);
    expect(agent.unschedulableReason).toBe(reason);
  });
  test('attributes of its Agent object override labels', () => {
    const labelled = node({ metadata: { name: 'node-1', labels: { zone: 'a', disk: 'hdd' } } });
    const agent = agentWith({ attributes: { disk: 'ssd' } });
    expect(seen({ node: labelled, agent }).attributes).toEqual({
      hostname: 'node-1',
      zone: 'a',
      disk: 'ssd',
    });
  });
});

describe('what may be lent', () => {
  const estimate = (observedAt: string | undefined) =>
    ({ revocable: { cpuMillis: 3000, memoryBytes: 2 ** 30, observedAt } }) as NonNullable<
      AgentObject['status']
    >;
  const fresh = estimate('2026-01-01T11:59:00Z');
  const nothing = { cpuMillis: 0, memoryBytes: 0 };
  test.each<[string, AgentObject | undefined, typeof nothing]>([
    ['nothing without an Agent object', undefined, nothing],
    ['nothing without an estimate', agentWith({}), nothing],
    ['nothing on a stale estimate', agentWith({}, estimate('2026-01-01T11:57:59Z')), nothing],
    ['nothing on an estimate without a time', agentWith({}, estimate(undefined)), nothing],
    [
      'nothing where the policy forbids it',
      agentWith({ overcommit: { enabled: false } }, fresh),
      nothing,
    ],
    [
      'half of the CPU at most, unless the policy says otherwise',
      agentWith({}, fresh),
      { cpuMillis: 2000, memoryBytes: 0 },
    ],
    [
      'as much as the policy allows, memory too',
      agentWith({ overcommit: { maxRevocableCpuPercent: 100, revocableMemory: true } }, fresh),
      { cpuMillis: 3000, memoryBytes: 2 ** 30 },
    ],
  ])('%s', (_sentence, agent, expected) => {
    expect(revocableTarget(node(), agent, NOW_MS)).toEqual(expected);
  });
  test('never more than the node has published to its kubelet', () => {
    const published = nodeOf('node-1', { cpu: '4', [REVOCABLE_CPU]: '700' });
    expect(seen({ node: published, agent: agentWith({}, fresh) }).revocable).toEqual({ cpus: 700 });
    expect(seen({ agent: agentWith({}, fresh) }).revocable).toEqual({});
  });
});

describe('capacity reserved for others', () => {
  const reserved = (role: string, cpus: number) =>
    ({ role, resources: { cpus }, reservationId: role }) as never;
  const agent = { ...seen(), reservations: [reserved('eng', 1000), reserved('ops', 2000)] };
  test.each([
    ['a role of neither', 'dev', 3000],
    ['one of the two roles', 'eng', 2000],
    ['a role below one of them', 'eng/web', 2000],
  ])('is out of reach for %s', (_who, role, cpus) => {
    expect(reservedForOthers(agent, role, [])).toEqual({ cpus });
  });
  test('counts once where its own role uses it', () => {
    const use = { role: 'ops', reserved: { cpus: 500 }, resources: { cpus: 500 } } as never;
    const own = { role: 'dev/x', reserved: { cpus: 300 }, resources: { cpus: 300 } } as never;
    expect(reservedForOthers(agent, 'dev', [use, own])).toEqual({ cpus: 2500 });
  });
});
