import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import { ended, OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { REVOCABLE_CPU } from '../task/taskView.ts';
import { driftOfAmounts } from './decideLedgerDrift.ts';
import { type Ledger, ledgerOf } from './ledger.ts';
import { createLedgerAudit, type LedgerAudit } from './ledgerAudit.ts';

const foreign = (name: string, spec: Partial<Pod['spec']>): Pod => ({
  metadata: { name, namespace: 'kube-system' },
  spec: { nodeName: 'node-1', containers: [], ...spec },
});
const container = (cpu: string, more: object = {}) => ({
  name: 'c',
  image: 'x',
  resources: { requests: { cpu, memory: '64Mi' } },
  ...more,
});

describe('both sums are the same', () => {
  test.each<[string, Pod]>([
    ['of a task', taskPod({ cpus: '1500m', mem: '1Gi' })],
    ['of a task that ended', taskPod({ status: ended(0) })],
    ['of a Pod without a node', { ...taskPod(), spec: { containers: [container('1')] } }],
    [
      'of a Pod of somebody else',
      foreign('a', { containers: [container('100m'), container('2')] }),
    ],
    [
      'of one with sidecars, init containers and overhead',
      foreign('b', {
        containers: [container('100m')],
        initContainers: [
          container('50m', { restartPolicy: 'Always' }),
          container('900m'),
          container('70m', { restartPolicy: 'Always' }),
        ],
        overhead: { cpu: '10m', memory: '1Mi' },
      }),
    ],
    [
      'of one that names limits only, and devices',
      foreign('c', {
        containers: [
          { name: 'c', image: 'x', resources: { limits: { cpu: '1', 'nvidia.com/gpu': '2' } } },
        ],
      }),
    ],
    [
      'of a revocable task',
      {
        ...taskPod({ annotations: { [ANNOTATION.resources]: '{"mem":"128Mi"}' } }),
        spec: {
          nodeName: 'node-1',
          containers: [
            {
              name: 'c',
              image: 'x',
              resources: {
                requests: { [REVOCABLE_CPU]: '750' },
                limits: { [REVOCABLE_CPU]: '750' },
              },
            },
          ],
        },
      },
    ],
  ])('%s', (_what, pod) => {
    expect(driftOfAmounts([pod], ledgerOf([pod], []))).toEqual([]);
  });
});

test('a ledger that forgot a task, or counts one twice, is told with both figures', () => {
  const pods = [taskPod({ job: 'a', cpus: '1' }), taskPod({ job: 'b', cpus: '2' })];
  const right = ledgerOf(pods, []);
  const forgot: Ledger = { ...right, tasks: right.tasks.slice(1) };
  expect(driftOfAmounts(pods, forgot)).toEqual([
    {
      kind: 'amounts',
      agent: 'node-1',
      message: 'cpus is 2, its Pods ask for 3; mem is 64Mi, its Pods ask for 128Mi',
    },
  ]);
  const twice: Ledger = { ...right, tasks: [...right.tasks, ...right.tasks.slice(0, 1)] };
  expect(driftOfAmounts(pods, twice)).toMatchObject([
    { message: expect.stringContaining('cpus is 4, its Pods ask for 3') },
  ]);
});

describe('the audit', () => {
  let clock: FakeClock;
  let all: OperatorWorld;
  let cached: () => readonly Pod[];
  let drifts: number;
  let relists: number;
  let audit: LedgerAudit;
  let missed: readonly string[];
  beforeEach(() => {
    missed = [];
    clock = new FakeClock();
    all = new OperatorWorld(clock);
    cached = () => all.world.pods.list();
    drifts = 0;
    relists = 0;
    audit = createLedgerAudit({
      kube: all.kube,
      clock,
      log: silentLog,
      metrics: { ledgerDrift: () => (drifts += 1) },
      pods: () => cached(),
      ledgerOf: (pods) => ledgerOf(pods, []),
      allocator: () => Promise.resolve(missed),
      relist: () => {
        relists += 1;
        cached = () => all.world.pods.list();
        return Promise.resolve();
      },
    });
    for (let index = 0; index < 3; index++) all.pod(taskPod({ instance: index }));
  });
  const look = async () => {
    const looking = audit.look();
    await clock.advance(20_000);
    return await looking;
  };

  test('finds nothing while the cache is right', async () => {
    expect(await look()).toEqual([]);
    expect([drifts, relists]).toEqual([0, 0]);
  });
  test("counts what the allocator's ledger has wrong", async () => {
    missed = ['agent a: what is taken, cpus: 3, not 5'];
    expect(await look()).toEqual([{ kind: 'ledger', message: missed[0] }]);
    expect([drifts, relists]).toEqual([1, 0]);
  });
  test('counts and mends what the cache lacks, holds too long, or has in an old version', async () => {
    const held = cached();
    const renewed = all.pod(taskPod({ instance: 7 }));
    all.api.update(PODS, { ...renewed, metadata: { ...renewed.metadata, labels: { a: 'b' } } });
    all.api.delete(PODS, { name: 'shop-0-0', namespace: 'apps' }, { gracePeriodSeconds: 0 });
    all.api.patch(PODS, { name: 'shop-0-0', namespace: 'apps' }, 'merge', {
      metadata: { finalizers: null },
    });
    all.api.patch(PODS, { name: 'shop-1-0', namespace: 'apps' }, 'merge', {
      metadata: { labels: { c: 'd' } },
    });
    cached = () => held;
    const found = await look();
    expect(found.map((one) => one.kind).toSorted()).toEqual(['missing', 'outdated', 'phantom']);
    expect([drifts, relists]).toEqual([3, 1]);
    expect(await look()).toEqual([]);
  });
  test('does not take news on their way for a fault', async () => {
    const late = cached();
    all.pod(taskPod({ instance: 8 }));
    cached = () => late;
    const looking = audit.look();
    await clock.advance(5_000);
    // The news have come; others are on their way now.
    const later = all.world.pods.list();
    all.pod(taskPod({ instance: 9 }));
    cached = () => later;
    await clock.advance(10_000);
    expect(await looking).toEqual([]);
    expect(relists).toBe(0);
  });
  test('looks again and again, also when a list fails, until it is stopped', async () => {
    const held = cached();
    cached = () => held.slice(1);
    audit.start();
    await clock.advance(75_000);
    expect([drifts, relists]).toEqual([1, 1]);
    cached = () => {
      throw new Error('broken');
    };
    audit.stop();
    await clock.advance(200_000);
    expect(relists).toBe(1);
  });
});
