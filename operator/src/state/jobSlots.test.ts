import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { DEFAULT_BACKOFF } from './flapping.ts';
import { decideSlots, type SlotPod, type SlotsInput } from './jobSlots.ts';
import { isTerminal, TASK_STATES, type TaskState } from './taskState.ts';

const JOB = 'u1';
const NOW = 10_000_000;

function pod(
  instance: number,
  generation: number,
  state: TaskState,
  more: Partial<SlotPod> = {},
): SlotPod {
  return {
    name: `web-${JOB}-${instance}-${generation}`,
    uid: `uid-${instance}-${generation}`,
    jobUidHash: JOB,
    instance,
    generation,
    templateHash: 'h1',
    state,
    deleting: false,
    createdAtMs: NOW - 9_000_000,
    startedAtMs: NOW - 9_000_000,
    ...(isTerminal(state) ? { terminalAtMs: NOW - 1000 } : {}),
    flaps: 0,
    failures: 0,
    ...more,
  };
}

function input(
  replicas: number,
  pods: readonly SlotPod[],
  more: Partial<SlotsInput> = {},
): SlotsInput {
  return {
    replicas,
    jobUidHash: JOB,
    pods,
    nowMs: NOW,
    retentionMs: 120_000,
    restart: { kind: 'service' },
    backoff: DEFAULT_BACKOFF,
    ...more,
  };
}

const bounded = (
  more: Partial<Extract<SlotsInput['restart'], { kind: 'completion' }>> = {},
): Partial<SlotsInput> => ({
  restart: { kind: 'completion', maxRetries: 1, finished: '', failed: '', ...more },
});

/** The decision in short: `pending` as instance/generation, the rest as Pod names. */
function check(given: SlotsInput) {
  const decision = decideSlots(given);
  return {
    pending: decision.pending.map((slot) => `${slot.instance}/${slot.generation}`),
    kill: decision.kill.map(
      ({ pod: victim, why }) => `${victim.instance}/${victim.generation} ${why}`,
    ),
    release: decision.release.map((dead) => `${dead.instance}/${dead.generation}`),
  };
}
const OLD = { terminalAtMs: NOW - 120_000 };

describe('decideSlots for a service', () => {
  test('an empty job gets generation 0 of every instance', () => {
    expect(check(input(2, []))).toEqual({ pending: ['0/0', '1/0'], kill: [], release: [] });
  });

  test.each(TASK_STATES.filter((state) => !isTerminal(state)))(
    'a Pod in %s occupies its slot, even while it leaves',
    (state) => {
      expect(check(input(1, [pod(0, 3, state, { deleting: true })])).pending).toEqual([]);
    },
  );

  test('a dead instance is replaced by the generation after the highest one seen', () => {
    const pods = [pod(0, 4, 'KILLED'), pod(0, 2, 'FAILED')];
    expect(check(input(1, pods)).pending).toEqual(['0/5']);
  });

  test('a dead Pod keeps its name until its successor exists and the retention is over', () => {
    expect(check(input(1, [pod(0, 0, 'KILLED', OLD)])).release).toEqual([]);
    expect(check(input(1, [pod(0, 0, 'KILLED'), pod(0, 1, 'RUNNING')])).release).toEqual([]);
    expect(check(input(1, [pod(0, 0, 'KILLED', OLD), pod(0, 1, 'RUNNING')])).release).toEqual([
      '0/0',
    ]);
  });

  test('asks to be woken when the retention of a superseded Pod ends', () => {
    const decision = decideSlots(input(1, [pod(0, 0, 'KILLED'), pod(0, 1, 'RUNNING')]));
    expect(decision.nextWakeMs).toBe(NOW - 1000 + 120_000);
  });

  test('surplus instances are killed, the highest first', () => {
    const pods = [
      pod(0, 0, 'RUNNING'),
      pod(1, 0, 'RUNNING'),
      pod(2, 1, 'STARTING'),
      pod(3, 0, 'KILLED', OLD),
    ];
    expect(check(input(1, pods))).toEqual({
      pending: [],
      kill: ['2/1 Surplus', '1/0 Surplus'],
      release: ['3/0'],
    });
  });

  test('of two live Pods of one instance the lower generation stays', () => {
    const pods = [pod(0, 1, 'RUNNING'), pod(0, 0, 'RUNNING')];
    expect(check(input(1, pods)).kill).toEqual(['0/1 Duplicate']);
    const leaving = [pod(0, 0, 'KILLING', { deleting: true }), pod(0, 1, 'RUNNING')];
    expect(check(input(1, leaving)).kill).toEqual([]);
  });

  test('Pods of a former job of the same name are killed and released, never replaced from', () => {
    const pods = [
      pod(0, 7, 'RUNNING', { jobUidHash: 'u0' }),
      pod(1, 7, 'KILLED', { jobUidHash: 'u0', ...OLD }),
    ];
    expect(check(input(2, pods))).toEqual({
      pending: ['0/0', '1/0'],
      kill: ['0/7 OtherJob'],
      release: ['1/7'],
    });
  });

  test('a stopping job wants nothing; only a deleted one need not wait for the retention', () => {
    const pods = [pod(0, 0, 'RUNNING'), pod(1, 0, 'KILLED')];
    expect(check(input(2, pods, { stopping: true }))).toEqual({
      pending: [],
      kill: ['0/0 JobStopping'],
      release: [],
    });
    expect(check(input(2, pods, { jobDeleted: true })).release).toEqual(['1/0']);
  });

  test('a lost Pod that may still run is killed and replaced', () => {
    const lost = pod(0, 0, 'LOST', { mayStillRun: true });
    expect(check(input(1, [lost]))).toEqual({ pending: ['0/1'], kill: ['0/0 Lost'], release: [] });
  });

  test('a short run throttles its successor, twice as long each time; a long one clears the record', () => {
    const crashed = { startedAtMs: NOW - 2000, terminalAtMs: NOW - 1000 };
    const first = decideSlots(input(1, [pod(0, 0, 'FAILED', crashed)])).pending[0];
    expect(first).toMatchObject({ flaps: 1, failures: 1, notBeforeMs: NOW - 1000 + 30_000 });
    const third = decideSlots(input(1, [pod(0, 2, 'FAILED', { ...crashed, flaps: 2 })])).pending[0];
    expect(third).toMatchObject({ flaps: 3, notBeforeMs: NOW - 1000 + 120_000 });
    const healthy = decideSlots(input(1, [pod(0, 2, 'FAILED', { flaps: 9 })])).pending[0];
    expect(healthy).toEqual({ instance: 0, generation: 3, flaps: 0, failures: 1 });
  });
});

describe('decideSlots for a bounded job', () => {
  test('finished instances stay finished; their Pods vanish only once that is recorded', () => {
    const pods = [pod(0, 0, 'FINISHED', OLD), pod(1, 0, 'RUNNING')];
    const seen = decideSlots(input(2, pods, bounded()));
    expect(seen).toMatchObject({ pending: [], kill: [], release: [], finished: '0', failed: '' });
    expect(check(input(2, pods, bounded({ finished: '0' }))).release).toEqual(['0/0']);
    expect(check(input(2, [], bounded({ finished: '0-1' }))).pending).toEqual([]);
  });

  test('an unrecorded result survives scaling down and suspending', () => {
    const pods = [pod(1, 0, 'FINISHED', OLD)];
    expect(check(input(1, pods, bounded())).release).toEqual([]);
    expect(check(input(2, pods, { ...bounded(), stopping: true })).release).toEqual([]);
  });

  test('a failed instance is retried with back-off, then given up', () => {
    const retry = decideSlots(input(1, [pod(0, 0, 'FAILED')], bounded()));
    expect(retry.pending).toEqual([
      { instance: 0, generation: 1, flaps: 0, failures: 1, notBeforeMs: NOW - 1000 + 30_000 },
    ]);
    const over = decideSlots(input(1, [pod(0, 1, 'FAILED', { failures: 1 })], bounded()));
    expect(over).toMatchObject({ pending: [], failed: '0' });
  });

  test('one attempt that finished outweighs another that failed for good', () => {
    const pods = [pod(0, 1, 'FAILED', { failures: 1 }), pod(0, 2, 'FINISHED')];
    expect(decideSlots(input(1, pods, bounded()))).toMatchObject({ finished: '0', failed: '' });
  });

  test('a killed or lost attempt costs no retry', () => {
    const after = decideSlots(input(1, [pod(0, 3, 'LOST', { failures: 1 })], bounded()));
    expect(after.pending).toEqual([{ instance: 0, generation: 4, flaps: 0, failures: 1 }]);
  });

  test('no more run at once than the parallelism allows, lowest instances first', () => {
    const pods = [pod(0, 0, 'FINISHED'), pod(1, 0, 'RUNNING')];
    expect(check(input(5, pods, bounded({ parallelism: 2 }))).pending).toEqual(['2/0']);
  });

  test('a second attempt of a finished instance is stopped', () => {
    const pods = [pod(0, 0, 'FINISHED'), pod(0, 1, 'RUNNING')];
    expect(check(input(1, pods, bounded())).kill).toEqual(['0/1 InstanceDone']);
  });
});

describe('decideSlots, whatever the Pods', () => {
  const anyPod = fc
    .record({
      instance: fc.nat(3),
      generation: fc.nat(3),
      state: fc.constantFrom(...TASK_STATES),
      deleting: fc.boolean(),
      jobUidHash: fc.constantFrom(JOB, 'u0'),
      ageMs: fc.nat(300_000),
      flaps: fc.nat(4),
      failures: fc.nat(3),
      mayStillRun: fc.boolean(),
    })
    .map(({ instance, generation, state, ageMs, ...more }) =>
      pod(instance, generation, state, {
        ...more,
        ...(isTerminal(state) ? { terminalAtMs: NOW - ageMs } : {}),
      }),
    );
  const inputs = fc
    .record({
      replicas: fc.nat(4),
      pods: fc.uniqueArray(anyPod, {
        maxLength: 8,
        selector: (one) => `${one.jobUidHash} ${one.instance} ${one.generation}`,
      }),
      stopping: fc.boolean(),
      jobDeleted: fc.boolean(),
      restart: fc.oneof(
        fc.constant({ kind: 'service' } as const),
        fc.record({
          kind: fc.constant('completion' as const),
          maxRetries: fc.nat(2),
          finished: fc.constantFrom('', '0', '1-2'),
          failed: fc.constantFrom('', '3'),
        }),
      ),
    })
    .map(({ replicas, pods, ...more }) => input(replicas, pods, more));

  test('never wants a second live Pod, nor a name that is taken or was taken later', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const own = given.pods.filter((one) => one.jobUidHash === JOB);
        for (const slot of decideSlots(given).pending) {
          const same = own.filter((one) => one.instance === slot.instance);
          expect(same.every((one) => isTerminal(one.state))).toBe(true);
          expect(same.every((one) => one.generation < slot.generation)).toBe(true);
          expect(slot.instance).toBeLessThan(given.replicas);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('never releases a live Pod, one inside its retention, or the last name of a wanted slot', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const decision = decideSlots(given);
        const wanted = new Set(decision.pending.map((slot) => slot.instance));
        for (const dead of decision.release) {
          expect(isTerminal(dead.state)).toBe(true);
          if (given.jobDeleted !== true)
            expect(NOW - (dead.terminalAtMs ?? NOW)).toBeGreaterThanOrEqual(given.retentionMs);
          const isLast = !given.pods.some(
            (one) =>
              one.jobUidHash === dead.jobUidHash &&
              one.instance === dead.instance &&
              one.generation > dead.generation,
          );
          if (dead.jobUidHash === JOB && wanted.has(dead.instance)) expect(isLast).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('kills leave at most one live Pod per instance that is not being deleted', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const killed = new Set(
          decideSlots(given).kill.map(({ pod: victim }) => victim.name + victim.jobUidHash),
        );
        const staying = given.pods.filter(
          (one) =>
            !isTerminal(one.state) && !one.deleting && !killed.has(one.name + one.jobUidHash),
        );
        const instances = staying.map((one) => one.instance);
        expect(new Set(instances).size).toBe(instances.length);
        expect(instances.every((instance) => instance < given.replicas)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
