import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { decodeIndexRanges, encodeIndexRanges, MAX_INDEX } from './indexRanges.ts';

describe('index ranges', () => {
  test.each([
    { indices: [], text: '' },
    { indices: [5], text: '5' },
    { indices: [0, 1, 2, 3, 5], text: '0-3,5' },
    { indices: [9, 8, 2, 1, 1], text: '1-2,8-9' },
  ])('$indices is written "$text"', ({ indices, text }) => {
    expect(encodeIndexRanges(indices)).toBe(text);
    expect([...decodeIndexRanges(text)].toSorted((a, b) => a - b)).toEqual(
      [...new Set(indices)].toSorted((a, b) => a - b),
    );
  });

  test.each(['x', '-1', '3-', '1e9', '99999999', ' '])(
    'skips what is not a range: "%s"',
    (text) => {
      expect([...decodeIndexRanges(`${text},7`)]).toEqual([7]);
    },
  );

  test('a range that claims more than can be is cut, not looped over', () => {
    expect(Math.max(...decodeIndexRanges(`${MAX_INDEX - 1}-9999999`))).toBe(MAX_INDEX);
  });

  test('reading what was written gives the same set', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (indices) => {
        const sorted = indices.toSorted((a, b) => a - b);
        expect([...decodeIndexRanges(encodeIndexRanges(indices))]).toEqual(sorted);
      }),
    );
  });
});
