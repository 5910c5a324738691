import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock, SIMULATION_START_MS } from '../../../../test/support/fakeClock.ts';
import { ended, OperatorWorld, RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION, LABEL } from '../../model/labels.ts';
import type { KubeObject } from '../../ports/kubeApi.ts';
import { DISRUPTION_BUDGETS, PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { isoTime } from '../shared/conditions.ts';
import { isUnexplainedDeletion, taskViewOf } from './taskView.ts';
import { explainDeletion, killTask, releaseTask } from './taskWrites.ts';

const NOW_MS = SIMULATION_START_MS + 600_000;
const ORDER = { intent: 'preempt', why: 'makes room', nowMs: NOW_MS } as const;

let clock: FakeClock;
let all: OperatorWorld;
beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
});

const runs = (job = 'shop'): Pod => all.pod(taskPod({ job, status: RUNNING }));
const stored = (pod: Pod): Pod =>
  all.api.get(PODS, { name: pod.metadata.name, namespace: 'apps' }) as Pod;
const stateOf = (pod: Pod): string => taskViewOf(stored(pod)).state.state;

describe('a task that is stopped', () => {
  test.each([
    ['exits 0, by a clock that is slow', 0, -3000],
    ['exits 0, by a clock that is right', 0, 1000],
    ['exits 0, by a clock that is fast', 0, 60_000],
    ['dies of the signal, by a clock that is slow', 143, -3000],
    ['dies of the signal, by a clock that is fast', 143, 60_000],
  ])('has been killed, however it ends: it %s', async (_how, exitCode, offByMs) => {
    const pod = runs();
    await killTask(all.kube, taskViewOf(pod), ORDER);
    expect(stateOf(pod)).toBe('PREEMPTING');
    all.report(pod.metadata.name, ended(exitCode, isoTime(NOW_MS + offByMs)));
    const task = taskViewOf(stored(pod));
    expect(task).toMatchObject({
      state: { state: 'KILLED', reason: 'makes room' },
      terminalAtMs: NOW_MS + offByMs,
    });
    all.api.delete(PODS, { name: pod.metadata.name, namespace: 'apps' }, { gracePeriodSeconds: 0 });
    expect(stateOf(pod)).toBe('KILLED');
  });

  test('is not stopped once it has ended: a decision from an older view is refused', async () => {
    const pod = runs();
    all.report(pod.metadata.name, ended(0));
    await expect(killTask(all.kube, taskViewOf(pod), ORDER)).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(stateOf(pod)).toBe('FINISHED');
    expect(stored(pod).metadata.annotations?.[ANNOTATION.intent]).toBeUndefined();
  });

  test.each(['kill', 'preempt'] as const)(
    '(%s) and ends by itself between the reason and the deletion, has ended by itself',
    async (intent) => {
      const pod = runs();
      const kube: Parameters<typeof killTask>[0] = {
        patch: (...call) => all.kube.patch(...call),
        delete: (...call) => {
          all.report(pod.metadata.name, ended(0, isoTime(SIMULATION_START_MS)));
          return all.kube.delete(...call);
        },
        evict: (key, options) => {
          if (options?.dryRun !== true)
            all.report(pod.metadata.name, ended(0, isoTime(SIMULATION_START_MS)));
          return all.kube.evict(key, options);
        },
      };
      await expect(killTask(kube, taskViewOf(pod), { ...ORDER, intent })).rejects.toMatchObject({
        code: 'conflict',
      });
      expect(stored(pod).metadata.deletionTimestamp).toBeUndefined();
      expect(stateOf(pod)).toBe('FINISHED');
      let whileItGoes = '';
      const release: Parameters<typeof releaseTask>[0] = {
        patch: (...call) => all.kube.patch(...call),
        delete: async (...call) => {
          await all.kube.delete(...call);
          whileItGoes = stateOf(pod);
        },
      };
      await clock.advance(120_000);
      await releaseTask(release, stored(pod));
      expect(whileItGoes).toBe('FINISHED');
    },
  );

  test('whose name speaks of a uid is no other Pod: its refusal is told like any', async () => {
    const pod = runs('guid');
    all.report(pod.metadata.name, { ...RUNNING, message: 'all is well' });
    await expect(killTask(all.kube, taskViewOf(pod), ORDER)).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test('but is gone, needs nothing more, and a successor of its name is left alone', async () => {
    const pod = runs();
    all.api.patch(
      PODS,
      { name: pod.metadata.name, namespace: 'apps' },
      'merge',
      { metadata: { finalizers: [] } },
      {},
    );
    all.api.delete(PODS, { name: pod.metadata.name, namespace: 'apps' }, { gracePeriodSeconds: 0 });
    await killTask(all.kube, taskViewOf(pod), ORDER);
    const successor = runs();
    await killTask(all.kube, taskViewOf(pod), ORDER);
    const byOwner = killTask(all.kube, taskViewOf(pod), { ...ORDER, intent: 'kill' });
    await expect(byOwner).rejects.toMatchObject({ code: 'conflict' });
    expect(stored(successor).metadata.deletionTimestamp).toBeUndefined();
  });
});

describe('a task whose Pod somebody else deletes', () => {
  const key = { name: 'shop-0-0', namespace: 'apps' };
  const SLOW = isoTime(SIMULATION_START_MS - 120_000);

  test.each([
    ['while it runs', []],
    ['and that has ended since', [() => all.report(key.name, ended(0, SLOW))]],
  ])('%s is known to have been alive then, and that is written down', async (_when, steps) => {
    const pod = runs();
    all.api.delete(PODS, key);
    for (const step of steps) step();
    expect(isUnexplainedDeletion(stored(pod))).toBe(true);
    await explainDeletion(all.kube, stored(pod), NOW_MS);
    all.report(key.name, ended(0, SLOW));
    // The kubelet's last step: from now on the Pod itself does not tell any more.
    all.api.delete(PODS, key, { gracePeriodSeconds: 0 });
    expect(isUnexplainedDeletion(stored(pod))).toBe(false);
    expect(stateOf(pod)).toBe('KILLED');
  });

  test('after its end has ended by itself', async () => {
    const pod = runs();
    all.report(key.name, ended(0, SLOW));
    all.api.delete(PODS, key);
    expect(isUnexplainedDeletion(stored(pod))).toBe(false);
    expect(stateOf(pod)).toBe('FINISHED');
  });

  test('is looked at anew when it changed in between', async () => {
    const pod = runs();
    all.api.delete(PODS, key);
    const seen = stored(pod);
    all.report(key.name, ended(0, SLOW));
    await explainDeletion(all.kube, seen, NOW_MS);
    expect(stored(pod).metadata.annotations?.[ANNOTATION.killedAt]).toBeUndefined();
  });

  test('keeps the reason it was given before', async () => {
    const pod = runs();
    all.api.patch(PODS, key, 'merge', {
      metadata: { annotations: { [ANNOTATION.killReason]: 'its node is drained' } },
    });
    all.api.delete(PODS, key);
    await explainDeletion(all.kube, stored(pod), NOW_MS);
    expect(stored(pod).metadata.annotations?.[ANNOTATION.killReason]).toBe('its node is drained');
  });
});

describe('a task that a PodDisruptionBudget protects', () => {
  const BUDGET = { name: 'shop', namespace: 'apps' };
  const allow = (disruptionsAllowed: number): void => {
    all.api.patch(
      DISRUPTION_BUDGETS,
      BUDGET,
      'merge',
      { status: { observedGeneration: 1, disruptionsAllowed } },
      { subresource: 'status' },
    );
  };
  const intentOf = (pod: Pod): string | undefined =>
    stored(pod).metadata.annotations?.[ANNOTATION.intent];
  beforeEach(() => {
    const selector = { matchLabels: { [LABEL.job]: 'shop' } };
    all.api.create(DISRUPTION_BUDGETS, { metadata: BUDGET, spec: { selector } } as KubeObject);
    allow(0);
  });

  test.each(['preempt', 'drain'] as const)(
    'is not stopped for others (%s): nothing is said, nothing changed',
    async (intent) => {
      const pod = runs();
      const told: string[] = [];
      const onAllowed = async (): Promise<void> => void told.push('told');
      const outcome = await killTask(all.kube, taskViewOf(pod), { ...ORDER, intent, onAllowed });
      expect(outcome).toMatchObject({
        kind: 'blocked',
        message: expect.stringContaining('disruption budget'),
      });
      expect(stored(pod)).toEqual(pod);
      expect(told).toEqual([]);
      allow(1);
      expect(await killTask(all.kube, taskViewOf(pod), { ...ORDER, intent, onAllowed })).toEqual({
        kind: 'stopped',
      });
      expect(told).toEqual(['told']);
      expect(stored(pod).metadata.deletionTimestamp).toBeDefined();
      expect(stateOf(pod)).toBe(intent === 'drain' ? 'DRAINING' : 'PREEMPTING');
    },
  );

  test('is stopped by its owner all the same', async () => {
    const pod = runs();
    await killTask(all.kube, taskViewOf(pod), { ...ORDER, intent: 'restart' });
    expect(stored(pod).metadata.deletionTimestamp).toBeDefined();
  });

  test('in the last moment takes back what was said', async () => {
    const pod = runs();
    allow(1);
    const kube: Parameters<typeof killTask>[0] = {
      patch: (...call) => all.kube.patch(...call),
      delete: (...call) => all.kube.delete(...call),
      evict: (key, options) => {
        if (options?.dryRun !== true) allow(0);
        return all.kube.evict(key, options);
      },
    };
    const order = { ...ORDER, annotations: { [ANNOTATION.preemptedBy]: 'x.1' } };
    expect(await killTask(kube, taskViewOf(pod), order)).toMatchObject({ kind: 'blocked' });
    expect(stored(pod).metadata.annotations).toEqual(pod.metadata.annotations);
    expect(stateOf(pod)).toBe('RUNNING');
  });

  test('and of which a former process said it stops, says so no more', async () => {
    const pod = runs();
    all.api.patch(PODS, { name: pod.metadata.name, namespace: 'apps' }, 'merge', {
      metadata: { annotations: { [ANNOTATION.intent]: 'drain' } },
    });
    await killTask(all.kube, taskViewOf(stored(pod)), { ...ORDER, intent: 'drain' });
    expect(intentOf(pod)).toBeUndefined();
  });
});
