import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../../../test/support/fakeClock.ts';
import { OperatorWorld } from '../../../../../test/support/operatorWorld.ts';
import type { PlannedOffer } from '../../../allocator/types.ts';
import { agentId, frameworkId, offerId, rolePath } from '../../../model/ids.ts';
import type { OutstandingOffer } from '../../../state/offerBook.ts';
import { AgentMirror } from './agentMirror.ts';
import { LedgerDriver } from './ledgerDriver.ts';

const ID = frameworkId('f');
const WEB = rolePath('web');

test('a ledger that is not as it was told is found, and replaced before the next run', () => {
  const clock = new FakeClock();
  const all = new OperatorWorld(clock);
  for (const name of ['a', 'b']) all.node(name, { cpu: '4', pods: '10' });
  const sent: OutstandingOffer[] = [];
  const mirror = new AgentMirror({
    world: all.world,
    launcher: { assumed: () => [] },
    clock,
    holds: () => [],
    reservations: () => new Map(),
    inMaintenance: () => new Set(),
    offersOn: (agent) => sent.filter((offer) => offer.agent === agent),
  });
  const touched = [ID];
  const driver = new LedgerDriver({
    mirror,
    allocate: { minAllocatable: [], mode: 'mezzo', fairnessExclude: [] },
    specs: () => [],
    framework: (id) => ({
      id,
      roles: [WEB],
      suppressedRoles: [],
      active: true,
      capabilities: { revocable: false, gpu: true },
    }),
    takeFrameworks: () => touched.splice(0),
    allFrameworks: () => [ID],
  });
  const run = (): readonly PlannedOffer[] => {
    mirror.look();
    for (const _ of mirror.refresh());
    for (const _ of driver.tell({ agents: new Map(), formerSpecs: undefined }));
    const running = driver.begin({ nowMs: clock.nowMs(), seed: 1 });
    while (!running.step(1));
    return running.take();
  };
  const audit = (): readonly string[] => {
    const steps = driver.audit();
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return step.value;
  };
  const refused = { cpus: 4000 };
  const always = { refusedRevocable: {}, untilMs: Number.MAX_SAFE_INTEGER };
  driver.refuse({ framework: ID, role: WEB, agent: agentId('b'), refused, ...always });
  const [planned] = run();
  expect([planned?.agent, planned?.resources]).toEqual(['a', { cpus: 4000 }]);
  // What is sent is not what the ledger has: a bug that was planted.
  const less = { ...(planned as PlannedOffer), resources: { cpus: 1000 } };
  sent.push({ ...less, id: offerId('1-1'), issuedAtMs: 0 });
  driver.settle([planned as PlannedOffer], sent);
  expect(audit()).toEqual([
    'agent a: what is taken, cpus: 4000, not 1000',
    'f in web, cpus: 4000, not 1000',
  ]);
  const again = run();
  expect(again.map((one) => [one.agent, one.resources])).toEqual([['a', { cpus: 3000 }]]);
  driver.settle(again, []);
  expect(run().map((one) => one.agent)).toEqual(['a']);
});
