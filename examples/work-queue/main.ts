import { join } from 'node:path';
import {
  createFileIdStore,
  type Offer,
  SchedulerClient,
  SchedulerError,
  shellTask,
  type TaskInfo,
  take,
} from 'mezzo/client';
import { readSettings, say } from '../settings.ts';
import { WorkQueue } from './workQueue.ts';

// As many workers as there is work: each waiting item becomes a task on the next offer that has room.

const USAGE =
  'node examples/work-queue/main.ts --url URL --queue FOLDER [--role R] [--token-file F]';
const NEEDS = { cpus: 0.1, mem: 32 };
/** How often the folder is looked at for new items. */
const REFRESH_MS = 1_000;

const settings = readSettings(USAGE, { queue: 'queue', 'until-empty': 'no' });
const folder = settings.values['queue'] ?? 'queue';
const queue = await WorkQueue.open(join(folder, 'items'));
/** Suppressed while there is nothing to do, so that others get the offers. */
let isSuppressed = false;

const client = new SchedulerClient({
  url: settings.url,
  ...settings.credentials,
  // A week to come back: the tasks of a framework that failed run on meanwhile.
  framework: {
    user: 'nobody',
    name: 'work-queue',
    role: settings.role,
    failover_timeout: 7 * 86_400,
  },
  idStore: createFileIdStore(join(folder, 'framework-id')),
  // After every subscription: which of the tasks I started still run?
  knownTasks: () => queue.running,
  handlers: {
    async onSubscribed(id) {
      isSuppressed = false;
      say(`subscribed as ${id}; ${queue.running.length} tasks to ask about`);
      await adjust();
    },
    onDisconnected: (reason) => say(`disconnected: ${reason.message}`),
    async onOffers(offers) {
      for (const offer of offers) await use(offer);
    },
    async onUpdate(status) {
      say(
        `${status.task_id.value} is ${status.state}${status.reason ? ` (${status.reason})` : ''}`,
      );
      const item = await queue.settle(status);
      if (item?.state === 'waiting' || item?.state === 'failed')
        say(`item ${item.id} ${item.state === 'waiting' ? 'will be tried again' : 'is given up'}`);
      await adjust();
    },
    onFault: (error) => say(`fault: ${error instanceof Error ? error.message : String(error)}`),
  },
});

/** Fills an offer with waiting items; what nobody needs goes back for ten seconds. */
async function use(offer: Offer): Promise<void> {
  const tasks: TaskInfo[] = [];
  let left = offer.resources ?? [];
  for (const item of queue.waiting) {
    const part = take(NEEDS, left);
    if (part === undefined) break;
    left = part.left;
    const id = await queue.begin(item, offer.agent_id.value);
    tasks.push(shellTask({ id, offer, resources: part.taken, command: item.command }));
  }
  if (tasks.length === 0) await client.decline([offer], { refuse_seconds: 10 });
  else {
    say(`${tasks.length} tasks on ${offer.hostname}`);
    await client.launch([offer], tasks, { refuse_seconds: 10 });
  }
}

/** Asks for offers while there is work, and for none while there is not. */
async function adjust(): Promise<void> {
  if (!client.isSubscribed) return;
  const isIdle = queue.waiting.length === 0;
  if (isIdle && !isSuppressed) await client.suppress();
  if (!isIdle && isSuppressed) await client.revive();
  isSuppressed = isIdle;
  if (queue.isEmpty && settings.values['until-empty'] === 'yes') {
    say(`all done: ${queue.count('done')} done, ${queue.count('failed')} failed`);
    await client.teardown();
  }
}

const refresh = setInterval(() => {
  queue
    .refresh()
    .then(adjust)
    .catch((error: unknown) => say(`the queue cannot be read: ${String(error)}`));
}, REFRESH_MS);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => client.stop());

try {
  await client.run();
} catch (error) {
  if (!(error instanceof SchedulerError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
clearInterval(refresh);
