import { describe, expect, test } from '@jest/globals';
import { parseConfig, usageText } from './config.ts';
import { DEFAULT_ESTIMATOR_CONFIG } from './estimator/types.ts';

const IN_POD = { KUBERNETES_SERVICE_HOST: '10.96.0.1' };
const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

describe('parseConfig', () => {
  test('in a Pod the name of the node is enough', () => {
    expect(parseConfig(['--node', 'node-1'], IN_POD)).toEqual({
      ok: true,
      value: {
        node: 'node-1',
        kubeconfig: undefined,
        cgroupRoot: '/',
        nodeUsage: 'machine',
        paths: { proc: '/proc', sys: '/sys' },
        httpPort: 9102,
        intervalMs: 5000,
        reportUrl: undefined,
        reportCaFile: undefined,
        tokenFile: TOKEN,
        logLevel: 'info',
        estimator: DEFAULT_ESTIMATOR_CONFIG,
      },
    });
  });

  test('everything from the environment, a flag beats it', () => {
    const result = parseConfig(['--interval-seconds', '2', '--sys=/host/sys/'], {
      ...IN_POD,
      MEZZO_NODE_NAME: 'node-1',
      MEZZO_INTERVAL_SECONDS: '9',
      MEZZO_PROC: '/host/proc',
      MEZZO_CGROUP_ROOT: '/mezzo-node-1',
      MEZZO_REPORT_URL: 'https://mezzo.mezzo-system:8443/agent/v1/report',
      MEZZO_MAX_REVOCABLE_PERCENT: '0',
      MEZZO_LEND_GUARANTEED: 'false',
      MEZZO_NODE_USAGE: 'cgroup-root',
      MEZZO_SIGMAS: '0',
    });
    expect(result).toMatchObject({
      ok: true,
      value: {
        node: 'node-1',
        intervalMs: 2000,
        paths: { proc: '/host/proc', sys: '/host/sys' },
        cgroupRoot: '/mezzo-node-1',
        reportUrl: 'https://mezzo.mezzo-system:8443/agent/v1/report',
        nodeUsage: 'cgroup-root',
        estimator: { maxPercent: 0, lendGuaranteed: false, sigmas: 0 },
      },
    });
  });

  test('with a kubeconfig there is no token unless a file is named', () => {
    const flags = ['--node', 'node-1', '--kubeconfig', '/tmp/kubeconfig'];
    expect(parseConfig(flags, {})).toMatchObject({ ok: true, value: { tokenFile: undefined } });
    expect(parseConfig([...flags, '--token-file', '/t'], {})).toMatchObject({
      value: { tokenFile: '/t' },
    });
  });

  test('slow sampling does not look like missing data', () => {
    expect(parseConfig(['--node', 'n', '--interval-seconds', '60'], IN_POD)).toMatchObject({
      value: { estimator: { staleAfterMs: 180_000, windowMs: 3_600_000 } },
    });
  });

  test('custom executors are served at the address that is advertised', () => {
    const args = ['--node', 'n', '--report-url', 'http://o:1', '--executor-port', '5061'];
    expect(parseConfig(['--node', 'n'], IN_POD)).toMatchObject({ value: { executors: undefined } });
    expect(parseConfig([...args, '--executor-host', '192.0.2.1'], IN_POD)).toMatchObject({
      value: { executors: { host: '192.0.2.1', port: 5061, advertised: '192.0.2.1' } },
    });
    expect(parseConfig([...args, '--executor-advertise', 'node-1:15061'], IN_POD)).toMatchObject({
      value: { executors: { host: '0.0.0.0', port: 5061, advertised: 'node-1:15061' } },
    });
  });

  test('nothing of a Mesos agent is served unless a port is given', () => {
    expect(parseConfig(['--node', 'n'], IN_POD)).toMatchObject({ value: { mesos: undefined } });
    const args = ['--node', 'n', '--report-url', 'http://o:1', '--mesos-port', '5051'];
    expect(parseConfig(args, IN_POD)).toMatchObject({
      value: {
        mesos: {
          host: '127.0.0.1',
          port: 5051,
          podsDir: '/var/lib/kubelet/pods',
          logsDir: '/var/log/pods',
        },
      },
    });
  });

  test.each([
    { args: [], says: '--node is missing; give the name of the Node (or set MEZZO_NODE_NAME)' },
    { args: ['--node', 'Node_1'], says: '--node is "Node_1"; it takes the name of a Node' },
    { args: ['--node', 'n', '--interval-seconds', '0'], says: 'a whole number from 1 to 60' },
    { args: ['--node', 'n', '--interval-seconds', '1.5'], says: '--interval-seconds is "1.5"' },
    { args: ['--node', 'n', '--http-port', '70000'], says: 'a whole number from 0 to 65535' },
    { args: ['--node', 'n', '--http-port', ''], says: '--http-port is ""' },
    { args: ['--node', 'n', '--cgroup-root', 'kubelet'], says: 'it takes an absolute path' },
    { args: ['--node', 'n', '--report-url', 'operator:8080'], says: 'an http:// or https://' },
    { args: ['--node', 'n', '--report-url', 'not a url'], says: 'an http:// or https://' },
    { args: ['--node', 'n', '--log-level', 'loud'], says: 'one of debug, info, warn, error' },
    { args: ['--node', 'n', '--lend-guaranteed', 'yes'], says: 'one of true, false' },
    { args: ['--node', 'n', '--grow-percent', '0'], says: 'a whole number from 1 to 100' },
    { args: ['--node', 'n', '--mesos-port', '5051'], says: '--mesos-port needs --report-url' },
    {
      args: [
        '--node',
        'n',
        '--report-url',
        'http://o',
        '--mesos-port',
        '5051',
        '--mesos-host',
        'o',
      ],
      says: '--mesos-host is "o"; it takes an IP address',
    },
    {
      args: ['--node', 'n', '--report-url', 'http://o', '--mesos-port', '5051', '--pods-dir', 'x'],
      says: '--pods-dir is "x"; it takes an absolute path',
    },
    {
      args: ['--node', 'n', '--executor-port', '5061'],
      says: '--executor-port needs --report-url',
    },
    {
      args: ['--node', 'n', '--report-url', 'http://o', '--executor-port', '5061'],
      says: '--executor-advertise is "0.0.0.0"; it takes the host',
    },
    { args: ['--node', 'n', '--bogus', '1'], says: "Unknown option '--bogus'" },
    { args: ['--node', 'n', 'stray'], says: "Unexpected argument 'stray'" },
    { args: ['--node'], says: '--node' },
  ])('refuses $args and says why', ({ args, says }) => {
    expect(parseConfig(args, IN_POD)).toEqual({
      ok: false,
      refusal: expect.stringContaining(says),
    });
  });

  test('outside of a Pod a kubeconfig is needed', () => {
    expect(parseConfig(['--node', 'n'], {})).toEqual({
      ok: false,
      refusal: '--kubeconfig is missing, and this is not a Pod of a cluster; give its path',
    });
  });
});

test('the help names every flag', () => {
  for (const flag of ['--node', '--report-url', '--max-revocable-percent', '--lend-guaranteed']) {
    expect(usageText()).toContain(flag);
  }
});
