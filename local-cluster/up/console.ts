/** Prints the steps of a command: what is being done, and how long it took. */
export interface Console {
  /** One line under the current step. */
  note(line: string): void;
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
}

export function createConsole(write: (text: string) => void): Console {
  return {
    note: (line) => write(`   ${line}\n`),
    step: async (title, work) => {
      const startedAt = Date.now();
      write(`${title} …\n`);
      const result = await work();
      write(`   done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
      return result;
    },
  };
}
