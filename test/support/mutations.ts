import * as fc from 'fast-check';

/** Bytes of one of these, changed, cut, or with bytes put in. */
export function mutatedBytes(all: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const change = fc.record({
    kind: fc.constantFrom('set', 'insert', 'delete', 'cut'),
    at: fc.nat(),
    byte: fc.nat(255),
  });
  return fc
    .tuple(fc.constantFrom(...all), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([whole, changes]) => {
      let bytes = [...whole];
      for (const { kind, at, byte } of changes) {
        const index = at % (bytes.length + 1);
        if (kind === 'cut') bytes = bytes.slice(0, index);
        else bytes.splice(index, kind === 'insert' ? 0 : 1, ...(kind === 'delete' ? [] : [byte]));
      }
      return Uint8Array.from(bytes);
    });
}

const WRONG = [
  null,
  0,
  -1,
  1.5,
  1e308,
  '1e999',
  '',
  'x',
  '\u0000',
  true,
  [],
  {},
  [[]],
  { value: {} },
  { value: '../..' },
  'AAAA',
  { seconds: 1 },
  'Infinity',
  'NaN',
] as const;

/** JSON of one of these, with values replaced, removed or doubled. */
export function mutatedJson(all: readonly unknown[]): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    wrong: fc.constantFrom<unknown>(...WRONG),
    kind: fc.constantFrom('set', 'delete', 'double'),
  });
  return fc
    .tuple(fc.constantFrom(...all), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([whole, changes]) => {
      const call = structuredClone(whole);
      for (const one of changes) mutate(call, one);
      return JSON.stringify(call);
    });
}

/** Changes one of the places of a tree: replaces it, removes it, or puts it there twice. */
function mutate(
  root: unknown,
  { at, wrong, kind }: { readonly at: number; readonly wrong: unknown; readonly kind: string },
): void {
  const places: { readonly holder: { [key: string]: unknown }; readonly key: string }[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      places.push({ holder: node as { [key: string]: unknown }, key });
      walk(value);
    }
  };
  walk(root);
  const place = places[at % Math.max(places.length, 1)];
  if (place === undefined) return;
  const { holder, key } = place;
  if (kind === 'delete') Reflect.deleteProperty(holder, key);
  else holder[key] = kind === 'set' ? structuredClone(wrong) : [holder[key], holder[key]];
}
