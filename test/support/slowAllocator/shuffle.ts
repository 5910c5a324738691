/** A shuffled copy (Fisher-Yates); `rng` draws uniform integers in [0, bound). */
export function shuffled<Item>(
  items: readonly Item[],
  rng: { int(bound: number): number },
): readonly Item[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = rng.int(last + 1);
    const kept = copy[last] as Item;
    copy[last] = copy[other] as Item;
    copy[other] = kept;
  }
  return copy;
}
