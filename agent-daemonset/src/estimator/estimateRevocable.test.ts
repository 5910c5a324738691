import { describe, expect, test } from '@jest/globals';
import type { PodUsage, UsageSample } from '../usage/usageSample.ts';
import { estimateRevocable } from './estimateRevocable.ts';
import {
  DEFAULT_ESTIMATOR_CONFIG,
  EMPTY_ESTIMATOR_STATE,
  type Estimate,
  type EstimatorConfig,
  type EstimatorState,
} from './types.ts';

/** Grows without delay, so that a test sees the target itself. */
const DIRECT: EstimatorConfig = {
  ...DEFAULT_ESTIMATOR_CONFIG,
  warmupSamples: 3,
  marginPercent: 0,
  reservePercent: 0,
  maxPercent: 100,
  growPercent: 100,
  calmSamples: 1,
};

const pod = (uid: string, fields: Partial<PodUsage> = {}): PodUsage => ({
  uid,
  qos: 'burstable',
  requestMillis: 1000,
  cpuMillis: 100,
  memoryBytes: 0,
  cpuPressurePermille: undefined,
  ...fields,
});

interface Moment {
  readonly pods?: readonly PodUsage[];
  /** What the machine uses; by default what its Pods do. */
  readonly nodeMillis?: number;
}

function sampleAt(monotonicMs: number, { pods = [], nodeMillis }: Moment): UsageSample {
  const ofPods = pods.reduce((sum, one) => sum + (one.cpuMillis ?? 0), 0);
  return {
    atMs: 1_700_000_000_000 + monotonicMs,
    monotonicMs,
    node: {
      capacityMillis: 4000,
      cpuMillis: nodeMillis ?? ofPods,
      memoryBytes: 0,
      cpuPressurePermille: undefined,
      memoryPressurePermille: undefined,
    },
    pods: { kind: 'read', pods, leftOut: 0 },
  };
}

/** An estimator that has seen some samples, 5 s apart. */
class Run {
  state: EstimatorState = EMPTY_ESTIMATOR_STATE;
  nowMs = 0;
  readonly config: EstimatorConfig;

  constructor(config: Partial<EstimatorConfig> = {}) {
    this.config = { ...DIRECT, ...config };
  }

  step(sample: UsageSample | undefined): Estimate {
    const step = estimateRevocable(this.state, sample, this.nowMs, this.config);
    this.state = step.state;
    return step.estimate;
  }

  sees(moment: Moment, times = 1): Estimate {
    let estimate = this.step(sampleAt(this.nowMs, moment));
    for (let again = 1; again < times; again += 1) {
      this.nowMs += 5000;
      estimate = this.step(sampleAt(this.nowMs, moment));
    }
    this.nowMs += 5000;
    return estimate;
  }
}

describe('what may be lent', () => {
  test('requests less predicted peak of the Pods that lend', () => {
    const estimate = new Run().sees({ pods: [pod('a'), pod('b', { cpuMillis: 400 })] }, 3);
    expect(estimate).toEqual({
      revocableMillis: 1500,
      limitedBy: 'slack',
      requestedMillis: 2000,
      peakMillis: 500,
    });
  });

  test('the margin is added to the peak', () => {
    const run = new Run({ marginPercent: 20 });
    expect(run.sees({ pods: [pod('a')] }, 3).revocableMillis).toBe(880);
  });

  test('BestEffort Pods lend nothing, and what they use is not held against the machine', () => {
    const borrower = pod('borrower', { qos: 'besteffort', requestMillis: 0, cpuMillis: 3800 });
    const estimate = new Run().sees({ pods: [pod('a'), borrower] }, 3);
    expect(estimate).toMatchObject({ revocableMillis: 900, requestedMillis: 1000 });
  });

  test('use of the machine outside of Pods bounds it', () => {
    const estimate = new Run().sees({ pods: [pod('a')], nodeMillis: 3500 }, 3);
    expect(estimate).toMatchObject({ revocableMillis: 500, limitedBy: 'machine' });
  });

  test('the reserve of the machine is never lent', () => {
    const run = new Run({ reservePercent: 10 });
    expect(run.sees({ pods: [pod('a')], nodeMillis: 3500 }, 3).revocableMillis).toBe(100);
  });

  test('the ceiling bounds it; zero switches lending off', () => {
    const moment = { pods: [pod('a', { requestMillis: 4000 })] };
    expect(new Run({ maxPercent: 50 }).sees(moment, 3)).toMatchObject({
      revocableMillis: 2000,
      limitedBy: 'ceiling',
    });
    expect(new Run({ maxPercent: 0 }).sees(moment, 9).revocableMillis).toBe(0);
  });

  test('Pods that use more than they requested leave nothing', () => {
    const estimate = new Run().sees({ pods: [pod('a', { cpuMillis: 1700 })] }, 3);
    expect(estimate).toMatchObject({ revocableMillis: 0, limitedBy: 'slack' });
  });

  test('a Pod whose request is unknown lends nothing', () => {
    const estimate = new Run().sees({ pods: [pod('a', { requestMillis: undefined })] }, 3);
    expect(estimate.revocableMillis).toBe(0);
  });

  test('Guaranteed Pods lend unless the kubelet pins them', () => {
    const moment = { pods: [pod('a', { qos: 'guaranteed' })] };
    expect(new Run().sees(moment, 3).revocableMillis).toBe(900);
    expect(new Run({ lendGuaranteed: false }).sees(moment, 3).revocableMillis).toBe(0);
  });
});

describe('warm-up', () => {
  test('nothing before the node has enough samples', () => {
    const run = new Run();
    expect(run.sees({ pods: [pod('a')] }, 2)).toMatchObject({
      revocableMillis: 0,
      limitedBy: 'warmingUp',
    });
    expect(run.sees({ pods: [pod('a')] }).revocableMillis).toBe(900);
  });

  test('a Pod that just started adds nothing until its past says something', () => {
    const run = new Run();
    run.sees({ pods: [pod('a')] }, 5);
    const both = { pods: [pod('a'), pod('new', { cpuMillis: 0 })] };
    expect(run.sees(both).revocableMillis).toBe(900);
    expect(run.sees(both, 2).revocableMillis).toBe(1900);
  });
});

describe('shrinks at once', () => {
  test('when a Pod starts to use what it requested', () => {
    const run = new Run();
    run.sees({ pods: [pod('a')] }, 40);
    expect(run.sees({ pods: [pod('a', { cpuMillis: 950 })] }).revocableMillis).toBeLessThan(51);
  });

  test('when a Pod that lent is gone', () => {
    const run = new Run();
    run.sees({ pods: [pod('a'), pod('b')] }, 5);
    expect(run.sees({ pods: [pod('a')] }).revocableMillis).toBe(900);
  });

  test('to nothing when all Pods are gone', () => {
    const run = new Run();
    run.sees({ pods: [pod('a')] }, 5);
    expect(run.sees({ pods: [] }).revocableMillis).toBe(0);
  });

  test("when a Pod's usage can no longer be read", () => {
    const run = new Run();
    run.sees({ pods: [pod('a'), pod('b')] }, 5);
    const blind = [pod('a'), pod('b', { cpuMillis: undefined })];
    expect(run.sees({ pods: blind }).revocableMillis).toBe(900);
  });
});

describe('grows slowly', () => {
  const SLOW = { growPercent: 5, calmSamples: 3, warmupSamples: 1 };

  test('one step of the machine after so many calm samples', () => {
    const run = new Run(SLOW);
    const seen = Array.from({ length: 10 }, () => run.sees({ pods: [pod('a')] }).revocableMillis);
    expect(seen).toEqual([0, 0, 200, 200, 200, 400, 400, 400, 600, 600]);
  });

  test('ends at the target', () => {
    const run = new Run(SLOW);
    expect(run.sees({ pods: [pod('a')] }, 30)).toMatchObject({
      revocableMillis: 900,
      limitedBy: 'slack',
    });
  });

  test('a shrink starts the count anew', () => {
    const run = new Run(SLOW);
    run.sees({ pods: [pod('a')] }, 5);
    run.sees({ pods: [pod('a', { cpuMillis: 990 })] });
    const run2 = new Run(SLOW);
    run2.sees({ pods: [pod('a')] }, 5);
    expect(run.state.calmSamples).toBe(0);
    expect(run2.state.calmSamples).toBe(2);
  });

  test('not while a Pod waits for CPU', () => {
    const run = new Run(SLOW);
    run.sees({ pods: [pod('a')] }, 3);
    const waiting = { pods: [pod('a', { cpuPressurePermille: 600 })] };
    expect(run.sees(waiting, 9)).toMatchObject({ revocableMillis: 200, limitedBy: 'pressure' });
  });

  test('though a borrower waits for CPU', () => {
    const run = new Run(SLOW);
    const hungry = pod('b', { qos: 'besteffort', requestMillis: 0, cpuPressurePermille: 999 });
    expect(run.sees({ pods: [pod('a'), hungry] }, 6).revocableMillis).toBe(400);
  });
});

describe('missing data', () => {
  const lending = (): Run => {
    const run = new Run();
    run.sees({ pods: [pod('a')] }, 5);
    return run;
  };

  test('nothing before the first sample', () => {
    expect(new Run().step(undefined)).toEqual({
      revocableMillis: 0,
      limitedBy: 'noData',
      requestedMillis: 0,
      peakMillis: 0,
    });
  });

  test('one missed sample changes nothing', () => {
    expect(lending().step(undefined)).toMatchObject({
      revocableMillis: 900,
      limitedBy: 'missedSample',
    });
  });

  test.each([
    { name: 'no sample', change: () => undefined },
    {
      name: 'no cgroups of Pods',
      change: (sample: UsageSample): UsageSample => ({
        ...sample,
        pods: { kind: 'absent', reason: 'gone' },
      }),
    },
    {
      name: 'usage of the node unknown',
      change: (sample: UsageSample): UsageSample => ({
        ...sample,
        node: { ...sample.node, cpuMillis: undefined },
      }),
    },
  ])('$name for longer than the limit: zero, and all is forgotten', ({ change }) => {
    const run = lending();
    run.nowMs += 26_000;
    const estimate = run.step(change(sampleAt(run.nowMs, { pods: [pod('a')] })));
    expect(estimate).toMatchObject({ revocableMillis: 0, limitedBy: 'staleData' });
    expect(run.state).toEqual(EMPTY_ESTIMATOR_STATE);
  });

  test('an old sample is no sample', () => {
    const run = lending();
    const old = sampleAt(run.nowMs, { pods: [pod('a')] });
    run.nowMs += 40_000;
    expect(run.step(old)).toMatchObject({ revocableMillis: 0, limitedBy: 'staleData' });
  });

  test('after a pause longer than the limit the warm-up starts again', () => {
    const run = lending();
    run.nowMs += 60_000;
    expect(run.sees({ pods: [pod('a')] }, 2)).toMatchObject({
      revocableMillis: 0,
      limitedBy: 'warmingUp',
    });
    expect(run.sees({ pods: [pod('a')] }).revocableMillis).toBe(900);
  });
});

test('the memory is bounded by the window, and by a count when samples come fast', () => {
  const run = new Run({ windowMs: 50_000 });
  run.sees({ pods: [pod('a')] }, 100);
  expect(run.state.nodeHistory).toHaveLength(11);
  expect(run.state.podHistory.get('a')).toHaveLength(11);
  const fast = new Run({ windowMs: 1e9 });
  for (let index = 0; index < 700; index += 1) {
    fast.nowMs = index;
    fast.step(sampleAt(index, { pods: [pod('a')] }));
  }
  expect(fast.state.nodeHistory).toHaveLength(600);
  run.sees({ pods: [] });
  expect(run.state.podHistory.size).toBe(0);
});
