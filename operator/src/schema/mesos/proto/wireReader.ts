/** Wire types of the protobuf encoding. */
export const WIRE = {
  varint: 0,
  fixed64: 1,
  bytes: 2,
  startGroup: 3,
  endGroup: 4,
  fixed32: 5,
} as const;

/** Bytes that are no protobuf message, or lack something; the text is for the client. */
export class ProtoFault extends Error {}

export interface Tag {
  readonly no: number;
  readonly wire: number;
}

const MAX_GROUP_DEPTH = 64;
/** A body of two-byte fields would otherwise become millions of objects. */
const MAX_FIELDS = 500_000;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the primitives of the protobuf encoding. Never beyond `end`; throws `ProtoFault` instead. */
export class WireReader {
  at = 0;
  #tags = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  tag(end: number): Tag {
    this.#tags += 1;
    if (this.#tags > MAX_FIELDS)
      throw new ProtoFault(`the message has more than ${MAX_FIELDS} fields; split the call`);
    const value = this.#small(end) ?? Number(BigInt.asUintN(32, this.varint(end)));
    const no = value >>> 3;
    if (no === 0) throw new ProtoFault(`malformed protobuf: field number 0 at byte ${this.at}`);
    return { no, wire: value & 7 };
  }

  /** The 64 bits of a varint, unsigned. */
  varint(end: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte(end);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtoFault(`malformed protobuf: a varint of more than 10 bytes at byte ${this.at}`);
  }

  double(end: number): number {
    this.#need(8, end);
    const value = this.#bytes.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  /** Reads a length and returns where the part it announces ends. */
  length(end: number, path: string): number {
    const length = this.#small(end) ?? Number(this.varint(end));
    if (length > end - this.at)
      throw new ProtoFault(`${path}: malformed protobuf: a length beyond the end of the message`);
    return this.at + length;
  }

  text(end: number, path: string): string {
    const to = this.length(end, path);
    const part = this.#bytes.subarray(this.at, to);
    this.at = to;
    try {
      return UTF8.decode(part);
    } catch {
      throw new ProtoFault(`${path}: the text is not UTF-8`);
    }
  }

  base64(end: number, path: string): string {
    const to = this.length(end, path);
    const text = this.#bytes.toString('base64', this.at, to);
    this.at = to;
    return text;
  }

  skip(tag: Tag, end: number, depth: number): void {
    switch (tag.wire) {
      case WIRE.varint:
        this.varint(end);
        return;
      case WIRE.fixed64:
        this.#need(8, end);
        this.at += 8;
        return;
      case WIRE.bytes:
        this.at = this.length(end, `field ${tag.no}`);
        return;
      case WIRE.startGroup:
        this.#skipGroup(tag.no, end, depth + 1);
        return;
      case WIRE.fixed32:
        this.#need(4, end);
        this.at += 4;
        return;
      default:
        throw new ProtoFault(`malformed protobuf: wire type ${tag.wire} at byte ${this.at}`);
    }
  }

  /** A varint of at most four bytes, without big integers; nothing is read when it is longer. */
  #small(end: number): number | undefined {
    let value = 0;
    for (let index = 0; index < 4 && this.at + index < end; index += 1) {
      const byte = this.#bytes[this.at + index] ?? 0;
      value |= (byte & 0x7f) << (index * 7);
      if (byte < 0x80) {
        this.at += index + 1;
        return value;
      }
    }
    return undefined;
  }

  #skipGroup(no: number, end: number, depth: number): void {
    if (depth > MAX_GROUP_DEPTH)
      throw new ProtoFault(`malformed protobuf: groups deeper than ${MAX_GROUP_DEPTH} levels`);
    for (;;) {
      const tag = this.tag(end);
      if (tag.wire !== WIRE.endGroup) this.skip(tag, end, depth);
      else if (tag.no === no) return;
      else throw new ProtoFault(`malformed protobuf: group ${no} ends as ${tag.no}`);
    }
  }

  #byte(end: number): number {
    this.#need(1, end);
    const byte = this.#bytes[this.at] ?? 0;
    this.at += 1;
    return byte;
  }

  #need(count: number, end: number): void {
    if (this.at + count > end)
      throw new ProtoFault(`malformed protobuf: the message ends early, at byte ${this.at}`);
  }
}
