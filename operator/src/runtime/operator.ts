import { gatherClusterView } from '../controllers/clusterView/gatherClusterView.ts';
import type { ClusterView } from '../controllers/clusterView/types.ts';
import { createFrameworkHub, type FrameworkHub } from '../controllers/framework/hub.ts';
import type { FrameworkAuthorizer } from '../controllers/framework/types.ts';
import { agentViews, jobViews, roleViews, taskRows } from '../controllers/gatherViews.ts';
import { createUsageBoard, type UsageBoard } from '../controllers/usage.ts';
import type { Views } from '../controllers/views.ts';
import type { CancelTimer, Clock } from '../ports/clock.ts';
import type { IdSource } from '../ports/idSource.ts';
import type { KubeApi, KubeObject } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Rng } from '../ports/rng.ts';
import { PODS } from '../schema/kubeKinds.ts';
import { GROUP, VERSION } from '../schema/mezzoKinds.ts';
import type { Unreadable } from './cache.ts';
import {
  CONTROLLER_NAMES,
  type ControllerName,
  type ControllerSet,
  createControllerSet,
} from './controllerSet.ts';
import { EventRecorder } from './eventRecorder.ts';
import { routeEvents } from './eventRouting.ts';
import { createGuardedApi } from './guardedApi.ts';
import { LeaderElection } from './leaderElection.ts';
import type { OperatorConfig } from './operatorConfig.ts';
import { quarantinedApi } from './quarantine.ts';
import { Watches } from './watches.ts';
import { WorkQueue, type WorkResult } from './workQueue.ts';

export interface OperatorOptions {
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly authorizer: FrameworkAuthorizer;
  readonly config: OperatorConfig;
}

export interface Operator {
  /** Begins to watch and to stand for election; resolves when the caches are complete. */
  start(): Promise<void>;
  /** Gives the lease back and stops everything. */
  stop(): Promise<void>;
  isLeader(): boolean;
  /** Resolves with the reason when this process must end: its memory is no longer to be trusted. */
  readonly exited: Promise<string>;
  /** The scheduler API's counterpart; undefined while this process does not lead. */
  hub(): FrameworkHub | undefined;
  /** Where the leader can be reached, as it wrote into the lease. */
  leaderAddress(): string | undefined;
  readonly usage: UsageBoard;
  readonly views: Views;
  /** Writes as the leader; refuses while this process is not. */
  readonly kube: KubeApi;
  /** The cluster in the words of a Mesos master. */
  cluster(): ClusterView;
  /** Calls the listener for every change of what `cluster` tells; returns how to stop. */
  onChange(listener: () => void): () => void;
  /** The present term of leadership; undefined while this process does not lead. */
  term(): { readonly epoch: number; readonly sinceMs: number } | undefined;
  /** Faults that a restart would mend; empty while work goes on. */
  liveness(): readonly string[];
  /** Why this process cannot serve yet; empty when it can. */
  readiness(): readonly string[];
}

/** Work on one key that takes longer than this is stuck. */
const STUCK_MS = 180_000;
const PREEMPTION_PASS_MS = 1_000;
/** Keys worked on at once by one controller. */
const CONCURRENCY = 4;

/** The whole operator but for sockets, files and signals: `main.ts` and the simulation run the same. */
export function createOperator(options: OperatorOptions): Operator {
  return new OperatorProcess(options);
}

class OperatorProcess implements Operator {
  readonly #options: OperatorOptions;
  readonly #watches: Watches;
  readonly #election: LeaderElection;
  readonly #recorder: EventRecorder;
  readonly #queues: ReadonlyMap<ControllerName, WorkQueue>;
  readonly #controllers: ControllerSet;
  readonly #stopping = new AbortController();
  readonly #exit: PromiseWithResolvers<string> = Promise.withResolvers();
  readonly usage: UsageBoard;
  readonly views: Views;
  readonly kube: KubeApi;
  #electedMs: number | undefined;
  #quarantineUntilMs = Number.NEGATIVE_INFINITY;
  #acting = false;
  #hub: FrameworkHub | undefined;
  #unroute: () => void = () => undefined;
  #pass: CancelTimer = () => undefined;

  constructor(options: OperatorOptions) {
    const { kube, clock, rng, ids, log, config } = options;
    this.#options = options;
    this.usage = createUsageBoard(clock);
    this.#watches = new Watches({
      api: kube,
      clock,
      rng,
      log,
      metrics: options.metrics,
      silentLimitMs: config.watchSilentMs,
      onUnreadable: (unreadable) => this.#acting && this.#tellUnreadable(unreadable),
      onHistoryWentBackwards: (kind) => this.#quarantine(kind),
    });
    this.#election = new LeaderElection({
      api: kube,
      clock,
      rng,
      log,
      leaseName: config.leaseName,
      namespace: config.namespace,
      identity: config.identity,
      address: `${config.frameworks.advertised.ip}:${config.frameworks.advertised.port}`,
      leaseDurationMs: config.leaseDurationMs,
      renewDeadlineMs: config.renewDeadlineMs,
      retryPeriodMs: config.retryPeriodMs,
      healthy: () => this.#staleWatches().length === 0,
      onStartedLeading: () => void this.#lead(),
      onLost: (reason) => this.#leave(`leadership lost: ${reason}`),
    });
    const guarded = createGuardedApi({
      api: kube,
      leadership: this.#election,
      observe: (ref, object) => this.#watches.observe(ref, object),
    });
    this.kube = quarantinedApi(guarded, () => clock.monotonicMs() < this.#quarantineUntilMs);
    this.#recorder = new EventRecorder({
      api: guarded,
      clock,
      ids,
      log,
      controller: 'mezzo.dev/operator',
      instance: config.identity,
    });
    this.#controllers = this.#createControllers();
    this.#queues = new Map(CONTROLLER_NAMES.map((name) => [name, this.#queue(name)]));
    this.views = this.#createViews();
  }

  get exited(): Promise<string> {
    return this.#exit.promise;
  }

  async start(): Promise<void> {
    if (!(await this.#watches.start())) return;
    this.#election.start();
  }

  async stop(): Promise<void> {
    this.#leave('stopped');
    await this.#election.stop();
    await Promise.all([this.#watches.stop(), this.#recorder.stop()]);
  }

  isLeader(): boolean {
    return this.#election.isLeader();
  }

  hub(): FrameworkHub | undefined {
    return this.#hub;
  }

  leaderAddress(): string | undefined {
    return this.#election.leaderAddress();
  }

  term(): { readonly epoch: number; readonly sinceMs: number } | undefined {
    const [epoch, sinceMs] = [this.#election.epoch(), this.#electedMs];
    return epoch === undefined || sinceMs === undefined ? undefined : { epoch, sinceMs };
  }

  onChange(listener: () => void): () => void {
    const { pods, nodes, frameworks, agents } = this.#watches.world;
    const stops = [pods, nodes, frameworks, agents].map((cache) => cache.subscribe(listener));
    return () => {
      for (const stop of stops) stop();
    };
  }

  cluster(): ClusterView {
    return gatherClusterView({
      ...this.#controllers.viewInput(),
      summaries: this.#hub?.frameworks() ?? [],
      outstanding: (framework) => this.#controllers.scheduling.outstanding(framework),
      nowMs: this.#options.clock.nowMs(),
      agentPort: this.#options.config.frameworks.agentPort,
      inverseAnswers: this.#controllers.scheduling.inverseAnswers(),
    });
  }

  liveness(): readonly string[] {
    const stale = this.#staleWatches().map(
      (kind) => `the watch of ${kind} has brought nothing for too long`,
    );
    const stuck = [...this.#queues]
      .filter(([, queue]) => queue.stats().longestRunningMs > STUCK_MS)
      .map(([name]) => `controller ${name} works on one object for more than ${STUCK_MS / 1000} s`);
    return [...stale, ...stuck];
  }

  readiness(): readonly string[] {
    return this.#watches.hasSynced() ? [] : ['the caches are not complete yet'];
  }

  /** A new leader sees everything anew before it decides anything. */
  async #lead(): Promise<void> {
    const { log, config } = this.#options;
    if (!(await this.#watches.refresh()) || this.#stopping.signal.aborted) return;
    this.#acting = true;
    this.#electedMs = this.#options.clock.nowMs();
    this.#unroute = routeEvents(this.#watches.world, {
      enqueue: (controller, key) => this.#queues.get(controller)?.add(key),
      trigger: () => this.#controllers.scheduling.trigger(),
      refused: (reason) => this.#options.metrics.nodeRefusal(reason),
      illegal: ({ metadata: { name, namespace } }, from, to) => {
        this.#options.metrics.illegalTransition(from, to);
        log.error('a task took a way its lifecycle does not know', { name, namespace, from, to });
      },
    });
    for (const unreadable of this.#watches.unreadable()) this.#tellUnreadable(unreadable);
    for (const queue of this.#queues.values()) queue.start();
    this.#controllers.scheduling.start();
    this.#controllers.audit.start();
    this.#hub = this.#createHub();
    this.#planPass();
    log.info('acting: caches are fresh, controllers run', {
      identity: config.identity,
      epoch: this.#election.epoch(),
    });
  }

  #leave(reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort(new Error(reason));
    this.#acting = false;
    this.#electedMs = undefined;
    this.#unroute();
    this.#pass();
    this.#hub?.stop();
    this.#hub = undefined;
    this.#controllers.scheduling.stop();
    this.#controllers.audit.stop();
    for (const queue of this.#queues.values()) void queue.stop();
    this.#exit.resolve(reason);
  }

  #planPass(): void {
    this.#pass = this.#options.clock.setTimer(PREEMPTION_PASS_MS, () => {
      const done =
        this.#controllers.jobs.waiting().length === 0
          ? Promise.resolve()
          : this.#controllers.preemption.consider();
      done.then(
        () => this.#acting && this.#planPass(),
        (error: unknown) => {
          this.#options.log.warn('preemption pass failed', { error });
          if (this.#acting) this.#planPass();
        },
      );
    });
  }

  #createControllers(): ControllerSet {
    const { clock, log, metrics, config } = this.#options;
    return createControllerSet({
      world: this.#watches.world,
      kube: this.kube,
      clock,
      log,
      metrics,
      config,
      usage: this.usage,
      recorder: { event: (object, type, reason, note) => this.#record(object, type, reason, note) },
      epoch: () => this.#election.epoch() ?? 0,
      mayAct: () => this.#acting && this.#election.isLeader(),
      signal: this.#stopping.signal,
      observePod: (pod) => this.#watches.observe(PODS, pod),
      relistPods: () => this.#watches.relist(PODS),
      enqueue: (controller, key) => this.#queues.get(controller)?.add(key),
    });
  }

  #createHub(): FrameworkHub {
    const { clock, ids, rng, log, authorizer, config } = this.#options;
    return createFrameworkHub({
      scheduling: this.#controllers.scheduling,
      kube: this.kube,
      world: this.#watches.world,
      authorizer,
      clock,
      ids,
      rng,
      log,
      config: { ...config.frameworks, epoch: this.#election.epoch() ?? 0 },
      isBusy: () => this.#controllers.launcher.waiting() > 0,
    });
  }

  #queue(name: ControllerName): WorkQueue {
    const { clock, rng, log, metrics } = this.#options;
    return new WorkQueue({
      name,
      clock,
      rng,
      log: log.child({ controller: name }),
      concurrency: CONCURRENCY,
      work: async (key): Promise<WorkResult> => {
        const startedMs = clock.monotonicMs();
        try {
          const result = await this.#controllers.reconcile[name](key);
          metrics.reconcile(name, 'ok', clock.monotonicMs() - startedMs);
          return result;
        } catch (error) {
          metrics.reconcile(name, 'error', clock.monotonicMs() - startedMs);
          throw error;
        }
      },
    });
  }

  #createViews(): Views {
    const input = () => this.#controllers.viewInput();
    return {
      roles: () => roleViews(input()),
      jobs: () => jobViews(input()),
      agents: () => agentViews(input()),
      tasks: () => taskRows(input()),
      watchStalenessSeconds: () =>
        new Map([...this.#watches.stalenessMs()].map(([kind, ms]) => [kind, ms / 1000])),
      isLeader: () => this.isLeader(),
    };
  }

  /** Events are about Mezzo's own objects. */
  #record(object: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string): void {
    const { name, namespace, uid } = object.metadata;
    this.#recorder.record({
      regarding: {
        ref: { group: GROUP, version: VERSION, kind: object.kind ?? '' },
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
      },
      type,
      reason,
      action: reason,
      note,
    });
  }

  #tellUnreadable({ raw, message }: Unreadable): void {
    const note = `this version of Mezzo cannot read the object and leaves it and what it runs alone: ${message}; mend that field, or install the CRDs and the operator of one version`;
    this.#record(raw, 'Warning', 'Unreadable', note);
  }

  #staleWatches(): readonly string[] {
    const limitMs = this.#options.config.watchStaleMs;
    return [...this.#watches.stalenessMs()].filter(([, ms]) => ms > limitMs).map(([kind]) => kind);
  }

  #quarantine(kind: string): void {
    const { clock, log, config } = this.#options;
    this.#quarantineUntilMs = clock.monotonicMs() + config.quarantineMs;
    log.error(
      'HistoryWentBackwards: the API server was restored from a backup; nothing is killed for now',
      { kind, quarantineMs: config.quarantineMs },
    );
  }
}
