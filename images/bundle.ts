import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Program name in the image (`/app/<name>.mjs`) → its entry point. */
export const PROGRAMS = {
  operator: 'operator/src/main.ts',
  agent: 'agent-daemonset/src/main.ts',
  fetcher: 'images/fetcher/main.ts',
} as const;

export type Program = keyof typeof PROGRAMS;

/** Dependencies still call `require`, `__dirname` and `__filename`; an ES module has none of them. */
const BANNER = [
  "import { createRequire as mezzoCreateRequire } from 'node:module';",
  "import { fileURLToPath as mezzoFileURLToPath } from 'node:url';",
  "import { dirname as mezzoDirname } from 'node:path';",
  'const require = mezzoCreateRequire(import.meta.url);',
  'const __filename = mezzoFileURLToPath(import.meta.url);',
  'const __dirname = mezzoDirname(__filename);',
].join('\n');

export interface Bundle {
  readonly program: Program;
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Writes each program with all its dependencies as one ES module for Node 24 into `outDir`.
 * The same sources give the same bytes: no paths or times go in.
 */
export async function bundle(
  outDir: string = join(ROOT, 'dist'),
  programs: Readonly<Partial<Record<Program, string>>> = PROGRAMS,
): Promise<readonly Bundle[]> {
  await mkdir(outDir, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(programs).map(([out, source]) => ({ out, in: source })),
    outdir: outDir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: BANNER },
    legalComments: 'linked',
    // Keeps names in stack traces; costs about a third in size, which nothing here is short of.
    minify: false,
    keepNames: true,
    logLevel: 'warning',
  });
  const names = Object.keys(programs) as Program[];
  return Promise.all(
    names.map(async (program) => {
      const path = join(outDir, `${program}.mjs`);
      return { program, path, sizeBytes: (await stat(path)).size };
    }),
  );
}

/** `node images/bundle.ts [outDir]` */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, sizeBytes } of await bundle(process.argv[2]))
    console.log(`${path} ${(sizeBytes / 1e6).toFixed(1)} MB`);
}
