import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { type Result, refuse } from '../../operator/src/model/result.ts';
import { LOG_LEVELS, type LogLevel } from './adapters/pinoLogger.ts';
import { DEFAULT_ESTIMATOR_CONFIG, type EstimatorConfig } from './estimator/types.ts';
import type { HostPaths } from './inventory/types.ts';
import { NODE_USAGE_SOURCES, type NodeUsageSource } from './usage/usageSampler.ts';

export interface AgentConfig {
  readonly node: string;
  /** Absent: the ServiceAccount of the Pod. */
  readonly kubeconfig: string | undefined;
  readonly cgroupRoot: string;
  readonly nodeUsage: NodeUsageSource;
  readonly paths: HostPaths;
  readonly httpPort: number;
  /** Absent: nothing of the Mesos agent is served. */
  readonly mesos: MesosConfig | undefined;
  /** Absent: no custom executors on this node. */
  readonly executors: ExecutorConfig | undefined;
  readonly intervalMs: number;
  readonly reportUrl: string | undefined;
  readonly reportCaFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly estimator: EstimatorConfig;
}

export interface MesosConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly podsDir: string;
  readonly logsDir: string;
}

export interface ExecutorConfig {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Host, or host and port, at which executors on this node reach it. */
  readonly advertised: string;
}

interface Flag {
  readonly default?: string;
  readonly help: string;
}

const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const ESTIMATOR = DEFAULT_ESTIMATOR_CONFIG;

/** Every flag; `--report-url` is also MEZZO_REPORT_URL, `--node` is MEZZO_NODE_NAME. A flag beats the environment. */
const FLAGS = {
  node: { help: 'name of the Kubernetes Node this runs on (required)' },
  kubeconfig: { help: "path of a kubeconfig; the Pod's ServiceAccount without it" },
  'cgroup-root': { default: '/', help: "the kubelet's cgroupRoot" },
  'node-usage': {
    default: 'machine',
    help: "whose usage is the node's: machine, or cgroup-root where several nodes share a machine",
  },
  proc: { default: '/proc', help: "where the host's procfs is mounted" },
  sys: { default: '/sys', help: "where the host's sysfs is mounted" },
  'http-port': { default: '9102', help: 'port of /healthz, /usage and /metrics; 0 picks one' },
  'mesos-port': {
    help: 'port of what old clients read from a Mesos agent, usually 5051; not served without it',
  },
  'mesos-host': { default: '127.0.0.1', help: 'address that port listens on' },
  'executor-port': {
    help: 'port of the v1 executor API for custom executors; not served without it',
  },
  'executor-host': { default: '0.0.0.0', help: 'address that port listens on' },
  'executor-advertise': {
    help: "host, or host:port, at which Pods of this node reach that port; it must outlive the agent's Pod",
  },
  'pods-dir': {
    default: '/var/lib/kubelet/pods',
    help: "where the kubelet's directory of Pods is mounted",
  },
  'pod-logs-dir': { default: '/var/log/pods', help: 'where the logs of Pods are mounted' },
  'interval-seconds': { default: '5', help: 'time between samples, 1 to 60' },
  'report-url': { help: 'where usage reports are posted; none without it' },
  'report-ca-file': { help: 'PEM of the authority that signed the certificate of that address' },
  'token-file': { help: `bearer token of the reports; in a Pod ${SERVICE_ACCOUNT_TOKEN}` },
  'log-level': { default: 'info', help: LOG_LEVELS.join(', ') },
  'warmup-samples': {
    default: String(ESTIMATOR.warmupSamples),
    help: 'samples before anything is revocable',
  },
  sigmas: {
    default: String(ESTIMATOR.sigmas),
    help: 'standard deviations above the mean that make a peak, 0 to 10',
  },
  'margin-percent': {
    default: String(ESTIMATOR.marginPercent),
    help: 'added to the predicted peak',
  },
  'reserve-percent': {
    default: String(ESTIMATOR.reservePercent),
    help: 'share of the CPUs never lent',
  },
  'max-revocable-percent': {
    default: String(ESTIMATOR.maxPercent),
    help: 'most of the CPUs that may be lent; 0 switches lending off',
  },
  'grow-percent': {
    default: String(ESTIMATOR.growPercent),
    help: 'growth per step, of the CPUs',
  },
  'calm-samples': {
    default: String(ESTIMATOR.calmSamples),
    help: 'samples that must allow more before a step of growth',
  },
  'lend-guaranteed': {
    default: String(ESTIMATOR.lendGuaranteed),
    help: 'true or false; false where the kubelet pins CPUs (static CPU manager)',
  },
} as const satisfies { readonly [flag: string]: Flag };

type FlagName = keyof typeof FLAGS;

/** Reads flags and environment. Refusals name the flag, what it said and what it allows. */
export function parseConfig(
  args: readonly string[],
  env: { readonly [name: string]: string | undefined },
): Result<AgentConfig, string> {
  try {
    return { ok: true, value: readConfig(args, env) };
  } catch (error) {
    if (error instanceof BadFlag) return refuse(error.message);
    throw error;
  }
}

export function usageText(): string {
  const lines = Object.entries(FLAGS).map(([name, flag]: [string, Flag]) => {
    const byDefault = flag.default === undefined ? '' : ` (default ${flag.default})`;
    return `  --${name.padEnd(22)} ${flag.help}${byDefault}`;
  });
  return `usage: node agent-daemonset/src/main.ts --node <name> [flags]\n${lines.join('\n')}\nEach flag is also an environment variable: --report-url is MEZZO_REPORT_URL, --node is MEZZO_NODE_NAME.`;
}

class BadFlag extends Error {}

function readConfig(
  args: readonly string[],
  env: { readonly [name: string]: string | undefined },
): AgentConfig {
  const given = parseFlags(args);
  const text = (name: FlagName): string | undefined => {
    const flag: Flag = FLAGS[name];
    const value = given[name] ?? env[variableOf(name)] ?? flag.default;
    return value === '' ? undefined : value;
  };
  const integer = (name: FlagName, min: number, max: number): number => {
    const value = text(name) ?? '';
    const parsed = Number(value);
    if (!/^[0-9]{1,9}$/.test(value) || parsed < min || parsed > max) {
      throw new BadFlag(`--${name} is "${value}"; it takes a whole number from ${min} to ${max}`);
    }
    return parsed;
  };
  const path = (name: FlagName): string => {
    const value = text(name) ?? '';
    if (!value.startsWith('/')) {
      throw new BadFlag(`--${name} is "${value}"; it takes an absolute path`);
    }
    return value.replace(/(?<=.)\/+$/, '');
  };
  const node = nodeName(text('node'));
  if (text('kubeconfig') === undefined && !env['KUBERNETES_SERVICE_HOST']) {
    throw new BadFlag('--kubeconfig is missing, and this is not a Pod of a cluster; give its path');
  }
  if (text('mesos-port') !== undefined && text('report-url') === undefined) {
    throw new BadFlag('--mesos-port needs --report-url: the operator says what callers may see');
  }
  const intervalMs = integer('interval-seconds', 1, 60) * 1000;
  return {
    node,
    kubeconfig: text('kubeconfig'),
    cgroupRoot: path('cgroup-root'),
    nodeUsage: oneOf('node-usage', text('node-usage'), NODE_USAGE_SOURCES),
    paths: { proc: path('proc'), sys: path('sys') },
    httpPort: integer('http-port', 0, 65535),
    mesos:
      text('mesos-port') === undefined
        ? undefined
        : {
            host: address('mesos-host', text('mesos-host')),
            port: integer('mesos-port', 0, 65535),
            podsDir: path('pods-dir'),
            logsDir: path('pod-logs-dir'),
          },
    executors: executorConfig(text, integer),
    intervalMs,
    reportUrl: reportUrl(text('report-url')),
    reportCaFile: text('report-ca-file'),
    // Without a kubeconfig this is a Pod, which has a token.
    tokenFile: text('token-file') ?? (text('kubeconfig') ? undefined : SERVICE_ACCOUNT_TOKEN),
    logLevel: oneOf('log-level', text('log-level'), LOG_LEVELS),
    estimator: {
      ...ESTIMATOR,
      // Slow sampling must not look like missing data.
      staleAfterMs: Math.max(ESTIMATOR.staleAfterMs, 3 * intervalMs),
      windowMs: Math.max(ESTIMATOR.windowMs, 60 * intervalMs),
      warmupSamples: integer('warmup-samples', 1, 60),
      sigmas: integer('sigmas', 0, 10),
      marginPercent: integer('margin-percent', 0, 1000),
      reservePercent: integer('reserve-percent', 0, 100),
      maxPercent: integer('max-revocable-percent', 0, 100),
      growPercent: integer('grow-percent', 1, 100),
      calmSamples: integer('calm-samples', 1, 1000),
      lendGuaranteed:
        oneOf('lend-guaranteed', text('lend-guaranteed'), ['true', 'false']) === 'true',
    },
  };
}

function executorConfig(
  text: (name: FlagName) => string | undefined,
  integer: (name: FlagName, min: number, max: number) => number,
): ExecutorConfig | undefined {
  if (text('executor-port') === undefined) return undefined;
  if (text('report-url') === undefined)
    throw new BadFlag('--executor-port needs --report-url: the operator says what executors do');
  const host = address('executor-host', text('executor-host'));
  const advertised = text('executor-advertise') ?? host;
  if (['0.0.0.0', '::'].includes(advertised) || !/^[A-Za-z0-9.:[\]-]{1,255}$/.test(advertised))
    throw new BadFlag(
      `--executor-advertise is "${advertised}"; it takes the host, or host:port, at which Pods of this node reach the agent`,
    );
  return { host, port: integer('executor-port', 0, 65535), advertised };
}

function parseFlags(args: readonly string[]): { readonly [name: string]: string | undefined } {
  const options = Object.fromEntries(
    Object.keys(FLAGS).map((name) => [name, { type: 'string' as const }]),
  );
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new BadFlag(error instanceof Error ? error.message : String(error));
  }
}

function variableOf(name: FlagName): string {
  return name === 'node' ? 'MEZZO_NODE_NAME' : `MEZZO_${name.replaceAll('-', '_').toUpperCase()}`;
}

function address(name: string, value: string | undefined): string {
  if (value === undefined || isIP(value) === 0) {
    throw new BadFlag(`--${name} is "${value ?? ''}"; it takes an IP address, such as 127.0.0.1`);
  }
  return value;
}

/** Source: Kubernetes object names, RFC 1123 subdomain. */
function nodeName(value: string | undefined): string {
  if (value === undefined) {
    throw new BadFlag('--node is missing; give the name of the Node (or set MEZZO_NODE_NAME)');
  }
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value)) {
    throw new BadFlag(`--node is "${value}"; it takes the name of a Node: a-z, 0-9, "-" and "."`);
  }
  return value;
}

function reportUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new BadFlag(`--report-url is "${value}"; it takes an http:// or https:// address`);
  }
  return url.href;
}

function oneOf<Choice extends string>(
  name: FlagName,
  value: string | undefined,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((one) => one === value);
  if (choice === undefined) {
    throw new BadFlag(`--${name} is "${value ?? ''}"; it takes one of ${choices.join(', ')}`);
  }
  return choice;
}
