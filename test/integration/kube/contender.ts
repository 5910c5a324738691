/**
 * One process that wants to lead and, while it leads, stamps its epoch on a ConfigMap again and again.
 * Arguments: kubeconfig, namespace, identity. Prints one JSON line per thing that happens.
 */
import { createSeededRng } from '../../../operator/src/model/seededRng.ts';
import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { createGuardedApi } from '../../../operator/src/runtime/guardedApi.ts';
import { LeaderElection } from '../../../operator/src/runtime/leaderElection.ts';
import { CONFIG_MAPS } from '../../../operator/src/schema/kubeKinds.ts';
import { createKubeApi } from '../../../operator/src/store/kube/createKubeApi.ts';
import { createSystemClock } from '../../../operator/src/store/system/systemClock.ts';

interface Stamp extends KubeObject {
  readonly data: { readonly epoch: string; readonly count: string };
}

const [kubeconfigPath = '', namespace = '', identity = ''] = process.argv.slice(2);
const say = (what: string, fields: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ what, identity, ...fields })}\n`);
};
const log = {
  debug: () => undefined,
  info: (message: string, fields?: object) => say('info', { message, ...fields }),
  warn: (message: string, fields?: object) => say('warn', { message, ...fields }),
  error: (message: string, fields?: object) => say('error', { message, ...fields }),
  child: () => log,
};

const clock = createSystemClock();
const api = createKubeApi({ source: { kind: 'file', path: kubeconfigPath }, clock, log });
const election = new LeaderElection({
  api,
  clock,
  rng: createSeededRng(identity),
  log,
  leaseName: 'contended',
  namespace,
  identity,
  leaseDurationMs: 6_000,
  renewDeadlineMs: 4_500,
  retryPeriodMs: 500,
  onStartedLeading: (epoch) => {
    say('leading', { epoch });
    void stampForEver();
  },
  onLost: (reason) => {
    say('lost', { reason });
    // Time enough for a careless program to go on writing.
    setTimeout(() => process.exit(3), 300);
  },
});
const guarded = createGuardedApi({ api, leadership: election, observe: () => undefined });

async function stampForEver(): Promise<void> {
  const epoch = String(election.epoch());
  for (let count = 0; ; count += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const data = { data: { epoch, count: String(count) } };
    try {
      await guarded.patch<Stamp>(CONFIG_MAPS, { namespace, name: 'stamp' }, 'merge', data);
    } catch (error) {
      say('refused', { code: (error as { code?: string }).code ?? String(error) });
    }
  }
}

process.on('SIGTERM', () => {
  void election.stop().then(() => {
    say('stopped');
    process.exit(0);
  });
});
election.start();
say('started');
