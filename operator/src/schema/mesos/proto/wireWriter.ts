const FIRST_BYTES = 512;

/** Writes the primitives of the protobuf encoding from the end to the front. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #start = FIRST_BYTES;

  /** Bytes written so far. */
  get size(): number {
    return this.#buffer.length - this.#start;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(this.#start);
  }

  tag(no: number, wire: number): void {
    this.varint(BigInt(((no << 3) | wire) >>> 0));
  }

  /** The 64 bits of an unsigned value. */
  varint(value: bigint): void {
    const groups: number[] = [];
    let rest = value;
    while (rest > 0x7fn) {
      groups.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    groups.push(Number(rest));
    this.#room(groups.length);
    this.#start -= groups.length;
    this.#buffer.set(groups, this.#start);
  }

  double(value: number): void {
    this.#room(8);
    this.#start -= 8;
    this.#buffer.writeDoubleLE(value, this.#start);
  }

  /** Some bytes with their length before them. */
  part(bytes: Buffer): void {
    this.#room(bytes.length);
    this.#start -= bytes.length;
    bytes.copy(this.#buffer, this.#start);
    this.varint(BigInt(bytes.length));
  }

  #room(count: number): void {
    if (count <= this.#start) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.size + count));
    const start = grown.length - this.size;
    this.#buffer.copy(grown, start, this.#start);
    this.#buffer = grown;
    this.#start = start;
  }
}
