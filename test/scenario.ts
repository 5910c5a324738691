import { stderr, stdout } from 'node:process';
import { runFiles } from './scenarios/runScenario.ts';

/** `npm run scenario -- FILE…`: replays scenario files into the allocator; exit code 0 only if all hold. */
function main(files: readonly string[]): number {
  if (files.length === 0) {
    stderr.write(
      'usage: npm run scenario -- FILE…   (allocator scenarios, e.g. test/scenarios/*.yaml)\n',
    );
    return 2;
  }
  return runFiles(files, (line) => stdout.write(`${line}\n`)) ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
