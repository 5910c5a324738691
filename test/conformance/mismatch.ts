import { isDeepStrictEqual } from 'node:util';

/** A rule that does not hold: what it says, and what the server did instead. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly got: string;

  constructor(expected: string, got: string) {
    super(`expected ${expected}; got ${got}`);
    this.expected = expected;
    this.got = got;
  }
}

/** Longest piece of what was got that a line shows. */
const SHOWN_CHARS = 300;

export const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`;
};

export function expectEqual(what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected))
    throw new Mismatch(`${what} ${shown(expected)}`, shown(got));
}

export function expectThat(expected: string, holds: boolean, got: unknown): asserts holds {
  if (!holds) throw new Mismatch(expected, shown(got));
}
