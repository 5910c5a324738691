import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestCluster, type TestCluster } from '../../../local-cluster/testCluster.ts';
import type { Lease } from '../../../operator/src/runtime/lease.ts';
import { CONFIG_MAPS, LEASES, NAMESPACES } from '../../../operator/src/schema/kubeKinds.ts';
import type { KubeApiClient } from '../../../operator/src/store/kube/createKubeApi.ts';
import { type ConfigMap, clientFor, clock, configMap, eventually } from './harness.ts';

interface Line {
  readonly what: string;
  readonly epoch?: number;
  readonly reason?: string;
  readonly code?: string;
}

/** A contender in a process of its own, so that it can be killed and paused for real. */
class ContenderProcess {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  exit: number | NodeJS.Signals | null | undefined;

  constructor(kubeconfigPath: string, namespace: string, identity: string) {
    const script = join(import.meta.dirname, 'contender.ts');
    this.#child = spawn(process.execPath, [script, kubeconfigPath, namespace, identity], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.#child.on('exit', (code, signal) => {
      this.exit = signal ?? code;
    });
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) =>
        this.lines.push(JSON.parse(line) as Line),
      );
  }
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
  get leadingEpoch(): number | undefined {
    return this.lines.find(({ what }) => what === 'leading')?.epoch;
  }
}

let cluster: TestCluster;
let api: KubeApiClient;
let namespace: string;
let count = 0;
let contenders: ContenderProcess[] = [];
/** Epochs in the order in which the server stored them. */
let epochs: string[];
let stopWatch: AbortController;

beforeAll(async () => {
  cluster = await startTestCluster({ controllerManager: false });
  api = clientFor(cluster);
}, 600_000);
afterAll(async () => {
  await api?.close();
  await cluster?.stop();
}, 60_000);
beforeEach(async () => {
  namespace = `election-${(count += 1)}`;
  await api.create(NAMESPACES, { metadata: { name: namespace } });
  const stamp = await api.create(CONFIG_MAPS, configMap(namespace, 'stamp'));
  epochs = [];
  contenders = [];
  stopWatch = new AbortController();
  void api
    .watch<ConfigMap>(
      CONFIG_MAPS,
      { namespace, resourceVersion: stamp.metadata.resourceVersion ?? '', timeoutSeconds: 300 },
      (event) => {
        if (event.kind === 'modified') epochs.push(event.object.data?.['epoch'] ?? '');
      },
      stopWatch.signal,
    )
    .catch(() => undefined);
});
afterEach(async () => {
  stopWatch.abort();
  for (const contender of contenders) contender.signal('SIGKILL');
  await eventually('the contenders to end', () =>
    contenders.every(({ exit }) => exit !== undefined),
  );
});

function contend(identity: string): ContenderProcess {
  const contender = new ContenderProcess(cluster.kubeconfigPath, namespace, identity);
  contenders.push(contender);
  return contender;
}

async function leaderAndStandby(): Promise<[ContenderProcess, ContenderProcess]> {
  const leader = contend('first');
  await eventually('the first to lead', () => leader.leadingEpoch === 1);
  const standby = contend('second');
  await eventually('the second to start', () => standby.lines.length > 0);
  await eventually('stamps to be written', () => epochs.length > 10);
  return [leader, standby];
}
const waitMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isSorted = (values: readonly string[]): boolean =>
  values.every((value, index) => index === 0 || Number(values[index - 1]) <= Number(value));

describe('two contenders on the real API server', () => {
  test('while the leader renews, the other stays passive', async () => {
    const [, standby] = await leaderAndStandby();
    await waitMs(8_000);
    expect(standby.lines.filter(({ what }) => what === 'leading')).toEqual([]);
    expect(new Set(epochs)).toEqual(new Set(['1']));
  }, 60_000);

  test('a leader killed with -9 is followed after the lease has run out, and not before', async () => {
    const [leader, standby] = await leaderAndStandby();
    leader.signal('SIGKILL');
    const killedMs = clock.monotonicMs();
    await eventually('the second to lead', () => standby.leadingEpoch === 2);
    // The last renewal was up to a retry period before the kill, and the standby saw it up to one and a half later.
    expect(clock.monotonicMs() - killedMs).toBeGreaterThan(4_500);
    expect(clock.monotonicMs() - killedMs).toBeLessThan(13_000);
    await eventually('its stamps', () => epochs.at(-1) === '2');
    const lease = await api.get<Lease>(LEASES, { namespace, name: 'contended' });
    expect(lease.spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 2 });
  }, 60_000);

  test('a leader paused beyond its lease wakes, writes nothing more and exits', async () => {
    const [leader, standby] = await leaderAndStandby();
    leader.signal('SIGSTOP');
    await eventually('the second to lead', () => standby.leadingEpoch === 2);
    await eventually('its stamps', () => epochs.at(-1) === '2');
    leader.signal('SIGCONT');
    await eventually('the first to exit', () => leader.exit !== undefined);
    expect(leader.exit).toBe(3);
    expect(leader.lines.some(({ what }) => what === 'lost')).toBe(true);
    await waitMs(500);
    expect(isSorted(epochs)).toBe(true);
    expect(epochs.at(-1)).toBe('2');
  }, 60_000);

  test('an orderly stop hands the lease over at once', async () => {
    const [leader, standby] = await leaderAndStandby();
    leader.signal('SIGTERM');
    const stoppedMs = clock.monotonicMs();
    await eventually('the second to lead', () => standby.leadingEpoch === 2);
    expect(clock.monotonicMs() - stoppedMs).toBeLessThan(4_000);
    await eventually('the first to exit', () => leader.exit !== undefined);
    expect(leader.exit).toBe(0);
    expect(isSorted(epochs)).toBe(true);
  }, 60_000);

  test('an API server gone for longer than the renew deadline ends the leader', async () => {
    const [leader, standby] = await leaderAndStandby();
    await cluster.killApiServer();
    await eventually('the leader to give up', () => leader.exit !== undefined);
    expect(leader.exit).toBe(3);
    expect(leader.lines.find(({ what }) => what === 'lost')?.reason).toBe('renewFailed');
    expect(leader.lines.at(-1)).toMatchObject({ what: 'refused', code: 'notLeader' });
    await cluster.restartApiServer();
    await eventually('the second to lead', () => standby.leadingEpoch === 2);
  }, 60_000);
});
