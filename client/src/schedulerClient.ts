import { Backoff, type ClientClock, machineClock, pause } from './clientClock.ts';
import { type Codec, jsonCodec } from './codec.ts';
import { createMemoryIdStore, type FrameworkIdStore } from './idStore.ts';
import { Reconciliation } from './reconciliation.ts';
import { RecordReader } from './recordReader.ts';
import { errorOfEvent, SchedulerError } from './schedulerError.ts';
import { type Credentials, Transport } from './transport.ts';
import type {
  EventOf,
  Filters,
  FrameworkInfo,
  Id,
  InverseOffer,
  KillPolicy,
  Offer,
  Operation,
  OperationStatus,
  Resource,
  SchedulerEvent,
  TaskInfo,
  TaskRef,
  TaskStatus,
} from './wire.ts';

/**
 * What the framework does about events. Called one at a time, in the order of the stream; a promise is waited for,
 * so none may wait for a later event. What one throws goes to `onFault`, and the update is then not acknowledged.
 */
export interface SchedulerHandlers {
  /** Subscribed, for the first time or again. All offers known before are void. */
  onSubscribed?(frameworkId: string): unknown;
  onDisconnected?(reason: SchedulerError): unknown;
  onOffers?(offers: readonly Offer[]): unknown;
  onRescind?(offerId: string): unknown;
  onInverseOffers?(offers: readonly InverseOffer[]): unknown;
  onRescindInverseOffer?(inverseOfferId: string): unknown;
  /** Acknowledged after this returned: what it remembers must be remembered by then. The same update may come twice. */
  onUpdate?(status: TaskStatus): unknown;
  onOperationUpdate?(status: OperationStatus): unknown;
  onMessage?(message: EventOf<'MESSAGE'>['message']): unknown;
  /** An agent or, with `executor_id`, an executor is gone. */
  onFailure?(failure: EventOf<'FAILURE'>['failure']): unknown;
  /** A handler threw, or an acknowledgement could not be sent. */
  onFault?(error: unknown): unknown;
}

export interface SchedulerClientOptions {
  /** Any replica of the operator: `http://mezzo.mezzo-system:5050`. The leader is found from there. */
  readonly url: string;
  readonly framework: FrameworkInfo;
  readonly handlers: SchedulerHandlers;
  readonly credentials?: Credentials;
  /** Keeps the framework id over restarts; by default it lives as long as this object. */
  readonly idStore?: FrameworkIdStore;
  /** Tasks the framework believes to run: asked about after each subscription until all are answered. */
  readonly knownTasks?: () => Iterable<TaskRef>;
  readonly suppressedRoles?: readonly string[];
  /** Default: `jsonCodec`. */
  readonly codec?: Codec;
  readonly clock?: ClientClock;
  /** In [0, 1); for jitter. */
  readonly random?: () => number;
}

/** Missed heartbeats after which the connection counts as dead. Source: Mesos `docs/scheduler-http-api.md`. */
const MISSED_HEARTBEATS = 5;
/** Until SUBSCRIBED says otherwise. Source: Mesos `src/master/constants.hpp`, 15 s. */
const DEFAULT_HEARTBEAT_MS = 15_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15_000;

interface Session {
  readonly streamId: string;
  readonly frameworkId: string;
  readonly broken: AbortController;
}

/** A Mesos v1 scheduler: subscribes, stays subscribed, acknowledges, reconciles. `run` is its life. */
export class SchedulerClient {
  readonly #options: SchedulerClientOptions;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #codec: Codec;
  readonly #transport: Transport;
  readonly #ids: FrameworkIdStore;
  readonly #reconciliation: Reconciliation;
  readonly #stopped = new AbortController();
  #session: Session | undefined;

  constructor(options: SchedulerClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? machineClock;
    this.#random = options.random ?? Math.random;
    this.#codec = options.codec ?? jsonCodec;
    this.#transport = new Transport({
      url: options.url,
      codec: this.#codec,
      credentials: options.credentials,
      clock: this.#clock,
    });
    this.#ids = options.idStore ?? createMemoryIdStore();
    this.#reconciliation = new Reconciliation({
      clock: this.#clock,
      random: this.#random,
      ask: (tasks) => this.reconcile(tasks),
    });
  }

  get isSubscribed(): boolean {
    return this.#session !== undefined;
  }

  /**
   * Subscribes and stays subscribed. Resolves after `stop` or `teardown`.
   * Errors: a `SchedulerError` that is not retryable; everything else is tried again, for ever.
   */
  async run(): Promise<void> {
    const backoff = new Backoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, this.#random);
    while (!this.#stopped.signal.aborted) {
      const reason = await this.#connectOnce(backoff);
      if (this.#stopped.signal.aborted) return;
      await this.#guarded(() => this.#options.handlers.onDisconnected?.(reason));
      if (!reason.retryable) throw reason;
      await pause(this.#clock, backoff.nextMs(), this.#stopped.signal);
    }
  }

  /** Disconnects. The tasks live on for the framework's failover time-out. */
  stop(): void {
    this.#stopped.abort();
  }

  /** Ends the framework with all of its tasks, and forgets its id. */
  async teardown(): Promise<void> {
    await this.#call('TEARDOWN');
    await this.#ids.clear();
    this.stop();
  }

  /** Uses offers of one agent and role. What the operations leave comes back, by default after 5 s. */
  async accept(
    offers: readonly (Offer | Id)[],
    operations: readonly Operation[],
    filters?: Filters,
  ): Promise<void> {
    await this.#call('ACCEPT', { offer_ids: idsOf(offers), operations, ...withFilters(filters) });
  }

  /** ACCEPT with one LAUNCH. */
  async launch(
    offers: readonly (Offer | Id)[],
    tasks: readonly TaskInfo[],
    filters?: Filters,
  ): Promise<void> {
    await this.accept(offers, [{ type: 'LAUNCH', launch: { task_infos: tasks } }], filters);
  }

  async decline(offers: readonly (Offer | Id)[], filters?: Filters): Promise<void> {
    await this.#call('DECLINE', { offer_ids: idsOf(offers), ...withFilters(filters) });
  }

  async acceptInverseOffers(offers: readonly (InverseOffer | Id)[]): Promise<void> {
    await this.#call('ACCEPT_INVERSE_OFFERS', { inverse_offer_ids: idsOf(offers) });
  }

  async declineInverseOffers(
    offers: readonly (InverseOffer | Id)[],
    filters?: Filters,
  ): Promise<void> {
    await this.#call('DECLINE_INVERSE_OFFERS', {
      inverse_offer_ids: idsOf(offers),
      ...withFilters(filters),
    });
  }

  /** Reserves resources of an offer; they come back as offers with the reservation on them. */
  async reserve(offer: Offer | Id, resources: readonly Resource[], id?: string): Promise<void> {
    await this.accept([offer], [{ ...operationId(id), type: 'RESERVE', reserve: { resources } }]);
  }

  async unreserve(offer: Offer | Id, resources: readonly Resource[], id?: string): Promise<void> {
    await this.accept(
      [offer],
      [{ ...operationId(id), type: 'UNRESERVE', unreserve: { resources } }],
    );
  }

  /** Asks for a task to be stopped. Its end is told by updates. May be repeated. */
  async kill(
    taskId: string,
    more: { readonly agentId?: string; readonly policy?: KillPolicy } = {},
  ): Promise<void> {
    await this.#call('KILL', {
      task_id: { value: taskId },
      ...(more.agentId === undefined ? {} : { agent_id: { value: more.agentId } }),
      ...(more.policy === undefined ? {} : { kill_policy: more.policy }),
    });
  }

  /** Clears filters and asks for offers; of all roles when none is named. */
  async revive(roles: readonly string[] = []): Promise<void> {
    await this.#call('REVIVE', { roles });
  }

  /** No more offers, of all roles when none is named, until `revive`. */
  async suppress(roles: readonly string[] = []): Promise<void> {
    await this.#call('SUPPRESS', { roles });
  }

  /** Asks once for the state of these tasks, or of all of them when none is named. The answers are updates. */
  async reconcile(tasks: readonly TaskRef[] = []): Promise<void> {
    await this.#call('RECONCILE', { tasks });
  }

  /** Asks until every task has an answer, or `signal` aborts. Not to be awaited inside a handler: answers are events. */
  async reconcileUntilAnswered(
    tasks: Iterable<TaskRef>,
    signal: AbortSignal = this.#stopped.signal,
  ): Promise<ReadonlyMap<string, TaskStatus>> {
    return await this.#reconciliation.untilAnswered(
      tasks,
      AbortSignal.any([signal, this.#stopped.signal]),
    );
  }

  /** Sends data to an executor, best effort. */
  async message(agentId: string, executorId: string, data: Uint8Array): Promise<void> {
    await this.#call('MESSAGE', {
      agent_id: { value: agentId },
      executor_id: { value: executorId },
      data: Buffer.from(data).toString('base64'),
    });
  }

  async shutdownExecutor(agentId: string, executorId: string): Promise<void> {
    await this.#call('SHUTDOWN', {
      agent_id: { value: agentId },
      executor_id: { value: executorId },
    });
  }

  /** Changes what the framework said of itself. Errors: `badCall` with what cannot change. */
  async updateFramework(
    framework: FrameworkInfo,
    suppressedRoles: readonly string[] = [],
  ): Promise<void> {
    await this.#call('UPDATE_FRAMEWORK', {
      framework_info: {
        ...framework,
        id: { value: this.#current('UPDATE_FRAMEWORK').frameworkId },
      },
      suppressed_roles: suppressedRoles,
    });
  }

  #current(type: string): Session {
    if (this.#session === undefined)
      throw new SchedulerError('notSubscribed', `${type} was not sent: there is no subscription`);
    return this.#session;
  }

  async #call(type: string, body?: object): Promise<void> {
    const session = this.#current(type);
    const call = {
      type,
      framework_id: { value: session.frameworkId },
      ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
    };
    try {
      await this.#transport.call(call, session.streamId);
    } catch (error) {
      // The master knows no such stream: this one is dead although the socket may not know it yet.
      if (error instanceof SchedulerError && error.code === 'notSubscribed')
        session.broken.abort(error);
      throw error;
    }
  }

  /** One connection from SUBSCRIBE to its end; returns why it ended. */
  async #connectOnce(backoff: Backoff): Promise<SchedulerError> {
    const broken = new AbortController();
    const signal = AbortSignal.any([broken.signal, this.#stopped.signal]);
    try {
      const known = await this.#ids.load();
      const stream = await this.#transport.subscribe(this.#subscribeCall(known), signal);
      await this.#readStream(stream, { broken, signal, backoff });
      return new SchedulerError('unreachable', 'the master ended the event stream');
    } catch (error) {
      const reason: unknown = broken.signal.aborted ? broken.signal.reason : error;
      if (reason instanceof SchedulerError) return reason;
      return new SchedulerError('unreachable', `the event stream broke (${String(reason)})`, {
        cause: reason,
      });
    } finally {
      this.#session = undefined;
      broken.abort();
    }
  }

  #subscribeCall(known: string | undefined): object {
    const id = known === undefined ? undefined : { value: known };
    const { framework, suppressedRoles } = this.#options;
    return {
      type: 'SUBSCRIBE',
      ...(id === undefined ? {} : { framework_id: id }),
      subscribe: {
        framework_info: { ...framework, ...(id === undefined ? {} : { id }) },
        ...(suppressedRoles === undefined ? {} : { suppressed_roles: suppressedRoles }),
      },
    };
  }

  async #readStream(
    stream: { readonly streamId: string; readonly body: AsyncIterable<Uint8Array> },
    life: {
      readonly broken: AbortController;
      readonly signal: AbortSignal;
      readonly backoff: Backoff;
    },
  ): Promise<void> {
    const reader = new RecordReader();
    const watchdog = new Watchdog(this.#clock, life.broken);
    try {
      for await (const bytes of stream.body) {
        watchdog.rest();
        for (const record of reader.push(bytes)) {
          if (life.signal.aborted) return;
          const event = this.#codec.decodeEvent(record);
          if (event.type === 'ERROR') throw errorOfEvent(event.error.message);
          if (event.type === 'SUBSCRIBED') {
            life.backoff.reset();
            watchdog.heartbeatSeconds = event.subscribed.heartbeat_interval_seconds;
            await this.#onSubscribed(event, stream.streamId, life.broken);
          } else await this.#onEvent(event);
        }
        // Only silence counts, not the time the handlers took.
        watchdog.watch();
      }
    } finally {
      watchdog.rest();
    }
  }

  async #onSubscribed(
    event: EventOf<'SUBSCRIBED'>,
    streamId: string,
    broken: AbortController,
  ): Promise<void> {
    const frameworkId = event.subscribed.framework_id.value;
    await this.#ids.save(frameworkId);
    this.#session = { streamId, frameworkId, broken };
    await this.#guarded(() => this.#options.handlers.onSubscribed?.(frameworkId));
    const tasks = [...(this.#options.knownTasks?.() ?? [])];
    if (tasks.length === 0) return;
    // Beside the stream, since the answers come on it; over when this connection is.
    void this.#guarded(() => this.reconcileUntilAnswered(tasks, broken.signal));
  }

  async #onEvent(event: Exclude<SchedulerEvent, { type: 'SUBSCRIBED' | 'ERROR' }>): Promise<void> {
    const { handlers } = this.#options;
    switch (event.type) {
      case 'OFFERS':
        return this.#ignoringResult(() => handlers.onOffers?.(event.offers.offers ?? []));
      case 'RESCIND':
        return this.#ignoringResult(() => handlers.onRescind?.(event.rescind.offer_id.value));
      case 'INVERSE_OFFERS':
        return this.#ignoringResult(() =>
          handlers.onInverseOffers?.(event.inverse_offers.inverse_offers ?? []),
        );
      case 'RESCIND_INVERSE_OFFER':
        return this.#ignoringResult(() =>
          handlers.onRescindInverseOffer?.(event.rescind_inverse_offer.inverse_offer_id.value),
        );
      case 'UPDATE':
        return await this.#onUpdate(event.update.status);
      case 'UPDATE_OPERATION_STATUS':
        return await this.#onOperationUpdate(event.update_operation_status.status);
      case 'MESSAGE':
        return this.#ignoringResult(() => handlers.onMessage?.(event.message));
      case 'FAILURE':
        return this.#ignoringResult(() => handlers.onFailure?.(event.failure));
      case 'HEARTBEAT':
        return undefined;
      default:
        // An event of a later version of the API.
        return undefined;
    }
  }

  async #onUpdate(status: TaskStatus): Promise<void> {
    this.#reconciliation.onStatus(status);
    if (!(await this.#guarded(() => this.#options.handlers.onUpdate?.(status)))) return;
    const { uuid, agent_id, task_id } = status;
    // The master's own statements carry no uuid, and acknowledging them is an error.
    if (uuid === undefined || uuid === '' || agent_id === undefined) return;
    // The handler tore the framework down: there is nobody left to acknowledge for.
    if (this.#stopped.signal.aborted) return;
    await this.#guarded(() => this.#call('ACKNOWLEDGE', { agent_id, task_id, uuid }));
  }

  async #onOperationUpdate(status: OperationStatus): Promise<void> {
    if (!(await this.#guarded(() => this.#options.handlers.onOperationUpdate?.(status)))) return;
    const { uuid, operation_id, agent_id, resource_provider_id } = status;
    if (uuid === undefined || operation_id === undefined || agent_id === undefined) return;
    await this.#guarded(() =>
      this.#call('ACKNOWLEDGE_OPERATION_STATUS', {
        uuid: uuid.value,
        operation_id,
        agent_id,
        ...(resource_provider_id === undefined ? {} : { resource_provider_id }),
      }),
    );
  }

  async #ignoringResult(work: () => unknown): Promise<void> {
    await this.#guarded(work);
  }

  /** Runs a part of the framework; true when it went well. Its faults are the framework's, the stream goes on. */
  async #guarded(work: () => unknown): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      try {
        await this.#options.handlers.onFault?.(error);
      } catch {
        // A reporter of faults that fails itself has nobody to tell.
      }
      return false;
    }
  }
}

/** Breaks a connection on which nothing came for five heartbeats. */
class Watchdog {
  heartbeatSeconds: number | undefined;
  readonly #clock: ClientClock;
  readonly #broken: AbortController;
  #cancel: (() => void) | undefined;

  constructor(clock: ClientClock, broken: AbortController) {
    this.#clock = clock;
    this.#broken = broken;
    this.watch();
  }

  watch(): void {
    this.rest();
    const heartbeatMs =
      this.heartbeatSeconds === undefined ? DEFAULT_HEARTBEAT_MS : this.heartbeatSeconds * 1000;
    const silenceMs = heartbeatMs * MISSED_HEARTBEATS;
    this.#cancel = this.#clock.setTimer(silenceMs, () =>
      this.#broken.abort(
        new SchedulerError('unreachable', `nothing came on the stream for ${silenceMs} ms`),
      ),
    );
  }

  rest(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function idsOf(of: readonly (Id | { readonly id: Id })[]): readonly Id[] {
  return of.map((one) => ('id' in one ? one.id : one));
}

const withFilters = (filters: Filters | undefined): { readonly filters?: Filters } =>
  filters === undefined ? {} : { filters };

const operationId = (id: string | undefined): { readonly id?: Id } =>
  id === undefined ? {} : { id: { value: id } };
