import { afterAll, beforeAll, describe } from '@jest/globals';
import type { ContractEnv } from './fixtures.ts';
import { deletionContract } from './sections/deletion.ts';
import { listContract } from './sections/lists.ts';
import { patchContract } from './sections/patches.ts';
import { podActionContract } from './sections/podActions.ts';
import { watchContract } from './sections/watches.ts';
import { writeContract } from './sections/writes.ts';

/**
 * What the operator relies on at the port, held against the real API server and against the fake one.
 * A behaviour the fake has and the real server does not is a bug of the fake.
 */
export function kubeApiContract(name: string, start: () => Promise<ContractEnv>): void {
  describe(`KubeApi contract: ${name}`, () => {
    let env: ContractEnv | undefined;
    const current = (): ContractEnv => {
      if (env === undefined) throw new Error('the API server under test did not start');
      return env;
    };
    beforeAll(async () => {
      env = await start();
    }, 600_000);
    afterAll(async () => {
      await env?.stop();
    }, 60_000);

    writeContract(current);
    patchContract(current);
    deletionContract(current);
    podActionContract(current);
    listContract(current);
    watchContract(current);
  });
}
