import { ok, type Result, refuse } from './result.ts';

/**
 * Regular expressions in the syntax of RE2, as far as they are matched in linear time: no look-around, no back
 * references. The pattern becomes a small program whose threads all run side by side over the text, so no pattern and
 * no text can make a match slow.
 * Source: Mesos `docs/scheduler-http-api.md` (offer constraints use RE2, of at most 100 instructions).
 */

type Span = readonly [first: number, last: number];

type Instruction =
  | { readonly kind: 'char'; readonly spans: readonly Span[]; readonly negated: boolean }
  | { readonly kind: 'split'; readonly targets: readonly number[] }
  | { readonly kind: 'assert'; readonly at: 'start' | 'end' }
  | { readonly kind: 'match' };

type Node =
  | { readonly kind: 'char'; readonly spans: readonly Span[]; readonly negated: boolean }
  | { readonly kind: 'assert'; readonly at: 'start' | 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'either'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly least: number; readonly most: number };

/** Longest program. Source: Mesos `--offer_constraints_re2_max_program_size`. */
const MAX_PROGRAM = 100;
const MAX_PATTERN_LENGTH = 4_096;
const MAX_NESTING = 50;
const MAX_CODE_POINT = 0x10ffff;

export interface LinearPattern {
  /** True when the pattern matches all of `text`. Takes at most pattern length × text length steps. */
  matches(text: string): boolean;
}

/** Reads a pattern. Errors: a sentence that says what of it is not taken, and where. */
export function linearPattern(source: string): Result<LinearPattern, string> {
  if (source.length > MAX_PATTERN_LENGTH)
    return refuse(`the pattern is longer than ${MAX_PATTERN_LENGTH} characters`);
  try {
    const node = new Parser(source).parse();
    const program: Instruction[] = [];
    emit(program, node);
    push(program, { kind: 'match' });
    return ok({ matches: (text) => run(program, text) });
  } catch (error) {
    if (error instanceof PatternFault) return refuse(error.message);
    throw error;
  }
}

class PatternFault extends Error {}

const one = (code: number): Node => ({ kind: 'char', spans: [[code, code]], negated: false });
const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

const DIGITS: readonly Span[] = [[0x30, 0x39]];
const WORDS: readonly Span[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const SPACES: readonly Span[] = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
];
const CLASSES: { readonly [letter: string]: readonly Span[] } = {
  d: DIGITS,
  w: WORDS,
  s: SPACES,
};
const ESCAPED: { readonly [letter: string]: number } = {
  a: 0x07,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
};
const NAMED_CLASSES: { readonly [name: string]: readonly Span[] } = {
  alnum: [...DIGITS, [0x41, 0x5a], [0x61, 0x7a]],
  alpha: [
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  digit: DIGITS,
  lower: [[0x61, 0x7a]],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: [[0x41, 0x5a]],
  word: WORDS,
  xdigit: [...DIGITS, [0x41, 0x46], [0x61, 0x66]],
};

class Parser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#text = Array.from(source);
  }

  parse(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#text.length) throw this.#fault("a ')' without its '('");
    return node;
  }

  #alternatives(): Node {
    const parts = [this.#sequence()];
    while (this.#takes('|')) parts.push(this.#sequence());
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'either', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')')
      parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
    const part = this.#atom();
    const counts = this.#counts();
    if (counts === undefined) return part;
    // Greedy or not, the same texts match.
    this.#takes('?');
    if (this.#counts() !== undefined) throw this.#fault('a repetition of a repetition');
    return { kind: 'repeat', part, ...counts };
  }

  #counts(): { readonly least: number; readonly most: number } | undefined {
    if (this.#takes('*')) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#takes('+')) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#takes('?')) return { least: 0, most: 1 };
    const braces = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(
      this.#text.slice(this.#at, this.#at + 12).join(''),
    );
    if (braces === null) return undefined;
    this.#at += braces[0].length;
    const least = Number(braces[1]);
    const open = braces[3] === '' ? Number.POSITIVE_INFINITY : Number(braces[3]);
    const most = braces[2] === undefined ? least : open;
    if (least > most || least > MAX_PROGRAM) throw this.#fault(`the repetition ${braces[0]}`);
    return { least, most };
  }

  #atom(): Node {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#set();
      case '.':
        return { kind: 'char', spans: [[0x0a, 0x0a]], negated: true };
      case '^':
        return { kind: 'assert', at: 'start' };
      case '$':
        return { kind: 'assert', at: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw this.#fault(`'${character}' with nothing before it`);
      default:
        return one(codeOf(character));
    }
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_NESTING) throw this.#fault(`groups deeper than ${MAX_NESTING}`);
    if (this.#takes('?')) {
      const named = /^P?<[A-Za-z_]\w{0,31}>/.exec(
        this.#text.slice(this.#at, this.#at + 40).join(''),
      );
      if (named !== null) this.#at += named[0].length;
      else if (!this.#takes(':')) throw this.#fault("'(?': look-around and flags");
    }
    const node = this.#alternatives();
    if (!this.#takes(')')) throw this.#fault("a '(' without its ')'");
    this.#depth -= 1;
    return node;
  }

  #escape(): Node {
    const character = this.#next();
    const known = CLASSES[character.toLowerCase()];
    if (known !== undefined)
      return { kind: 'char', spans: known, negated: character !== character.toLowerCase() };
    if (character === 'A') return { kind: 'assert', at: 'start' };
    if (character === 'z') return { kind: 'assert', at: 'end' };
    return one(this.#escapedCode(character));
  }

  #escapedCode(character: string): number {
    const known = ESCAPED[character];
    if (known !== undefined) return known;
    if (character === 'x') return this.#hex();
    if (/[A-Za-z0-9]/.test(character)) throw this.#fault(`'\\${character}'`);
    return codeOf(character);
  }

  #hex(): number {
    const found = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(
      this.#text.slice(this.#at, this.#at + 8).join(''),
    );
    const code = Number.parseInt(found?.[1] ?? found?.[2] ?? '', 16);
    if (found === null || code > MAX_CODE_POINT) throw this.#fault("'\\x'");
    this.#at += found[0].length;
    return code;
  }

  #set(): Node {
    const negated = this.#takes('^');
    const spans: Span[] = [];
    let isFirst = true;
    while (isFirst || this.#peek() !== ']') {
      isFirst = false;
      spans.push(...this.#setPart());
    }
    this.#at += 1;
    return { kind: 'char', spans, negated };
  }

  #setPart(): readonly Span[] {
    const named = /^\[:(\w{1,8}):\]/.exec(this.#text.slice(this.#at, this.#at + 14).join(''));
    if (named !== null) {
      const spans = NAMED_CLASSES[named[1] ?? ''];
      if (spans === undefined) throw this.#fault(`the class ${named[0]}`);
      this.#at += named[0].length;
      return spans;
    }
    const first = this.#setCode();
    if (typeof first !== 'number') return first;
    if (this.#peek() !== '-' || this.#text[this.#at + 1] === ']') return [[first, first]];
    this.#at += 1;
    const last = this.#setCode();
    if (typeof last !== 'number' || last < first)
      throw this.#fault('a range that ends before it begins');
    return [[first, last]];
  }

  #setCode(): number | readonly Span[] {
    const character = this.#next();
    if (character !== '\\') return codeOf(character);
    const escaped = this.#next();
    const known = CLASSES[escaped.toLowerCase()];
    if (known === undefined) return this.#escapedCode(escaped);
    return escaped === escaped.toLowerCase() ? known : complement(known);
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #next(): string {
    const character = this.#text[this.#at];
    if (character === undefined) throw this.#fault('the pattern ends too early');
    this.#at += 1;
    return character;
  }

  #takes(character: string): boolean {
    if (this.#peek() !== character || character === '') return false;
    this.#at += 1;
    return true;
  }

  #fault(what: string): PatternFault {
    return new PatternFault(`not a pattern that is matched in linear time: ${what} at ${this.#at}`);
  }
}

/** What lies between sorted spans. */
function complement(spans: readonly Span[]): readonly Span[] {
  const gaps: Span[] = [];
  let from = 0;
  for (const [first, last] of spans) {
    if (first > from) gaps.push([from, first - 1]);
    from = last + 1;
  }
  return [...gaps, [from, MAX_CODE_POINT]];
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= MAX_PROGRAM)
    throw new PatternFault(`the pattern needs more than ${MAX_PROGRAM} instructions`);
  return program.push(instruction) - 1;
}

function emit(program: Instruction[], node: Node): void {
  switch (node.kind) {
    case 'char':
    case 'assert':
      push(program, node);
      return;
    case 'sequence':
      for (const part of node.parts) emit(program, part);
      return;
    case 'either':
      emitEither(program, node.parts);
      return;
    case 'repeat':
      emitRepeat(program, node);
  }
}

/** A fork to each alternative; each ends with a jump behind the last. */
function emitEither(program: Instruction[], parts: readonly Node[]): void {
  const fork = push(program, { kind: 'split', targets: [] });
  const starts: number[] = [];
  const jumps: number[] = [];
  for (const part of parts) {
    starts.push(program.length);
    emit(program, part);
    jumps.push(push(program, { kind: 'split', targets: [] }));
  }
  program[fork] = { kind: 'split', targets: starts };
  for (const jump of jumps) program[jump] = { kind: 'split', targets: [program.length] };
}

function emitRepeat(
  program: Instruction[],
  { part, least, most }: Extract<Node, { kind: 'repeat' }>,
): void {
  for (let count = 0; count < least; count += 1) emit(program, part);
  if (most === Number.POSITIVE_INFINITY) {
    const loop = push(program, { kind: 'split', targets: [] });
    emit(program, part);
    push(program, { kind: 'split', targets: [loop] });
    program[loop] = { kind: 'split', targets: [loop + 1, program.length] };
    return;
  }
  const exits: number[] = [];
  for (let count = least; count < most; count += 1) {
    exits.push(push(program, { kind: 'split', targets: [] }));
    emit(program, part);
  }
  for (const exit of exits) program[exit] = { kind: 'split', targets: [exit + 1, program.length] };
}

function run(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, codeOf);
  let threads = new Set<number>();
  follow(program, 0, { at: 0, length: codes.length }, threads);
  for (let at = 0; at < codes.length && threads.size > 0; at += 1) {
    const next = new Set<number>();
    for (const thread of threads) {
      const instruction = program[thread];
      if (instruction?.kind === 'char' && holds(instruction, codes[at] ?? 0))
        follow(program, thread + 1, { at: at + 1, length: codes.length }, next);
    }
    threads = next;
  }
  return [...threads].some((thread) => program[thread]?.kind === 'match');
}

/** Adds where a thread stands after everything that consumes nothing; each place once per character. */
function follow(
  program: readonly Instruction[],
  start: number,
  where: { readonly at: number; readonly length: number },
  threads: Set<number>,
): void {
  const waiting = [start];
  for (let thread = waiting.pop(); thread !== undefined; thread = waiting.pop()) {
    if (threads.has(thread)) continue;
    threads.add(thread);
    const instruction = program[thread];
    if (instruction?.kind === 'split') waiting.push(...instruction.targets);
    else if (instruction?.kind === 'assert') {
      if (where.at === (instruction.at === 'start' ? 0 : where.length)) waiting.push(thread + 1);
    }
  }
}

function holds(
  { spans, negated }: { readonly spans: readonly Span[]; readonly negated: boolean },
  code: number,
): boolean {
  return spans.some(([first, last]) => code >= first && code <= last) !== negated;
}
