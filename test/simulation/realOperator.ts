import type { Metrics } from '../../operator/src/ports/metrics.ts';
import { createOperator } from '../../operator/src/runtime/operator.ts';
import { DEFAULT_CONFIG } from '../../operator/src/runtime/operatorConfig.ts';
import type { LaunchOperator } from './process.ts';

const nothing = (): void => undefined;

const NO_METRICS: Metrics = {
  allocationCycle: nothing,
  offer: nothing,
  launch: nothing,
  preemption: nothing,
  reconcile: nothing,
  kubeRequest: nothing,
  watchRestart: nothing,
  poisonObject: nothing,
  ledgerDrift: nothing,
  nodeRefusal: nothing,
  illegalTransition: nothing,
  offerAge: nothing,
  oldestOffer: nothing,
  rescind: nothing,
  backOff: nothing,
};

/** The operator itself, all of it but sockets, on simulated ports. */
export const realOperator: LaunchOperator = ({ identity, illegalTransition, ...ports }) =>
  createOperator({
    ...ports,
    metrics: { ...NO_METRICS, illegalTransition },
    // No external framework takes part: their calls come through sockets.
    authorizer: {
      mayOffer: () =>
        Promise.resolve({ kind: 'denied', missing: 'the simulation has no frameworks' }),
      mayCreatePods: () =>
        Promise.resolve({ kind: 'denied', missing: 'the simulation has no frameworks' }),
      mayUse: () =>
        Promise.resolve({ kind: 'denied', missing: 'the simulation has no frameworks' }),
    },
    config: {
      ...DEFAULT_CONFIG,
      identity,
      namespace: 'mezzo-system',
      // A fifth of the usual, as are the network's limits (deadline 6 s for 30 s, 12 s on the way for 60 s), and
      // 4 s for clocks that differ.
      retentionMs: DEFAULT_CONFIG.retentionMs / 5 + 4000,
      // Fewer and fuller cycles: the same decisions in less time.
      batchMs: 200,
      // Cycles that are left wherever they may be: whatever can come between does.
      sliceMs: 0,
      safetyNetMs: 20_000,
      frameworks: {
        defaultNamespace: 'apps',
        forbiddenNamespaces: ['mezzo-system'],
        defaultImage: 'none',
        runAsUser: 65_534,
        impersonate: false,
        advertised: { hostname: identity, ip: '10.0.0.1', port: 5050 },
        heartbeatMs: 5000,
        recoveryGraceMs: 60_000,
        reconcileQuietMs: 30_000,
      },
    },
  });
