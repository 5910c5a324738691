import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the kernel's range for outgoing connections, so that no connection takes a server's port
// while the server restarts, and outside the usual NodePorts.
const FIRST = 15_000;
const LAST = 29_900;
const ATTEMPTS = 200;

/** Port numbers that nothing listens on, drawn at random so that parallel callers rarely meet. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < ATTEMPTS && found.size < count; attempt++) {
    const port = randomInt(FIRST, LAST);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  if (found.size < count)
    throw new Error(`no ${count} free TCP ports between ${FIRST} and ${LAST}`);
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, () => probe.close(() => done(true)));
  });
}
