import { type RunRequest, runOne } from './runOne.ts';

// Refusals are errors here, thousands a second; who needs a stack replays the seed.
Error.stackTraceLimit = 0;

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
