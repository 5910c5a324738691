import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { PodUsage, UsageSample } from '../usage/usageSample.ts';
import { estimateRevocable } from './estimateRevocable.ts';
import { EMPTY_ESTIMATOR_STATE, type EstimatorConfig } from './types.ts';

/** Any history of a node: Pods come, go and burst; samples are missed, late or blind; any settings. */

const millis = fc.integer({ min: 0, max: 6000 });
const maybeMillis = fc.option(millis, { nil: undefined, freq: 8 });

const podUsage: fc.Arbitrary<PodUsage> = fc.record({
  uid: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  qos: fc.constantFrom('guaranteed' as const, 'burstable' as const, 'besteffort' as const),
  requestMillis: maybeMillis,
  cpuMillis: maybeMillis,
  memoryBytes: fc.constant(0),
  cpuPressurePermille: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
});

type Event =
  | { readonly kind: 'missed'; readonly afterMs: number }
  | {
      readonly kind: 'sample';
      readonly afterMs: number;
      /** How long the sample lay around before it was used. */
      readonly ageMs: number;
      readonly pods: readonly PodUsage[];
      readonly nodeMillis: number | undefined;
      readonly podsKnown: boolean;
    };

const afterMs = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 200, max: 10_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 10_000, max: 200_000 }) },
);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('missed' as const), afterMs }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('sample' as const),
      afterMs,
      ageMs: fc.oneof(
        { weight: 9, arbitrary: fc.constant(0) },
        fc.integer({ min: 0, max: 60_000 }),
      ),
      pods: fc.uniqueArray(podUsage, { selector: ({ uid }) => uid, maxLength: 5 }),
      nodeMillis: maybeMillis,
      podsKnown: fc.integer({ min: 0, max: 9 }).map((roll) => roll > 0),
    }),
  },
);

const config: fc.Arbitrary<EstimatorConfig> = fc.record({
  windowMs: fc.constantFrom(20_000, 300_000),
  warmupSamples: fc.integer({ min: 1, max: 5 }),
  staleAfterMs: fc.constantFrom(15_000, 30_000),
  sigmas: fc.integer({ min: 0, max: 5 }),
  percentile: fc.integer({ min: 1, max: 100 }),
  marginPercent: fc.integer({ min: 0, max: 100 }),
  reservePercent: fc.integer({ min: 0, max: 100 }),
  maxPercent: fc.integer({ min: 0, max: 100 }),
  growPercent: fc.integer({ min: 1, max: 100 }),
  calmSamples: fc.integer({ min: 1, max: 4 }),
  pressureHoldPermille: fc.integer({ min: 0, max: 1000 }),
  lendGuaranteed: fc.boolean(),
});

const CAPACITY_MILLIS = 8000;

function sampleOf(event: Extract<Event, { kind: 'sample' }>, nowMs: number): UsageSample {
  return {
    atMs: nowMs,
    monotonicMs: nowMs - event.ageMs,
    node: {
      capacityMillis: CAPACITY_MILLIS,
      cpuMillis: event.nodeMillis,
      memoryBytes: 0,
      cpuPressurePermille: undefined,
      memoryPressurePermille: undefined,
    },
    pods: event.podsKnown
      ? { kind: 'read', pods: event.pods, leftOut: 0 }
      : { kind: 'absent', reason: 'none' },
  };
}

const isUsable = (event: Event, settings: EstimatorConfig): boolean =>
  event.kind === 'sample' &&
  event.podsKnown &&
  event.nodeMillis !== undefined &&
  event.ageMs <= settings.staleAfterMs;

test('never negative, never above the slack or the machine, zero when stale, shrinks at once, grows in steps', () => {
  fc.assert(
    fc.property(config, fc.array(anyEvent, { minLength: 1, maxLength: 60 }), (settings, events) => {
      let state = EMPTY_ESTIMATOR_STATE;
      let nowMs = 0;
      let before = 0;
      for (const one of events) {
        nowMs += one.afterMs;
        const sample = one.kind === 'sample' ? sampleOf(one, nowMs) : undefined;
        const last = state.lastUsableMs;
        const step = estimateRevocable(state, sample, nowMs, settings);
        state = step.state;
        const now = step.estimate.revocableMillis;

        expect(Number.isSafeInteger(now) && now >= 0).toBe(true);
        expect(now).toBeLessThanOrEqual(Math.floor((CAPACITY_MILLIS * settings.maxPercent) / 100));

        if (one.kind === 'sample' && isUsable(one, settings)) {
          const lending = one.pods.filter(
            ({ qos }) => qos === 'burstable' || (qos === 'guaranteed' && settings.lendGuaranteed),
          );
          const slack = lending.reduce(
            (sum, { requestMillis = 0, cpuMillis }) =>
              sum + requestMillis - (cpuMillis ?? requestMillis),
            0,
          );
          // Covers "shrinks at once": whatever was lent before, the newest usage bounds it now.
          expect(now).toBeLessThanOrEqual(Math.max(0, slack));
          const borrowed = one.pods.reduce(
            (sum, { qos, cpuMillis }) => sum + (qos === 'besteffort' ? (cpuMillis ?? 0) : 0),
            0,
          );
          const free = CAPACITY_MILLIS - Math.max(0, (one.nodeMillis ?? 0) - borrowed);
          expect(now).toBeLessThanOrEqual(Math.max(0, free));
        } else if (last === undefined || nowMs - last > settings.staleAfterMs) {
          expect(now).toBe(0);
        } else {
          expect(now).toBeLessThanOrEqual(before);
        }

        const stepMillis = Math.max(1, Math.floor((CAPACITY_MILLIS * settings.growPercent) / 100));
        expect(now - before).toBeLessThanOrEqual(stepMillis);
        before = now;
      }
    }),
    { numRuns: 500 },
  );
});
