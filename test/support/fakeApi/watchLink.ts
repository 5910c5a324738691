import type { CancelTimer } from '../../../operator/src/ports/clock.ts';
import type { KubeObject, WatchEvent } from '../../../operator/src/ports/kubeApi.ts';
import type { NetworkOptions } from './conditions.ts';
import { kubeError } from './errors.ts';
import type { WatchExchange } from './fakeKubeClient.ts';

interface Ends {
  readonly closed: () => void;
  readonly failed: (error: Error) => void;
  /** The link is gone, whatever the reason. */
  readonly left: () => void;
}

/** A real server sends one about once a minute. */
const BOOKMARK_EVERY_MS = 55_000;

/** One watch connection: keeps order, batches and delays events, and fails as the weather says. */
export class WatchLink {
  readonly #exchange: WatchExchange;
  readonly #options: NetworkOptions;
  readonly #ends: Ends;
  readonly #cancels: CancelTimer[] = [];
  readonly #onAbort = (): void =>
    this.#end(() => this.#ends.failed(kubeError('unavailable', `${this.#exchange.what}: aborted`)));
  #queue: WatchEvent<KubeObject>[] = [];
  #isArmed = false;
  #cancelBookmark: CancelTimer = () => undefined;
  #state: 'opening' | 'open' | 'silent' | 'ended' = 'opening';

  constructor(exchange: WatchExchange, options: NetworkOptions, ends: Ends) {
    this.#exchange = exchange;
    this.#options = options;
    this.#ends = ends;
    exchange.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (exchange.signal.aborted) options.process.setTimer(0, this.#onAbort);
  }

  open(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    const { process } = this.#options;
    try {
      this.#cancels.push(this.#exchange.open((event) => this.#receive(event)));
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    this.#cancels.push(
      process.setTimer(this.#exchange.timeoutMs, () => {
        if (this.#state !== 'open') return;
        this.#flush();
        this.#exchange.onEvent(this.#exchange.bookmark());
        this.#end(this.#ends.closed);
      }),
    );
    this.#bookmarkLater();
    this.#drawFaults();
  }

  #bookmarkLater(): void {
    const jitterMs = this.#options.rng.int(5000);
    this.#cancelBookmark = this.#options.world.setTimer(BOOKMARK_EVERY_MS + jitterMs, () => {
      if (this.#state !== 'open') return;
      this.#receive(this.#exchange.bookmark());
      this.#bookmarkLater();
    });
  }

  #drawFaults(): void {
    const { rng, conditions, process } = this.#options;
    const { watches } = conditions();
    const fates: readonly (readonly [number, () => void])[] = [
      [watches.reset, () => this.fail(kubeError('unavailable', 'connection reset'))],
      [watches.closed, () => this.#end(this.#ends.closed)],
      [watches.expired, () => this.fail(kubeError('gone', 'too old resource version'))],
      [watches.silent, () => this.silence()],
    ];
    for (const [chance, happen] of fates) {
      if (chance === 0 || rng.next() >= chance) continue;
      const atMs = rng.int(Math.min(this.#exchange.timeoutMs, 120_000));
      const happenIfOpen = (): void => {
        if (this.#state === 'open') happen();
      };
      this.#cancels.push(process.setTimer(atMs, happenIfOpen));
      return;
    }
  }

  #receive(event: WatchEvent<KubeObject>): void {
    if (this.#state !== 'open') return;
    this.#queue.push(event);
    if (this.#isArmed) return;
    this.#isArmed = true;
    const { rng, conditions, process } = this.#options;
    const { maxEventDelayMs } = conditions().watches;
    const delayMs =
      maxEventDelayMs > 0 && rng.next() < 0.1 ? rng.int(maxEventDelayMs) : 1 + rng.int(4);
    process.setTimer(delayMs, () => this.#flush());
  }

  #flush(): void {
    this.#isArmed = false;
    if (this.#state !== 'open') return;
    const events = this.#queue;
    this.#queue = [];
    for (const event of events) this.#exchange.onEvent(event);
  }

  /** Stays open for ever, says nothing more; ends only when its owner aborts it. */
  silence(): void {
    if (this.#state !== 'ended') this.#state = 'silent';
  }

  /** The connection breaks; the client sees it a moment later. */
  fail(error: Error): void {
    if (this.#state === 'ended') return;
    this.#state = 'silent';
    this.#options.process.setTimer(1, () => this.#end(() => this.#ends.failed(error)));
  }

  /** The client's process died: nobody is left to tell. */
  abandon(): void {
    this.#end(() => undefined);
  }

  #end(settle: () => void): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    for (const cancel of this.#cancels) cancel();
    this.#cancelBookmark();
    this.#exchange.signal.removeEventListener('abort', this.#onAbort);
    this.#ends.left();
    settle();
  }
}
