import { ok, type Result, refuse } from '../../model/result.ts';

/** Largest program a pattern may compile to; RE2 in Mesos is given the same. */
const MAX_PROGRAM = 100;
/** Deepest nesting of groups. */
const MAX_DEPTH = 20;

type Ranges = readonly (readonly [from: number, to: number])[];

type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'one'; readonly ranges: Ranges }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'either'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly least: number; readonly most: number };

type Instruction =
  | { readonly kind: 'one'; readonly ranges: Ranges }
  | { kind: 'split'; left: number; right: number }
  | { kind: 'jump'; to: number }
  | { readonly kind: 'match' };

/** A pattern that is matched against whole texts in time linear in the text. */
export interface LinearRegex {
  matches(text: string): boolean;
}

class Refused extends Error {}

const LAST_UNIT = 0xffff;
const ANY: Ranges = [
  [0, 9],
  [11, LAST_UNIT],
];
const CLASSES: Readonly<Record<string, Ranges>> = {
  d: [[48, 57]],
  w: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
  s: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

/**
 * Compiles the part of RE2's syntax that needs no backtracking: literals, `.`, classes, groups, `|`, `* + ? {m,n}`.
 *
 * Errors: back-references, look-around, anchors inside the pattern, and programs above 100 steps are refused with what
 * was wrong and where. Source: Mesos `offer_constraints_filter.cpp` (RE2, whole-string match, program size 100).
 */
export function compileLinearRegex(pattern: string): Result<LinearRegex, string> {
  try {
    const program = emit(new Parser(pattern).parse());
    return ok({ matches: (text) => run(program, text) });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refuse(`pattern ${JSON.stringify(pattern)}: ${error.message}`);
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    // The match is of the whole text, so anchors at the ends say nothing new.
    const from = pattern.startsWith('^') ? 1 : 0;
    const isAnchored = pattern.endsWith('$') && !isEscaped(pattern, pattern.length - 1);
    this.#text = pattern.slice(from, isAnchored ? -1 : undefined);
  }

  parse(): Node {
    const node = this.#either();
    if (this.#at < this.#text.length) throw new Refused(`unexpected ")" at ${this.#at}`);
    return node;
  }

  #either(): Node {
    const parts = [this.#sequence()];
    while (this.#text[this.#at] === '|') {
      this.#at++;
      parts.push(this.#sequence());
    }
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'either', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === '|' || next === ')') break;
      parts.push(this.#repeated(this.#atom()));
    }
    return parts.length === 0 ? { kind: 'empty' } : { kind: 'all', parts };
  }

  #repeated(of: Node): Node {
    let node = of;
    for (;;) {
      const bounds = this.#bounds();
      if (bounds === undefined) return node;
      if (this.#text[this.#at] === '?') this.#at++;
      node = { kind: 'repeat', of: node, least: bounds[0], most: bounds[1] };
    }
  }

  #bounds(): readonly [number, number] | undefined {
    const next = this.#text[this.#at];
    if (next === '*' || next === '+' || next === '?') {
      this.#at++;
      return [next === '+' ? 1 : 0, next === '?' ? 1 : Number.POSITIVE_INFINITY];
    }
    const braces = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#text.slice(this.#at, this.#at + 12));
    if (braces === null) return undefined;
    this.#at += braces[0].length;
    const least = Number(braces[1]);
    if (braces[2] === undefined) return [least, least];
    const most = braces[3] === '' ? Number.POSITIVE_INFINITY : Number(braces[3]);
    if (most < least) throw new Refused(`${braces[0]} ends before it begins`);
    return [least, most];
  }

  #atom(): Node {
    const at = this.#at;
    const char = this.#text[this.#at++] as string;
    switch (char) {
      case '(':
        return this.#group(at);
      case '[':
        return { kind: 'one', ranges: this.#charClass(at) };
      case '.':
        return { kind: 'one', ranges: ANY };
      case '\\':
        return { kind: 'one', ranges: this.#escape() };
      case '*':
      case '+':
      case '?':
        throw new Refused(`nothing to repeat at ${at}`);
      case '^':
      case '$':
        throw new Refused(`an anchor inside the pattern, at ${at}`);
      default:
        return { kind: 'one', ranges: [[char.charCodeAt(0), char.charCodeAt(0)]] };
    }
  }

  #group(at: number): Node {
    if (this.#text[this.#at] === '?') {
      if (this.#text[this.#at + 1] !== ':')
        throw new Refused(`look-around, named groups and flags are not allowed, at ${at}`);
      this.#at += 2;
    }
    if (++this.#depth > MAX_DEPTH) throw new Refused(`more than ${MAX_DEPTH} groups deep`);
    const inside = this.#either();
    this.#depth--;
    if (this.#text[this.#at++] !== ')') throw new Refused(`no ")" for the "(" at ${at}`);
    return inside;
  }

  #escape(): Ranges {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new Refused('it ends with a backslash');
    const known = CLASSES[char];
    if (known !== undefined) return known;
    const negated = CLASSES[char.toLowerCase()];
    if (negated !== undefined) return complement(negated);
    if (/[0-9a-zA-Z]/.test(char)) {
      const control = CONTROLS[char];
      if (control === undefined) throw new Refused(`\\${char} is not supported`);
      return [[control, control]];
    }
    return [[char.charCodeAt(0), char.charCodeAt(0)]];
  }

  #charClass(at: number): Ranges {
    const isNegated = this.#text[this.#at] === '^';
    if (isNegated) this.#at++;
    const ranges: (readonly [number, number])[] = [];
    for (let isFirst = true; ; isFirst = false) {
      const char = this.#text[this.#at];
      if (char === undefined) throw new Refused(`no "]" for the "[" at ${at}`);
      if (char === ']' && !isFirst) break;
      const from = this.#classItem();
      const isRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']';
      if (!isRange || from.length !== 1) {
        ranges.push(...from);
        continue;
      }
      this.#at++;
      const to = this.#classItem();
      const first = (from[0] as readonly [number, number])[0];
      const last = (to[0] as readonly [number, number])[1];
      if (last < first) throw new Refused(`a range in "[" at ${at} ends before it begins`);
      ranges.push([first, last]);
    }
    this.#at++;
    return isNegated ? complement(ranges) : ranges;
  }

  #classItem(): Ranges {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new Refused('a class is not closed');
    if (char === '\\') return this.#escape();
    return [[char.charCodeAt(0), char.charCodeAt(0)]];
  }
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === '\\') slashes++;
  return slashes % 2 === 1;
}

function complement(ranges: Ranges): Ranges {
  const rest: [number, number][] = [];
  let from = 0;
  for (const [first, last] of ranges.toSorted((left, right) => left[0] - right[0])) {
    if (first > from) rest.push([from, first - 1]);
    from = Math.max(from, last + 1);
  }
  if (from <= LAST_UNIT) rest.push([from, LAST_UNIT]);
  return rest;
}

function emit(node: Node): readonly Instruction[] {
  const program: Instruction[] = [];
  append(node, program);
  program.push({ kind: 'match' });
  return program;
}

function append(node: Node, program: Instruction[]): void {
  if (program.length > MAX_PROGRAM)
    throw new Refused(`it needs more than ${MAX_PROGRAM} steps; make it shorter`);
  switch (node.kind) {
    case 'empty':
      return;
    case 'one':
      program.push({ kind: 'one', ranges: node.ranges });
      return;
    case 'all':
      for (const part of node.parts) append(part, program);
      return;
    case 'either':
      appendEither(node.parts, program);
      return;
    case 'repeat':
      appendRepeat(node, program);
  }
}

function appendEither(parts: readonly Node[], program: Instruction[]): void {
  const jumps: { kind: 'jump'; to: number }[] = [];
  parts.forEach((part, index) => {
    if (index === parts.length - 1) return append(part, program);
    const split = { kind: 'split' as const, left: program.length + 1, right: 0 };
    program.push(split);
    append(part, program);
    const jump = { kind: 'jump' as const, to: 0 };
    jumps.push(jump);
    program.push(jump);
    split.right = program.length;
    return undefined;
  });
  for (const jump of jumps) jump.to = program.length;
}

function appendRepeat(node: Extract<Node, { kind: 'repeat' }>, program: Instruction[]): void {
  for (let turn = 0; turn < node.least; turn++) {
    const before = program.length;
    append(node.of, program);
    // Nothing any number of times is nothing: nested counts of it must not take long.
    if (program.length === before) break;
  }
  if (node.most === Number.POSITIVE_INFINITY) {
    const split = { kind: 'split' as const, left: program.length + 1, right: 0 };
    program.push(split);
    append(node.of, program);
    program.push({ kind: 'jump', to: program.indexOf(split) });
    split.right = program.length;
    return;
  }
  const splits: { kind: 'split'; left: number; right: number }[] = [];
  for (let turn = node.least; turn < node.most; turn++) {
    const split = { kind: 'split' as const, left: program.length + 1, right: 0 };
    splits.push(split);
    program.push(split);
    append(node.of, program);
  }
  for (const split of splits) split.right = program.length;
}

/** All ways at once, one character at a time. */
function run(program: readonly Instruction[], text: string): boolean {
  let now = new Set<number>();
  follow(program, 0, now);
  for (let at = 0; at < text.length && now.size > 0; at++) {
    const unit = text.charCodeAt(at);
    const next = new Set<number>();
    for (const step of now) {
      const instruction = program[step] as Instruction;
      if (instruction.kind !== 'one') continue;
      if (instruction.ranges.some(([first, last]) => unit >= first && unit <= last))
        follow(program, step + 1, next);
    }
    now = next;
  }
  for (const step of now) if ((program[step] as Instruction).kind === 'match') return true;
  return false;
}

function follow(program: readonly Instruction[], from: number, into: Set<number>): void {
  const open = [from];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    if (into.has(step)) continue;
    into.add(step);
    const instruction = program[step] as Instruction;
    if (instruction.kind === 'jump') open.push(instruction.to);
    if (instruction.kind === 'split') open.push(instruction.left, instruction.right);
  }
}
