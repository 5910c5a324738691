import { type AgentId, type FrameworkId, type OfferId, offerId } from '../model/ids.ts';
import type { Unavailability } from './offerBook.ts';

/** A request to a framework to give back what it holds on an agent that will be away. */
export interface InverseOffer {
  readonly id: OfferId;
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  readonly unavailability: Unavailability;
  readonly issuedAtMs: number;
}

/** What a framework said last; Mesos's `InverseOfferStatus`. */
export type InverseAnswer = 'unknown' | 'accepted' | 'declined';

interface Standing {
  readonly answer: InverseAnswer;
  /** What the question was about. */
  readonly unavailability: Unavailability;
  /** When it was asked, or answered; monotonic. */
  readonly atMs: number;
  /** Not asked again before. */
  readonly untilMs: number;
}

/** Outstanding inverse offers of one leader, and what frameworks answered to former ones. In memory only. */
export interface InverseOfferBook {
  readonly epoch: number;
  readonly nextSequence: number;
  readonly offers: ReadonlyMap<OfferId, InverseOffer>;
  readonly answers: ReadonlyMap<string, Standing>;
}

export interface InverseAnswerRow {
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  readonly answer: InverseAnswer;
  /** When it was asked, or answered. */
  readonly atMs: number;
}

export interface InverseStep {
  readonly book: InverseOfferBook;
  readonly issued: readonly InverseOffer[];
  /** Taken back: the schedule changed or the framework holds nothing there any more. */
  readonly rescinded: readonly InverseOffer[];
}

export function emptyInverseOfferBook(epoch: number): InverseOfferBook {
  return { epoch, nextSequence: 1, offers: new Map(), answers: new Map() };
}

export interface InverseRefresh {
  readonly nowMs: number;
  readonly timeoutMs: number;
  readonly unavailable: ReadonlyMap<string, Unavailability>;
  /** Frameworks that can be asked and have something on the agent: tasks, or offers in their hands. */
  readonly holders: readonly { readonly framework: FrameworkId; readonly agent: AgentId }[];
}

/**
 * Makes the book fit the present: one inverse offer for each holder on each agent that will be away.
 *
 * Guarantees: at most one outstanding per framework and agent; a changed schedule takes back what was asked and forgets
 * what was answered; ids are never used twice.
 * Source: Mesos `docs/maintenance.md`, "Inverse Offers"; answers are recorded, they bind nobody.
 */
export function refreshInverseOffers(
  book: InverseOfferBook,
  { nowMs, timeoutMs, unavailable, holders }: InverseRefresh,
): InverseStep {
  const wanted = new Map(
    holders.flatMap((one) => {
      const unavailability = unavailable.get(one.agent);
      return unavailability === undefined
        ? []
        : [[keyOf(one.framework, one.agent), { ...one, unavailability }] as const];
    }),
  );
  const offers = new Map<OfferId, InverseOffer>();
  const rescinded: InverseOffer[] = [];
  const asked = new Set<string>();
  const stands = (key: string, unavailability: Unavailability): boolean => {
    const now = wanted.get(key)?.unavailability;
    return now !== undefined && same(now, unavailability);
  };
  for (const offer of book.offers.values()) {
    const key = keyOf(offer.framework, offer.agent);
    if (!stands(key, offer.unavailability) || nowMs - offer.issuedAtMs >= timeoutMs)
      rescinded.push(offer);
    else {
      offers.set(offer.id, offer);
      asked.add(key);
    }
  }
  const answers = new Map(
    [...book.answers].filter(([key, { unavailability }]) => stands(key, unavailability)),
  );
  let { nextSequence } = book;
  const issued: InverseOffer[] = [];
  for (const [key, { framework, agent, unavailability }] of wanted) {
    if (asked.has(key) || (answers.get(key)?.untilMs ?? Number.NEGATIVE_INFINITY) > nowMs) continue;
    const id = offerId(`${book.epoch}-I${nextSequence}`);
    nextSequence += 1;
    const offer = { id, framework, agent, unavailability, issuedAtMs: nowMs };
    issued.push(offer);
    offers.set(id, offer);
    if (!answers.has(key))
      answers.set(key, {
        answer: 'unknown',
        unavailability,
        atMs: nowMs,
        untilMs: Number.NEGATIVE_INFINITY,
      });
  }
  return { book: { ...book, nextSequence, offers, answers }, issued, rescinded };
}

/** Records answers; ids that are unknown, ended or somebody else's are left out. */
export function answerInverseOffers(
  book: InverseOfferBook,
  answer: {
    readonly framework: FrameworkId;
    readonly ids: readonly OfferId[];
    readonly answer: Exclude<InverseAnswer, 'unknown'>;
    readonly nowMs: number;
    /** Not asked again for this long. */
    readonly refuseMs: number;
  },
): InverseOfferBook {
  const offers = new Map(book.offers);
  const answers = new Map(book.answers);
  for (const id of answer.ids) {
    const offer = offers.get(id);
    if (offer?.framework !== answer.framework) continue;
    offers.delete(id);
    answers.set(keyOf(offer.framework, offer.agent), {
      answer: answer.answer,
      unavailability: offer.unavailability,
      atMs: answer.nowMs,
      untilMs: answer.nowMs + answer.refuseMs,
    });
  }
  return { ...book, offers, answers };
}

/** Without a framework that left: its offers end in silence. */
export function forgetInverseOffersOf(
  book: InverseOfferBook,
  framework: FrameworkId,
): InverseOfferBook {
  return {
    ...book,
    offers: new Map([...book.offers].filter(([, offer]) => offer.framework !== framework)),
    answers: new Map([...book.answers].filter(([key]) => !key.startsWith(`${framework}\n`))),
  };
}

/** What every framework that was asked said last. */
export function inverseAnswers(book: InverseOfferBook): readonly InverseAnswerRow[] {
  return [...book.answers].map(([key, { answer, atMs }]) => {
    const [framework = '', agent = ''] = key.split('\n');
    return { framework: framework as FrameworkId, agent: agent as AgentId, answer, atMs };
  });
}

/** When somebody may be asked again or an offer runs out; infinite without any. */
export function nextInverseLookMs(
  book: InverseOfferBook,
  nowMs: number,
  timeoutMs: number,
): number {
  let firstMs = Number.POSITIVE_INFINITY;
  for (const { issuedAtMs } of book.offers.values())
    firstMs = Math.min(firstMs, issuedAtMs + timeoutMs);
  for (const { untilMs } of book.answers.values())
    if (untilMs > nowMs) firstMs = Math.min(firstMs, untilMs);
  return firstMs;
}

const keyOf = (framework: FrameworkId, agent: AgentId): string => `${framework}\n${agent}`;

const same = (left: Unavailability, right: Unavailability): boolean =>
  left.startMs === right.startMs && left.durationMs === right.durationMs;
