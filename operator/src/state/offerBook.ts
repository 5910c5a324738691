import {
  type AgentId,
  type FrameworkId,
  type OfferId,
  offerId,
  type RolePath,
} from '../model/ids.ts';
import type { Resources } from '../model/resources.ts';
import { invariant } from '../model/result.ts';

/** An offer that waits for its framework's answer. */
export interface OutstandingOffer {
  readonly id: OfferId;
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly agent: AgentId;
  readonly resources: Resources;
  readonly revocable: Resources;
  readonly reserved: Resources;
  /** The same part per reservation, as long as somebody asks where it lies. */
  readonly reservedBy?: readonly ReservedPart[];
  /** The part of `resources` that was held for this framework and role. */
  readonly fromHold: Resources;
  /** When the agent will be away, as the framework was told. */
  readonly unavailability?: Unavailability;
  readonly issuedAtMs: number;
}

/** What of an offer lies in one reservation. */
export interface ReservedPart {
  readonly role: RolePath;
  readonly resources: Resources;
  readonly reservationId: string;
}

/** A planned absence of an agent. */
export interface Unavailability {
  /** Wall clock, milliseconds since the epoch. */
  readonly startMs: number;
  readonly durationMs: number;
}

/**
 * Every offer of one leader that has not ended, and the number of the next. Changed by `stepOfferBook` alone, in place:
 * frameworks answer one by one, and a copy for each answer would cost as much as all offers that stand.
 */
export interface OfferBook {
  /** Leader's epoch; offers of another epoch are unknown here, so an accept meant for a former leader is refused. */
  readonly epoch: number;
  nextSequence: number;
  /** In the order in which they were issued: the first is the oldest. */
  readonly offers: Map<OfferId, OutstandingOffer>;
  /** The same offers, by framework; a framework without any is absent. */
  readonly byFramework: Map<FrameworkId, Map<OfferId, OutstandingOffer>>;
  /** The same offers, by agent; an agent without any is absent. */
  readonly byAgent: Map<AgentId, Map<OfferId, OutstandingOffer>>;
}

export type OfferEvent =
  | { readonly kind: 'issue'; readonly offers: readonly OfferToIssue[]; readonly nowMs: number }
  /** The framework's ACCEPT: all of `ids` or none. */
  | { readonly kind: 'accept'; readonly framework: FrameworkId; readonly ids: readonly OfferId[] }
  | { readonly kind: 'decline'; readonly framework: FrameworkId; readonly ids: readonly OfferId[] }
  | { readonly kind: 'rescind'; readonly ids: readonly OfferId[] }
  /** Ends offers issued at least `timeoutMs` ago. Assumes that they were issued at times that never went back. */
  | { readonly kind: 'expire'; readonly nowMs: number; readonly timeoutMs: number }
  | { readonly kind: 'removeFramework'; readonly framework: FrameworkId }
  | { readonly kind: 'removeAgent'; readonly agent: AgentId };

export type OfferToIssue = Omit<OutstandingOffer, 'id' | 'issuedAtMs'>;

export type OfferEnd =
  | 'accepted'
  | 'declined'
  | 'rescinded'
  | 'expired'
  | 'frameworkRemoved'
  | 'agentRemoved';

/** Why an id was not ended: it never was of this book or has ended, or it is somebody else's. */
export interface RefusedOffer {
  readonly id: OfferId;
  readonly why: 'OfferUnknown' | 'OtherFramework' | 'OtherAgent' | 'OtherRole' | 'Repeated';
}

/** What a step changed. */
export interface OfferStep {
  readonly issued: readonly OutstandingOffer[];
  /** Each offer appears here once in its life. */
  readonly ended: readonly { readonly offer: OutstandingOffer; readonly end: OfferEnd }[];
  readonly refused: readonly RefusedOffer[];
}

export function emptyOfferBook(epoch: number): OfferBook {
  return {
    epoch,
    nextSequence: 1,
    offers: new Map(),
    byFramework: new Map(),
    byAgent: new Map(),
  };
}

/**
 * Enters an event in the book; tells what began and what ended.
 *
 * Guarantees: ids are `<epoch>-<n>` and never used twice; an offer ends exactly once; an accept is all or nothing, and
 * its offers are of one agent and one role.
 * Source: Mesos `docs/scheduler-http-api.md` (ACCEPT, DECLINE) for the rules of accept and decline.
 */
export function stepOfferBook(book: OfferBook, event: OfferEvent): OfferStep {
  switch (event.kind) {
    case 'issue':
      return issue(book, event);
    case 'accept': {
      const refused = refusedOffers(book, event.framework, event.ids);
      if (refused.length > 0) return { issued: [], ended: [], refused };
      return endAll(book, event.ids, 'accepted', []);
    }
    case 'decline': {
      const refused = ownershipRefusals(book, event.framework, event.ids);
      const bad = new Set(refused.map((one) => one.id));
      const good = new Set(event.ids.filter((id) => !bad.has(id)));
      return endAll(book, [...good], 'declined', refused);
    }
    case 'rescind':
      return endAll(
        book,
        [...new Set(event.ids)].filter((id) => book.offers.has(id)),
        'rescinded',
        [],
      );
    case 'expire':
      return endAll(book, expiredOf(book, event.nowMs - event.timeoutMs), 'expired', []);
    case 'removeFramework':
      return endAll(book, idsIn(book.byFramework, event.framework), 'frameworkRemoved', []);
    case 'removeAgent':
      return endAll(book, idsIn(book.byAgent, event.agent), 'agentRemoved', []);
  }
}

function issue(book: OfferBook, event: Extract<OfferEvent, { kind: 'issue' }>): OfferStep {
  const issued = event.offers.map((offer): OutstandingOffer => {
    const id = offerId(`${book.epoch}-${book.nextSequence}`);
    book.nextSequence += 1;
    return { ...offer, id, issuedAtMs: event.nowMs };
  });
  for (const offer of issued) {
    invariant(!book.offers.has(offer.id), `offer id ${offer.id} is new`);
    book.offers.set(offer.id, offer);
    enter(book.byFramework, offer.framework, offer);
    enter(book.byAgent, offer.agent, offer);
  }
  return { issued, ended: [], refused: [] };
}

function ownershipRefusals(
  book: OfferBook,
  framework: FrameworkId,
  ids: readonly OfferId[],
): readonly RefusedOffer[] {
  return ids.flatMap((id): RefusedOffer[] => {
    const offer = book.offers.get(id);
    if (offer === undefined) return [{ id, why: 'OfferUnknown' }];
    return offer.framework === framework ? [] : [{ id, why: 'OtherFramework' }];
  });
}

/** Why an accept of these offers would be void; empty when it would not. */
export function refusedOffers(
  book: OfferBook,
  framework: FrameworkId,
  ids: readonly OfferId[],
): readonly RefusedOffer[] {
  const refused = ownershipRefusals(book, framework, ids);
  if (refused.length > 0) return refused;
  const first = ids[0] === undefined ? undefined : book.offers.get(ids[0]);
  const seen = new Set<OfferId>();
  return ids.flatMap((id): RefusedOffer[] => {
    const offer = book.offers.get(id);
    if (seen.has(id)) return [{ id, why: 'Repeated' }];
    seen.add(id);
    if (offer?.agent !== first?.agent) return [{ id, why: 'OtherAgent' }];
    if (offer?.role !== first?.role) return [{ id, why: 'OtherRole' }];
    return [];
  });
}

/** Only the oldest are looked at. */
function expiredOf({ offers }: OfferBook, issuedUntilMs: number): readonly OfferId[] {
  const ids: OfferId[] = [];
  for (const { id, issuedAtMs } of offers.values()) {
    if (issuedAtMs > issuedUntilMs) break;
    ids.push(id);
  }
  return ids;
}

type Index<Key> = Map<Key, Map<OfferId, OutstandingOffer>>;

const idsIn = <Key>(index: Index<Key>, key: Key): readonly OfferId[] => [
  ...(index.get(key)?.keys() ?? []),
];

function enter<Key>(index: Index<Key>, key: Key, offer: OutstandingOffer): void {
  const own = index.get(key);
  if (own === undefined) index.set(key, new Map([[offer.id, offer]]));
  else own.set(offer.id, offer);
}

function leave<Key>(index: Index<Key>, key: Key, id: OfferId): void {
  const own = index.get(key);
  own?.delete(id);
  if (own?.size === 0) index.delete(key);
}

function endAll(
  book: OfferBook,
  ids: readonly OfferId[],
  end: OfferEnd,
  refused: readonly RefusedOffer[],
): OfferStep {
  const ended = ids.map((id) => {
    const offer = book.offers.get(id);
    invariant(offer !== undefined, `offer ${id} is outstanding when it ends`);
    book.offers.delete(id);
    leave(book.byFramework, offer.framework, id);
    leave(book.byAgent, offer.agent, id);
    return { offer, end };
  });
  return { issued: [], ended, refused };
}

/** What a framework is told about an id that could not be used. */
export function refusalSentence(refused: RefusedOffer | undefined): string {
  if (refused === undefined) return 'the call names no offer';
  switch (refused.why) {
    case 'OfferUnknown':
      return `offer ${refused.id} is no longer valid`;
    case 'OtherFramework':
      return `offer ${refused.id} was made to another framework`;
    case 'OtherAgent':
      return `offer ${refused.id} is of another agent than the first`;
    case 'OtherRole':
      return `offer ${refused.id} is of another role than the first`;
    case 'Repeated':
      return `offer ${refused.id} is named twice`;
  }
}
