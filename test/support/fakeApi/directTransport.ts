import type { Clock } from '../../../operator/src/ports/clock.ts';
import type { WatchEnd } from '../../../operator/src/ports/kubeApi.ts';
import type { FakeApiServer } from '../fakeApiServer.ts';
import { kubeError } from './errors.ts';
import {
  type Exchange,
  FakeKubeClient,
  type Transport,
  type WatchExchange,
} from './fakeKubeClient.ts';

/** A perfect network: every call is answered within the same turn, no fault ever. For unit and contract tests. */
class DirectTransport implements Transport {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  replicaLag(): number {
    return 0;
  }

  async exchange<T>({ what, signal, perform }: Exchange<T>): Promise<T> {
    await Promise.resolve();
    if (signal?.aborted === true) {
      throw kubeError('unavailable', `${what}: aborted before it was sent`);
    }
    return perform();
  }

  watch(exchange: WatchExchange): Promise<WatchEnd> {
    return new Promise((resolve, reject) => {
      const ends: (() => void)[] = [];
      const end = (settle: () => void): void => {
        for (const stop of ends.splice(0)) stop();
        settle();
      };
      const { signal, what, timeoutMs, onEvent } = exchange;
      const onAbort = (): void => end(() => reject(kubeError('unavailable', `${what}: aborted`)));
      if (signal.aborted) {
        onAbort();
        return;
      }
      let isOpen = true;
      ends.push(() => {
        isOpen = false;
      });
      try {
        ends.push(exchange.open((event) => queueMicrotask(() => isOpen && onEvent(event))));
      } catch (error) {
        end(() => reject(error));
        return;
      }
      ends.push(
        this.#clock.setTimer(timeoutMs, () => {
          onEvent(exchange.bookmark());
          end(() => resolve({ kind: 'closed' }));
        }),
      );
      signal.addEventListener('abort', onAbort, { once: true });
      ends.push(() => signal.removeEventListener('abort', onAbort));
    });
  }
}

/** A client without latency or faults. */
export function directClient(api: FakeApiServer, by = 'test'): FakeKubeClient {
  return new FakeKubeClient(api, by, new DirectTransport(api.clock));
}
