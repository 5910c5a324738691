import { parseArgs } from 'node:util';
import { ASSET_NAMES, type AssetName, isAssetName, unitOf } from './catalog.ts';
import { parseSource } from './chain.ts';
import { ensureAssets } from './ensure.ts';

const HELP = `Cluster binaries: MEZZO_ASSETS folder -> cache -> official release -> build.

  npm run assets -- list                    names and versions
  npm run assets -- ensure [names...]       fetch or build (all without names); prints name and path
      --assets-from download|build          where missing ones may come from (default: both, in order)
`;

/** Assets that nothing here needs unless asked for by name. */
const ON_REQUEST: ReadonlySet<AssetName> = new Set(['kube-scheduler']);

function selectNames(words: readonly string[]): readonly AssetName[] {
  if (words.length === 0) return ASSET_NAMES.filter((name) => !ON_REQUEST.has(name));
  return words.map((word) => {
    if (isAssetName(word)) return word;
    throw new Error(`there is no asset "${word}"; known: ${ASSET_NAMES.join(', ')}`);
  });
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { 'assets-from': { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  const [command, ...words] = positionals;
  if (values.help === true || command === undefined) {
    process.stdout.write(HELP);
  } else if (command === 'list') {
    for (const name of ASSET_NAMES) process.stdout.write(`${name} ${unitOf(name).version}\n`);
  } else if (command === 'ensure') {
    const log = (line: string) => process.stderr.write(`[assets] ${line}\n`);
    const from = parseSource(values['assets-from']);
    const paths = await ensureAssets(selectNames(words), { from, log });
    for (const [name, path] of Object.entries(paths)) process.stdout.write(`${name} ${path}\n`);
  } else {
    throw new Error(`there is no command "${command}"; see --help`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`[assets] ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
