import { stderr, stdout } from 'node:process';
import { runScenarioFile } from './scenarios/runScenario.ts';

/** `npm run scenario -- FILE…`: replays scenario files into the allocator; exit code 0 only if all hold. */
function main(files: readonly string[]): number {
  if (files.length === 0) {
    stderr.write(
      'usage: npm run scenario -- FILE…   (allocator scenarios, e.g. test/scenarios/*.yaml)\n',
    );
    return 2;
  }
  let failed = 0;
  for (const file of files) {
    const failures = runScenarioFile(file);
    if (failures.length > 0) failed++;
    for (const { step, expected, got } of failures)
      stdout.write(`${file}: ${step}: expected ${expected}, got ${got}\n`);
  }
  stdout.write(`${files.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
