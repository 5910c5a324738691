import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { linearPattern } from './linearPattern.ts';

function matches(pattern: string, text: string): boolean {
  const read = linearPattern(pattern);
  if (!read.ok) throw new Error(read.refusal);
  return read.value.matches(text);
}

test.each([
  ['rack-[0-9]{1,2}', 'rack-7', true],
  ['rack-[0-9]{1,2}', 'rack-777', false],
  ['rack', 'a rack', false],
  ['.*rack', 'a rack', true],
  ['a|bc|', '', true],
  ['(a|b)*c', 'ababc', true],
  ['(?:a+)+b', 'aaaa', false],
  ['^a$', 'a', true],
  ['a^b', 'ab', false],
  ['\\w+\\.\\d\\D', 'x_1.5-', true],
  ['[^a-c]+', 'xyz', true],
  ['[^a-c]+', 'xbz', false],
  ['[]a]', ']', true],
  ['[a\\-z]', '-', true],
  ['[[:alpha:]_]+', 'Ab_', true],
  ['[\\D]', '5', false],
  ['.', '\n', false],
  ['.', '😀', true],
  ['\\x41\\x{1F600}', 'A😀', true],
  ['a{2,}', 'aaa', true],
  ['a{2}', 'aaa', false],
  ['x{', 'x{', true],
  ['a*?b', 'aab', true],
])('%s against %j: %s', (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected);
});

test.each([
  ['(a', "a '(' without its ')'"],
  ['a)', "a ')' without its '('"],
  ['[a', 'ends too early'],
  ['*a', "'*' with nothing before it"],
  ['a**', 'a repetition of a repetition'],
  ['(?=a)', 'look-around and flags'],
  ['(a)\\1', "'\\1'"],
  ['\\bword', "'\\b'"],
  ['[z-a]', 'a range that ends before it begins'],
  ['a{3,2}', 'the repetition {3,2}'],
  ['a{99}b{9}', 'more than 100 instructions'],
  ['(((a{9}){9}){9}){9}', 'more than 100 instructions'],
  ['('.repeat(60) + ')'.repeat(60), 'groups deeper than 50'],
  ['a'.repeat(5_000), 'longer than 4096'],
])('%s is refused', (pattern, why) => {
  const read = linearPattern(pattern);
  expect(read.ok ? '' : read.refusal).toContain(why);
});

describe('against the engine of the language', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '');
  const pattern = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      atom,
      fc.tuple(tie('node'), tie('node')).map(([left, right]) => `(?:${left}|${right})`),
      fc.tuple(tie('node'), tie('node')).map(([left, right]) => left + right),
      fc
        .tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{0,2}'))
        .map(([part, count]) => `(?:${part})${count}`),
    ),
  })).node;
  test('the same texts match', () => {
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', '1') }), (source, text) => {
        const read = linearPattern(source);
        fc.pre(read.ok);
        if (read.ok)
          expect(read.value.matches(text)).toBe(new RegExp(`^(?:${source})$`, 'u').test(text));
      }),
    );
  });
});

test('a pattern that makes others take for ever takes no time', () => {
  const startMs = performance.now();
  expect(matches('(?:(?:a|a)*)*b', 'a'.repeat(5_000))).toBe(false);
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
