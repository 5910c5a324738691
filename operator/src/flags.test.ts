import { describe, expect, test } from '@jest/globals';
import { parseFlags, USAGE } from './flags.ts';

const flags = (argv: readonly string[], environment: Record<string, string> = {}) =>
  parseFlags(argv, environment);
const valueOf = (argv: readonly string[], environment: Record<string, string> = {}) => {
  const parsed = flags(argv, environment);
  if (!parsed.ok) throw new Error(parsed.refusal);
  return parsed.value;
};

describe('flags', () => {
  test('may all be left out', () => {
    expect(valueOf([])).toMatchObject({
      kubeconfig: undefined,
      httpHost: '0.0.0.0',
      httpPort: 8080,
      metricsPort: 8081,
      namespace: 'mezzo-system',
      insecureLoopback: false,
      anonymousPrincipal: undefined,
      advertiseIp: '127.0.0.1',
      defaultTaskImage: 'docker.io/library/busybox:1.36',
      frameworkNamespace: 'default',
      impersonate: false,
      agentServiceAccount: undefined,
      basicSecretsDir: undefined,
      audience: 'mezzo',
      offerTimeoutSeconds: 60,
      retentionSeconds: 120,
      logLevel: 'info',
    });
  });
  test('come before the environment, which comes before the default', () => {
    const environment = {
      POD_NAMESPACE: 'ns',
      POD_IP: '10.1.2.3',
      LOG_LEVEL: 'debug',
      MEZZO_AGENT_SERVICE_ACCOUNT: 'sa',
    };
    expect(valueOf([], environment)).toMatchObject({
      namespace: 'ns',
      advertiseIp: '10.1.2.3',
      logLevel: 'debug',
      agentServiceAccount: 'sa',
    });
    expect(valueOf(['--namespace', 'other', '--log-level=warn'], environment)).toMatchObject({
      namespace: 'other',
      logLevel: 'warn',
    });
  });
  test('--insecure-loopback listens on loopback and names the callers local', () => {
    expect(valueOf(['--insecure-loopback'])).toMatchObject({
      httpHost: '127.0.0.1',
      anonymousPrincipal: 'local',
    });
    expect(valueOf(['--insecure-loopback', '--http-host', '::1']).httpHost).toBe('::1');
  });
  test('anonymous callers can have a listener of their own', () => {
    const argv = ['--anonymous-principal', 'old', '--anonymous-listen'];
    expect(valueOf([...argv, '127.0.0.1:5050'])).toMatchObject({
      anonymousListen: { host: '127.0.0.1', port: 5050 },
      anonymousPrincipal: 'old',
      tlsDir: undefined,
    });
    expect(valueOf([...argv, '[::1]:5050']).anonymousListen).toEqual({ host: '::1', port: 5050 });
    for (const wrong of ['5050', ':5050', 'a:0', 'a:70000', 'a:b:1'])
      expect(flags([...argv, wrong])).toMatchObject({
        ok: false,
        refusal: expect.stringContaining('must be HOST:PORT'),
      });
    expect(flags(['--anonymous-listen', '127.0.0.1:5050'])).toMatchObject({
      ok: false,
      refusal: expect.stringContaining('needs --anonymous-principal'),
    });
  });
  test('volumes are in a folder of the nodes that cannot be a whole file system', () => {
    expect(valueOf([])).toMatchObject({
      volumeRoot: '/var/lib/mezzo/volumes',
      volumeImage: undefined,
    });
    const given = ['--volume-root', '/data/volumes', '--volume-image', 'i:1'];
    expect(valueOf(given)).toMatchObject({ volumeRoot: '/data/volumes', volumeImage: 'i:1' });
    for (const root of ['/', '/var', 'var/lib', '/var/../etc', '/var/lib/', '/var//lib'])
      expect(flags(['--volume-root', root])).toMatchObject({
        ok: false,
        refusal: expect.stringContaining('--volume-root must be an absolute path'),
      });
  });
  test('ports of agents are a range, and files are fetched only with an image that can', () => {
    expect(valueOf([])).toMatchObject({
      agentPorts: { begin: 20_000, end: 29_999 },
      fetcherImage: undefined,
      fetchMaxBytes: 2 ** 30,
      fetchHosts: undefined,
    });
    const argv = [
      '--agent-ports',
      '5000-5001',
      '--agent-mesos-port',
      '6051',
      '--fetch-max-mb',
      '2',
      '--fetch-hosts',
      'a,b',
    ];
    expect(valueOf([...argv, '--fetcher-image', 'm:1'])).toMatchObject({
      agentPorts: { begin: 5000, end: 5001 },
      agentMesosPort: 6051,
      fetcherImage: 'm:1',
      fetchMaxBytes: 2 ** 21,
      fetchHosts: ['a', 'b'],
    });
    for (const range of ['1', '5-4', '0-9', '1-65536', 'a-b', ''])
      expect(flags(['--agent-ports', range])).toMatchObject({
        ok: false,
        refusal: expect.stringContaining('--agent-ports must be a range'),
      });
    expect(flags(['--fetch-max-mb', '0'])).toMatchObject({ ok: false });
  });
  test('bounds of the API are set in the units of their flags', () => {
    expect(valueOf([]).limits).toEqual({});
    const streams = ['--max-streams', '7', '--max-streams-per-principal', '3'];
    const waiting = ['--stream-records', '1000', '--stream-buffer-kb', '64'];
    const calls = ['--calls-per-second', '5', '--body-max-kb', '16'];
    expect(valueOf([...streams, ...waiting, ...calls]).limits).toEqual({
      maxStreams: 7,
      maxStreamsPerPrincipal: 3,
      streamRecords: 1000,
      streamBufferBytes: 65_536,
      callsPerSecond: 5,
      burst: 10,
      bodyBytes: 16_384,
    });
    expect(USAGE).toContain('largest body of a call (default 4096)');
  });
  test('--metrics-port 0 serves everything on one port', () => {
    expect(valueOf(['--metrics-port', '0']).metricsPort).toBe(0);
  });
  test('--leader-elect is taken', () => {
    expect(flags(['--leader-elect']).ok).toBe(true);
  });
});

describe('a wrong flag is refused by its name, with what is allowed', () => {
  test.each<[readonly string[], string]>([
    [['--http-port', 'http'], '--http-port must be a whole number from 1 to 65535, not "http"'],
    [['--max-streams', '0'], '--max-streams must be a whole number from 1 to 9000, not "0"'],
    [['--body-max-kb', '4x'], '--body-max-kb must be a whole number from 16 to 65536, not "4x"'],
    [['--http-port', ''], '--http-port must be a whole number from 1 to 65535, not ""'],
    [['--http-port', '0'], '--http-port must be a whole number from 1 to 65535, not "0"'],
    [['--http-port=-1'], '--http-port must be a whole number from 1 to 65535, not "-1"'],
    [
      ['--metrics-port', '65536'],
      '--metrics-port must be a whole number from 0 to 65535, not "65536"',
    ],
    [
      ['--metrics-port', '80.5'],
      '--metrics-port must be a whole number from 0 to 65535, not "80.5"',
    ],
    [
      ['--offer-timeout-seconds', '0'],
      '--offer-timeout-seconds must be a whole number from 1 to 86400, not "0"',
    ],
    [
      ['--retention-seconds', '1e3'],
      '--retention-seconds must be a whole number from 0 to 86400, not "1e3"',
    ],
    [
      ['--http-port', '9000', '--metrics-port', '9000'],
      '--http-port and --metrics-port are both 9000; choose another, or 0 for --metrics-port to serve both on one',
    ],
    [
      ['--log-level', 'loud'],
      '--log-level (or LOG_LEVEL) must be one of trace, debug, info, warn, error, not "loud"',
    ],
    [
      ['--insecure-loopback', '--http-host', '0.0.0.0'],
      '--http-host 0.0.0.0 with --insecure-loopback would take callers without credentials from everywhere; use 127.0.0.1 or leave one of the two out',
    ],
  ])('%s', (argv, refusal) => {
    expect(flags(argv)).toEqual({ ok: false, refusal });
  });
  test('a wrong level from the environment too', () => {
    expect(flags([], { LOG_LEVEL: 'x' })).toMatchObject({ ok: false });
  });
  test.each([[['--no-such-flag']], [['positional']], [['--namespace']], [['--impersonate=yes']]])(
    '%s is refused with the usage',
    (argv) => {
      const parsed = flags(argv);
      expect(parsed.ok).toBe(false);
      expect(parsed.ok ? '' : parsed.refusal).toContain(USAGE);
    },
  );
  test('--help is the usage, and every flag is in it', () => {
    expect(flags(['--help'])).toEqual({ ok: false, refusal: USAGE });
  });
});
