import { type Offer, SchedulerClient, shellTask, type TaskInfo, take } from '../../client/index.ts';

const NEEDS = { cpus: 0.1, mem: 32 };
/** Tasks per offer, so that the work spreads over the nodes. */
const PER_OFFER = 10;
/** Offers that are gathered before a clock starts: the measurement is of launching, not of the first cycle. */
const GATHER_MS = 3_000;

/** A framework that launches tasks on whatever it is offered, when it is told to. */
export class LaunchingFramework {
  readonly #offers: Offer[] = [];
  readonly #client: SchedulerClient;
  /** How many tasks there shall be. */
  #wanted = 0;
  #launched = 0;
  #running = 0;

  constructor(url: string) {
    this.#client = new SchedulerClient({
      url,
      framework: { user: 'nobody', name: 'bench-launch', failover_timeout: 600 },
      handlers: {
        onOffers: (more) => {
          this.#offers.push(...more);
          this.#useOffers();
        },
        onRescind: (id) => {
          const at = this.#offers.findIndex((one) => one.id.value === id);
          if (at >= 0) this.#offers.splice(at, 1);
        },
        onUpdate: (status) => {
          if (status.state === 'TASK_RUNNING') this.#running += 1;
        },
      },
    });
    this.#client.run().catch((error: unknown) => {
      process.stderr.write(`the framework failed: ${String(error)}\n`);
    });
  }

  /** Tasks whose first TASK_RUNNING has come. */
  get running(): number {
    return this.#running;
  }

  /** Lets offers come in and everything else come to rest. */
  async gather(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  }

  /** So many tasks more; the first ACCEPT goes out before this returns if there are offers. */
  launch(tasks: number): void {
    this.#wanted += tasks;
    this.#useOffers();
  }

  stop(): void {
    this.#client.stop();
  }

  #useOffers(): void {
    while (this.#launched < this.#wanted) {
      const offer = this.#offers.shift();
      if (offer === undefined) return;
      const infos = this.#tasksFor(offer);
      // Kept for nothing it would be missing elsewhere.
      const sent =
        infos.length === 0
          ? this.#client.decline([offer])
          : this.#client.launch([offer], infos, { refuse_seconds: 0 });
      sent.catch((error: unknown) => process.stderr.write(`a launch failed: ${String(error)}\n`));
    }
  }

  #tasksFor(offer: Offer): TaskInfo[] {
    const infos: TaskInfo[] = [];
    let left = offer.resources ?? [];
    while (infos.length < PER_OFFER && this.#launched < this.#wanted) {
      const part = take(NEEDS, left);
      if (part === undefined) break;
      left = part.left;
      this.#launched += 1;
      const id = `task-${this.#launched}`;
      infos.push(shellTask({ id, offer, resources: part.taken, command: 'sleep 3600' }));
    }
    return infos;
  }
}
