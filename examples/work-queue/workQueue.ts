import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskRef, TaskStatus } from 'mezzo/client';
import { isTerminal } from 'mezzo/client';

/** One piece of work: a shell command, and the tasks that tried it. */
export interface Item {
  readonly id: string;
  readonly command: string;
  /** Count of tries so far; the task of a try is `item.try`. */
  readonly tries: number;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  /** Agent of the running try. */
  readonly agent?: string;
}

const MAX_TRIES = 3;

/**
 * The queue as files in a folder, one per item, each replaced whole: whatever dies, the next process reads what was
 * decided. An item is written as running before its task is launched, so a task without an item never exists.
 */
export class WorkQueue {
  readonly #folder: string;
  readonly #items = new Map<string, Item>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<WorkQueue> {
    await mkdir(folder, { recursive: true });
    const queue = new WorkQueue(folder);
    await queue.refresh();
    return queue;
  }

  /** Takes in items that were added as files since. What is known already stays as it is here. */
  async refresh(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith('.json')) continue;
      const id = name.slice(0, -'.json'.length);
      if (this.#items.has(id)) continue;
      const text = await readFile(join(this.#folder, name), 'utf8');
      const {
        command,
        tries = 0,
        state = 'waiting',
        ...more
      } = JSON.parse(text) as Pick<Item, 'command'> & Partial<Item>;
      this.#items.set(id, { ...more, id, command, tries, state });
    }
  }

  get waiting(): readonly Item[] {
    return this.#in('waiting');
  }

  /** Tasks that should run, for reconciliation. */
  get running(): readonly TaskRef[] {
    return this.#in('running').map((item) => ({
      task_id: { value: taskOf(item) },
      ...(item.agent === undefined ? {} : { agent_id: { value: item.agent } }),
    }));
  }

  get isEmpty(): boolean {
    return this.#in('waiting').length + this.#in('running').length === 0;
  }

  count(state: Item['state']): number {
    return this.#in(state).length;
  }

  /** Writes down that a task is about to be launched for the item; returns its id. */
  async begin(item: Item, agent: string): Promise<string> {
    const next: Item = { ...item, tries: item.tries + 1, state: 'running', agent };
    await this.#put(next);
    return taskOf(next);
  }

  /** What an update means for its item. Updates of former tries mean nothing, and an update may come twice. */
  async settle(status: TaskStatus): Promise<Item | undefined> {
    const item = this.#in('running').find((one) => taskOf(one) === status.task_id.value);
    // A task nobody knows is asked about by its id, so LOST also means: it never was.
    if (item === undefined || !isTerminal(status.state)) return undefined;
    const { agent: _agent, ...rest } = item;
    const state =
      status.state === 'TASK_FINISHED' ? 'done' : item.tries < MAX_TRIES ? 'waiting' : 'failed';
    const next: Item = { ...rest, state };
    await this.#put(next);
    return next;
  }

  async #put(item: Item): Promise<void> {
    const path = join(this.#folder, `${item.id}.json`);
    await writeFile(`${path}.new`, `${JSON.stringify(item)}\n`);
    await rename(`${path}.new`, path);
    this.#items.set(item.id, item);
  }

  #in(state: Item['state']): readonly Item[] {
    return [...this.#items.values()].filter((item) => item.state === state);
  }
}

const taskOf = (item: Item): string => `${item.id}.${item.tries}`;
