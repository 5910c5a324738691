import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import { FAIR_WEATHER } from '../support/fakeApi/conditions.ts';
import { directClient } from '../support/fakeApi/directTransport.ts';
import { FakeKubeClient } from '../support/fakeApi/fakeKubeClient.ts';
import { MEZZO_KINDS } from '../support/fakeApi/mezzoKinds.ts';
import { SimulatedNetwork } from '../support/fakeApi/network.ts';
import { FakeApiServer } from '../support/fakeApiServer.ts';
import { FakeClock } from '../support/fakeClock.ts';
import type { ContractEnv } from './fixtures.ts';
import { kubeApiContract } from './kubeApi.contract.ts';

/** Lets simulated time follow real time, so that the suite needs no knowledge of the clock. */
function followRealTime(clock: FakeClock): () => Promise<void> {
  const stopping = new AbortController();
  const done = (async () => {
    let last = performance.now();
    while (!stopping.signal.aborted) {
      const now = performance.now();
      await clock.advance(now - last);
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return async () => {
    stopping.abort();
    await done;
  };
}

function fakeEnv(
  connect: (api: FakeApiServer, clock: FakeClock) => ContractEnv['kube'],
): () => Promise<ContractEnv> {
  return async () => {
    const clock = new FakeClock();
    const api = new FakeApiServer({ clock, kinds: MEZZO_KINDS });
    return {
      kube: connect(api, clock),
      namespace: 'contract',
      compact: async () => api.compact(),
      stop: followRealTime(clock),
    };
  };
}

kubeApiContract(
  'fake, direct',
  fakeEnv((api) => directClient(api)),
);

kubeApiContract(
  'fake, over the simulated network',
  fakeEnv((api, world) => {
    const network = new SimulatedNetwork({
      world,
      process: world.forProcess(),
      rng: createSeededRng('contract'),
      conditions: () => FAIR_WEATHER,
    });
    return new FakeKubeClient(api, 'contract', network);
  }),
);
