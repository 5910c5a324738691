import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CALL_CODEC, createCodecs, EVENT_CODEC } from './codec.ts';
import { linkSchema } from './schema.ts';
import type { WireObject } from './types.ts';

interface Golden {
  readonly json: WireObject & { readonly type: string };
  /** Written by protobufjs 7 from the proto files of Apache Mesos 1.11, not by the code under test. */
  readonly hex: string;
}
const GOLDEN = JSON.parse(
  readFileSync(new URL('./testdata/golden.json', import.meta.url), 'utf8'),
) as { readonly calls: readonly Golden[]; readonly events: readonly Golden[] };

const CASES = [
  ...GOLDEN.calls.map((one) => ({ ...one, name: `call ${one.json.type}`, codec: CALL_CODEC })),
  ...GOLDEN.events.map((one) => ({ ...one, name: `event ${one.json.type}`, codec: EVENT_CODEC })),
];

describe('golden messages, byte by byte', () => {
  test.each(CASES)('$name', ({ json, hex, codec }) => {
    expect(codec.toProto(json).toString('hex')).toBe(hex);
    expect(codec.fromProto(Buffer.from(hex, 'hex'))).toEqual({ ok: true, value: json });
    expect(codec.fromJson(json)).toEqual({ ok: true, value: json });
  });

  test('are there for every call and every event', () => {
    expect(GOLDEN.calls.map((one) => one.json.type)).toHaveLength(17);
    expect(new Set(GOLDEN.events.map((one) => one.json.type)).size).toBe(11);
  });
});

const codecs = createCodecs(
  {
    M: {
      text: [1, 'string', 'required'],
      list: [2, 'int32', 'repeated'],
      kind: [3, 'E'],
      kinds: [4, 'E', 'repeated'],
      part: [5, 'M'],
      parts: [6, 'M', 'repeated'],
      map: [7, 'M', 'map'],
      words: [8, 'string', 'map'],
      big: [9, 'int64'],
      raw: [10, 'bytes'],
      flag: [11, 'bool'],
      ratio: [12, 'double'],
      unsigned: [13, 'uint64'],
      small: [14, 'uint32'],
    },
    Strict: { kind: [1, 'E', 'required'] },
  },
  { E: { ZERO: 0, ONE: 1 } },
);
const M = codecs('M');

describe('protobuf', () => {
  const read = (hex: string): unknown => {
    const result = M.fromProto(Buffer.from(hex, 'hex'));
    return result.ok ? result.value : result.refusal;
  };
  const TEXT = '0a0178';
  test.each([
    [
      'a field nobody knows, of each wire type',
      `${TEXT}a00601a10600000000000000 00a2060161a5060000 0000`,
      { text: 'x' },
    ],
    ['a group nobody knows, with one inside', `${TEXT}a306ab0608 01ac06a406`, { text: 'x' }],
    ['a list packed', `${TEXT}1203010203`, { text: 'x', list: [1, 2, 3] }],
    ['a list unpacked', `${TEXT}10011002`, { text: 'x', list: [1, 2] }],
    ['the last of a repeated single field', `${TEXT}0a0179`, { text: 'y' }],
    ['a known number with another wire type', `${TEXT}0801`, { text: 'x' }],
    [
      'an enum number nobody knows, alone and in a list',
      `${TEXT}180920012009`,
      { text: 'x', kinds: ['ONE'] },
    ],
    [
      'a single message in two pieces, required field in the second',
      `${TEXT}2a0210012a030a0179`,
      { text: 'x', part: { list: [1], text: 'y' } },
    ],
    ['a negative number in ten bytes', `${TEXT}48ffffffffffffffffff01`, { text: 'x', big: -1 }],
    [
      'an integer beyond doubles',
      `${TEXT}4881808080808080 10`,
      { text: 'x', big: '9007199254740993' },
    ],
    [
      'the largest unsigned integer',
      `${TEXT}68ffffffffffffffffff01`,
      { text: 'x', unsigned: '18446744073709551615' },
    ],
    ['bytes', `${TEXT}5202ff00`, { text: 'x', raw: '/wA=' }],
    [
      'an entry of a map without a value',
      `${TEXT}42030a0161`,
      { text: 'x', words: { a: undefined } },
    ],
  ])('takes %s', (_name, hex, value) => {
    expect(read(hex.replaceAll(' ', ''))).toEqual(value);
  });

  test.each([
    ['nothing at all', '', 'text: required field is missing'],
    [
      'a message that lacks something',
      `${TEXT}32021001`,
      'parts[0].text: required field is missing',
    ],
    [
      'a map value that lacks something',
      `${TEXT}3a050a01611200`,
      'map.a.text: required field is missing',
    ],
    [
      'a length beyond the end',
      '0a0578',
      'text: malformed protobuf: a length beyond the end of the message',
    ],
    [
      'a huge length',
      '0affffffffffffffffff01',
      'text: malformed protobuf: a length beyond the end of the message',
    ],
    ['half a varint', `${TEXT}48ff`, 'malformed protobuf: the message ends early, at byte 5'],
    [
      'a varint without end',
      `${TEXT}48ffffffffffffffffffff`,
      'malformed protobuf: a varint of more than 10 bytes at byte 14',
    ],
    ['half a double', `${TEXT}610000`, 'malformed protobuf: the message ends early, at byte 4'],
    ['field number 0', '0001', 'malformed protobuf: field number 0 at byte 1'],
    ['a wire type that does not exist', `${TEXT}0e`, 'malformed protobuf: wire type 6 at byte 4'],
    ['the end of no group', `${TEXT}0c`, 'malformed protobuf: wire type 4 at byte 4'],
    [
      'a group that ends as another',
      `${TEXT}a306ac06`,
      'malformed protobuf: group 100 ends as 101',
    ],
    ['a text that is no UTF-8', '0a01ff', 'text: the text is not UTF-8'],
  ])('refuses %s', (_name, hex, message) => {
    expect(read(hex)).toBe(message);
  });

  test('refuses messages and groups nested without end, and bodies of countless fields', () => {
    let nested = Buffer.from('0a0178', 'hex');
    for (let depth = 0; depth < 70; depth += 1)
      nested = Buffer.concat([Buffer.from('0a01782a', 'hex'), varint(nested.length), nested]);
    expect(M.fromProto(nested)).toMatchObject({
      ok: false,
      refusal: expect.stringMatching(/nested deeper than 64/),
    });
    const groups = Buffer.alloc(10_000, Buffer.from('a306', 'hex'));
    expect(M.fromProto(groups)).toMatchObject({
      ok: false,
      refusal: expect.stringMatching(/groups deeper/),
    });
    const many = Buffer.alloc(2_000_000, Buffer.from('1001', 'hex'));
    expect(M.fromProto(many)).toMatchObject({
      ok: false,
      refusal: expect.stringMatching(/more than 500000 fields/),
    });
  });

  test('a required enum of an unknown number is missing', () => {
    expect(codecs('Strict').fromProto(Buffer.from('0809', 'hex'))).toEqual({
      ok: false,
      refusal: 'kind: required field is missing',
    });
  });

  test('what is written is read back, whatever it is', () => {
    const leaf = {
      text: fc.string({ unit: 'grapheme' }),
      list: fc.array(fc.integer(), { minLength: 1, maxLength: 3 }),
      kind: fc.constantFrom('ZERO', 'ONE'),
      big: fc.maxSafeInteger(),
      raw: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
      flag: fc.boolean(),
      ratio: fc.double({ noNaN: true }),
      unsigned: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      small: fc.nat({ max: 2 ** 32 - 1 }),
      words: fc.dictionary(fc.string(), fc.string(), {
        minKeys: 1,
        maxKeys: 3,
        noNullPrototype: true,
      }),
    };
    const message = fc.letrec<{ node: WireObject }>((tie) => ({
      node: fc.record(
        {
          ...leaf,
          part: tie('node'),
          parts: fc.array(tie('node'), { minLength: 1, maxLength: 2 }),
        },
        { requiredKeys: ['text'], noNullPrototype: true },
      ),
    })).node;
    fc.assert(
      fc.property(message, (value) => {
        expect(M.fromProto(M.toProto(value))).toEqual({ ok: true, value });
      }),
    );
  });

  test('any bytes are read or refused, never a crash', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...GOLDEN.calls),
        fc.infiniteStream(fc.nat()),
        (golden, noise) => {
          const bytes = Buffer.from(golden.hex, 'hex');
          const next = (): number => noise.next().value as number;
          for (let change = next() % 4; change >= 0; change -= 1)
            bytes[next() % bytes.length] = next() % 256;
          const result = CALL_CODEC.fromProto(bytes.subarray(0, bytes.length - (next() % 8)));
          expect(result.ok || result.refusal.length > 0).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('writing what does not fit its table is a bug', () => {
    expect(() => M.toProto({})).toThrow(/M.text is set/);
    expect(() => M.toProto({ text: '', kind: 'TWO' })).toThrow(/TWO/);
  });
});

describe('JSON as Mesos reads it', () => {
  const read = (more: object): unknown => {
    const result = M.fromJson({ text: 'x', ...more });
    return result.ok ? result.value : result.refusal;
  };
  test.each([
    ['null is unset', { kind: null, parts: null }, {}],
    ['unknown fields are ignored', { nobody: 1, __proto__: 2 }, {}],
    ['a lone value is a list of one', { list: 3 }, { list: [3] }],
    ['nulls in lists are dropped', { list: [1, null] }, { list: [1] }],
    [
      'unknown enum names are unset, in lists too',
      { kind: 'TWO', kinds: ['ONE', 'TWO', 1] },
      { kinds: ['ONE'] },
    ],
    [
      'numeric text is a number',
      { ratio: '1.5', list: ['-7'], big: '9007199254740993' },
      { ratio: 1.5, list: [-7], big: '9007199254740993' },
    ],
    ['named doubles', { ratio: '-Infinity' }, { ratio: Number.NEGATIVE_INFINITY }],
  ])('%s', (_name, given, value) => {
    expect(read(given)).toEqual({ text: 'x', ...value });
  });

  test.each([
    [{ text: null }, 'text: required field is missing'],
    [{ text: 1 }, 'text: expected a text'],
    [{ part: [] }, 'part: expected an object'],
    [{ parts: [{ text: 'a' }, {}] }, 'parts[1].text: required field is missing'],
    [{ map: { k: {} } }, 'map.k.text: required field is missing'],
    [{ map: [] }, 'map: expected an object'],
    [{ list: 1.5 }, 'list[0]: expected a whole number from -2147483648 to 2147483647'],
    [{ small: -1 }, 'small: expected a whole number from 0 to 4294967295'],
    [{ unsigned: 1e20 }, 'unsigned: expected a whole number from 0 to 18446744073709551615'],
    [{ ratio: 'x' }, 'ratio: expected a number'],
    [{ flag: 1 }, 'flag: expected true or false'],
    [{ raw: '*' }, 'raw: expected base64'],
  ])('%j: %s', (given, message) => {
    expect(read(given)).toBe(message);
  });
});

test('a table that names an unknown type, or a number twice, does not link', () => {
  expect(() => linkSchema({ A: { a: [1, 'Nobody'] } }, {})).toThrow(/Nobody/);
  expect(() => linkSchema({ A: { a: [1, 'string'], b: [1, 'string'] } }, {})).toThrow(/used once/);
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
