import { describe, expect, test } from '@jest/globals';
import { translatedContainer } from '../../../../../test/support/taskPods.ts';
import type { ContainerState, Pod } from '../../../schema/kubeObjects.ts';
import { updatesOf } from './podUpdates.ts';

const STARTED = '2026-01-01T00:00:10Z';
const at = (seconds: number): string =>
  new Date(Date.parse(STARTED) + seconds * 1000).toISOString().replace('.000', '');

const HEALTH = {
  health_check: {
    type: 'TCP',
    tcp: { port: 80 },
    delay_seconds: 4,
    interval_seconds: 5,
    grace_period_seconds: 0,
    consecutive_failures: 3,
  },
};

interface Facts {
  readonly task?: object;
  readonly ready: boolean;
  /** Seconds after its start at which readiness changed last. */
  readonly changedAt: number;
  readonly end?: { readonly exitCode: number; readonly at: number };
  readonly annotations?: { readonly [key: string]: string };
}

function podWith({ task = HEALTH, ready, changedAt, end, annotations = {} }: Facts): Pod {
  const state: ContainerState =
    end === undefined
      ? { running: { startedAt: STARTED } }
      : { terminated: { exitCode: end.exitCode, startedAt: STARTED, finishedAt: at(end.at) } };
  const condition = { type: 'ContainersReady', status: ready ? 'True' : 'False' };
  return {
    metadata: { name: 'p', annotations },
    spec: { containers: [translatedContainer(task)] },
    status: {
      phase: end === undefined ? 'Running' : end.exitCode === 0 ? 'Succeeded' : 'Failed',
      conditions: [{ ...condition, lastTransitionTime: at(changedAt) }],
      containerStatuses: [{ name: 'task', ready, state }],
    },
  };
}
const lastOf = (facts: Facts) => updatesOf(podWith(facts), false).at(-1);

describe('what a framework is told of the health of a running task', () => {
  test('nothing before the first success', () => {
    expect(lastOf({ ready: false, changedAt: -5 })).toMatchObject({ step: 'running' });
  });

  test.each([
    ['the first success', true, 5],
    ['a failure after it', false, 20],
  ])('%s', (_name, ready, changedAt) => {
    expect(lastOf({ ready, changedAt })).toMatchObject({
      step: 'health',
      state: 'TASK_RUNNING',
      reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
      healthy: ready,
      key: `${ready ? 'passing' : 'failing'}@${at(changedAt)}`,
    });
  });

  test('of a check: whether it passed, and nothing that nobody saw', () => {
    const check = (more: object, ready: boolean) =>
      lastOf({ task: { check: more }, ready, changedAt: 5 });
    const tcp = { type: 'TCP', tcp: { port: 80 } };
    expect(check(tcp, true)).toMatchObject({
      reason: 'REASON_TASK_CHECK_STATUS_UPDATED',
      checkStatus: { type: 'TCP', tcp: { succeeded: true } },
    });
    expect(check(tcp, true)).not.toHaveProperty('healthy');
    expect(check(tcp, false)?.checkStatus).toEqual({ type: 'TCP', tcp: { succeeded: false } });
    const command = { type: 'COMMAND', command: { command: { value: 'x' } } };
    expect(check(command, true)?.checkStatus).toEqual({
      type: 'COMMAND',
      command: { exit_code: 0 },
    });
    expect(check(command, false)?.checkStatus).toEqual({ type: 'COMMAND', command: {} });
    const http = { type: 'HTTP', http: { port: 80 } };
    expect(check(http, false)?.checkStatus).toEqual({ type: 'HTTP', http: {} });
  });
});

describe('how a task with a health check ended', () => {
  test.each([
    // Three failures five seconds apart: at the earliest ten seconds after the first.
    ['killed after three failures', 20, { exitCode: 137, at: 31 }, 'TASK_KILLED', false],
    ['killed, and it exited 0', 20, { exitCode: 0, at: 31 }, 'TASK_KILLED', false],
    ['it died of itself while failing', 20, { exitCode: 1, at: 24 }, 'TASK_FAILED', undefined],
    ['it was healthy to its end', 31, { exitCode: 137, at: 31 }, 'TASK_FAILED', undefined],
    ['it finished healthy', 32, { exitCode: 0, at: 31 }, 'TASK_FINISHED', undefined],
    ['never healthy', -5, { exitCode: 143, at: 15 }, 'TASK_KILLED', false],
    ['it gave up before it was asked', -5, { exitCode: 1, at: 3 }, 'TASK_FAILED', undefined],
  ])('%s', (_name, changedAt, end, state, healthy) => {
    const last = lastOf({ ready: false, changedAt, end });
    expect([last?.state, last?.healthy]).toEqual([state, healthy]);
  });

  test('with one failure allowed, one that was ready to its end was not killed for it', () => {
    const task = { health_check: { ...HEALTH.health_check, consecutive_failures: 1 } };
    const end = { exitCode: 143, at: 31 };
    expect(lastOf({ task, ready: false, changedAt: 31, end })?.state).toBe('TASK_FAILED');
    expect(lastOf({ task, ready: false, changedAt: 30, end })?.state).toBe('TASK_KILLED');
  });

  test('without a health check nothing of the kind is guessed', () => {
    const last = lastOf({ task: {}, ready: false, changedAt: 1, end: { exitCode: 137, at: 100 } });
    expect(last).toMatchObject({ state: 'TASK_FAILED' });
  });
});
