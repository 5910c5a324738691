import { amountOf, type Resources, resources } from '../model/resources.ts';

const SUFFIX: { readonly [suffix: string]: number } = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY =
  /^([0-9]+(?:\.[0-9]+)?)(?:[eE]([0-9]{1,2}))?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/;

/** Names whose unit inside is a whole byte; every other name is counted in thousandths. */
const BYTE_RESOURCES: ReadonlySet<string> = new Set(['mem', 'disk']);

/**
 * Parses a Kubernetes quantity into the integer unit of `name` (see `model/resources.ts`), rounding up
 * as Kubernetes does. Returns undefined for anything that is not a non-negative finite quantity.
 */
export function parseQuantity(name: string, text: string | number): number | undefined {
  const known = BYTE_RESOURCES.has(name) ? parsedBytes : parsedThousandths;
  if (!known.has(text)) {
    if (known.size >= MOST_PARSED) known.clear();
    known.set(text, parse(name, text));
  }
  return known.get(text);
}

/** A cluster writes few different quantities, and every cycle reads them all again. */
const MOST_PARSED = 10_000;
const parsedBytes = new Map<string | number, number | undefined>();
const parsedThousandths = new Map<string | number, number | undefined>();

function parse(name: string, text: string | number): number | undefined {
  const match = QUANTITY.exec(String(text));
  if (!match) return undefined;
  const scale = BYTE_RESOURCES.has(name) ? 1 : 1000;
  const value =
    Number(match[1]) * 10 ** Number(match[2] ?? 0) * (SUFFIX[match[3] ?? ''] ?? 1) * scale;
  const rounded = Math.ceil(Number(value.toPrecision(15)));
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Writes an amount back as the shortest exact quantity: `500m`, `2`, `1536Mi`. */
export function formatQuantity(name: string, amount: number): string {
  if (!BYTE_RESOURCES.has(name)) return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  for (const suffix of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = SUFFIX[suffix] ?? 1;
    if (amount >= unit && amount % unit === 0) return `${amount / unit}${suffix}`;
  }
  return String(amount);
}

/** Amounts of a Mezzo object (`cpus`, `mem`, …); malformed ones, which the API server refuses, count as zero. */
export function parseResources(
  amounts: { readonly [name: string]: string | number } | undefined,
): Resources {
  const parsed: { [name: string]: number | undefined } = {};
  for (const [name, text] of Object.entries(amounts ?? {}))
    parsed[name] = parseQuantity(name, text);
  return resources(parsed);
}

export function formatResources(of: Resources): { [name: string]: string } {
  const formatted: { [name: string]: string } = {};
  for (const name of Object.keys(of).toSorted())
    formatted[name] = formatQuantity(name, amountOf(of, name));
  return formatted;
}

/** Kubernetes writes `cpu`, `memory`, `ephemeral-storage`, `nvidia.com/gpu`; Mesos, and so Mezzo, `cpus`, `mem`, `disk`, `gpus`. */
const FROM_KUBE: { readonly [name: string]: string } = {
  cpu: 'cpus',
  memory: 'mem',
  'ephemeral-storage': 'disk',
  'nvidia.com/gpu': 'gpus',
};
const TO_KUBE: { readonly [name: string]: string } = Object.fromEntries(
  Object.entries(FROM_KUBE).map(([kube, mezzo]) => [mezzo, kube]),
);

/** Amounts are parts of immutable objects, which every cycle reads again. */
const readFromKube = new WeakMap<object, Resources>();

export function resourcesFromKube(
  amounts: { readonly [name: string]: string } | undefined,
): Resources {
  if (amounts === undefined) return resources({});
  const known = readFromKube.get(amounts) ?? readKube(amounts);
  readFromKube.set(amounts, known);
  return known;
}

function readKube(amounts: { readonly [name: string]: string }): Resources {
  const parsed: { [name: string]: number | undefined } = {};
  for (const [kube, text] of Object.entries(amounts)) {
    const name = FROM_KUBE[kube] ?? kube;
    parsed[name] = parseQuantity(name, text);
  }
  return resources(parsed);
}

export function resourcesToKube(of: Resources): { [name: string]: string } {
  const kube: { [name: string]: string } = {};
  for (const name of Object.keys(of).toSorted()) {
    kube[TO_KUBE[name] ?? name] = formatQuantity(name, amountOf(of, name));
  }
  return kube;
}
