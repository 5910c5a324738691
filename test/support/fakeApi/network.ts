import type { WatchEnd } from '../../../operator/src/ports/kubeApi.ts';
import { FAIR_WEATHER, type NetworkOptions } from './conditions.ts';
import { kubeError } from './errors.ts';
import type { Exchange, Transport, WatchExchange } from './fakeKubeClient.ts';
import { WatchLink } from './watchLink.ts';

/** The longest a request is on its way. */
export const SLOWEST_REQUEST_MS = 12_000;
const DEADLINE_MS = 6_000;

/** The network between one process and the server: latency on the world clock, replies on the process's own. */
export class SimulatedNetwork implements Transport {
  readonly #options: NetworkOptions;
  readonly #deadlineMs: number;
  readonly #travelling = new Set<{ linger: (share: number) => void }>();
  readonly #watches = new Set<WatchLink>();
  #partition: 'none' | 'refused' | 'swallowed' = 'none';
  #calls = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  get callCount(): number {
    return this.#calls;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Cuts the process off: calls are refused at once, or swallowed; open watches break, or fall silent. */
  partition(how: 'refused' | 'swallowed'): void {
    this.#partition = how;
    for (const watch of this.#watches) {
      if (how === 'refused') watch.fail(kubeError('unavailable', 'connection reset'));
      else watch.silence();
    }
  }

  heal(): void {
    this.#partition = 'none';
  }

  /** Every open watch stays open and says nothing more. */
  silenceWatches(): void {
    for (const watch of this.#watches) watch.silence();
  }

  /** The process is gone. Requests it had sent may still land, up to `SLOWEST_REQUEST_MS` late. */
  processDied(): void {
    for (const watch of this.#watches) watch.abandon();
    const { rng } = this.#options;
    for (const request of this.#travelling) {
      if (rng.next() < 0.5) request.linger(rng.next());
    }
  }

  replicaLag(): number {
    const { rng, conditions } = this.#options;
    const { maxReplicaLag } = conditions();
    return maxReplicaLag === 0 ? 0 : rng.int(maxReplicaLag + 1);
  }

  exchange<T>(exchange: Exchange<T>): Promise<T> {
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      const { process } = this.#options;
      const { signal, kind, what } = exchange;
      const lost = kind === 'read' ? 'unavailable' : 'unknownOutcome';
      if (signal?.aborted === true) {
        reject(kubeError('unavailable', `${what}: aborted before it was sent`));
        return;
      }
      let isSettled = false;
      const settle = (give: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        signal?.removeEventListener('abort', onAbort);
        give();
      };
      const onAbort = (): void => settle(() => reject(kubeError(lost, `${what}: aborted`)));
      signal?.addEventListener('abort', onAbort, { once: true });
      const reply: Reply<T> = {
        after: (delayMs, give) => void process.setTimer(delayMs, () => settle(give)),
        answer: resolve,
        refuse: reject,
        giveUp: () =>
          void process.setTimer(this.#deadlineMs, () =>
            settle(() =>
              reject(kubeError(lost, `${what}: no reply within ${this.#deadlineMs} ms`)),
            ),
          ),
      };
      this.#send(exchange, reply);
    });
  }

  #send<T>(exchange: Exchange<T>, reply: Reply<T>): void {
    const { rng } = this.#options;
    const fate = this.#fate();
    if (fate === 'refused') {
      reply.after(1, () =>
        reply.refuse(kubeError('unavailable', `${exchange.what}: connection refused`)),
      );
      return;
    }
    if (fate === 'swallowed') {
      reply.giveUp();
      return;
    }
    const isSlow = fate === 'slow';
    if (isSlow || fate === 'replyLost') reply.giveUp();
    this.#travel(isSlow ? rng.int(SLOWEST_REQUEST_MS) : 1 + rng.int(4), () =>
      this.#arrive(exchange, reply, fate),
    );
  }

  #fate(): Fate {
    if (this.#partition !== 'none') return this.#partition;
    const { rng, conditions } = this.#options;
    const { calls } = conditions();
    if (calls === FAIR_WEATHER.calls) return 'fine';
    let draw = rng.next();
    for (const fault of [
      'requestLost',
      'replyLost',
      'slow',
      'tooManyRequests',
      'unavailable',
    ] as const) {
      draw -= calls[fault];
      if (draw >= 0) continue;
      if (fault === 'requestLost') return rng.next() < 0.5 ? 'refused' : 'swallowed';
      return fault;
    }
    return 'fine';
  }

  /** Runs `arrive` after the delay on the world's clock: what is on the wire does not depend on the sender's life. */
  #travel(delayMs: number, arrive: () => void): void {
    const { world } = this.#options;
    const land = (): void => {
      this.#travelling.delete(request);
      arrive();
    };
    const sentMs = world.monotonicMs();
    let cancel = world.setTimer(delayMs, land);
    const request = {
      /** Lands later, after this share of the time it may still be on its way. */
      linger: (share: number): void => {
        cancel();
        const leftMs = sentMs + SLOWEST_REQUEST_MS - world.monotonicMs();
        cancel = world.setTimer(Math.floor(share * Math.max(0, leftMs)), land);
      },
    };
    this.#travelling.add(request);
  }

  #arrive<T>(exchange: Exchange<T>, reply: Reply<T>, fate: Fate): void {
    const { rng } = this.#options;
    const backMs = 1 + rng.int(4);
    if (fate === 'tooManyRequests') {
      const error = kubeError('tooManyRequests', `${exchange.what}: slow down`, {
        retryAfterMs: 1000,
      });
      reply.after(backMs, () => reply.refuse(error));
      return;
    }
    if (fate === 'unavailable') {
      reply.after(backMs, () => reply.refuse(kubeError('unavailable', `${exchange.what}: 503`)));
      return;
    }
    let give: () => void;
    try {
      const result = exchange.perform();
      give = () => reply.answer(result);
    } catch (error) {
      give = () => reply.refuse(error as Error);
    }
    if (fate !== 'replyLost' && this.#partition === 'none') reply.after(backMs, give);
    else if (fate !== 'replyLost') reply.giveUp();
  }

  watch(exchange: WatchExchange): Promise<WatchEnd> {
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      const link = new WatchLink(exchange, this.#options, {
        closed: () => resolve({ kind: 'closed' }),
        failed: reject,
        left: () => this.#watches.delete(link),
      });
      this.#watches.add(link);
      const fate = this.#fate();
      if (fate === 'fine') this.#travel(1 + this.#options.rng.int(4), () => link.open());
      else if (fate === 'swallowed') link.silence();
      else if (fate === 'tooManyRequests') {
        link.fail(
          kubeError('tooManyRequests', `${exchange.what}: slow down`, { retryAfterMs: 1000 }),
        );
      } else link.fail(kubeError('unavailable', `${exchange.what}: ${fate}`));
    });
  }
}

type Fate =
  | 'fine'
  | 'refused'
  | 'swallowed'
  | 'replyLost'
  | 'slow'
  | 'tooManyRequests'
  | 'unavailable';

interface Reply<T> {
  readonly after: (delayMs: number, give: () => void) => void;
  readonly answer: (result: T) => void;
  readonly refuse: (error: Error) => void;
  /** From now the caller waits in vain until its deadline. */
  readonly giveUp: () => void;
}
