import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Measures what the image runs: one bundled module without the compiler that strips types, whose 30 to 40 MB would count
 * as the allocator's. `BENCH_NODE_FLAGS` go to the measuring process (`--cpu-prof`).
 */
async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-allocator-'));
  try {
    const outfile = join(folder, 'measure.mjs');
    const entry = fileURLToPath(new URL('measure.ts', import.meta.url));
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'esm',
      logLevel: 'warning',
    });
    const flags = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((one) => one !== '');
    return await run([...flags, outfile, ...process.argv.slice(2)]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main();
