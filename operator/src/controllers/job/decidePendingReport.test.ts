import { describe, expect, test } from '@jest/globals';
import type { AllocatorAgent, TierAmounts } from '../../allocator/types.ts';
import { agentId, rolePath } from '../../model/ids.ts';
import type { TaskGroup } from '../../model/job.ts';
import type { Resources } from '../../model/resources.ts';
import { formatResources } from '../../schema/quantity.ts';
import { decidePendingReport } from './decidePendingReport.ts';

const GIB = 2 ** 30;

const agent = (id: string, more: Partial<AllocatorAgent> = {}): AllocatorAgent => ({
  id: agentId(id),
  total: { cpus: 4000, mem: 8 * GIB },
  revocable: {},
  reservations: [],
  attributes: { zone: 'a' },
  schedulable: true,
  hasGpus: false,
  ...more,
});

const group = (more: Partial<TaskGroup> = {}): TaskGroup => ({
  jobKey: 'ServiceJob/apps/shop',
  jobUid: 'uid',
  role: rolePath('eng/web'),
  tier: 'preemptible',
  priority: 0,
  resources: { cpus: 1500, mem: GIB },
  revocable: {},
  constraints: [],
  ...more,
});

const closed = (id: string, reason: string): AllocatorAgent =>
  agent(id, { schedulable: false, unschedulableReason: reason });

const report = (
  agents: readonly AllocatorAgent[],
  options: {
    readonly free?: { readonly [agent: string]: Resources };
    readonly group?: Partial<TaskGroup>;
    readonly limits?: Resources;
    readonly consumed?: Resources;
    readonly tierLimits?: TierAmounts;
  } = {},
) =>
  decidePendingReport({
    group: group(options.group),
    agents,
    freeOn: (one) => ({ resources: options.free?.[one.id] ?? one.total, revocable: one.revocable }),
    sameJobPerValue: () => 1,
    consumption: {
      roles: [
        {
          path: rolePath('eng'),
          weightMilli: 1000,
          guarantees: {},
          limits: options.limits ?? {},
          ...(options.tierLimits === undefined ? {} : { tierLimits: options.tierLimits }),
        },
      ],
      consumed: new Map([['eng', options.consumed ?? {}]]),
    },
    format: formatResources,
  });

describe('the sentence', () => {
  test('names the agent that comes nearest and what it lacks', () => {
    const free = { 'node-1': { cpus: 200, mem: 8 * GIB }, 'node-2': { cpus: 1000, mem: 8 * GIB } };
    const { summary, heldBack } = report([agent('node-1'), agent('node-2')], { free });
    expect(summary).toBe(
      'none of 2 agents fits; 2 agents have too little cpus free (nearest: node-2, which lacks 500m cpus)',
    );
    expect(heldBack).toEqual([
      {
        check: 'Insufficient:cpus',
        agents: 2,
        nearestAgent: 'node-2',
        shortfall: { cpus: '500m' },
      },
    ]);
  });
  test('names every resource the nearest agent lacks', () => {
    const { summary } = report([agent('node-1')], { free: { 'node-1': { cpus: 500 } } });
    expect(summary).toBe(
      'the only agent does not fit; 1 agent has too little cpus free (nearest: node-1, which lacks 1 cpus, 1Gi mem)',
    );
  });
  test.each([
    ['NodeNotReady', '1 agent is not ready'],
    ['NodeCordoned', '1 agent is cordoned'],
    ['NodeTainted', '1 agent has a taint that keeps tasks away'],
    ['NodeDeleting', '1 agent is being deleted'],
    ['AgentFrozen', '1 agent is frozen (spec.freeze)'],
    ['InMaintenance', '1 agent is in a maintenance window'],
    ['PodLimitReached', '1 agent runs as many Pods as it may'],
    ['SomethingNew', '1 agent is held back by SomethingNew'],
  ])('a closed agent (%s) is told in words', (reason, words) => {
    expect(report([closed('node-1', reason)]).summary).toBe(
      `the only agent does not fit; ${words}`,
    );
  });
  test('lists the most frequent cause first', () => {
    const agents = [
      closed('n1', 'NodeCordoned'),
      closed('n2', 'AgentFrozen'),
      closed('n3', 'AgentFrozen'),
    ];
    expect(report(agents).summary).toBe(
      'none of 3 agents fits; 2 agents are frozen (spec.freeze); 1 agent is cordoned',
    );
  });
  test('tells the constraint that keeps agents out', () => {
    const constraints = [{ attribute: 'zone', operator: 'In' as const, values: ['z'] }];
    expect(report([agent('n1'), agent('n2')], { group: { constraints } }).summary).toBe(
      'none of 2 agents fits; 2 agents break the constraint on zone',
    );
  });
  test('says that there is room when there is', () => {
    expect(report([agent('n1'), closed('n2', 'NodeCordoned')]).summary).toBe(
      '1 of 2 agents has room; waiting for an offer; 1 agent is cordoned',
    );
  });
  test('says so when nothing is lent', () => {
    const lent = { tier: 'revocable' as const, resources: { mem: GIB }, revocable: { cpus: 500 } };
    expect(report([agent('n1')], { group: lent }).summary).toBe(
      'the only agent does not fit; 1 agent lends too little revocable cpus (nearest: n1, which lacks 500m cpus)',
    );
  });
  test('an empty cluster is told as such', () => {
    expect(report([]).summary).toBe('there are no agents: no node has joined the cluster');
  });
  test('a tier that is at its limit is told with its figures and the remedy', () => {
    const { summary } = report([agent('n1')], { tierLimits: { preemptible: { cpus: 1000 } } });
    expect(summary).toBe(
      'the quota of role eng limits tier preemptible of role eng to cpus 1: its tasks hold 0 and one more needs 1500m; ' +
        'raise spec.tierLimits or stop other tasks of the tier',
    );
    const production = { tier: 'production' as const };
    expect(
      report([agent('n1')], { tierLimits: { preemptible: {} }, group: production }).summary,
    ).toContain('has room');
  });

  test('a limit that is reached comes before everything else, with its figures and the remedy', () => {
    const { summary } = report([agent('n1')], { limits: { cpus: 4000 }, consumed: { cpus: 3000 } });
    expect(summary).toBe(
      'role eng is at its limit: cpus limit 4, consumed 3, one instance needs 1500m; raise the Quota or stop other work of the role',
    );
  });
});

test('rows and texts stay within what the status holds', () => {
  const long = `example.com/${'x'.repeat(300)}`;
  const agents = Array.from({ length: 40 }, (_, index) => closed(`n${index}`, `Reason${index}`));
  const { heldBack } = report(agents);
  expect(heldBack).toHaveLength(16);
  const { heldBack: rows, summary } = report([agent('n1')], {
    group: { resources: { [long]: 1000 } },
  });
  expect(rows[0]?.check.length).toBe(64);
  expect(summary.length).toBeLessThanOrEqual(2048);
});
