import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { RecordReader } from './recordReader.ts';

const encode = (record: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${record.length}\n`), record]);

describe('RecordReader', () => {
  test('gives the same records however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 8 }),
        (records, cuts) => {
          const bytes = Buffer.concat(records.map(encode));
          const reader = new RecordReader();
          const read: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = cuts[turn % cuts.length] ?? 1;
            read.push(...reader.push(bytes.subarray(at, at + size)));
            at += size;
          }
          expect(read.map((one) => [...one])).toEqual(records.map((one) => [...one]));
        },
      ),
    );
  });

  test.each([
    ['text without a length', '{"type":"HEARTBEAT"}'],
    ['an empty length', '\nabc'],
    ['a signed length', '-5\nabcde'],
    ['a length of nine digits', '123456789\n'],
    ['a length beyond the bound', '99999999\n'],
  ])('refuses %s', (_name, text) => {
    expect(() => new RecordReader().push(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    );
  });
});
