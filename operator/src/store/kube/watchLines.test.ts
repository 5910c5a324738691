import { expect, test } from '@jest/globals';
import { LineSplitter } from './watchLines.ts';

test('lines come out whole wherever the bytes are split, also inside a character', () => {
  const bytes = Buffer.from('{"a":"é🚢"}\n\n{"b":1}\nrest');
  for (let size = 1; size <= bytes.length; size += 1) {
    const lines: string[] = [];
    const splitter = new LineSplitter(100, (line) => lines.push(line));
    for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
    expect(lines).toEqual(['{"a":"é🚢"}', '{"b":1}']);
    expect(splitter.pendingChars).toBe(4);
  }
});

test('a line longer than the limit is refused before it is held', () => {
  const splitter = new LineSplitter(10, () => undefined);
  splitter.push(Buffer.from('12345'));
  splitter.push(Buffer.from('67890'));
  expect(() => splitter.push(Buffer.from('1'))).toThrow('longer than 10 characters');
});
