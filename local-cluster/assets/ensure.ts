import { join } from 'node:path';
import { ASSETS, type AssetName, unitOf } from './catalog.ts';
import { ensureUnit } from './chain.ts';
import type { AssetOptions } from './types.ts';

/** Absolute paths of the named binaries, fetched or built where they are missing. */
export async function ensureAssets<const Name extends AssetName>(
  names: readonly Name[],
  options: AssetOptions = {},
): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  // One after the other: a build uses every core already, and progress stays readable.
  for (const name of names) {
    paths[name] = join(await ensureUnit(unitOf(name), options), ASSETS[name][1]);
  }
  return paths as Record<Name, string>;
}
