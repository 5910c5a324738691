import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import { OperatorWorld, taskPod } from '../../../../../test/support/operatorWorld.ts';
import { agentId, frameworkId, offerId, rolePath } from '../../../model/ids.ts';
import type { OutstandingOffer } from '../../../state/offerBook.ts';
import { gatherSnapshot, type SnapshotInput } from '../snapshot.ts';
import { AgentMirror } from './agentMirror.ts';

const NAMES = ['node-1', 'node-2', 'node-3'];

const offerOn = (agent: string): OutstandingOffer => ({
  id: offerId(`offer-${agent}`),
  framework: frameworkId('fw'),
  role: rolePath('web'),
  agent: agentId(agent),
  resources: { cpus: 500 },
  revocable: {},
  reserved: {},
  fromHold: {},
  issuedAtMs: 0,
});

test('says of each agent what a look at the whole cluster does', () => {
  const clock = new FakeClock();
  const all = new OperatorWorld(clock);
  for (const name of NAMES) all.node(name, { cpu: '4', memory: '4Gi', pods: '10' });
  const shop = taskPod({ cpus: '1' });
  all.pod(shop);
  all.pod({
    metadata: { name: 'dns', namespace: 'kube-system' },
    spec: {
      nodeName: 'node-2',
      containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m' } } }],
    },
    status: { phase: 'Running' },
  });
  const made = taskPod({ job: 'made', cpus: '2' });
  const input: SnapshotInput = {
    world: all.world,
    // The first is known already and must not count twice.
    assumed: [shop, { ...made, spec: { ...made.spec, nodeName: 'node-3' } }],
    offers: NAMES.slice(1).map(offerOn),
    holds: [],
    reservations: new Map([
      ['node-2', [{ role: rolePath('web'), resources: { cpus: 250 }, reservationId: 'r' }]],
    ]),
    inMaintenance: new Set(['node-3']),
    frameworks: [],
    filters: [],
    counts: [],
    nowMs: clock.nowMs(),
  };
  const { snapshot, ledger } = gatherSnapshot(input);
  const mirror = new AgentMirror({
    world: all.world,
    launcher: { assumed: () => input.assumed },
    clock,
    holds: () => [],
    reservations: () => input.reservations,
    inMaintenance: () => input.inMaintenance,
    offersOn: (agent) => [...input.offers].filter((one) => one.agent === agent),
  });
  mirror.look();
  for (const _ of mirror.refresh());
  const nodes = all.world.nodes.list();
  expect(nodes).toHaveLength(NAMES.length);
  for (const node of nodes) {
    const id = agentId(node.metadata.name);
    const one = mirror.record(id);
    expect(one?.facts.agent).toEqual(snapshot.agents.find((agent) => agent.id === id));
    expect(one?.facts.allocations).toEqual(
      snapshot.allocations.filter((taken) => taken.agent === id),
    );
    expect(one?.ledger.tasks).toEqual(ledger.tasks.filter((task) => task.agent === id));
    expect(one?.ledger.foreign.get(id)).toEqual(ledger.foreign.get(id));
    expect(mirror.figures(node).agent).toEqual(one?.facts.agent);
  }
  const counts = nodes.map((node) => mirror.figures(node).ledger.tasks.length);
  expect(counts).toEqual([1, 0, 1]);
});
