import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATED_FOLDERS, type GeneratedFile, generatedFiles } from './files.ts';

/**
 * `npm run generate` writes what is made from the schemas; `npm run generate -- --check` writes nothing and exits 1
 * when a committed file is not what the schemas give, naming it.
 */

const ROOT = join(import.meta.dirname, '../../../..');

function committedText(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function staleFiles(files: readonly GeneratedFile[]): string[] {
  const changed = files.filter((file) => committedText(file.path) !== file.text);
  return [...changed.map((file) => file.path), ...leftovers(files)].toSorted();
}

/** Files in the generated folders that nothing generates any more. */
function leftovers(files: readonly GeneratedFile[]): string[] {
  const wanted = new Set(files.map((file) => file.path));
  return GENERATED_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}`),
  ).filter((path) => !wanted.has(path));
}

function write(files: readonly GeneratedFile[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(ROOT, file.path)), { recursive: true });
    writeFileSync(join(ROOT, file.path), file.text);
  }
  for (const path of leftovers(files)) rmSync(join(ROOT, path));
}

function main(args: readonly string[]): number {
  const unknown = args.find((arg) => arg !== '--check');
  if (unknown !== undefined) {
    console.error(`generate: unknown argument ${unknown}; only --check is known`);
    return 2;
  }
  const files = generatedFiles();
  if (!args.includes('--check')) {
    const stale = staleFiles(files);
    write(files);
    console.log(`generate: ${files.length} files, ${stale.length} changed`);
    return 0;
  }
  const stale = staleFiles(files);
  for (const path of stale) {
    console.error(`generate: ${path} is not what the schemas give; run npm run generate`);
  }
  if (stale.length === 0) console.log(`generate: ${files.length} files are up to date`);
  return stale.length === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
