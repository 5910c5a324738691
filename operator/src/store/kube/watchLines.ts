import { StringDecoder } from 'node:string_decoder';

/**
 * Cuts a byte stream into lines as it arrives, wherever the chunks were split, also inside a character.
 *
 * Guarantees: holds at most `maxLineChars` characters; a longer line throws instead of growing.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #maxLineChars: number;
  readonly #onLine: (line: string) => void;
  #parts: string[] = [];
  #held = 0;

  constructor(maxLineChars: number, onLine: (line: string) => void) {
    this.#maxLineChars = maxLineChars;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const text = this.#decoder.write(chunk);
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      this.#hold(text.slice(start, end));
      start = end + 1;
      const line = this.#parts.length === 1 ? (this.#parts[0] ?? '') : this.#parts.join('');
      this.#parts = [];
      this.#held = 0;
      if (line.length > 0) this.#onLine(line);
    }
    if (start < text.length) this.#hold(text.slice(start));
  }

  /** Characters of an unfinished line: not zero at the end of a stream means it was cut off. */
  get pendingChars(): number {
    return this.#held;
  }

  #hold(part: string): void {
    this.#held += part.length;
    if (this.#held > this.#maxLineChars)
      throw new Error(`a line of the watch is longer than ${this.#maxLineChars} characters`);
    this.#parts.push(part);
  }
}
