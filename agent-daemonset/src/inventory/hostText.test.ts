import { describe, expect, test } from '@jest/globals';
import {
  cleanText,
  parseFields,
  parseIndexList,
  parseInteger,
  parseMeminfo,
  parseSize,
} from './hostText.ts';

describe('parseIndexList', () => {
  test.each([
    { text: '0-3,8,10-11\n', expected: [0, 1, 2, 3, 8, 10, 11] },
    { text: '0', expected: [0] },
    { text: '3,1,1-2', expected: [1, 2, 3] },
    { text: '', expected: [] },
    { text: '\n', expected: [] },
    { text: '0-1,x,5-', expected: [0, 1] },
    { text: '0-99999999', expected: [] },
    { text: undefined, expected: [] },
  ])('reads $text as $expected', ({ text, expected }) => {
    expect(parseIndexList(text)).toEqual(expected);
  });
});

describe('parseInteger', () => {
  test.each([
    { text: '42\n', expected: 42 },
    { text: '-1\n', expected: undefined },
    { text: '1.5', expected: undefined },
    { text: 'max', expected: undefined },
    { text: '', expected: undefined },
    { text: '99999999999999999999', expected: undefined },
    { text: undefined, expected: undefined },
  ])('reads $text as $expected', ({ text, expected }) => {
    expect(parseInteger(text)).toBe(expected);
  });
});

test('meminfo of machine and NUMA node read alike, in bytes', () => {
  expect(parseMeminfo('MemTotal:  16 kB\nHugePages_Total:  3\n').get('MemTotal')).toBe(16_384);
  expect(parseMeminfo('MemTotal:  16 kB\nHugePages_Total:  3\n').get('HugePages_Total')).toBe(3);
  expect(parseMeminfo('\nNode 1 MemTotal:  16 kB\n').get('MemTotal')).toBe(16_384);
  expect(parseMeminfo('MemTotal: many kB\n').size).toBe(0);
});

test('of a field that occurs twice the first counts', () => {
  expect(parseFields('a 1\na 2\n\nb 3', ' ')).toEqual(
    new Map([
      ['a', '1'],
      ['b', '3'],
    ]),
  );
});

test.each([
  { text: '48K\n', expected: 49_152 },
  { text: '2M', expected: 2_097_152 },
  { text: '512', expected: 512 },
  { text: '1.5M', expected: undefined },
  { text: '', expected: undefined },
])('a cache size of $text is $expected bytes', ({ text, expected }) => {
  expect(parseSize(text)).toBe(expected);
});

test('text from devices is cut to printable ASCII of bounded length', () => {
  expect(cleanText(' Disk\u0000 \u001b[31mEvil   9 \n', 128)).toBe('Disk [31mEvil 9');
  expect(cleanText('x'.repeat(500), 128)).toHaveLength(128);
  expect(cleanText(' \n', 128)).toBeUndefined();
  expect(cleanText(undefined, 128)).toBeUndefined();
});
