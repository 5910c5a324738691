import { expect, test } from '@jest/globals';
import { clusterOf } from '../../../../test/support/clusterOf.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { FrameworkHarness } from '../../../../test/support/frameworkHarness.ts';
import type { ViewedAgent } from '../../controllers/clusterView/types.ts';
import { RESERVATIONS } from '../../schema/mezzoKinds.ts';
import { agentResources } from './wireResources.ts';

test('a persistent volume is told apart from what is left of its reservation', () => {
  const world = new FrameworkHarness(new FakeClock());
  const plain = { role: 'eng', agent: 'node-1', resources: { disk: '32Mi' } };
  const volume = { id: 'data', containerPath: 'data', from: [{ reservation: 'r', disk: '12Mi' }] };
  for (const [name, spec] of Object.entries({
    r: plain,
    v: { ...plain, resources: { disk: '12Mi' }, parent: 'r', volume },
  })) {
    const object = { apiVersion: 'mezzo.dev/v1alpha1', kind: 'Reservation', metadata: { name } };
    world.api.create(RESERVATIONS, { ...object, spec } as never);
  }
  const [agent] = clusterOf(world).agents;
  world.stop();
  const { reserved } = agentResources(agent as ViewedAgent);
  expect(reserved.map(({ resource }) => [resource.scalar.value, resource.disk])).toEqual([
    [20, undefined],
    [12, { persistence: { id: 'data' } }],
  ]);
});
