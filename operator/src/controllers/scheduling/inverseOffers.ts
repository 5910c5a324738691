import type { FrameworkId, OfferId } from '../../model/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  answerInverseOffers,
  emptyInverseOfferBook,
  forgetInverseOffersOf,
  type InverseAnswerRow,
  type InverseOfferBook,
  type InverseRefresh,
  inverseAnswers,
  nextInverseLookMs,
  refreshInverseOffers,
} from '../../state/inverseOfferBook.ts';
import type { Members } from './members.ts';

interface InverseOffersOptions {
  readonly clock: Clock;
  readonly members: Members;
  readonly epoch: () => number;
  readonly timeoutMs: number;
}

/** Asks frameworks to leave agents that will be away, and remembers what they say. */
export class InverseOffers {
  readonly #options: InverseOffersOptions;
  /** Made when first needed: only then is the epoch known. */
  #book: InverseOfferBook | undefined;

  constructor(options: InverseOffersOptions) {
    this.#options = options;
  }

  /** `holders`: who has something where; asked for only when some agent will be away, or was to be. */
  refresh(
    unavailable: InverseRefresh['unavailable'],
    holders: () => InverseRefresh['holders'],
  ): void {
    const { clock, members, timeoutMs, epoch } = this.#options;
    const isIdle =
      this.#book === undefined || this.#book.offers.size + this.#book.answers.size === 0;
    if (unavailable.size === 0 && isIdle) return;
    const step = refreshInverseOffers(this.#book ?? emptyInverseOfferBook(epoch()), {
      nowMs: clock.monotonicMs(),
      timeoutMs,
      unavailable,
      // Who cannot be asked is not waited for.
      holders: holders().filter(
        (one) => members.callbacks(one.framework)?.onInverseOffers !== undefined,
      ),
    });
    this.#book = step.book;
    for (const offer of step.rescinded)
      members.callbacks(offer.framework)?.onRescindInverseOffer?.(offer.id);
    for (const [framework, offers] of Map.groupBy(step.issued, (offer) => offer.framework))
      members.callbacks(framework)?.onInverseOffers?.(offers);
  }

  answer(
    framework: FrameworkId,
    ids: readonly OfferId[],
    answer: 'accepted' | 'declined',
    refuseMs: number,
  ): void {
    if (this.#book === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#book = answerInverseOffers(this.#book, { framework, ids, answer, nowMs, refuseMs });
  }

  forget(framework: FrameworkId): void {
    if (this.#book !== undefined) this.#book = forgetInverseOffersOf(this.#book, framework);
  }

  /** With times of the wall clock. */
  answers(): readonly InverseAnswerRow[] {
    if (this.#book === undefined) return [];
    const { clock } = this.#options;
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    return inverseAnswers(this.#book).map((row) => ({ ...row, atMs: row.atMs + offsetMs }));
  }

  nextLookMs(): number {
    const { clock, timeoutMs } = this.#options;
    if (this.#book === undefined) return Number.POSITIVE_INFINITY;
    return nextInverseLookMs(this.#book, clock.monotonicMs(), timeoutMs);
  }
}
