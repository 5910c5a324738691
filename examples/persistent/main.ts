import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createFileIdStore,
  isTerminal,
  type Offer,
  SchedulerClient,
  SchedulerError,
  shellTask,
} from 'mezzo/client';
import { readSettings, say } from '../settings.ts';
import { type Estate, nextStep, reservationFor, taskResources, volumeFor } from './volume.ts';

// A counter whose number outlives its tasks: it is in a persistent volume, on resources nobody else gets.

const USAGE =
  'node examples/persistent/main.ts --url URL --role ROLE [--state FOLDER] [--runs N] [--release yes]';
const settings = readSettings(USAGE, { state: 'persistent-state', runs: '3', release: 'no' });
const folder = settings.values['state'] ?? '';
const runs = Number(settings.values['runs']);
const estate: Estate = {
  role: settings.role,
  cpus: 0.1,
  memMb: 32,
  diskMb: 16,
  volumeId: 'counter',
};
const COMMAND =
  'n=$(cat data/count 2>/dev/null || echo 0); n=$((n + 1)); echo $n > data/count; echo "run $n"; sleep 2';

await mkdir(folder, { recursive: true });
const agentFile = join(folder, 'agent');
/** Where the estate is; written before it is made, so that a second one is never made elsewhere. */
let agent = await readFile(agentFile, 'utf8').catch(() => undefined);
const madeFile = join(folder, 'made');
/** The volume was seen in an offer once; from then on an offer without it is one while a task holds it. */
let isMade = (await readFile(madeFile, 'utf8').catch(() => undefined)) !== undefined;
let running: string | undefined;
/** A reservation or a volume is on its way: a second one must not follow it. */
let isMaking = false;
let finished = 0;

const client = new SchedulerClient({
  url: settings.url,
  ...settings.credentials,
  framework: {
    user: 'nobody',
    name: 'persistent-counter',
    roles: [estate.role],
    failover_timeout: 86_400,
    capabilities: [{ type: 'MULTI_ROLE' }, { type: 'RESERVATION_REFINEMENT' }],
  },
  idStore: createFileIdStore(join(folder, 'framework-id')),
  knownTasks: () => (running === undefined ? [] : [{ task_id: { value: running } }]),
  handlers: {
    onSubscribed(id) {
      // Whatever was under way on the former connection shows in the offers of this one.
      isMaking = false;
      say(`subscribed as ${id}${agent === undefined ? '' : `; the volume is on ${agent}`}`);
    },
    async onOffers(offers) {
      for (const offer of offers) await use(offer);
    },
    onOperationUpdate(status) {
      say(`${status.operation_id?.value} is ${status.state} ${status.message ?? ''}`);
      isMaking = false;
      if (status.state !== 'OPERATION_ERROR') return;
      say('the operation is refused for good: nothing is left to do');
      process.exitCode = 1;
      client.stop();
    },
    async onUpdate(status) {
      say(`${status.task_id.value} is ${status.state} ${status.message ?? ''}`);
      if (status.task_id.value !== running || !isTerminal(status.state)) return;
      running = undefined;
      if (status.state === 'TASK_FINISHED') finished += 1;
      await client.revive();
    },
    onFault: (error) => say(`fault: ${error instanceof Error ? error.message : String(error)}`),
  },
});

async function use(offer: Offer): Promise<void> {
  const step = nextStep(estate, offer, { agent, isMade });
  if (step === 'launch' && !isMade) {
    isMade = true;
    await writeFile(madeFile, '');
  }
  if (finished >= runs && step === 'launch') return await finish(offer);
  switch (step) {
    case 'reserve':
      if (isMaking) return await client.decline([offer], { refuse_seconds: 1 });
      isMaking = true;
      agent = offer.agent_id.value;
      await writeFile(agentFile, agent);
      say(`reserving on ${offer.hostname}`);
      return await client.reserve(offer, reservationFor(estate), 'reserve');
    case 'createVolume':
      if (isMaking) return await client.decline([offer], { refuse_seconds: 1 });
      isMaking = true;
      say(`making the volume on ${offer.hostname}`);
      return await client.accept(
        [offer],
        [{ id: { value: 'create' }, type: 'CREATE', create: { volumes: [volumeFor(estate)] } }],
      );
    case 'launch': {
      if (running !== undefined) return await client.decline([offer]);
      running = `count.${Date.now()}`;
      const resources = taskResources(estate);
      return await client.launch(
        [offer],
        [shellTask({ id: running, offer, resources, command: COMMAND })],
        { refuse_seconds: 1 },
      );
    }
    case 'decline':
      return await client.decline([offer], { refuse_seconds: 5 });
  }
}

/** All runs are over: the estate stays for the next start, or goes with `--release yes`. */
async function finish(offer: Offer): Promise<void> {
  if (settings.values['release'] === 'yes') {
    say('giving the volume and the reservation back');
    await client.accept(
      [offer],
      [
        { type: 'DESTROY', destroy: { volumes: [volumeFor(estate)] } },
        { type: 'UNRESERVE', unreserve: { resources: reservationFor(estate) } },
      ],
    );
    for (const file of [agentFile, madeFile]) await rm(file, { force: true });
    await client.teardown();
  } else {
    await client.decline([offer]);
    say('all runs are over; the volume stays');
    client.stop();
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
