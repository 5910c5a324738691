/** Reads a stream of chunks piece by piece. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes; undefined when the stream has ended before the first of them. */
  async take(length: number): Promise<Buffer | undefined> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.pieces(length, true)) pieces.push(piece);
    return pieces.length === 0 && length > 0 ? undefined : Buffer.concat(pieces);
  }

  async skip(length: number): Promise<void> {
    for await (const piece of this.pieces(length)) void piece;
  }

  /** The next so many bytes as they come. Errors: when the stream ends within them. */
  async *pieces(length: number, mayEnd = false): AsyncGenerator<Uint8Array> {
    let left = length;
    while (left > 0) {
      if (this.#chunk.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) {
          if (mayEnd && left === length) return;
          throw new Error('the archive is cut off');
        }
        this.#chunk = next.value;
        continue;
      }
      const piece = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}
