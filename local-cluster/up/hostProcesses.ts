import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RealNode } from '../nodes/realNodes.ts';
import { freePorts } from '../support/freePorts.ts';
import {
  describeEnd,
  type Lifetime,
  type ManagedProcess,
  startProcess,
} from '../support/managedProcess.ts';
import { REPOSITORY } from '../support/paths.ts';
import { waitFor } from '../support/waitFor.ts';
import { OPERATOR_NAMESPACE } from './apply.ts';

// Mezzo itself, run on this machine from the working tree: a change is tried by `npm run down && npm run up`.

export interface OperatorEndpoints {
  readonly schedulerUrl: string;
  readonly metricsUrl: string;
  readonly process: ManagedProcess;
}

interface HostOptions {
  readonly dir: string;
  readonly kubeconfigPath: string;
  readonly lifetime: Lifetime;
  /** Further flags of the operator. */
  readonly operatorArgs?: readonly string[];
  /** Where the operator serves its callers; by default a free port. */
  readonly httpPort?: number;
  /** Where the agents serve what old clients read from Mesos agents; not served without it. */
  readonly agentMesosPort?: number;
}

const READY_TIMEOUT_MS = 60_000;
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];
/** Where usage reports go; the operator's route, see operator/src/schema/http/agentReport.ts. */
const REPORT_PATH = '/agent/v1/report';

function script(path: string): string {
  const full = join(REPOSITORY, path);
  if (existsSync(full)) return full;
  throw new Error(`${path} is missing from the working tree; restore it with git checkout ${path}`);
}

/** Starts the operator and waits until it says it is ready. */
export async function startOperator(options: HostOptions): Promise<OperatorEndpoints> {
  const [freePort, metricsPort] = await freePorts(2);
  const httpPort = options.httpPort ?? freePort;
  const schedulerUrl = `http://127.0.0.1:${httpPort}`;
  const metricsUrl = `http://127.0.0.1:${metricsPort}`;
  const child = await startProcess({
    name: 'operator',
    command: process.execPath,
    args: [
      ...NODE_FLAGS,
      script('operator/src/main.ts'),
      '--kubeconfig',
      options.kubeconfigPath,
      '--http-port',
      String(httpPort),
      '--metrics-port',
      String(metricsPort),
      '--namespace',
      OPERATOR_NAMESPACE,
      '--default-task-image',
      'mezzo.local/busybox:1',
      '--insecure-loopback',
      ...(options.agentMesosPort === undefined
        ? []
        : ['--agent-mesos-port', String(options.agentMesosPort)]),
      ...(options.operatorArgs ?? []),
    ],
    dir: options.dir,
    cwd: REPOSITORY,
    lifetime: options.lifetime,
  });
  const ready = async () => {
    const response = await fetch(`${metricsUrl}/readyz`, { signal: AbortSignal.timeout(3_000) });
    if (response.ok) return true;
    throw new Error(
      `/readyz answered ${response.status}: ${(await response.text()).slice(0, 500)}`,
    );
  };
  await waitFor('the operator to be ready', ready, {
    timeoutMs: READY_TIMEOUT_MS,
    giveUp: () => child.ended() && 'it ended',
  }).catch(async (error: unknown) => {
    if (child.ended() === undefined) throw error;
    throw new Error(await describeEnd(child), { cause: error });
  });
  return { schedulerUrl, metricsUrl, process: child };
}

/** Starts a node agent for each real node. */
export async function startAgents(
  options: HostOptions & { nodes: readonly RealNode[]; schedulerUrl: string },
): Promise<readonly ManagedProcess[]> {
  return Promise.all(
    options.nodes.map((node) =>
      startProcess({
        name: `agent-${node.name}`,
        command: process.execPath,
        args: [
          ...NODE_FLAGS,
          script('agent-daemonset/src/main.ts'),
          '--kubeconfig',
          options.kubeconfigPath,
          '--node',
          node.name,
          '--cgroup-root',
          node.cgroupRoot,
          // Several nodes share this machine: each counts its own Pods only, and lends after seconds.
          '--node-usage',
          'cgroup-root',
          '--interval-seconds',
          '2',
          '--warmup-samples',
          '5',
          '--calm-samples',
          '2',
          '--http-port',
          '0',
          '--report-url',
          `${options.schedulerUrl}${REPORT_PATH}`,
          ...mesosArgs(options.nodes.indexOf(node), node, options.agentMesosPort),
          ...executorArgs(options.nodes.indexOf(node), node),
        ],
        dir: options.dir,
        cwd: REPOSITORY,
        lifetime: options.lifetime,
      }),
    ),
  );
}

/**
 * Address at which the agent of the node with this index serves, starting at 0. All agents of a cluster have one port, so
 * each has an address of its own. All are loopback: callers there need no credentials.
 */
export const agentMesosHost = (index: number): string => `127.0.0.${index + 2}`;

function mesosArgs(index: number, node: RealNode, port: number | undefined): readonly string[] {
  if (port === undefined) return [];
  return [
    '--mesos-host',
    agentMesosHost(index),
    '--mesos-port',
    String(port),
    // What the node has mounted over /var/lib and /var/log, see nodeNamespace.ts.
    '--pods-dir',
    join(node.dir, 'var-lib', 'kubelet', 'pods'),
    '--pod-logs-dir',
    join(node.dir, 'var-log', 'pods'),
  ];
}

/** Where the first agent serves custom executors; the address is this cluster's own, so that the port can be fixed. */
const FIRST_EXECUTOR_PORT = 5061;

/** Pods reach this machine at its end of the bridge between the nodes, see nodeNetwork.ts. */
function executorArgs(index: number, { address }: RealNode): readonly string[] {
  const host = address.replace(/\.\d+$/, '.1');
  return ['--executor-host', host, '--executor-port', String(FIRST_EXECUTOR_PORT + index)];
}

/** Starts the example framework, which reaches Mezzo only through the scheduler API. */
export async function startFramework(
  options: Omit<HostOptions, 'kubeconfigPath'> & { schedulerUrl: string },
): Promise<ManagedProcess> {
  const { hostname, port } = new URL(options.schedulerUrl);
  const logDir = join(options.dir, 'framework');
  await mkdir(logDir, { recursive: true });
  return startProcess({
    name: 'framework',
    command: process.execPath,
    args: [
      script('local-cluster/examples/framework.mjs'),
      '--host',
      hostname,
      '--port',
      port,
      '--log-dir',
      logDir,
    ],
    dir: options.dir,
    cwd: logDir,
    lifetime: options.lifetime,
  });
}
