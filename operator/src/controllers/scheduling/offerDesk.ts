import type { AgentId, FrameworkId, OfferId } from '../../model/ids.ts';
import type { Metrics } from '../../ports/metrics.ts';
import {
  emptyOfferBook,
  type OfferBook,
  type OfferEnd,
  type OfferEvent,
  type OfferStep,
  type OfferToIssue,
  type OutstandingOffer,
  type RefusedOffer,
  refusedOffers,
  stepOfferBook,
} from '../../state/offerBook.ts';

interface OfferDeskOptions {
  readonly epoch: () => number;
  readonly nowMs: () => number;
  readonly metrics: Pick<Metrics, 'offer' | 'offerAge'>;
  readonly tellRescind: (offer: OutstandingOffer) => void;
  /** What was offered there is free, or somebody's task. */
  readonly onEnd: (agent: AgentId) => void;
}

/** The offers that stand, and everything that makes or ends one. */
export class OfferDesk {
  readonly #options: OfferDeskOptions;
  /** Made when first written: only then is the epoch known. */
  #book: OfferBook | undefined;

  constructor(options: OfferDeskOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#book?.offers.size ?? 0;
  }

  all(): readonly OutstandingOffer[] {
    return [...(this.#book?.offers.values() ?? [])];
  }

  onAgent(agent: AgentId): Iterable<OutstandingOffer> {
    return this.#book?.byAgent.get(agent)?.values() ?? [];
  }

  of(framework: FrameworkId): ReadonlyMap<OfferId, OutstandingOffer> {
    return this.#book?.byFramework.get(framework) ?? NO_OFFERS;
  }

  /** When the oldest offer was issued; infinite without any. */
  oldestAtMs(): number {
    const [oldest] = this.#book?.offers.values() ?? [];
    return oldest?.issuedAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** Why an accept of these offers would be void; empty when it would not. */
  refusals(framework: FrameworkId, ids: readonly OfferId[]): readonly RefusedOffer[] {
    return refusedOffers(this.#bookNow(), framework, ids);
  }

  issue(offers: readonly OfferToIssue[]): readonly OutstandingOffer[] {
    const nowMs = this.#options.nowMs();
    return stepOfferBook(this.#bookNow(), { kind: 'issue', offers, nowMs }).issued;
  }

  /** Ends offers by an answer of their framework. */
  answer(
    event: Extract<OfferEvent, { kind: 'accept' | 'decline' }>,
    how: 'accepted' | 'declined',
  ): readonly OutstandingOffer[] {
    const ended = this.#step(event).ended.map((one) => one.offer);
    if (ended.length > 0) this.#options.metrics.offer(how, event.framework, ended.length);
    return ended;
  }

  /** Ends offers from our side and tells their frameworks. */
  takeBack(
    event: OfferEvent,
    how: OfferEnd & ('rescinded' | 'expired'),
  ): readonly OutstandingOffer[] {
    const ended = this.#step(event).ended.map((one) => one.offer);
    for (const offer of ended) {
      this.#options.metrics.offer(how, offer.framework, 1);
      this.#options.tellRescind(offer);
    }
    return ended;
  }

  /** Ends all offers of a framework without a word to it. */
  drop(framework: FrameworkId): void {
    this.#step({ kind: 'removeFramework', framework });
  }

  #bookNow(): OfferBook {
    this.#book ??= emptyOfferBook(this.#options.epoch());
    return this.#book;
  }

  #step(event: OfferEvent): OfferStep {
    const { metrics, nowMs, onEnd } = this.#options;
    const step = stepOfferBook(this.#bookNow(), event);
    for (const { offer, end } of step.ended) {
      metrics.offerAge(end, nowMs() - offer.issuedAtMs);
      onEnd(offer.agent);
    }
    return step;
  }
}

const NO_OFFERS: ReadonlyMap<OfferId, OutstandingOffer> = new Map();
