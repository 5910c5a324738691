import { expect, test } from '@jest/globals';
import { createSystemIds } from './systemIds.ts';
import { createSystemRng } from './systemRng.ts';

test('random numbers stay in their ranges and differ', () => {
  const rng = createSystemRng();
  const drawn = Array.from({ length: 1_000 }, () => rng.next());
  expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(new Set(drawn).size).toBeGreaterThan(990);
  const dice = new Set(Array.from({ length: 200 }, () => rng.int(3)));
  expect([...dice].toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
});

test('ids are version 4 UUIDs and do not repeat', () => {
  const ids = createSystemIds();
  const drawn = Array.from({ length: 1_000 }, () => ids.uuid());
  expect(new Set(drawn).size).toBe(1_000);
  for (const id of drawn)
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
