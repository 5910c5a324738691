import { ok, refuse } from '../../../model/result.ts';
import type { Container, Probe } from '../../../schema/kubeObjects.ts';
import type { CheckInfo, HealthCheck } from '../../../schema/mesos/check.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { checkCommandOf } from './command.ts';
import type { Translated } from './podContext.ts';

type Probes = Pick<Container, 'startupProbe' | 'livenessProbe' | 'readinessProbe'>;
type Handler = Pick<Probe, 'httpGet' | 'tcpSocket' | 'exec'>;

/** Source of the defaults: Mesos `include/mesos/v1/mesos.proto`, `HealthCheck` and `CheckInfo`. */
const DEFAULT_DELAY_SECONDS = 15;
const DEFAULT_INTERVAL_SECONDS = 10;
const DEFAULT_TIMEOUT_SECONDS = 20;
const DEFAULT_FAILURES = 3;
const DEFAULT_GRACE_SECONDS = 10;
/** What a time-out of zero, which means none, becomes. */
const NO_TIMEOUT_SECONDS = 86_400;
const MOST_SECONDS = 1_000_000;

/**
 * Probes of a task.
 *
 * A health check becomes three of the same kind: a startup probe that lets failures pass during the grace period, a
 * readiness probe that shows every change of health at once, and a liveness probe that kills after
 * `consecutive_failures`. A check becomes a readiness probe, which nobody acts upon.
 * Differences: whole seconds, rounded up; the address checked is the Pod's, not 127.0.0.1.
 */
export function probesOf({ health_check: health, check }: TaskInfo): Translated<Probes> {
  if (health !== undefined && check !== undefined)
    return refuse('check: a Pod tells of one check per container; leave out check or health_check');
  if (health !== undefined) return healthProbes(health);
  if (check !== undefined) return checkProbes(check);
  return ok({});
}

function healthProbes(health: HealthCheck): Translated<Probes> {
  const handler = healthHandler(health);
  if (!handler.ok) return handler;
  const fault =
    timingFault(health, 'health_check') ?? negative(health, 'health_check', 'grace_period_seconds');
  if (fault !== undefined) return refuse(fault);
  const timing = timingOf(health);
  const failureThreshold = Math.max(1, health.consecutive_failures ?? DEFAULT_FAILURES);
  const { initialDelaySeconds, periodSeconds } = timing;
  const grace = bounded(health.grace_period_seconds ?? DEFAULT_GRACE_SECONDS);
  const forgiven = Math.ceil(Math.max(grace - initialDelaySeconds, 0) / periodSeconds);
  const later = { ...timing, initialDelaySeconds: 0 };
  return ok({
    startupProbe: { ...handler.value, ...timing, failureThreshold: forgiven + failureThreshold },
    livenessProbe: { ...handler.value, ...later, failureThreshold },
    readinessProbe: { ...handler.value, ...later, failureThreshold: 1 },
  });
}

function checkProbes(check: CheckInfo): Translated<Probes> {
  const handler = checkHandler(check);
  if (!handler.ok) return handler;
  const fault = timingFault(check, 'check');
  if (fault !== undefined) return refuse(fault);
  return ok({ readinessProbe: { ...handler.value, ...timingOf(check), failureThreshold: 1 } });
}

interface Timing {
  readonly delay_seconds?: number | undefined;
  readonly interval_seconds?: number | undefined;
  readonly timeout_seconds?: number | undefined;
  readonly grace_period_seconds?: number | undefined;
}

function timingOf({ delay_seconds, interval_seconds, timeout_seconds }: Timing): {
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
} {
  const timeout = timeout_seconds ?? DEFAULT_TIMEOUT_SECONDS;
  return {
    initialDelaySeconds: bounded(delay_seconds ?? DEFAULT_DELAY_SECONDS),
    periodSeconds: Math.max(1, bounded(interval_seconds ?? DEFAULT_INTERVAL_SECONDS)),
    timeoutSeconds: timeout === 0 ? NO_TIMEOUT_SECONDS : Math.max(1, bounded(timeout)),
  };
}

const bounded = (seconds: number): number => Math.min(Math.ceil(seconds), MOST_SECONDS);

function timingFault(timing: Timing, field: string): string | undefined {
  return (
    negative(timing, field, 'delay_seconds') ??
    negative(timing, field, 'interval_seconds') ??
    negative(timing, field, 'timeout_seconds')
  );
}

function negative(timing: Timing, field: string, name: keyof Timing): string | undefined {
  const seconds = timing[name] ?? 0;
  return seconds >= 0 ? undefined : `${field}.${name}: must not be negative`;
}

/** Source of the rules: Mesos `src/common/validation.cpp`, `validateHealthCheck`. */
function healthHandler(health: HealthCheck): Translated<Handler> {
  switch (health.type) {
    case undefined:
      return refuse('health_check.type: must be COMMAND, HTTP or TCP');
    case 'COMMAND':
      return health.command === undefined
        ? refuse('health_check.command: must be set for a COMMAND health check')
        : execHandler(health.command, 'health_check.command');
    case 'HTTP':
      return health.http === undefined
        ? refuse('health_check.http: must be set for an HTTP health check')
        : httpHandler(health.http, 'health_check.http');
    case 'TCP':
      return health.tcp === undefined
        ? refuse('health_check.tcp: must be set for a TCP health check')
        : tcpHandler(health.tcp.port, 'health_check.tcp.port');
  }
}

function checkHandler(check: CheckInfo): Translated<Handler> {
  switch (check.type) {
    case undefined:
      return refuse('check.type: must be COMMAND, HTTP or TCP');
    case 'COMMAND':
      return check.command === undefined
        ? refuse('check.command: must be set for a COMMAND check')
        : execHandler(check.command.command, 'check.command.command');
    case 'HTTP':
      return check.http === undefined
        ? refuse('check.http: must be set for an HTTP check')
        : httpHandler(check.http, 'check.http');
    case 'TCP':
      return check.tcp === undefined
        ? refuse('check.tcp: must be set for a TCP check')
        : tcpHandler(check.tcp.port, 'check.tcp.port');
  }
}

function execHandler(
  command: Parameters<typeof checkCommandOf>[0],
  field: string,
): Translated<Handler> {
  const argv = checkCommandOf(command, field);
  return argv.ok ? ok({ exec: { command: argv.value } }) : argv;
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;

function tcpHandler(port: number, field: string): Translated<Handler> {
  return isPort(port) ? ok({ tcpSocket: { port } }) : refuse(`${field}: ${port} is no port`);
}

function httpHandler(
  http: {
    readonly port: number;
    readonly path?: string | undefined;
    readonly scheme?: string | undefined;
  },
  field: string,
): Translated<Handler> {
  const { port, path = '/', scheme = 'http' } = http;
  if (!isPort(port)) return refuse(`${field}.port: ${port} is no port`);
  if (!path.startsWith('/')) return refuse(`${field}.path: '${path}' must start with '/'`);
  if (scheme !== 'http' && scheme !== 'https')
    return refuse(`${field}.scheme: '${scheme}' is neither http nor https`);
  return ok({ httpGet: { path, port, scheme: scheme === 'https' ? 'HTTPS' : 'HTTP' } });
}
