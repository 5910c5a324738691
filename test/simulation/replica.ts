import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type { KubeApi } from '../../operator/src/ports/kubeApi.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import type { Rng } from '../../operator/src/ports/rng.ts';
import type { NetworkConditions } from '../support/fakeApi/conditions.ts';
import { FakeKubeClient } from '../support/fakeApi/fakeKubeClient.ts';
import { SimulatedNetwork } from '../support/fakeApi/network.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock, ProcessClock } from '../support/fakeClock.ts';
import type { History } from './history.ts';
import { watchLease } from './leaseWatch.ts';
import type { Oracles } from './oracles.ts';
import { type LaunchOperator, type OperatorProcess, seededIds } from './process.ts';

export interface ReplicaOptions {
  readonly api: FakeApiServer;
  readonly clock: FakeClock;
  readonly rng: Rng;
  readonly seed: string;
  readonly history: History;
  readonly oracles: Oracles;
  readonly conditions: () => NetworkConditions;
  readonly launch: LaunchOperator;
  /** Plants a bug: what the operator gets instead of its client. */
  readonly sabotage: (kube: KubeApi, identity: string) => KubeApi;
}

interface Incarnation {
  readonly identity: string;
  readonly clock: ProcessClock;
  readonly network: SimulatedNetwork;
  readonly process: OperatorProcess;
}

/** One replica of the operator's Deployment: a process, and the next one whenever it ended. */
export class Replica {
  readonly name: string;
  readonly #options: ReplicaOptions;
  #count = 0;
  #current: Incarnation | undefined;
  #armed: (() => void) | undefined;

  constructor(name: string, options: ReplicaOptions) {
    this.name = name;
    this.#options = options;
  }

  get calls(): number {
    return this.#current?.network.callCount ?? 0;
  }

  start(): void {
    const {
      api,
      clock: world,
      rng,
      seed,
      history,
      oracles,
      conditions,
      launch,
      sabotage,
    } = this.#options;
    this.#count += 1;
    const identity = `${this.name}.${this.#count}`;
    const skew = { rate: 0.96 + rng.next() * 0.08, offsetMs: rng.int(4000) - 2000 };
    const clock = world.forProcess(skew);
    const stream = (use: string): Rng => createSeededRng(`${seed}/${identity}/${use}`);
    const network = new SimulatedNetwork({
      world,
      process: clock,
      rng: stream('network'),
      conditions,
    });
    const onPodWrite = (): void => this.#podWriteSent();
    const client = new FakeKubeClient(api, identity, network);
    const watched = watchLease(client, { identity, clock, oracles, onPodWrite });
    const process = launch({
      identity,
      kube: sabotage(watched, identity),
      clock,
      rng: stream('operator'),
      ids: seededIds(stream('ids')),
      log: noteLogger(history, identity),
      illegalTransition: (from, to) =>
        oracles.fail('lifecycle', `${identity} saw a task ${to} that had been ${from}`),
    });
    const incarnation: Incarnation = { identity, clock, network, process };
    this.#current = incarnation;
    oracles.processStarted(identity);
    history.record(identity, 'starts');
    process
      .start()
      .catch((error: unknown) => this.#ended(incarnation, `failed to start: ${describe(error)}`));
    process.exited.then(
      (reason) => this.#ended(incarnation, `exits: ${describe(reason)}`),
      (error: unknown) => {
        oracles.fail('crash', `${identity}: ${describe(error)}`);
        this.#ended(incarnation, `crashes: ${describe(error)}`);
      },
    );
  }

  #ended(incarnation: Incarnation, how: string): void {
    if (this.#current !== incarnation) return;
    this.#options.history.record(incarnation.identity, how);
    this.#bury(incarnation);
    this.#startLater(1000 + this.#options.rng.int(3000));
  }

  #bury(incarnation: Incarnation): void {
    this.#current = undefined;
    incarnation.clock.kill();
    incarnation.network.processDied();
  }

  #startLater(delayMs: number): void {
    this.#options.clock.setTimer(delayMs, () => {
      if (this.#current === undefined) this.start();
    });
  }

  isLeader(): boolean {
    return this.#current?.process.isLeader() ?? false;
  }

  /** kill -9, and a new process after the delay. */
  kill(restartAfterMs: number): void {
    if (this.#current === undefined) return;
    this.#bury(this.#current);
    this.#startLater(restartAfterMs);
  }

  /** Ends it for good, at the end of the run. */
  end(): void {
    if (this.#current !== undefined) this.#bury(this.#current);
  }

  /** Returns how to resume the process that was paused, should it still be there. */
  pause(): () => void {
    const clock = this.#current?.clock;
    clock?.pause();
    return () => clock?.resume();
  }

  /** As soon as this replica has sent its next write of a Pod, before any answer can come. */
  atNextPodWrite(act: () => void): void {
    this.#armed = act;
  }

  #podWriteSent(): void {
    const act = this.#armed;
    this.#armed = undefined;
    // Some other sends of the same turn may still follow; the first request needs a millisecond to arrive.
    if (act !== undefined) this.#options.clock.setTimer(0.5, act);
  }

  partition(how: 'refused' | 'swallowed'): () => void {
    const network = this.#current?.network;
    network?.partition(how);
    return () => network?.heal();
  }

  silenceWatches(): void {
    this.#current?.network.silenceWatches();
  }
}

const describe = (value: unknown): string =>
  value instanceof Error
    ? `${value.name}: ${value.message}`
    : (JSON.stringify(value) ?? 'undefined');

function noteLogger(history: History, identity: string): Logger {
  const note =
    (level: string) =>
    (message: string, fields: unknown = {}): void => {
      if (history.keepsLines)
        history.note(identity, `${level} ${message} ${JSON.stringify(fields)}`);
    };
  const log: Logger = {
    debug: () => undefined,
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  };
  return log;
}
