import { type Offer, SchedulerClient, shellTask, type TaskInfo, take } from '../../client/index.ts';

const NEEDS = { cpus: 0.1, mem: 32 };
/** Tasks per offer, so that the work spreads over the nodes. */
const PER_OFFER = 10;
/** Offers that are gathered before the clock starts: the measurement is of launching, not of the first cycle. */
const GATHER_MS = 3_000;

/** A framework that launches so many tasks on whatever it is offered. Resolves when the first ACCEPT goes out. */
export async function launchTasks(
  url: string,
  tasks: number,
): Promise<{ readonly startedMs: number; stop(): void }> {
  const offers: Offer[] = [];
  let isOpen = false;
  let launched = 0;
  const client = new SchedulerClient({
    url,
    framework: { user: 'nobody', name: 'bench-launch', failover_timeout: 600 },
    handlers: {
      async onOffers(more) {
        offers.push(...more);
        if (isOpen) await useAll();
      },
    },
  });
  async function useAll(): Promise<void> {
    const calls: Promise<void>[] = [];
    for (let offer = offers.shift(); offer !== undefined; offer = offers.shift()) {
      const infos = tasksFor(offer);
      if (infos.length === 0) break;
      calls.push(client.launch([offer], infos, { refuse_seconds: 0 }));
    }
    await Promise.all(calls);
  }
  function tasksFor(offer: Offer): TaskInfo[] {
    const infos: TaskInfo[] = [];
    let left = offer.resources ?? [];
    while (infos.length < PER_OFFER && launched < tasks) {
      const part = take(NEEDS, left);
      if (part === undefined) break;
      left = part.left;
      launched += 1;
      const id = `task-${launched}`;
      infos.push(shellTask({ id, offer, resources: part.taken, command: 'sleep 3600' }));
    }
    return infos;
  }
  const over = client.run();
  over.catch((error: unknown) => {
    process.stderr.write(`the framework failed: ${String(error)}\n`);
  });
  await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  isOpen = true;
  const startedMs = performance.now();
  void useAll().catch((error: unknown) => {
    process.stderr.write(`a launch failed: ${String(error)}\n`);
  });
  return { startedMs, stop: () => client.stop() };
}
