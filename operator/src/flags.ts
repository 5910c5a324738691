import { parseArgs } from 'node:util';
import type { ApiLimits } from './api/context.ts';
import { LIMIT_OPTIONS, LIMIT_USAGE, limitsOf } from './limitFlags.ts';
import { ok, type Result, refuse } from './model/result.ts';

/** Flags of the operator; every one may also be left out. */
export interface Flags {
  readonly kubeconfig: string | undefined;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly metricsPort: number;
  readonly namespace: string;
  readonly insecureLoopback: boolean;
  readonly anonymousPrincipal: string | undefined;
  /** Another listener, without TLS; only there are callers without credentials taken. */
  readonly anonymousListen: { readonly host: string; readonly port: number } | undefined;
  readonly tlsDir: string | undefined;
  readonly advertiseIp: string;
  readonly defaultTaskImage: string;
  readonly volumeRoot: string;
  readonly volumeImage: string | undefined;
  readonly fetcherImage: string | undefined;
  readonly fetchMaxBytes: number;
  readonly fetchHosts: readonly string[] | undefined;
  readonly agentMesosPort: number;
  readonly agentPorts: { readonly begin: number; readonly end: number };
  readonly frameworkNamespace: string;
  readonly impersonate: boolean;
  readonly agentServiceAccount: string | undefined;
  readonly basicSecretsDir: string | undefined;
  readonly audience: string;
  readonly offerTimeoutSeconds: number;
  readonly retentionSeconds: number;
  readonly lostAfterSeconds: number;
  readonly logLevel: string;
  /** Those that were given; the others have their defaults. */
  readonly limits: Partial<ApiLimits>;
}

const OPTIONS = {
  kubeconfig: { type: 'string' },
  'http-host': { type: 'string' },
  'http-port': { type: 'string' },
  'metrics-port': { type: 'string' },
  namespace: { type: 'string' },
  'leader-elect': { type: 'boolean' },
  'insecure-loopback': { type: 'boolean' },
  'anonymous-principal': { type: 'string' },
  'anonymous-listen': { type: 'string' },
  'tls-dir': { type: 'string' },
  'advertise-ip': { type: 'string' },
  'default-task-image': { type: 'string' },
  'volume-root': { type: 'string' },
  'volume-image': { type: 'string' },
  'fetcher-image': { type: 'string' },
  'fetch-max-mb': { type: 'string' },
  'fetch-hosts': { type: 'string' },
  'agent-ports': { type: 'string' },
  'agent-mesos-port': { type: 'string' },
  'framework-namespace': { type: 'string' },
  impersonate: { type: 'boolean' },
  'agent-service-account': { type: 'string' },
  'basic-secrets-dir': { type: 'string' },
  audience: { type: 'string' },
  'offer-timeout-seconds': { type: 'string' },
  'retention-seconds': { type: 'string' },
  'lost-after-seconds': { type: 'string' },
  'log-level': { type: 'string' },
  ...LIMIT_OPTIONS,
  help: { type: 'boolean' },
} as const;

export const USAGE = `usage: operator [flags]           run the operator
       operator uninstall …      release everything that waits for the operator

  --kubeconfig PATH             cluster to run against (default: the Pod's own, then ~/.kube/config)
  --http-port N                 scheduler API, views, agent reports (default 8080)
  --http-host ADDRESS           address to listen on (default: all, with --insecure-loopback 127.0.0.1)
  --metrics-port N              /metrics, /livez, /readyz (default 8081; 0: on the http port only)
  --namespace NAME              namespace of the lease (default mezzo-system)
  --leader-elect                taken for habit's sake: leaders are always elected
  --advertise-ip IP             address frameworks and standbys reach this process at (default $POD_IP or 127.0.0.1)
  --default-task-image IMAGE    image of framework tasks that name none
  --volume-root PATH            folder on every node that holds persistent volumes (default /var/lib/mezzo/volumes)
  --volume-image IMAGE          makes and removes their folders with sh, mkdir, chmod, rm (default: the task image)
  --fetcher-image IMAGE         Mezzo's own image: fetches the URIs of framework tasks (default: URIs are refused)
  --fetch-max-mb N              most that the URIs of one task may bring (default 1024)
  --fetch-hosts HOST,HOST       hosts URIs may be fetched from (default: any)
  --agent-ports BEGIN-END       ports of every node that are offered to frameworks (default 20000-29999)
  --agent-mesos-port N          port at which offers and views say that agents are (default 5051)
  --framework-namespace NAME    where frameworks without a namespace of their own run (default: default)
  --impersonate                 create framework Pods as the framework's principal
  --agent-service-account NAME  system:serviceaccount:NS:NAME of the node agents
  --basic-secrets-dir PATH      one file per principal, its content the secret: allows HTTP Basic
  --audience NAME               audience of bearer tokens (default mezzo)
  --offer-timeout-seconds N     offers nobody answers end after this (default 60)
  --retention-seconds N         how long a dead task's Pod keeps its name taken (default 120)
  --lost-after-seconds N        tasks of a node not ready for longer are lost and replaced (default 300)
  --insecure-loopback           listen on 127.0.0.1 and take callers without credentials; for local clusters only
  --anonymous-principal NAME    principal of callers without credentials (with --insecure-loopback: local)
  --anonymous-listen HOST:PORT  a listener of its own, without TLS, for callers without credentials: they are
                                the --anonymous-principal there, and nobody on the other listener
  --tls-dir PATH                serve TLS on the http port; tls.crt and tls.key there are read anew when they change
  --log-level LEVEL             trace, debug, info, warn, error (default $LOG_LEVEL or info)

Bounds of the HTTP API:
${LIMIT_USAGE}
`;

type Environment = { readonly [name: string]: string | undefined };

/** Reads the command line; a refusal says which flag is wrong and what is allowed. `help` asks for the usage text. */
export function parseFlags(
  argv: readonly string[],
  environment: Environment,
): Result<Flags, string> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
  if (values.help === true) return refuse(USAGE);
  const numbers = {
    httpPort: numberOf(values['http-port'], 8080),
    metricsPort: numberOf(values['metrics-port'], 8081),
    offerTimeoutSeconds: numberOf(values['offer-timeout-seconds'], 60),
    retentionSeconds: numberOf(values['retention-seconds'], 120),
    lostAfterSeconds: numberOf(values['lost-after-seconds'], 300),
    fetchMaxMb: numberOf(values['fetch-max-mb'], 1_024),
    agentMesosPort: numberOf(values['agent-mesos-port'], 5_051),
  };
  const fault = faultOf(values, numbers, environment);
  if (fault !== undefined) return refuse(fault);
  const limits = limitsOf(values);
  if (!limits.ok) return limits;
  const agentPorts = portRangeOf(values['agent-ports'] ?? '20000-29999');
  if (agentPorts === undefined)
    return refuse(
      `--agent-ports must be a range such as 20000-29999, not ${JSON.stringify(values['agent-ports'])}`,
    );
  const anonymousListen = addressOf(values['anonymous-listen']);
  if (values['anonymous-listen'] !== undefined && anonymousListen === undefined)
    return refuse(
      `--anonymous-listen must be HOST:PORT such as 127.0.0.1:5050, not ${JSON.stringify(values['anonymous-listen'])}`,
    );
  if (anonymousListen !== undefined && values['anonymous-principal'] === undefined)
    return refuse('--anonymous-listen needs --anonymous-principal: the name of who calls there');
  const { fetchMaxMb, ...plain } = numbers;
  const insecure = values['insecure-loopback'] === true;
  return ok({
    ...plain,
    volumeRoot: values['volume-root'] ?? '/var/lib/mezzo/volumes',
    volumeImage: values['volume-image'],
    fetcherImage: values['fetcher-image'],
    fetchMaxBytes: fetchMaxMb * 1_048_576,
    fetchHosts: values['fetch-hosts']?.split(',').filter((host) => host !== ''),
    agentPorts,
    kubeconfig: values.kubeconfig,
    httpHost: values['http-host'] ?? (insecure ? '127.0.0.1' : '0.0.0.0'),
    namespace: values.namespace ?? environment['POD_NAMESPACE'] ?? 'mezzo-system',
    insecureLoopback: insecure,
    anonymousPrincipal: values['anonymous-principal'] ?? (insecure ? 'local' : undefined),
    anonymousListen,
    tlsDir: values['tls-dir'],
    advertiseIp: values['advertise-ip'] ?? environment['POD_IP'] ?? '127.0.0.1',
    defaultTaskImage: values['default-task-image'] ?? 'docker.io/library/busybox:1.36',
    frameworkNamespace: values['framework-namespace'] ?? 'default',
    impersonate: values.impersonate === true,
    agentServiceAccount:
      values['agent-service-account'] ?? environment['MEZZO_AGENT_SERVICE_ACCOUNT'],
    basicSecretsDir: values['basic-secrets-dir'],
    audience: values.audience ?? 'mezzo',
    limits: limits.value,
    logLevel: values['log-level'] ?? environment['LOG_LEVEL'] ?? 'info',
  });
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false })
    .values;
}

/** NaN for anything but digits: `Number('')` would be 0. */
const numberOf = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : Number(/^[0-9]{1,9}$/.test(text) ? text : Number.NaN);

function portRangeOf(text: string): Flags['agentPorts'] | undefined {
  const match = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(text);
  const [begin, end] = [Number(match?.[1]), Number(match?.[2])];
  return begin >= 1 && begin <= end && end <= 65_535 ? { begin, end } : undefined;
}

/** `[::1]:5050` has its brackets for the colon's sake. */
function addressOf(text: string | undefined): Flags['anonymousListen'] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text ?? '');
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

const RANGES = {
  'http-port': { field: 'httpPort', least: 1, most: 65_535 },
  'metrics-port': { field: 'metricsPort', least: 0, most: 65_535 },
  // An offer that ends at once would be made again at once.
  'offer-timeout-seconds': { field: 'offerTimeoutSeconds', least: 1, most: 86_400 },
  'retention-seconds': { field: 'retentionSeconds', least: 0, most: 86_400 },
  'lost-after-seconds': { field: 'lostAfterSeconds', least: 10, most: 86_400 },
  'fetch-max-mb': { field: 'fetchMaxMb', least: 1, most: 1_048_576 },
  'agent-mesos-port': { field: 'agentMesosPort', least: 1, most: 65_535 },
} as const;

const LOG_LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error'];
const LOOPBACK = /^(127\.[0-9.]+|::1|localhost)$/;

/** The first flag that is wrong, as typed, and what is allowed. */
function faultOf(
  values: ReturnType<typeof parse>,
  numbers: { readonly [field in (typeof RANGES)[keyof typeof RANGES]['field']]: number },
  environment: Environment,
): string | undefined {
  for (const [flag, { field, least, most }] of Object.entries(RANGES)) {
    const value = numbers[field];
    if (value >= least && value <= most) continue;
    return `--${flag} must be a whole number from ${least} to ${most}, not ${JSON.stringify(values[flag as keyof typeof RANGES])}`;
  }
  const root = values['volume-root'];
  if (root !== undefined && !/^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}$/.test(root))
    return `--volume-root must be an absolute path of two folders or more, such as /var/lib/mezzo/volumes, not ${JSON.stringify(root)}`;
  if (numbers.httpPort === numbers.metricsPort)
    return `--http-port and --metrics-port are both ${numbers.httpPort}; choose another, or 0 for --metrics-port to serve both on one`;
  const level = values['log-level'] ?? environment['LOG_LEVEL'];
  if (level !== undefined && !LOG_LEVELS.includes(level))
    return `--log-level (or LOG_LEVEL) must be one of ${LOG_LEVELS.join(', ')}, not ${JSON.stringify(level)}`;
  const host = values['http-host'];
  if (values['insecure-loopback'] === true && host !== undefined && !LOOPBACK.test(host))
    return `--http-host ${host} with --insecure-loopback would take callers without credentials from everywhere; use 127.0.0.1 or leave one of the two out`;
  return undefined;
}
