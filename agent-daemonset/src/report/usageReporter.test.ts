import { describe, expect, test } from '@jest/globals';
import { createSeededRng } from '../../../operator/src/model/seededRng.ts';
import { AgentReport } from '../../../operator/src/schema/http/agentReport.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { RecordingLogger } from '../fixtures/recordingLogger.ts';
import type { ReportSender, SendOutcome } from '../ports/reportSender.ts';
import type { PodUsage, UsageSample } from '../usage/usageSample.ts';
import { Backoff } from './backoff.ts';
import { buildReport } from './buildReport.ts';
import { type ReportOutcome, UsageReporter } from './usageReporter.ts';

const UID = '22222222-aaaa-4bbb-8ccc-000000000002';

const pod = (fields: Partial<PodUsage> = {}): PodUsage => ({
  uid: UID,
  qos: 'burstable',
  requestMillis: 1000,
  cpuMillis: 250,
  memoryBytes: 4096,
  cpuPressurePermille: undefined,
  ...fields,
});

const sample = (fields: Partial<UsageSample> = {}): UsageSample => ({
  atMs: 1_700_000_000_123,
  monotonicMs: 5,
  node: {
    capacityMillis: 2000,
    cpuMillis: 300,
    memoryBytes: 8192,
    cpuPressurePermille: undefined,
    memoryPressurePermille: undefined,
  },
  pods: { kind: 'read', pods: [pod()], leftOut: 0 },
  ...fields,
});

const withPods = (...pods: readonly PodUsage[]): UsageSample =>
  sample({ pods: { kind: 'read', pods, leftOut: 0 } });

describe('buildReport', () => {
  test('says node, time, usage of node and Pods, as the schema wants it', () => {
    const report = buildReport('node-1', sample());
    expect(AgentReport.parse(report)).toEqual({
      node: 'node-1',
      atMs: 1_700_000_000_123,
      nodeUsage: { cpuMillis: 300, memoryBytes: 8192 },
      pods: [{ uid: UID, cpuMillis: 250, memoryBytes: 4096 }],
    });
  });

  test.each([
    { name: 'CPU', unknown: pod({ cpuMillis: undefined }) },
    { name: 'memory', unknown: pod({ memoryBytes: undefined }) },
  ])('a Pod whose $name is unknown is left out, never zero', ({ unknown }) => {
    const other = pod({ uid: '0f1e2d3c4b5a69788796a5b4c3d2e1f0' });
    expect(buildReport('node-1', withPods(unknown, other))?.pods).toEqual([
      { uid: other.uid, cpuMillis: 250, memoryBytes: 4096 },
    ]);
  });

  test.each([
    { name: 'the node', of: sample({ node: { ...sample().node, cpuMillis: undefined } }) },
    { name: 'its memory', of: sample({ node: { ...sample().node, memoryBytes: undefined } }) },
    { name: 'its Pods', of: sample({ pods: { kind: 'absent', reason: 'no kubelet' } }) },
  ])('nothing to report while $name is unknown', ({ of }) => {
    expect(buildReport('node-1', of)).toBeUndefined();
  });
});

describe('AgentReport', () => {
  const good = buildReport('node-1', sample());

  test.each([
    { name: 'more Pods than the bound', body: { ...good, pods: Array(1001).fill(good?.pods[0]) } },
    { name: 'an unknown key', body: { ...good, extra: 1 } },
    { name: 'a negative figure', body: { ...good, nodeUsage: { cpuMillis: -1, memoryBytes: 0 } } },
    { name: 'no number', body: { ...good, nodeUsage: { cpuMillis: Number.NaN, memoryBytes: 0 } } },
    { name: 'infinity', body: { ...good, nodeUsage: { cpuMillis: Infinity, memoryBytes: 0 } } },
    { name: 'a fraction', body: { ...good, nodeUsage: { cpuMillis: 0.5, memoryBytes: 0 } } },
    { name: 'an absurd figure', body: { ...good, nodeUsage: { cpuMillis: 1e12, memoryBytes: 0 } } },
    {
      name: 'a uid that is a path',
      body: { ...good, pods: [{ ...good?.pods[0], uid: '../../etc' }] },
    },
    { name: 'no node', body: { ...good, node: '' } },
  ])('refuses $name', ({ body }) => {
    expect(AgentReport.safeParse(body).success).toBe(false);
  });
});

class ScriptedSender implements ReportSender {
  readonly sent: AgentReport[] = [];
  readonly answers: SendOutcome[] = [];
  /** Set: the next answer waits for it. */
  gate: Promise<void> | undefined;

  async send(report: AgentReport): Promise<SendOutcome> {
    this.sent.push(report);
    await this.gate;
    return this.answers.shift() ?? { kind: 'accepted' };
  }
}

function scene() {
  const clock = new FakeClock();
  const sender = new ScriptedSender();
  const log = new RecordingLogger();
  const outcomes: ReportOutcome[] = [];
  const backoff = new Backoff(clock, createSeededRng('seed'));
  const onOutcome = (outcome: ReportOutcome): void => void outcomes.push(outcome);
  const reporter = new UsageReporter({ node: 'node-1', sender, backoff, log, onOutcome });
  return { clock, sender, log, outcomes, reporter };
}

describe('UsageReporter', () => {
  test('sends every sample that says something', async () => {
    const { sender, reporter, outcomes } = scene();
    await reporter.offer(sample());
    await reporter.offer(sample({ pods: { kind: 'absent', reason: 'no kubelet' } }));
    await reporter.offer(sample());
    expect(sender.sent).toHaveLength(2);
    expect(outcomes).toEqual(['accepted', 'accepted']);
  });

  test('failures space out: over ten minutes of them a dozen attempts, each said once', async () => {
    const { clock, sender, reporter, log } = scene();
    for (let second = 0; second < 600; second += 5) {
      sender.answers.push({ kind: 'failed', reason: 'no leader', retryAfterMs: undefined });
      await reporter.offer(sample());
      await clock.advance(5000);
    }
    expect(sender.sent.length).toBeGreaterThan(9);
    expect(sender.sent.length).toBeLessThan(24);
    expect(log.messages('warn')).toHaveLength(sender.sent.length);
    sender.answers.length = 0;
    await clock.advance(60_000);
    await reporter.offer(sample());
    await reporter.offer(sample());
    expect(sender.sent.length).toBe(log.messages('warn').length + 2);
  });

  test('waits as long as the operator asks, though not forever', async () => {
    const { clock, sender, reporter } = scene();
    sender.answers.push({ kind: 'failed', reason: 'busy', retryAfterMs: 3_600_000 });
    await reporter.offer(sample());
    await clock.advance(59_000);
    await reporter.offer(sample());
    expect(sender.sent).toHaveLength(1);
    await clock.advance(1000);
    await reporter.offer(sample());
    expect(sender.sent).toHaveLength(2);
  });

  test('a slow receiver gets one report at a time, the others are dropped', async () => {
    const { sender, reporter, outcomes } = scene();
    let open: () => void = () => undefined;
    sender.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = reporter.offer(sample());
    await reporter.offer(sample());
    await reporter.offer(sample());
    expect(sender.sent).toHaveLength(1);
    open();
    await first;
    expect(outcomes).toEqual(['skipped', 'skipped', 'accepted']);
  });
});
