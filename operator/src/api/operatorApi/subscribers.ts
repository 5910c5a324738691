import type { ServerResponse } from 'node:http';
import type { ClusterView } from '../../controllers/clusterView/types.ts';
import type { Principal } from '../../controllers/framework/types.ts';
import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { OPERATOR_EVENT_CODEC } from '../../schema/mesos/operatorCodec.ts';
import type { WireObject } from '../../schema/mesos/proto/types.ts';
import type { AccessReviewer } from '../auth/accessReview.ts';
import { JSON_TYPE, type WireType } from '../mediaType.ts';
import { createReaderBound, type ReaderBound } from '../readerBound.ts';
import { encodeJsonRecord, frameRecord } from '../recordIo.ts';
import { type ClusterEvent, diffEvents } from './diffEvents.ts';
import { getState, v1Agent, v1Framework, v1FrameworkInfo, v1NewestStatus, v1Task } from './v1.ts';
import { type Visibility, visibilityFor, visiblePart } from './visibility.ts';

export interface SubscribersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly access: AccessReviewer;
  readonly cluster: () => ClusterView;
  /** Calls the listener after every change of what is told here; returns how to stop. */
  readonly onChange: (listener: () => void) => () => void;
  /** Bytes that may wait for one reader for some seconds; a burst may be several times as much. */
  readonly bufferBytes: number;
}

/** Source: Mesos `src/master/constants.hpp`, `DEFAULT_MAX_OPERATOR_EVENT_STREAM_SUBSCRIBERS`: one more ends the oldest. */
export const MAX_SUBSCRIBERS = 1_000;
/** Source: Mesos `src/master/constants.hpp`, `DEFAULT_HEARTBEAT_INTERVAL`. */
const HEARTBEAT_MS = 15_000;
/** Changes within this time are looked at together. */
const LOOK_MS = 100;
/** A look may take at most this share of the time between two looks. */
const LOOK_SHARE = 10;
/** How long a reader may take for a snapshot that is larger than its buffer. */
const SNAPSHOT_MS = 60_000;
/** Looks a subscriber may be behind while its rights are reviewed. */
const MAX_BEHIND = 100;

interface Subscriber {
  readonly principal: Principal;
  readonly response: ServerResponse;
  readonly mediaType: WireType;
  /** Bytes of the first snapshot that have not been read yet; they do not count against the bound. */
  unreadSnapshot: number;
  readonly openedMs: number;
  readonly bound: ReaderBound;
  behind: number;
  work: Promise<void>;
}

/** Everybody who watches the cluster through the operator API. Nothing is looked at while nobody does. */
export class Subscribers {
  readonly #options: SubscribersOptions;
  readonly #all = new Set<Subscriber>();
  #last: ClusterView | undefined;
  #stopWatching: () => void = () => undefined;
  #cancelLook: CancelTimer | undefined;
  #cancelHeartbeat: CancelTimer = () => undefined;
  #pauseMs = LOOK_MS;

  constructor(options: SubscribersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Opens the stream. Throws `ReviewUnavailable` before anything is sent when rights cannot be reviewed. */
  async add(response: ServerResponse, principal: Principal, mediaType: WireType): Promise<void> {
    const view = this.#look();
    const visibility = await visibilityFor(view, principal, this.#options.access).finally(() =>
      this.#restWhenAlone(),
    );
    if (response.destroyed) return;
    response.writeHead(200, {
      'Content-Type': mediaType,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    const subscriber: Subscriber = {
      principal,
      response,
      mediaType,
      unreadSnapshot: 0,
      openedMs: this.#options.clock.monotonicMs(),
      bound: createReaderBound(this.#options.clock, this.#options.bufferBytes),
      behind: 0,
      work: Promise.resolve(),
    };
    this.#all.add(subscriber);
    response.once('close', () => this.#remove(subscriber));
    response.once('drain', () => {
      subscriber.unreadSnapshot = 0;
    });
    const snapshot = visiblePart(view, visibility);
    this.#send(subscriber, {
      type: 'SUBSCRIBED',
      subscribed: {
        get_state: getState(snapshot),
        heartbeat_interval_seconds: HEARTBEAT_MS / 1000,
      },
    });
    subscriber.unreadSnapshot = response.writableLength;
    this.#send(subscriber, { type: 'HEARTBEAT' });
    // What happened while rights were reviewed.
    const now = this.#look();
    if (now !== view) this.#deliver(subscriber, diffEvents(view, now), visibility, now);
    this.#dropOldest();
  }

  /** The newest view; starts to watch for changes with the first subscriber. */
  #look(): ClusterView {
    if (this.#last === undefined) {
      this.#last = this.#options.cluster();
      this.#stopWatching = this.#options.onChange(() => this.#planLook());
      this.#planHeartbeat();
    }
    return this.#last;
  }

  #planLook(): void {
    this.#cancelLook ??= this.#options.clock.setTimer(this.#pauseMs, () => {
      this.#cancelLook = undefined;
      this.#tellAll();
    });
  }

  #tellAll(): void {
    const before = this.#last;
    if (before === undefined) return;
    const { clock, cluster } = this.#options;
    const startedMs = clock.monotonicMs();
    const after = cluster();
    this.#pauseMs = Math.max(LOOK_MS, (clock.monotonicMs() - startedMs) * LOOK_SHARE);
    this.#last = after;
    const events = diffEvents(before, after);
    if (events.length === 0) return;
    for (const one of this.#all) this.#queue(one, events, after);
  }

  #queue(one: Subscriber, events: readonly ClusterEvent[], view: ClusterView): void {
    one.behind += 1;
    if (one.behind > MAX_BEHIND) {
      this.#cut(one, 'its rights could not be reviewed in time');
      return;
    }
    const tell = async (): Promise<void> => {
      const visibility = await visibilityFor(view, one.principal, this.#options.access);
      this.#deliver(one, events, visibility, view);
      one.behind -= 1;
    };
    one.work = one.work
      .then(tell)
      .catch((error: unknown) =>
        this.#cut(one, error instanceof Error ? error.message : 'a fault'),
      );
  }

  #deliver(
    one: Subscriber,
    events: readonly ClusterEvent[],
    visibility: Visibility,
    view: ClusterView,
  ): void {
    const visible = visiblePart(view, visibility);
    const nowMs = this.#options.clock.nowMs();
    for (const event of events)
      if (isVisible(event, visibility, visible)) this.#send(one, written(event, visible, nowMs));
  }

  #send(one: Subscriber, event: WireObject): void {
    const { response, mediaType } = one;
    if (!this.#all.has(one) || response.destroyed) return;
    response.write(
      mediaType === JSON_TYPE
        ? Buffer.from(encodeJsonRecord(event), 'latin1')
        : frameRecord(OPERATOR_EVENT_CODEC.toProto(event)),
    );
    if (event['type'] !== 'SUBSCRIBED') this.#boundReader(one);
  }

  /** One look at a large cluster is a burst that any reader needs a moment for; one that does not read has no end. */
  #boundReader(one: Subscriber): void {
    const { clock, bufferBytes } = this.#options;
    if (one.unreadSnapshot > bufferBytes && clock.monotonicMs() - one.openedMs > SNAPSHOT_MS)
      this.#cut(one, `the reader left its snapshot of ${one.unreadSnapshot} bytes unread`);
    const unread = one.response.writableLength - one.unreadSnapshot;
    if (one.bound.isTooSlow(unread)) this.#cut(one, `the reader left ${unread} bytes unread`);
  }

  #planHeartbeat(): void {
    this.#cancelHeartbeat = this.#options.clock.setTimer(HEARTBEAT_MS, () => {
      for (const one of this.#all) this.#send(one, { type: 'HEARTBEAT' });
      this.#planHeartbeat();
    });
  }

  #dropOldest(): void {
    const oldest = this.#all.values().next().value;
    if (this.#all.size > MAX_SUBSCRIBERS && oldest !== undefined)
      this.#cut(oldest, `more than ${MAX_SUBSCRIBERS} subscribers: the oldest goes`);
  }

  #cut(one: Subscriber, reason: string): void {
    this.#options.log.warn('operator event stream cut', { principal: one.principal.name, reason });
    one.response.destroy();
    this.#remove(one);
  }

  #remove(one: Subscriber): void {
    if (this.#all.delete(one)) this.#restWhenAlone();
  }

  #restWhenAlone(): void {
    if (this.#all.size > 0) return;
    this.#stopWatching();
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#cancelHeartbeat();
    this.#last = undefined;
  }
}

function isVisible(event: ClusterEvent, visibility: Visibility, visible: ClusterView): boolean {
  switch (event.kind) {
    case 'TASK_ADDED':
    case 'TASK_UPDATED':
      return visibility.task(event.task);
    case 'FRAMEWORK_ADDED':
    case 'FRAMEWORK_UPDATED':
    case 'FRAMEWORK_REMOVED':
      return visibility.framework(event.framework);
    case 'AGENT_ADDED':
      return visible.agents.some((one) => one.id === event.agent.id);
    case 'AGENT_REMOVED':
      return visibility.allAgents;
  }
}

function written(event: ClusterEvent, view: ClusterView, nowMs: number): WireObject {
  switch (event.kind) {
    case 'TASK_ADDED':
      return { type: event.kind, task_added: { task: v1Task(event.task) } };
    case 'TASK_UPDATED':
      return {
        type: event.kind,
        task_updated: {
          framework_id: { value: event.task.framework },
          status: v1NewestStatus(event.task, nowMs),
          state: event.task.state,
        },
      };
    case 'AGENT_ADDED':
      return { type: event.kind, agent_added: { agent: v1Agent(event.agent, view) } };
    case 'AGENT_REMOVED':
      return { type: event.kind, agent_removed: { agent_id: { value: event.agent.id } } };
    case 'FRAMEWORK_ADDED':
      return {
        type: event.kind,
        framework_added: { framework: v1Framework(event.framework, view) },
      };
    case 'FRAMEWORK_UPDATED':
      return {
        type: event.kind,
        framework_updated: { framework: v1Framework(event.framework, view) },
      };
    case 'FRAMEWORK_REMOVED':
      return {
        type: event.kind,
        framework_removed: { framework_info: v1FrameworkInfo(event.framework) },
      };
  }
}
