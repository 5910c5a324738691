import type { Clock } from '../../operator/src/ports/clock.ts';

/** Everything that happened in one run, as a running hash; the lines themselves are kept only when asked for. */
export class History {
  readonly #clock: Clock;
  readonly #keeps: boolean;
  readonly lines: string[] = [];
  #low = 0x811c9dc5;
  #high = 0x9dc5811c;
  #count = 0;

  constructor(clock: Clock, keeps: boolean) {
    this.#clock = clock;
    this.#keeps = keeps;
  }

  get count(): number {
    return this.#count;
  }

  record(who: string, what: string): void {
    const line = `${stamp(this.#clock.monotonicMs())} ${who} ${what}`;
    this.#count += 1;
    for (let index = 0; index < line.length; index += 1) {
      const code = line.charCodeAt(index);
      this.#low = Math.imul(this.#low ^ code, 0x01000193);
      this.#high = Math.imul(this.#high ^ code, 0x85ebca6b);
    }
    if (this.#keeps) this.lines.push(line);
  }

  /** Kept with the lines but not part of the hash: what a process logs about itself. */
  note(who: string, what: string): void {
    if (this.#keeps) this.lines.push(`${stamp(this.#clock.monotonicMs())} ${who} : ${what}`);
  }

  get keepsLines(): boolean {
    return this.#keeps;
  }

  /** Two runs with equal hashes had the same events in the same order at the same times. */
  hash(): string {
    return (
      (this.#high >>> 0).toString(16).padStart(8, '0') +
      (this.#low >>> 0).toString(16).padStart(8, '0')
    );
  }
}

function stamp(ms: number): string {
  return `${(ms / 1000).toFixed(3).padStart(8)}s`;
}
