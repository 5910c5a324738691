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
    this.small(((no << 3) | wire) >>> 0);
  }

  /** A whole number from 0 to 2^32 - 1, without big integers. */
  small(value: number): void {
    let count = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) count += 1;
    this.#room(count);
    this.#start -= count;
    let rest = value;
    for (let index = 0; index < count; index += 1) {
      this.#buffer[this.#start + index] = (rest & 0x7f) | (index + 1 < count ? 0x80 : 0);
      rest >>>= 7;
    }
  }

  /** A text in UTF-8 with its length before it. */
  text(value: string): void {
    const length = Buffer.byteLength(value, 'utf8');
    this.#room(length);
    this.#start -= length;
    this.#buffer.write(value, this.#start, 'utf8');
    this.small(length);
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
    this.small(bytes.length);
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
