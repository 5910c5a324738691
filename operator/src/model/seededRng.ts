/**
 * Hashes a text to four 32-bit words (cyrb128). Spreads seeds that differ in one character over the whole
 * state; not for security.
 */
function hashToWords(text: string): readonly [number, number, number, number] {
  let a = 1_779_033_703;
  let b = 3_144_134_277;
  let c = 1_013_904_242;
  let d = 2_773_480_762;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    a = b ^ Math.imul(a ^ code, 597_399_067);
    b = c ^ Math.imul(b ^ code, 2_869_860_233);
    c = d ^ Math.imul(c ^ code, 951_274_213);
    d = a ^ Math.imul(d ^ code, 2_716_044_179);
  }
  a = Math.imul(c ^ (a >>> 18), 597_399_067);
  b = Math.imul(d ^ (b >>> 22), 2_869_860_233);
  c = Math.imul(a ^ (c >>> 17), 951_274_213);
  d = Math.imul(b ^ (d >>> 19), 2_716_044_179);
  return [(a ^ b ^ c ^ d) >>> 0, (b ^ a) >>> 0, (c ^ a) >>> 0, (d ^ a) >>> 0];
}

/** Rounds thrown away first, so that close seeds give unlike sequences from the first number on. */
const WARM_UP_ROUNDS = 16;

/**
 * A pure generator (sfc32) that meets the `Rng` port: the same seed gives the same sequence everywhere.
 *
 * Guarantees: `next` in [0, 1) with 32 random bits; `int(bound)` in [0, bound) for 1 ≤ bound ≤ 2^32.
 * Does not: serve secrets; anyone who knows the seed knows the sequence.
 */
export function createSeededRng(seed: string): {
  next(): number;
  int(bound: number): number;
} {
  let [a, b, c, counter] = hashToWords(seed);
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) next();
  return { next, int: (bound) => Math.floor(next() * bound) };
}
