import { type RunRequest, runOne } from './runOne.ts';

/** A child process of the command line: runs what it is sent, one seed at a time. */
process.on('message', (request: RunRequest) => {
  runOne(request).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(
        `seed ${request.seed}: ${error instanceof Error ? error.stack : String(error)}\n`,
      );
      process.exit(1);
    },
  );
});
