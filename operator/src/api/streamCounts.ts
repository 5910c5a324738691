import type { ApiLimits } from './context.ts';

/** Open streams, in all and by principal. */
export class StreamCounts {
  readonly #limits: Pick<ApiLimits, 'maxStreams' | 'maxStreamsPerPrincipal'>;
  readonly #byPrincipal = new Map<string, number>();
  #open = 0;

  constructor(limits: Pick<ApiLimits, 'maxStreams' | 'maxStreamsPerPrincipal'>) {
    this.#limits = limits;
  }

  /** Why this principal cannot have another stream now; undefined when it can. */
  fault(principal: string): string | undefined {
    const { maxStreams, maxStreamsPerPrincipal } = this.#limits;
    if (this.#open >= maxStreams) return 'Too many frameworks are connected';
    if ((this.#byPrincipal.get(principal) ?? 0) >= maxStreamsPerPrincipal)
      return `Principal '${principal}' has ${maxStreamsPerPrincipal} streams open, which is the most`;
    return undefined;
  }

  /** Returns what to call when the stream closes. */
  add(principal: string): () => void {
    this.#open += 1;
    this.#byPrincipal.set(principal, (this.#byPrincipal.get(principal) ?? 0) + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      const left = (this.#byPrincipal.get(principal) ?? 0) - 1;
      if (left > 0) this.#byPrincipal.set(principal, left);
      else this.#byPrincipal.delete(principal);
    };
  }
}
