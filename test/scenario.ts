import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { env, stderr, stdout } from 'node:process';
import { runFiles } from './scenarios/runScenario.ts';

/** `npm run scenario -- FILE…`: replays scenario files into the allocator; exit code 0 only if all hold. */
function main(files: readonly string[]): number {
  if (files.length === 0) {
    stderr.write(
      'usage: npm run scenario -- FILE…   (allocator scenarios, e.g. test/scenarios/*.yaml)\n',
    );
    return 2;
  }
  return runFiles(files.map(fromWhereAsked), (line) => stdout.write(`${line}\n`)) ? 0 : 1;
}

/** npm changes to the project's folder; a path may be meant from where the user stands. */
function fromWhereAsked(file: string): string {
  const asked = resolve(env['INIT_CWD'] ?? '.', file);
  return !existsSync(file) && existsSync(asked) ? asked : file;
}

process.exitCode = main(process.argv.slice(2));
