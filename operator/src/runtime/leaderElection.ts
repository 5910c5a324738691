import { type CancelTimer, type Clock, sleep } from '../ports/clock.ts';
import { isKubeError, type KubeApi } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import type { Rng } from '../ports/rng.ts';
import { LEASES } from '../schema/kubeKinds.ts';
import {
  acquiredLease,
  LEADER_ADDRESS_ANNOTATION,
  type Lease,
  type LeaseClaim,
  LeaseObserver,
  releasedLease,
  renewedLease,
} from './lease.ts';

/** What a writer needs to know: whether it may write now, and when it no longer may. */
export interface Leadership {
  /** To be asked immediately before every write. */
  isLeader(): boolean;
  /** Aborts when this term ends; already aborted when not leading. */
  termSignal(): AbortSignal;
  /** Grows with every change of leader; undefined when not leading. */
  epoch(): number | undefined;
}

export type LossReason = 'stopped' | 'renewFailed' | 'unhealthy' | 'takenOver';

export type LeadershipState =
  | { readonly kind: 'standby' }
  | { readonly kind: 'leading'; readonly epoch: number; readonly untilMonotonicMs: number }
  | { readonly kind: 'ended'; readonly reason: LossReason };

export interface LeaderElectionOptions {
  readonly api: Pick<KubeApi, 'get' | 'create' | 'update'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly leaseName: string;
  readonly namespace: string;
  /** Must differ for every process ever started: a name that comes back would inherit its predecessor's lease. */
  readonly identity: string;
  /** Where others can reach this process while it leads. */
  readonly address?: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** While it says false the lease is neither taken nor renewed: a leader with dead watches must go. */
  readonly healthy?: () => boolean;
  readonly onStartedLeading: (epoch: number) => void;
  /** Called once, when leading ended for any reason but `stop`. The process should exit: its memory is stale. */
  readonly onLost: (reason: LossReason) => void;
}

/** Source: client-go `tools/leaderelection` defaults of the Kubernetes components. */
const LEASE_DURATION_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_PERIOD_MS = 2_000;
/** Between two attempts, however long the first one took. */
const SHORTEST_REST_MS = 100;

/**
 * Leader election on a Lease with the semantics of client-go.
 *
 * Guarantees: `isLeader` is false from `renewDeadlineMs` after the *start* of the last successful renewal on, by the
 * monotonic clock, whatever timers did; others may take the lease `leaseDurationMs` after they saw it renewed.
 * Does not fence: between the check and the arrival of a write the lease may expire, so every write also
 * carries its own precondition.
 */
export class LeaderElection implements Leadership {
  readonly #options: LeaderElectionOptions;
  readonly #claim: LeaseClaim;
  readonly #renewDeadlineMs: number;
  readonly #retryPeriodMs: number;
  readonly #observer = new LeaseObserver();
  readonly #stopping = new AbortController();
  #state: LeadershipState = { kind: 'standby' };
  #term = abortedController();
  #cancelDeadline: CancelTimer = () => undefined;
  /** The lease as we last read or wrote it; absent when the next attempt must read it first. */
  #lease: Lease | undefined;
  #leaderAddress: string | undefined;
  #refusedRenewal = false;
  #running: Promise<void> | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? RENEW_DEADLINE_MS;
    this.#retryPeriodMs = options.retryPeriodMs ?? RETRY_PERIOD_MS;
    this.#claim = {
      name: options.leaseName,
      namespace: options.namespace,
      identity: options.identity,
      address: options.address,
      leaseDurationMs: options.leaseDurationMs ?? LEASE_DURATION_MS,
    };
    if (this.#claim.leaseDurationMs <= this.#renewDeadlineMs)
      throw new Error('leader election: leaseDurationMs must exceed renewDeadlineMs');
    if (this.#renewDeadlineMs <= 2 * this.#retryPeriodMs)
      throw new Error('leader election: renewDeadlineMs must exceed twice retryPeriodMs');
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the term at once, then gives the lease back so that a standby need not wait for it to expire. */
  async stop(): Promise<void> {
    const wasLeading = this.#state.kind === 'leading';
    this.#end('stopped');
    this.#stopping.abort(new Error('leader election was stopped'));
    await this.#running;
    if (wasLeading) await this.#release();
  }

  isLeader(): boolean {
    return (
      this.#state.kind === 'leading' &&
      this.#options.clock.monotonicMs() < this.#state.untilMonotonicMs
    );
  }

  termSignal(): AbortSignal {
    return this.#term.signal;
  }

  epoch(): number | undefined {
    return this.#state.kind === 'leading' ? this.#state.epoch : undefined;
  }

  state(): LeadershipState {
    return this.#state;
  }

  /**
   * Where the present leader said it can be reached; a standby sends callers there. Never here unless this process leads: a
   * lease of the process that was here before would send its callers round in circles.
   */
  leaderAddress(): string | undefined {
    const isHere = this.#leaderAddress === this.#claim.address;
    return isHere && this.#state.kind !== 'leading' ? undefined : this.#leaderAddress;
  }

  async #run(): Promise<void> {
    const { clock, rng } = this.#options;
    while (this.#state.kind !== 'ended') {
      const startMs = clock.monotonicMs();
      await this.#attempt();
      if (this.#isEnded()) break;
      // Standbys spread out, so that they do not all grab the lease in the same moment.
      const spread = this.#state.kind === 'standby' ? 1 + rng.next() / 2 : 1;
      // A leader counts from start to start: the slower the server, the less of the renew deadline may be slept away.
      const elapsedMs = this.#state.kind === 'leading' ? clock.monotonicMs() - startMs : 0;
      try {
        await sleep(
          clock,
          Math.max(this.#retryPeriodMs * spread - elapsedMs, SHORTEST_REST_MS),
          this.#stopping.signal,
        );
      } catch {
        break;
      }
    }
  }

  #isEnded(): boolean {
    return this.#state.kind === 'ended';
  }

  async #attempt(): Promise<void> {
    const { clock, log, healthy } = this.#options;
    this.#refusedRenewal = healthy?.() === false;
    if (this.#refusedRenewal) {
      log.warn('lease neither taken nor renewed: the watches are not healthy');
      return;
    }
    const deadline = new AbortController();
    const cancel = clock.setTimer(this.#renewDeadlineMs / 2, () =>
      deadline.abort(new Error('the attempt to hold the lease took too long')),
    );
    const signal = AbortSignal.any([this.#stopping.signal, deadline.signal]);
    try {
      if (this.#state.kind === 'leading') await this.#renew(signal);
      else await this.#acquire(signal);
    } catch (error) {
      this.#lease = undefined;
      if (!this.#stopping.signal.aborted)
        log.warn('lease not written', {
          state: this.#state.kind,
          code: isKubeError(error) ? error.code : 'bug',
          error: error instanceof Error ? error.message : String(error),
        });
    } finally {
      cancel();
    }
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    const held = await this.#read(signal);
    const startMs = clock.monotonicMs();
    const claimed = acquiredLease(held, this.#claim, clock.nowMs());
    if (held === undefined) this.#hold(await api.create(LEASES, claimed, { signal }), startMs);
    else if (this.#mayTake(held, startMs))
      this.#hold(await api.update(LEASES, claimed, { signal }), startMs);
  }

  #mayTake(held: Lease, nowMs: number): boolean {
    const holder = held.spec?.holderIdentity ?? '';
    // Our own name in it while we do not lead: the reply to our claim was lost.
    return holder === '' || holder === this.#claim.identity || this.#observer.expired(nowMs);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const held = this.#lease ?? (await this.#read(signal));
    if (held === undefined || held.spec?.holderIdentity !== this.#claim.identity) {
      this.#lose('takenOver');
      return;
    }
    this.#hold(await api.update(LEASES, renewedLease(held, clock.nowMs()), { signal }), startMs);
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { api, clock } = this.#options;
    const { name, namespace, leaseDurationMs } = this.#claim;
    try {
      const lease = await api.get<Lease>(LEASES, { name, namespace }, signal);
      this.#observer.see(lease, clock.monotonicMs(), leaseDurationMs);
      this.#leaderAddress =
        (lease.spec?.holderIdentity ?? '') === ''
          ? undefined
          : lease.metadata.annotations?.[LEADER_ADDRESS_ANNOTATION];
      return lease;
    } catch (error) {
      if (isKubeError(error, 'notFound')) return undefined;
      throw error;
    }
  }

  /** The lease is ours, counted from the moment the request set out. */
  #hold(lease: Lease, startMs: number): void {
    const { clock, log, onStartedLeading } = this.#options;
    this.#lease = lease;
    const untilMonotonicMs = startMs + this.#renewDeadlineMs;
    if (this.#state.kind === 'ended' || clock.monotonicMs() >= untilMonotonicMs) return;
    if (this.#state.kind === 'leading') {
      this.#state = { ...this.#state, untilMonotonicMs };
      this.#armDeadline(untilMonotonicMs);
      return;
    }
    const epoch = lease.spec?.leaseTransitions ?? 0;
    this.#state = { kind: 'leading', epoch, untilMonotonicMs };
    this.#leaderAddress = this.#claim.address;
    this.#term = new AbortController();
    this.#armDeadline(untilMonotonicMs);
    log.info('leading', { identity: this.#claim.identity, epoch });
    this.#callBack(() => onStartedLeading(epoch));
  }

  #armDeadline(untilMonotonicMs: number): void {
    const { clock } = this.#options;
    this.#cancelDeadline();
    this.#cancelDeadline = clock.setTimer(untilMonotonicMs - clock.monotonicMs(), () => {
      if (clock.monotonicMs() < untilMonotonicMs) this.#armDeadline(untilMonotonicMs);
      else this.#lose(this.#refusedRenewal ? 'unhealthy' : 'renewFailed');
    });
  }

  #lose(reason: LossReason): void {
    if (this.#state.kind !== 'leading') return;
    this.#end(reason);
    this.#stopping.abort(new Error('leadership was lost'));
    this.#options.log.error('leadership lost', { identity: this.#claim.identity, reason });
    this.#callBack(() => this.#options.onLost(reason));
  }

  #end(reason: LossReason): void {
    if (this.#state.kind === 'ended') return;
    this.#state = { kind: 'ended', reason };
    this.#cancelDeadline();
    this.#term.abort(new Error(`no longer leading: ${reason}`));
  }

  async #release(): Promise<void> {
    const { api, clock, log } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.setTimer(this.#renewDeadlineMs / 2, () => deadline.abort());
    try {
      const held = this.#lease ?? (await this.#read(deadline.signal));
      if (held?.spec?.holderIdentity === this.#claim.identity)
        await api.update(LEASES, releasedLease(held, clock.nowMs()), { signal: deadline.signal });
    } catch (error) {
      log.info('lease not given back; it will expire', {
        error: error instanceof Error ? error.message : String(error),
      });
    } finally {
      cancel();
    }
  }

  #callBack(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error('a callback of the leader election threw', {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }
}

function abortedController(): AbortController {
  const controller = new AbortController();
  controller.abort(new Error('not leading'));
  return controller;
}
