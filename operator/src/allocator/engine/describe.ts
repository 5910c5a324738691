import type { Resources } from '../../model/resources.ts';

const BYTES_PER_MB = 1024 * 1024;

/** One amount as people write it: cpus and items in units, mem and disk in MB. */
export function inUnits(name: string, amount: number): number {
  return name === 'mem' || name === 'disk' ? amount / BYTES_PER_MB : amount / 1000;
}

/** `cpus 2.5, mem 1024 MB`: amounts in a message. */
export function describeAmounts(amounts: Resources): string {
  const parts = Object.keys(amounts)
    .toSorted()
    .map((name) => {
      const unit = name === 'mem' || name === 'disk' ? ' MB' : '';
      return `${name} ${inUnits(name, amounts[name] ?? 0)}${unit}`;
    });
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}

/** What is wrong with amounts that came from outside; undefined when they can be counted. */
export function amountsFault(what: string, amounts: Resources | undefined): string | undefined {
  for (const name in amounts) {
    const amount = amounts[name] ?? 0;
    if (!Number.isSafeInteger(amount) || amount < 0)
      return `${what}: ${name} is ${inUnits(name, amount)}; amounts go from 0 upwards, in whole thousandths or bytes`;
  }
  return undefined;
}

/** What is wrong with a role path; undefined when it is one. Source: Mesos `docs/roles.md`. */
export function rolePathFault(path: string): string | undefined {
  if (path === '*') return undefined;
  if (path === '') return 'a role path is empty';
  for (const part of path.split('/')) {
    if (part === '') return `role path ${JSON.stringify(path)}: a part of the path is empty`;
    if (part === '.' || part === '..' || part === '*')
      return `role path ${path}: ${JSON.stringify(part)} is not allowed`;
    if (part.startsWith('-'))
      return `role path ${JSON.stringify(path)}: ${JSON.stringify(part)} begins with "-"`;
    // eslint-disable-next-line no-control-regex -- control characters are what is refused
    if (/[\s\u0000-\u001f\u007f\\]/.test(part))
      return `role path ${JSON.stringify(path)}: whitespace, backslashes and control characters are not allowed`;
  }
  return undefined;
}
