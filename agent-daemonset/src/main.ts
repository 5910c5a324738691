import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type { Clock } from '../../operator/src/ports/clock.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import { createKubeApi, type KubeApiClient } from '../../operator/src/store/kube/createKubeApi.ts';
import { startExecutorServer } from './adapters/httpExecutorServer.ts';
import { HttpNodeViews } from './adapters/httpNodeViews.ts';
import { HttpOperatorLink } from './adapters/httpOperatorLink.ts';
import { HttpReportSender } from './adapters/httpReportSender.ts';
import { createNodeHostFiles } from './adapters/nodeHostFiles.ts';
import { createNodeTaskFiles } from './adapters/nodeTaskFiles.ts';
import { createPinoLogger } from './adapters/pinoLogger.ts';
import { systemClock } from './adapters/systemClock.ts';
import { type AgentConfig, parseConfig, usageText } from './config.ts';
import { ExecutorRelay } from './executor/executorRelay.ts';
import { startAgentServer } from './http/agentServer.ts';
import { startMesosServer } from './http/mesosServer.ts';
import { TaskSandbox } from './mesos/taskSandbox.ts';
import { NodeAgent } from './nodeAgent.ts';
import { Backoff } from './report/backoff.ts';
import { StatusPublisher } from './report/statusPublisher.ts';
import { UsageReporter } from './report/usageReporter.ts';
import { AgentMetrics } from './telemetry/metrics.ts';
import { UsageSampler } from './usage/usageSampler.ts';

/** Exit codes: 0 after SIGTERM or SIGINT, 1 when it could not start or broke, 2 for bad flags. */
async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(`${usageText()}\n`);
    return 0;
  }
  const config = parseConfig(args, process.env);
  if (!config.ok) {
    process.stderr.write(`mezzo-agent: ${config.refusal}\n\n${usageText()}\n`);
    return 2;
  }
  await runAgent(config.value, systemClock, createPinoLogger(config.value.logLevel));
  return 0;
}

async function runAgent(config: AgentConfig, clock: Clock, log: Logger): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: string): void => {
    log.info('stopping', { signal: name });
    stop.abort(new Error(`stopped by ${name}`));
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);

  const kube = createKubeApi({
    source:
      config.kubeconfig === undefined
        ? { kind: 'inCluster' }
        : { kind: 'file', path: config.kubeconfig },
    clock,
    log,
    userAgent: 'mezzo-agent',
  });
  const sender = senderOf(config);
  const agent = createAgent(config, { clock, log, kube, sender });
  const server = await startAgentServer(agent, config.httpPort);
  const mesos = await startMesos(config, agent, clock, log);
  const executors = await startExecutors(config, clock, log, stop.signal);
  log.info('agent started', {
    node: config.node,
    httpPort: server.port,
    ...(mesos === undefined ? {} : { mesosPort: mesos.port }),
    ...(executors === undefined ? {} : { executorPort: executors.port }),
    cgroupRoot: config.cgroupRoot,
    reportUrl: config.reportUrl ?? 'none',
  });
  try {
    await agent.run(stop.signal);
  } finally {
    await server.close();
    await mesos?.close();
    await executors?.close();
    await sender?.close();
    await kube.close();
  }
  log.info('stopped');
}

async function startMesos(
  { node, mesos, reportUrl, tokenFile, reportCaFile }: AgentConfig,
  agent: NodeAgent,
  clock: Clock,
  log: Logger,
): Promise<{ readonly port: number; close(): Promise<void> } | undefined> {
  if (mesos === undefined || reportUrl === undefined) return undefined;
  const caFile = reportCaFile;
  const views = new HttpNodeViews({ node, operatorUrl: reportUrl, tokenFile, caFile, clock, log });
  const server = await startMesosServer({
    node,
    host: mesos.host,
    port: mesos.port,
    clock,
    log,
    views,
    sandbox: new TaskSandbox(createNodeTaskFiles(), mesos),
    newestSample: () => agent.newestSample(),
  });
  return {
    port: server.port,
    close: async () => {
      await server.close();
      await views.close();
    },
  };
}

async function startExecutors(
  { node, executors, reportUrl, tokenFile, reportCaFile }: AgentConfig,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<{ readonly port: number; close(): Promise<void> } | undefined> {
  if (executors === undefined || reportUrl === undefined) return undefined;
  const { host, port, advertised } = executors;
  const link = new HttpOperatorLink({
    operatorUrl: reportUrl,
    tokenFile,
    caFile: reportCaFile,
    onFault: (error) => log.warn('call of an executor not passed on', { error }),
  });
  let listening = port;
  const relay = new ExecutorRelay({
    node,
    endpoint: () => (/:\d+$/.test(advertised) ? advertised : `${advertised}:${listening}`),
    link,
    clock,
    log,
  });
  const server = await startExecutorServer({ host, port, relay, clock, log });
  listening = server.port;
  const running = relay.run(signal).catch((error: unknown) => {
    log.error('the relay of executors broke', { error });
  });
  return {
    port: server.port,
    close: async () => {
      await running;
      await server.close();
      await link.close();
    },
  };
}

function senderOf(config: AgentConfig): HttpReportSender | undefined {
  if (config.reportUrl === undefined) return undefined;
  return new HttpReportSender({
    url: config.reportUrl,
    tokenFile: config.tokenFile,
    caFile: config.reportCaFile,
  });
}

function createAgent(
  config: AgentConfig,
  adapters: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly kube: KubeApiClient;
    readonly sender: HttpReportSender | undefined;
  },
): NodeAgent {
  const { clock, log, kube, sender } = adapters;
  const { node, paths, cgroupRoot, nodeUsage } = config;
  const metrics = new AgentMetrics();
  const files = createNodeHostFiles((path, code) => {
    metrics.readFailed(code);
    log.debug('host file not read', { path, code });
  });
  // Only jitter comes from it: agents that start together must not stay in step.
  const rng = createSeededRng(`${node} ${clock.nowMs()}`);
  const publisher = new StatusPublisher({
    kube,
    clock,
    log,
    node,
    backoff: new Backoff(clock, rng),
    onOutcome: (outcome) => metrics.statusWrite(outcome),
  });
  const reporter =
    sender &&
    new UsageReporter({
      node,
      sender,
      log,
      backoff: new Backoff(clock, rng),
      onOutcome: (outcome) => metrics.report(outcome),
    });
  return new NodeAgent({
    node,
    paths,
    intervalMs: config.intervalMs,
    estimator: config.estimator,
    files,
    clock,
    log,
    metrics,
    sampler: new UsageSampler(files, clock, { paths, cgroupRoot, nodeUsage }),
    publisher,
    reporter,
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`mezzo-agent: cannot run: ${message}\n`);
  process.exitCode = 1;
}
