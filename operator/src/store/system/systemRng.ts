import { randomInt } from 'node:crypto';
import type { Rng } from '../../ports/rng.ts';

/** Randomness of the machine, for jitter; decisions that must replay take a seeded generator instead. */
export function createSystemRng(): Rng {
  return {
    next: () => randomInt(2 ** 47) / 2 ** 47,
    int: (bound) => randomInt(bound),
  };
}
