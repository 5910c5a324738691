import type { RequestListener } from 'node:http';
import { createAuthenticator } from '../../operator/src/api/auth/authenticator.ts';
import { DEFAULT_LIMITS, type RouteContext } from '../../operator/src/api/context.ts';
import { schedulerEndpoint } from '../../operator/src/api/routes/scheduler.ts';
import { startServer } from '../../operator/src/api/server.ts';
import { LABEL } from '../../operator/src/model/labels.ts';
import { createOperator } from '../../operator/src/runtime/operator.ts';
import { DEFAULT_CONFIG } from '../../operator/src/runtime/operatorConfig.ts';
import { NODES } from '../../operator/src/schema/kubeKinds.ts';
import { createSystemClock } from '../../operator/src/store/system/systemClock.ts';
import { createSystemIds } from '../../operator/src/store/system/systemIds.ts';
import { createSystemRng } from '../../operator/src/store/system/systemRng.ts';
import { directClient } from '../../test/support/fakeApi/directTransport.ts';
import { MEZZO_KINDS } from '../../test/support/fakeApi/mezzoKinds.ts';
import { FakeApiServer } from '../../test/support/fakeApiServer.ts';
import { silentLog } from '../../test/support/frameworkHarness.ts';
import { NO_METRICS, nodeOf } from '../../test/support/operatorWorld.ts';
import { PodStore } from './podStore.ts';

// The whole operator with a real listener, over an API server in memory whose nodes run and end Pods at once. A process of
// its own: what it uses is what the operator uses, plus the little that the API server in memory needs.

export interface ServerStats {
  readonly rssMb: number;
  /** User and system time so far. */
  readonly cpuMs: number;
  /** Creates, patches, deletes and reports of Pods so far. */
  readonly podWrites: number;
}

export type FromServer =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'stats'; readonly stats: ServerStats };

const TASK_MS = 20;
const FORGET_MS = 500;

async function main(agents: number): Promise<void> {
  const clock = createSystemClock();
  const api = new FakeApiServer({ clock, kinds: MEZZO_KINDS });
  const allocatable = { cpu: '16', memory: '64Gi', pods: '250' };
  for (let index = 0; index < agents; index += 1)
    api.create(NODES, nodeOf(`node-${index}`, allocatable));
  const pods = new PodStore(directClient(api, 'operator'));
  runPods(pods);
  setInterval(() => api.compact(), FORGET_MS).unref();
  const operator = createOperator({
    kube: pods,
    clock,
    rng: createSystemRng(),
    ids: createSystemIds(),
    log: silentLog,
    metrics: NO_METRICS,
    authorizer: {
      mayOffer: () => Promise.resolve({ kind: 'allowed' }),
      mayCreatePods: () => Promise.resolve({ kind: 'allowed' }),
      mayUse: () => Promise.resolve({ kind: 'denied', missing: 'no task needs a privilege' }),
    },
    config: {
      ...DEFAULT_CONFIG,
      identity: 'bench',
      namespace: 'mezzo-system',
      frameworks: {
        defaultNamespace: 'tenants',
        forbiddenNamespaces: ['mezzo-system'],
        defaultImage: 'busybox:1',
        runAsUser: 65_534,
        impersonate: false,
        advertised: { hostname: '127.0.0.1', ip: '127.0.0.1', port: 5050 },
        heartbeatMs: 5_000,
        recoveryGraceMs: 60_000,
        reconcileQuietMs: 10_000,
      },
    },
  });
  await operator.start();
  while (operator.hub() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  await settled(api);
  const unlimited = 1e9;
  const context: Partial<RouteContext> = {
    clock,
    log: silentLog,
    leadership: () => ({ kind: 'self', hub: operator.hub() }),
    authenticator: createAuthenticator({
      bearer: { check: () => Promise.resolve({ kind: 'rejected', message: 'none is known' }) },
      basic: undefined,
      anonymousPrincipal: 'bench',
    }),
    advertisedAddress: '127.0.0.1:5050',
    // One principal asks for all frameworks; each of its own would be far below its limit.
    limits: { ...DEFAULT_LIMITS, callsPerSecond: unlimited, burst: unlimited },
  };
  // The scheduler's endpoint needs no more of the context than this.
  const endpoint = schedulerEndpoint(context as RouteContext);
  const app: RequestListener = (request, response) => {
    if (!endpoint(request, response)) response.destroy();
  };
  const server = await startServer({ app, host: '127.0.0.1', port: 0, clock, log: silentLog });
  process.send?.({ kind: 'listening', port: server.port } satisfies FromServer);
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    const stats = {
      rssMb: process.memoryUsage.rss() / 2 ** 20,
      cpuMs: (user + system) / 1_000,
      podWrites: pods.writes,
    };
    process.send?.({ kind: 'stats', stats } satisfies FromServer);
  });
  process.on('disconnect', () => process.exit());
}

const CALM_MS = 1_000;
const LONGEST_SETTLING_MS = 300_000;

/** Waits until the operator has made and filled the objects of all agents. Heartbeats of the lease do not count. */
async function settled(api: FakeApiServer): Promise<void> {
  let lastChangeMs = performance.now();
  api.onCommit(({ ref }) => {
    if (ref.plural !== 'leases') lastChangeMs = performance.now();
  });
  const deadlineMs = lastChangeMs + LONGEST_SETTLING_MS;
  while (performance.now() - lastChangeMs < CALM_MS && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Every Pod of a task runs at once and ends well a moment later. */
function runPods(pods: PodStore): void {
  pods.onCreated = ({ metadata: { name, namespace = '', labels } }) => {
    if (labels?.[LABEL.framework] === undefined) return;
    const key = { name, namespace };
    const startTime = new Date().toISOString();
    const container = (state: object, ready: boolean) => [
      { name: 'task', image: 'busybox:1', ready, state },
    ];
    setImmediate(() =>
      pods.report(key, {
        phase: 'Running',
        startTime,
        containerStatuses: container({ running: { startedAt: startTime } }, true),
      }),
    );
    setTimeout(() => {
      const finishedAt = new Date().toISOString();
      const times = { startedAt: startTime, finishedAt };
      const terminated = { exitCode: 0, reason: 'Completed', ...times };
      pods.report(key, {
        phase: 'Succeeded',
        startTime,
        containerStatuses: container({ terminated }, false),
      });
    }, TASK_MS);
  };
}

await main(Number(process.argv[2]));
