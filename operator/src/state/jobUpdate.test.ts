import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { decideJobUpdate, type UpdateInput, type UpdateInstance } from './jobUpdate.ts';
import { TASK_STATES } from './taskState.ts';

const NOW = 1_000_000;
function instance(
  number: number,
  hash: 'old' | 'new',
  more: Partial<UpdateInstance> = {},
): UpdateInstance {
  return {
    instance: number,
    state: 'RUNNING',
    templateHash: hash,
    ready: true,
    sinceMs: 0,
    ...more,
  };
}
function decide(instances: readonly UpdateInstance[], more: Partial<UpdateInput> = {}) {
  return decideJobUpdate({
    replicas: 3,
    instances,
    targetHash: 'new',
    maxUnavailable: 1,
    watchMs: 10_000,
    nowMs: NOW,
    ...more,
  });
}

describe('rolling update', () => {
  test('restarts one instance at a time, the lowest first', () => {
    const decision = decide([instance(0, 'new'), instance(1, 'old'), instance(2, 'old')]);
    expect(decision).toEqual({ kind: 'Rolling', updated: 1, restart: [1], waitingFor: [] });
  });

  test.each([
    { name: 'not ready', more: { ready: false } },
    { name: 'still starting', more: { state: 'STARTING' as const, ready: false } },
    { name: 'being stopped', more: { state: 'RESTARTING' as const } },
  ])('waits while another is $name', ({ more }) => {
    const decision = decide([instance(0, 'new', more), instance(1, 'old'), instance(2, 'old')]);
    expect(decision).toMatchObject({ kind: 'Rolling', restart: [], waitingFor: [0] });
  });

  test('waits while an instance has no Pod yet', () => {
    expect(decide([instance(1, 'old'), instance(2, 'old')])).toMatchObject({
      restart: [],
      waitingFor: [0],
    });
  });

  test('watches each updated instance before it goes on, and says when to look again', () => {
    const watched = instance(0, 'new', { sinceMs: NOW - 4000 });
    expect(decide([watched, instance(1, 'old'), instance(2, 'old')])).toMatchObject({
      restart: [],
      waitingFor: [0],
      nextWakeMs: NOW + 6000,
    });
    const last = [instance(0, 'new'), instance(1, 'new'), { ...watched, instance: 2 }];
    expect(decide(last).kind).toBe('Rolling');
    expect(decide(last, { nowMs: NOW + 6000 })).toEqual({ kind: 'RolledForward', updated: 3 });
  });

  test('an outdated instance that is broken goes first and does not block itself', () => {
    const broken = instance(2, 'old', { ready: false });
    expect(decide([instance(0, 'old'), instance(1, 'old'), broken])).toMatchObject({
      restart: [2],
    });
  });

  test('an instance that is being stopped already is not stopped again', () => {
    const leaving = instance(0, 'old', { state: 'RESTARTING' });
    expect(decide([leaving, instance(1, 'old'), instance(2, 'old')])).toMatchObject({
      restart: [],
    });
  });

  test('never leaves more than maxUnavailable instances out, unless they were out already', () => {
    const anyInstance = fc.record({
      state: fc.constantFrom(...TASK_STATES),
      templateHash: fc.constantFrom('old', 'new'),
      ready: fc.boolean(),
      sinceMs: fc.constantFrom(0, NOW - 5000),
    });
    fc.assert(
      fc.property(
        fc.array(anyInstance, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 3 }),
        (drawn, maxUnavailable) => {
          const instances = drawn.map((one, index) => ({ ...one, instance: index }));
          const decision = decide(instances, { replicas: instances.length, maxUnavailable });
          if (decision.kind === 'RolledForward') {
            expect(instances.every((one) => one.templateHash === 'new' && one.ready)).toBe(true);
            return;
          }
          const out = instances.filter((one) => one.state !== 'RUNNING' || !one.ready).length;
          const healthyStopped = decision.restart.filter((number) => {
            const one = instances[number];
            return one?.state === 'RUNNING' && one.ready;
          }).length;
          if (healthyStopped > 0) expect(out + healthyStopped).toBeLessThanOrEqual(maxUnavailable);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
