import { describe, expect, test } from '@jest/globals';
import { refusalOf, translatedContainer } from '../../../../../test/support/taskPods.ts';

const http = { type: 'HTTP', http: { port: 8080, path: '/health' } };

describe('health checks', () => {
  test('without timing they have that of Mesos', () => {
    const httpGet = { path: '/health', port: 8080, scheme: 'HTTP' };
    const common = { httpGet, periodSeconds: 10, timeoutSeconds: 20 };
    expect(translatedContainer({ health_check: http })).toMatchObject({
      // Delay 15 s lies beyond the grace of 10 s: nothing more is forgiven.
      startupProbe: { ...common, initialDelaySeconds: 15, failureThreshold: 3 },
      livenessProbe: { ...common, initialDelaySeconds: 0, failureThreshold: 3 },
      readinessProbe: { ...common, initialDelaySeconds: 0, failureThreshold: 1 },
    });
  });

  test('failures during the grace period are forgiven until the first success', () => {
    const health_check = {
      ...http,
      delay_seconds: 2.5,
      interval_seconds: 4,
      timeout_seconds: 0,
      consecutive_failures: 2,
      grace_period_seconds: 20,
    };
    const { startupProbe, livenessProbe } = translatedContainer({ health_check });
    // 3 s delay, then (20 − 3) / 4 rounded up = 5 forgiven failures and 2 that count.
    expect(startupProbe).toMatchObject({
      initialDelaySeconds: 3,
      periodSeconds: 4,
      timeoutSeconds: 86_400,
      failureThreshold: 7,
    });
    expect(livenessProbe).toMatchObject({ periodSeconds: 4, failureThreshold: 2 });
  });

  test('an interval of nothing is the shortest there is', () => {
    const health_check = { ...http, interval_seconds: 0, timeout_seconds: 0.1 };
    expect(translatedContainer({ health_check }).livenessProbe).toMatchObject({
      periodSeconds: 1,
      timeoutSeconds: 1,
    });
  });

  test.each([
    [
      'https',
      { type: 'HTTP', http: { port: 1, scheme: 'https' } },
      { httpGet: { path: '/', port: 1, scheme: 'HTTPS' } },
    ],
    ['TCP', { type: 'TCP', tcp: { port: 22 } }, { tcpSocket: { port: 22 } }],
    [
      'a shell command, which the kubelet does not expand',
      { type: 'COMMAND', command: { value: 'test $(date)' } },
      { exec: { command: ['/bin/sh', '-c', 'test $(date)'] } },
    ],
    [
      'a program',
      { type: 'COMMAND', command: { shell: false, value: '/bin/ok', arguments: ['ok', '-v'] } },
      { exec: { command: ['/bin/ok', '-v'] } },
    ],
  ])('%s', (_name, health_check, handler) => {
    expect(translatedContainer({ health_check }).readinessProbe).toMatchObject(handler);
  });

  test.each([
    ['no type', {}, /health_check\.type/],
    ['no handler', { type: 'HTTP' }, /health_check\.http/],
    ['another handler', { type: 'TCP', http: { port: 1 } }, /health_check\.tcp/],
    ['a port beyond', { type: 'TCP', tcp: { port: 65_536 } }, /tcp\.port/],
    ['a bare path', { type: 'HTTP', http: { port: 1, path: 'x' } }, /http\.path/],
    ['another scheme', { type: 'HTTP', http: { port: 1, scheme: 'ftp' } }, /http\.scheme/],
    ['an empty command', { type: 'COMMAND', command: {} }, /health_check\.command/],
    [
      'a command with an environment',
      {
        type: 'COMMAND',
        command: { value: 'x', environment: { variables: [{ name: 'A', value: '' }] } },
      },
      /command\.environment/,
    ],
    ['a negative delay', { ...http, delay_seconds: -1 }, /delay_seconds/],
    ['a negative interval', { ...http, interval_seconds: -1 }, /interval_seconds/],
    ['a negative time-out', { ...http, timeout_seconds: -1 }, /timeout_seconds/],
    ['a negative grace', { ...http, grace_period_seconds: -1 }, /grace_period_seconds/],
    ['a delay that is no number', { ...http, delay_seconds: 'NaN' }, /delay_seconds/],
  ])('%s is refused', (_name, health_check, message) => {
    expect(refusalOf({ health_check })).toMatch(message);
  });
});

describe('checks', () => {
  test('only tell: nothing restarts or kills the task', () => {
    const check = { type: 'TCP', tcp: { port: 22 }, delay_seconds: 0, interval_seconds: 3 };
    const container = translatedContainer({ check });
    expect(container.readinessProbe).toEqual({
      tcpSocket: { port: 22 },
      initialDelaySeconds: 0,
      periodSeconds: 3,
      timeoutSeconds: 20,
      failureThreshold: 1,
    });
    expect(container.livenessProbe).toBeUndefined();
    expect(container.startupProbe).toBeUndefined();
  });

  test.each([
    ['no type', {}, /check\.type/],
    ['a command without its body', { type: 'COMMAND' }, /check\.command/],
    ['a bare path', { type: 'HTTP', http: { port: 1, path: 'x' } }, /check\.http\.path/],
    ['a port of 0', { type: 'TCP', tcp: { port: 0 } }, /check\.tcp\.port/],
    [
      'a negative time-out',
      { type: 'TCP', tcp: { port: 1 }, timeout_seconds: -1 },
      /check\.timeout/,
    ],
  ])('%s is refused', (_name, check, message) => {
    expect(refusalOf({ check })).toMatch(message);
  });

  test('beside a health check there is no room for one', () => {
    expect(refusalOf({ health_check: http, check: { type: 'TCP', tcp: { port: 1 } } })).toMatch(
      /^check: a Pod tells of one check per container/,
    );
  });
});
