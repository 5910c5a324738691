import { isTerminal, type Offer, SchedulerClient, SchedulerError, shellTask } from 'mezzo/client';
import { readSettings, say } from '../settings.ts';
import { placesFor } from './gang.ts';

// A gang: no member starts before there is room for all of them.

const USAGE =
  'node examples/gang/main.ts --url URL [--members N] [--cpus C] [--patience S] [--command SH] [--role R]';
const settings = readSettings(USAGE, {
  members: '4',
  cpus: '0.5',
  mem: '64',
  patience: '10',
  command: 'echo "member $RANK of $SIZE"; sleep 5',
});
const size = Number(settings.values['members']);
const needs = { cpus: Number(settings.values['cpus']), mem: Number(settings.values['mem']) };
const patienceMs = Number(settings.values['patience']) * 1_000;
const command = settings.values['command'] ?? '';

/** Offers held until all fit. Held offers are withheld from everybody else, so not for long. */
const held = new Map<string, Offer>();
const states = new Map<string, string>();
let isLaunched = false;
let round = 0;
let impatient: NodeJS.Timeout | undefined;

const client = new SchedulerClient({
  url: settings.url,
  ...settings.credentials,
  framework: { user: 'nobody', name: 'gang', role: settings.role, failover_timeout: 60 },
  knownTasks: () => [...states.keys()].map((value) => ({ task_id: { value } })),
  handlers: {
    onSubscribed(id) {
      held.clear();
      say(`subscribed as ${id}; ${size} members of ${needs.cpus} CPUs and ${needs.mem} MB each`);
    },
    async onOffers(offers) {
      if (isLaunched) return await client.decline(offers, { refuse_seconds: 3_600 });
      for (const offer of offers) held.set(offer.id.value, offer);
      await tryLaunch();
    },
    onRescind: (id) => held.delete(id),
    async onUpdate(status) {
      if (!states.has(status.task_id.value)) return;
      states.set(status.task_id.value, status.state);
      say(`${status.task_id.value} is ${status.state} ${status.message ?? ''}`);
      await judge(status.task_id.value, status.state === 'TASK_FINISHED');
    },
    onFault: (error) => say(`fault: ${error instanceof Error ? error.message : String(error)}`),
  },
});

async function tryLaunch(): Promise<void> {
  const places = placesFor(size, needs, [...held.values()]);
  if (places === undefined) {
    say(`room for the whole gang is not in the ${held.size} offers held; waiting for more`);
    impatient ??= setTimeout(() => void letGo(), patienceMs);
    return;
  }
  clearTimeout(impatient);
  impatient = undefined;
  isLaunched = true;
  round += 1;
  const used = new Map<string, typeof places>();
  for (const place of places) {
    const { value } = place.offer.id;
    used.set(value, [...(used.get(value) ?? []), place]);
  }
  const unused = [...held.values()].filter((offer) => !used.has(offer.id.value));
  let rank = 0;
  for (const [id, ofOffer] of used) {
    const offer = held.get(id) as Offer;
    const tasks = ofOffer.map(({ resources }) => {
      const environment = { RANK: String(rank), SIZE: String(size) };
      const task = shellTask({
        id: `member-${rank}.${round}`,
        offer,
        resources,
        command,
        environment,
      });
      states.set(task.task_id.value, 'TASK_STAGING');
      rank += 1;
      return task;
    });
    await client.launch([offer], tasks, { refuse_seconds: 3_600 });
  }
  if (unused.length > 0) await client.decline(unused, { refuse_seconds: 3_600 });
  held.clear();
  say(`launched on ${used.size} agents`);
}

/** Two half gangs that hold offers and wait for each other would wait for ever: each lets go after a while, for a random one. */
async function letGo(): Promise<void> {
  impatient = undefined;
  const offers = [...held.values()];
  held.clear();
  const refuse_seconds = 1 + Math.random() * 5;
  say(`letting ${offers.length} offers go for ${refuse_seconds.toFixed(1)} s`);
  await client.decline(offers, { refuse_seconds }).catch(() => undefined);
}

/** One that fails takes the others with it, and all start anew; when all have finished, so has the framework. */
async function judge(task: string, isFinished: boolean): Promise<void> {
  const all = [...states.values()] as Parameters<typeof isTerminal>[0][];
  const state = states.get(task) as (typeof all)[number];
  if (isTerminal(state) && !isFinished && isLaunched) {
    say(`${task} ended as ${state}: the gang starts anew`);
    isLaunched = false;
    for (const [other, one] of states)
      if (!isTerminal(one as typeof state)) await client.kill(other);
  }
  if (!all.every((one) => isTerminal(one))) return;
  if (isLaunched) {
    say('every member has finished');
    await client.teardown();
  } else {
    states.clear();
    await client.revive();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => client.stop());
try {
  await client.run();
} catch (error) {
  if (!(error instanceof SchedulerError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
clearTimeout(impatient);
