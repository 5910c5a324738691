import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { equalJson, stableJson } from './hash.ts';

describe('equalJson', () => {
  test.each<{ left: unknown; right: unknown; equal: boolean; what: string }>([
    { left: { a: 1, b: 2 }, right: { b: 2, a: 1 }, equal: true, what: 'keys in another order' },
    { left: { a: undefined }, right: {}, equal: true, what: 'an undefined field and none' },
    { left: { a: null }, right: {}, equal: false, what: 'null and no field' },
    { left: {}, right: { a: 1 }, equal: false, what: 'a field only on the right' },
    { left: [], right: {}, equal: false, what: 'an empty list and an empty object' },
    { left: [1, 2], right: [2, 1], equal: false, what: 'lists in another order' },
    { left: [1], right: [1, 2], equal: false, what: 'lists of other lengths' },
    { left: 1, right: '1', equal: false, what: 'a number and its text' },
  ])('$what', ({ left, right, equal }) => {
    expect(equalJson(left, right)).toBe(equal);
  });

  test('says what comparing the written-out values says', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const pair = fc.oneof(
      fc.tuple(value, value),
      value.map((one) => [one, structuredClone(one)] as const),
    );
    fc.assert(
      fc.property(pair, ([left, right]) => {
        expect(equalJson(left, right)).toBe(stableJson(left) === stableJson(right));
      }),
    );
  });
});
