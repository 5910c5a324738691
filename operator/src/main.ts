import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createApp, createProbeApp } from './api/app.ts';
import { type AccessReviewer, createAccessReview } from './api/auth/accessReview.ts';
import { createAuthenticator } from './api/auth/authenticator.ts';
import { createBasicCheck } from './api/auth/basic.ts';
import { createTokenReview } from './api/auth/tokenReview.ts';
import type { Leadership, ProbeResult } from './api/context.ts';
import { MASTER_CAPABILITIES, type MasterFacts } from './api/operatorApi/masterFacts.ts';
import { startServer } from './api/server.ts';
import type { FetcherConfig } from './controllers/framework/pod/podConfig.ts';
import type { FrameworkAuthorizer } from './controllers/framework/types.ts';
import { type Flags, parseFlags } from './flags.ts';
import type { Clock } from './ports/clock.ts';
import type { KubeApi } from './ports/kubeApi.ts';
import type { Logger } from './ports/logger.ts';
import { createOperator, type Operator } from './runtime/operator.ts';
import { DEFAULT_CONFIG, type OperatorConfig } from './runtime/operatorConfig.ts';
import { createKubeApi } from './store/kube/createKubeApi.ts';
import { createSystemClock } from './store/system/systemClock.ts';
import { createSystemIds } from './store/system/systemIds.ts';
import { createSystemRng } from './store/system/systemRng.ts';
import { createLogger } from './telemetry/logger.ts';
import { createMetrics, type PromMetrics } from './telemetry/metrics.ts';
import { uninstallCommand } from './uninstall.ts';

/** The only place that constructs adapters. Exit codes: 0 stopped on request, 1 fault, 2 wrong flags, 3 leadership lost. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'uninstall') return await runUninstall(argv.slice(1));
  const flags = parseFlags(argv, process.env);
  if (!flags.ok) {
    process.stderr.write(`${flags.refusal}\n`);
    return 2;
  }
  return await run(flags.value, createLogger(flags.value.logLevel));
}

/** Adapters of its own: the command runs in a Pod of the chart's pre-delete hook. */
async function runUninstall(argv: readonly string[]): Promise<number> {
  const clock = createSystemClock();
  const log = createLogger(process.env['LOG_LEVEL'] ?? 'info');
  const api = createKubeApi({ source: { kind: 'default' }, clock, log });
  const code = await uninstallCommand(argv, { api, clock, log });
  await api.close();
  return code;
}

async function run(flags: Flags, log: Logger): Promise<number> {
  const clock = createSystemClock();
  const ids = createSystemIds();
  const metrics = createMetrics();
  const kube = createKubeApi({
    source:
      flags.kubeconfig === undefined
        ? { kind: 'default' }
        : { kind: 'file', path: flags.kubeconfig },
    clock,
    log,
    metrics: {
      callFinished: ({ verb, plural, code, durationMs }) =>
        metrics.kubeRequest(verb, plural, code, durationMs),
    },
  });
  const authorizer = flags.insecureLoopback ? ALLOW_ALL : createAccessReview({ kube, clock, log });
  const config = configOf(flags, `${hostname()}_${ids.uuid()}`);
  const operator = createOperator({
    kube,
    clock,
    rng: createSystemRng(),
    ids,
    log,
    metrics,
    authorizer,
    config,
  });
  const servers = await listen(flags, { operator, metrics, kube, access: authorizer, clock, log });
  log.info('operator started', {
    server: kube.server,
    httpPort: servers[0]?.port,
    namespace: flags.namespace,
  });
  const stopped = new Promise<0>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(0));
  });
  operator.start().catch((error: unknown) => log.error('start failed', { error }));
  const lost = await Promise.race([stopped, operator.exited]);
  const code = lost === 0 ? 0 : 3;
  if (lost === 0) log.info('stopping, as asked');
  else log.error('this process must end', { reason: lost });
  await operator.stop();
  await Promise.all(servers.map((server) => server.close(1_000)));
  await kube.close();
  return code;
}

/** Loopback of a local cluster: whoever reaches it owns the machine. */
const ALLOW_ALL: FrameworkAuthorizer & AccessReviewer = {
  may: () => Promise.resolve({ kind: 'allowed' }),
  mayOffer: () => Promise.resolve({ kind: 'allowed' }),
  mayCreatePods: () => Promise.resolve({ kind: 'allowed' }),
  // Whoever reaches it has kubectl for such things.
  mayUse: () => Promise.resolve({ kind: 'denied', missing: 'no privileges in a local cluster' }),
};

function configOf(flags: Flags, identity: string): OperatorConfig {
  return {
    ...DEFAULT_CONFIG,
    identity,
    namespace: flags.namespace,
    offerTimeoutMs: flags.offerTimeoutSeconds * 1000,
    retentionMs: flags.retentionSeconds * 1000,
    lostAfterMs: flags.lostAfterSeconds * 1000,
    volumes: { root: flags.volumeRoot, image: flags.volumeImage ?? flags.defaultTaskImage },
    frameworks: {
      defaultNamespace: flags.frameworkNamespace,
      forbiddenNamespaces: [flags.namespace, 'kube-system', 'kube-public', 'kube-node-lease'],
      defaultImage: flags.defaultTaskImage,
      ...(flags.fetcherImage === undefined
        ? {}
        : { fetcher: fetcherOf(flags.fetcherImage, flags) }),
      agentPorts: flags.agentPorts,
      agentPort: flags.agentMesosPort,
      runAsUser: 65534,
      impersonate: flags.impersonate,
      advertised: { hostname: flags.advertiseIp, ip: flags.advertiseIp, port: flags.httpPort },
      heartbeatMs: 5_000,
      recoveryGraceMs: 60_000,
      reconcileQuietMs: 10_000,
    },
  };
}

const fetcherOf = (image: string, { fetchMaxBytes, fetchHosts }: Flags): FetcherConfig => ({
  image,
  maxBytes: fetchMaxBytes,
  ...(fetchHosts === undefined ? {} : { allowedHosts: fetchHosts }),
});

interface Served {
  readonly operator: Operator;
  readonly metrics: PromMetrics;
  readonly kube: KubeApi;
  readonly access: AccessReviewer;
  readonly clock: Clock;
  readonly log: Logger;
}

async function listen(
  flags: Flags,
  { operator, metrics, kube, access, clock, log }: Served,
): Promise<Awaited<ReturnType<typeof startServer>>[]> {
  const probes = {
    live: () => probe(operator.liveness()),
    ready: () => probe(operator.readiness()),
  };
  const render = async () => ({
    contentType: metrics.contentType,
    body: await metrics.render(operator.views),
  });
  const appFor = (anonymousPrincipal: string | undefined) =>
    createApp({
      clock,
      log,
      leadership: () => leadershipOf(operator),
      authenticator: createAuthenticator({
        bearer: createTokenReview({ kube, clock, log, audience: flags.audience }),
        basic:
          flags.basicSecretsDir === undefined
            ? undefined
            : createBasicCheck(() => readSecrets(flags.basicSecretsDir ?? '')),
        anonymousPrincipal,
      }),
      advertisedAddress: `${flags.advertiseIp}:${flags.httpPort}`,
      probes,
      metrics: render,
      limits: flags.limits,
      views: operator.views,
      operatorApi: {
        cluster: () => operator.cluster(),
        access,
        kube: operator.kube,
        impersonate: flags.impersonate && !flags.insecureLoopback,
        facts: masterFacts(flags, operator, clock.nowMs()),
        flags: shownFlags(flags),
        logLevel: flags.logLevel,
        onChange: (listener) => operator.onChange(listener),
      },
      agents: {
        serviceAccount:
          flags.agentServiceAccount ?? `system:serviceaccount:${flags.namespace}:mezzo-agent`,
        allowAnonymous: flags.insecureLoopback,
        onReport: (report) => operator.usage.report(report.node, report.pods),
      },
    });
  const { httpHost: host, httpPort: port, tlsDir, anonymousListen, anonymousPrincipal } = flags;
  const app = appFor(anonymousListen === undefined ? anonymousPrincipal : undefined);
  const servers = [await startServer({ app, host, port, tlsDir, clock, log })];
  if (anonymousListen !== undefined)
    servers.push(
      await startServer({ app: appFor(anonymousPrincipal), ...anonymousListen, clock, log }),
    );
  if (flags.metricsPort !== 0) {
    const probeApp = createProbeApp({ log, probes, metrics: render });
    servers.push(await startServer({ app: probeApp, host, port: flags.metricsPort, clock, log }));
  }
  return servers;
}

function masterFacts(flags: Flags, operator: Operator, startMs: number): () => MasterFacts {
  const { advertiseIp: ip, httpPort: port } = flags;
  return () => {
    const term = operator.term();
    return {
      id: `mezzo-${term?.epoch ?? 0}`,
      pid: `master@${ip}:${port}`,
      hostname: ip,
      ip,
      port,
      startMs,
      electedMs: term?.sinceMs,
      buildUser: 'mezzo',
      capabilities: MASTER_CAPABILITIES,
    };
  };
}

/** As Mesos tells flags: text by name. None of them is a secret; the one that names secrets is a path. */
function shownFlags({ limits, ...flags }: Flags): { readonly [name: string]: string } {
  return Object.fromEntries(
    Object.entries({ ...flags, ...limits }).flatMap(([name, value]) =>
      value === undefined
        ? []
        : [
            [
              name.replaceAll(/[A-Z]/g, (one) => `_${one.toLowerCase()}`),
              typeof value === 'object' ? JSON.stringify(value) : String(value),
            ],
          ],
    ),
  );
}

function probe(faults: readonly string[]): ProbeResult {
  return faults.length === 0
    ? { ok: true, detail: { status: 'ok' } }
    : {
        ok: false,
        detail: Object.fromEntries(faults.map((fault, index) => [`fault${index + 1}`, fault])),
      };
}

function leadershipOf(operator: Operator): Leadership {
  if (operator.isLeader()) return { kind: 'self', hub: operator.hub() };
  const address = operator.leaderAddress();
  return address === undefined ? { kind: 'unknown' } : { kind: 'other', address };
}

/** One file per principal; read at each check, so a changed Secret counts at once. Hidden files are the mount's own. */
function readSecrets(directory: string): ReadonlyMap<string, string> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('.'));
  return new Map(names.map((name) => [name, readFileSync(join(directory, name), 'utf8').trim()]));
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    `operator: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return 1;
});
// Connections that clients keep open must not keep the process.
process.exit();
