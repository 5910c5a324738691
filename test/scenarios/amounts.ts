import type { Resources } from '../../operator/src/model/resources.ts';

const BYTES_PER_MB = 1024 * 1024;

function factorOf(name: string): number {
  return name === 'mem' || name === 'disk' ? BYTES_PER_MB : 1000;
}

/** From a scenario's amounts to the model's; zeros are kept, since a limit of zero is a limit. */
export function toModel(amounts: Readonly<Record<string, number>> | undefined): Resources {
  return Object.fromEntries(
    Object.entries(amounts ?? {}).map(([name, amount]) => [
      name,
      Math.round(amount * factorOf(name)),
    ]),
  );
}

/** `cpus 2, mem 1024`: amounts in a scenario's units, for messages. */
export function describeAmounts(amounts: Resources): string {
  return Object.keys(amounts)
    .toSorted()
    .map((name) => `${name} ${(amounts[name] ?? 0) / factorOf(name)}`)
    .join(', ');
}
