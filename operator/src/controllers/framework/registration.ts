import type { Resources } from '../../model/resources.ts';
import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { SchedulerEvent } from '../../schema/mesos/event.ts';
import type { FrameworkObject } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import { isoTime } from '../shared/conditions.ts';
import type { StatusFields } from './frameworkObjects.ts';
import type { EventSink, FrameworkPlace, FrameworkProfile } from './types.ts';

/** One open subscription. */
export interface Session {
  readonly streamId: string;
  readonly sink: EventSink;
  cancelHeartbeat: CancelTimer;
}

export interface OfferCounts {
  sent: number;
  accepted: number;
  declined: number;
  rescinded: number;
}

/** Connected, waiting to come back, or gone for good (`completing` until that is durable). */
export type Presence =
  | { readonly kind: 'connected'; readonly session: Session }
  | { readonly kind: 'disconnected'; readonly sinceMs: number; readonly cancelTimer: CancelTimer }
  | { readonly kind: 'completing' }
  | { readonly kind: 'completed' };

/** A framework as the master remembers it. */
export interface Registration {
  readonly place: FrameworkPlace;
  profile: FrameworkProfile;
  podTemplate: FrameworkObject['spec']['podTemplate'];
  presence: Presence;
  subscribedAtMs: number | undefined;
  readonly offers: OfferCounts;
}

export function newRegistration(
  place: FrameworkPlace,
  profile: FrameworkProfile,
  object: FrameworkObject,
  presence: Presence,
): Registration {
  const { sent = 0, accepted = 0, declined = 0, rescinded = 0 } = object.status?.offers ?? {};
  const subscribedAtMs = Date.parse(object.status?.subscribedAt ?? '');
  return {
    place,
    profile,
    podTemplate: object.spec.podTemplate,
    presence,
    subscribedAtMs: Number.isNaN(subscribedAtMs) ? undefined : subscribedAtMs,
    offers: { sent, accepted, declined, rescinded },
  };
}

export function openSession(
  streamId: string,
  sink: EventSink,
  clock: Clock,
  heartbeatMs: number,
): Session {
  const heartbeat: SchedulerEvent = { type: 'HEARTBEAT' };
  const session: Session = { streamId, sink, cancelHeartbeat: () => {} };
  const beat = (): void => {
    session.cancelHeartbeat = clock.setTimer(heartbeatMs, beat);
    sink.send(heartbeat);
  };
  session.cancelHeartbeat = clock.setTimer(heartbeatMs, beat);
  return session;
}

/** What changes all the time and is told now and then. */
export interface FrameworkFigures {
  /** Tasks by state. */
  readonly tasks: { readonly [state: string]: number };
  readonly outstanding: number;
  readonly allocated: Resources;
}

/** What the object's status says of a registration. */
export function statusOf(
  registration: Registration,
  { tasks, outstanding, allocated }: FrameworkFigures,
): StatusFields {
  const { presence, place, offers, subscribedAtMs } = registration;
  return {
    id: place.id,
    connected: presence.kind === 'connected',
    completed: presence.kind === 'completing' || presence.kind === 'completed',
    ...(subscribedAtMs === undefined ? {} : { subscribedAt: isoTime(subscribedAtMs) }),
    ...(presence.kind === 'disconnected' ? { disconnectedAt: isoTime(presence.sinceMs) } : {}),
    offers: { ...offers, outstanding },
    tasks: { ...tasks },
    allocated: formatResources(allocated),
  };
}

/**
 * How long a framework read back after a restart may take to return: what is left of its failover time-out, and at
 * least the grace, since nobody could reach a master that was away.
 */
export function recoveryDelayMs(
  object: FrameworkObject,
  failoverTimeoutMs: number,
  nowMs: number,
  graceMs: number,
): number {
  const stored = Date.parse(object.status?.disconnectedAt ?? '');
  const sinceMs = object.status?.connected === true || Number.isNaN(stored) ? nowMs : stored;
  return Math.max(sinceMs + failoverTimeoutMs - nowMs, graceMs);
}
