import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import {
  NO_METRICS,
  nodeOf,
  OperatorWorld,
  taskPod,
} from '../../../../test/support/operatorWorld.ts';
import type { AgentReservation } from '../../allocator/types.ts';
import {
  frameworkId,
  type OfferId,
  offerId,
  type RolePath,
  rolePath,
  taskId,
} from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import { NODES, PODS } from '../../schema/kubeKinds.ts';
import type { Node, Pod } from '../../schema/kubeObjects.ts';
import { QUOTAS, type QuotaObject } from '../../schema/mezzoKinds.ts';
import type { InverseOffer } from '../../state/inverseOfferBook.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import { createFrameworkReservations } from '../reservation/frameworkReservations.ts';
import type { Launch, Launcher, LaunchResult } from '../task/launcher.ts';
import { taskViewOf } from '../task/taskView.ts';
import type { BackOff } from './hoarders.ts';
import { createScheduling, type SchedulingLoop } from './scheduling.ts';
import type { FrameworkCallbacks, LaunchFailure, LaunchRequest, Offer } from './types.ts';

const GIB = 2 ** 30;
const WEB = rolePath('web');
const BATCH = rolePath('batch');
const NONE = { revocable: false, gpu: false };

/** A framework that keeps what it is told. */
class Member implements FrameworkCallbacks {
  readonly offers: Offer[] = [];
  readonly rescinded: OfferId[] = [];
  readonly failures: string[] = [];
  readonly launched: string[] = [];
  readonly asked: InverseOffer[] = [];
  readonly unasked: OfferId[] = [];
  onInverseOffers(offers: readonly InverseOffer[]): void {
    this.asked.push(...offers);
  }
  onRescindInverseOffer(offer: OfferId): void {
    this.unasked.push(offer);
  }
  onOffers(offers: readonly Offer[]): void {
    this.offers.push(...offers);
  }
  onRescind(offer: OfferId): void {
    this.rescinded.push(offer);
  }
  onLaunched(task: string): void {
    this.launched.push(task);
  }
  onLaunchFailed(task: string, failure: LaunchFailure): void {
    this.failures.push(`${task} ${failure.reason}`);
  }
}

/** A launcher whose launches end when the test says so. */
class HandLauncher implements Launcher {
  readonly open: { readonly launch: Launch; readonly done: (result: LaunchResult) => void }[] = [];
  launch(launch: Launch, done: (result: LaunchResult) => void): void {
    this.open.push({ launch, done });
  }
  assumed(): readonly Pod[] {
    return this.open.map((one) => one.launch.pod);
  }
  end(result: LaunchResult): void {
    this.open.shift()?.done(result);
  }
}

let clock: FakeClock;
let all: OperatorWorld;
let launcher: HandLauncher;
let loop: SchedulingLoop;
let mayAct: boolean;
let holds: CapacityHold[];
let maintained: Set<string>;
let reservations: Map<string, AgentReservation[]>;
let away: Map<string, Unavailability>;
let backOffs: BackOff[];
let counted: string[];
let oldestMs: number;

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  launcher = new HandLauncher();
  mayAct = true;
  holds = [];
  maintained = new Set();
  reservations = new Map();
  away = new Map();
  backOffs = [];
  counted = [];
  all.node('node-1', { cpu: '4', memory: '4Gi', pods: '10' });
  loop = createScheduling({
    world: all.world,
    launcher,
    clock,
    log: silentLog,
    metrics: {
      ...NO_METRICS,
      rescind: (reason) => counted.push(`rescind ${reason}`),
      backOff: (framework) => counted.push(`backOff ${framework}`),
      offerAge: (end, ageMs) => counted.push(`${end} after ${ageMs}`),
      oldestOffer: (ageMs) => {
        oldestMs = ageMs;
      },
    },
    epoch: () => 3,
    mayAct: () => mayAct,
    holds: () => holds,
    frameworkReservations: createFrameworkReservations({
      world: all.world,
      kube: all.kube,
      clock,
      log: silentLog,
      signal: new AbortController().signal,
    }),
    reservations: () => reservations,
    inMaintenance: () => maintained,
    unavailable: () => away,
    onBackOff: (backOff) => backOffs.push(backOff),
    batchMs: 10,
    sliceMs: 8,
    safetyNetMs: 5_000,
    offerTimeoutMs: 60_000,
    allocate: { minAllocatable: [{ cpus: 10 }], mode: 'mezzo', fairnessExclude: [] },
  });
  loop.start();
});

function join(name: string, roles = [WEB], suppressedRoles: (typeof WEB)[] = []): Member {
  const member = new Member();
  loop.register(
    {
      id: frameworkId(name),
      roles,
      suppressedRoles,
      capabilities: { revocable: true, gpu: true },
    },
    member,
  );
  return member;
}

const request = (name: string, resources: Resources): LaunchRequest => ({
  task: taskId(name),
  resources,
  revocable: {},
  pod: taskPod({ job: name, cpus: `${resources['cpus'] ?? 0}m`, mem: '1Gi' }),
});
const F = frameworkId('f');
const idsOf = (member: Member): OfferId[] => member.offers.map((one) => one.id);
const all4 = { cpus: 4000, mem: 4 * GIB };

describe('offers', () => {
  test('are made at once when no cycle ran lately, with ids of the epoch', async () => {
    const f = join('f');
    expect(f.offers).toEqual([]);
    await clock.advance(1);
    expect(f.offers).toMatchObject([{ id: '3-1', role: 'web', agent: 'node-1', resources: all4 }]);
    await clock.advance(20_000);
    expect(f.offers).toHaveLength(1);
  });

  test('wait for their batch when a cycle ran just before', async () => {
    const f = join('f');
    await clock.advance(1);
    loop.decline(F, idsOf(f), 0);
    await clock.advance(9);
    expect(f.offers).toHaveLength(1);
    await clock.advance(1);
    expect(f.offers).toHaveLength(2);
  });

  test('are not made while this process may not act', async () => {
    mayAct = false;
    const f = join('f');
    await clock.advance(10_000);
    expect(f.offers).toEqual([]);
    mayAct = true;
    await clock.advance(5_000);
    expect(f.offers).toHaveLength(1);
  });

  test('are not made of an agent that maintenance keeps free, and end when it begins', async () => {
    const f = join('f');
    await clock.advance(10);
    maintained.add('node-1');
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    maintained.clear();
    loop.trigger();
    await clock.advance(10);
    expect(idsOf(f)).toEqual(['3-1', '3-2']);
  });

  test('nobody answers in time are taken back and made again', async () => {
    const f = join('f');
    await clock.advance(60_000);
    expect(f.rescinded).toEqual([]);
    expect(oldestMs).toBeGreaterThanOrEqual(55_000);
    await clock.advance(100);
    expect(f.rescinded).toEqual(['3-1']);
    expect(idsOf(f)).toEqual(['3-1', '3-2']);
    expect(counted).toEqual(['expired after 60001']);
    expect(oldestMs).toBe(0);
  });

  test('are kept from a framework that never answers, twice as long each time, until it does', async () => {
    const f = join('f');
    const g = join('g', [BATCH]);
    await clock.advance(10);
    const [mute, name] = f.offers.length === 1 ? [f, 'f'] : [g, 'g'];
    const other = mute === f ? g : f;
    loop.unregister(frameworkId(mute === f ? 'g' : 'f'));
    await clock.advance(120_100);
    expect(backOffs).toEqual([{ framework: name, silences: 2, forMs: 60_000 }]);
    expect(counted).toContain(`backOff ${name}`);
    expect(mute.offers).toHaveLength(2);
    await clock.advance(60_000);
    expect(mute.offers).toHaveLength(3);
    await clock.advance(60_100);
    expect(backOffs.at(-1)).toMatchObject({ silences: 3, forMs: 120_000 });
    expect(other.offers).toEqual([]);
    await clock.advance(120_000);
    loop.decline(frameworkId(name), [mute.offers.at(-1)?.id as OfferId], 0);
    await clock.advance(60_100);
    expect(backOffs).toHaveLength(2);
    expect(mute.offers.length).toBeGreaterThan(4);
  });

  test('are not kept from a framework that lets one run out but answers others', async () => {
    all.node('node-2', { cpu: '4', memory: '4Gi', pods: '10' });
    const f = join('f');
    await clock.advance(10);
    const [kept] = idsOf(f);
    for (let round = 0; round < 4; round++) {
      await clock.advance(50_000);
      const answered = f.offers.filter((one) => one.id !== kept && !f.rescinded.includes(one.id));
      loop.decline(F, [answered.at(-1)?.id as OfferId], 0);
      await clock.advance(11_000);
    }
    expect(f.rescinded.length).toBeGreaterThan(2);
    expect(backOffs).toEqual([]);
  });

  test('are taken back when they were reserved for others since', async () => {
    const f = join('f');
    await clock.advance(10);
    const mine = { role: BATCH, resources: { cpus: 3000 }, reservationId: 'r' };
    reservations.set('node-1', [mine]);
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(counted).toContain('rescind ReservationsChanged');
    expect(f.offers[1]?.resources['cpus']).toBe(1000);
    reservations.clear();
    loop.trigger();
    await clock.advance(10);
    expect(f.offers[2]?.resources).toEqual({ cpus: 3000 });
  });

  test('of a reservation that is gone are taken back', async () => {
    const mine = { role: WEB, resources: { cpus: 3000 }, reservationId: 'r' };
    reservations.set('node-1', [mine]);
    const f = join('f');
    await clock.advance(10);
    expect(f.offers[0]).toMatchObject({ reserved: { cpus: 3000 }, reservedBy: [mine] });
    reservations.clear();
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(f.offers[1]).toMatchObject({ resources: all4, reserved: {} });
  });

  test('of an agent that goes away are taken back', async () => {
    const f = join('f');
    await clock.advance(10);
    all.api.delete(NODES, { name: 'node-1' });
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(loop.offers()).toEqual([]);
  });

  test('above a limit that was lowered are taken back', async () => {
    const quota = all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '4' } }) as QuotaObject;
    const f = join('f');
    await clock.advance(10);
    expect(f.offers[0]?.resources['cpus']).toBe(4000);
    all.api.update(QUOTAS, {
      ...quota,
      spec: { ...quota.spec, limits: { cpus: '1' } },
    } as QuotaObject);
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(f.offers[1]?.resources['cpus']).toBe(1000);
  });

  test('that stand in the way of a new guarantee are taken back, and not made again', async () => {
    const f = join('f');
    await clock.advance(10);
    expect(f.offers).toHaveLength(1);
    all.make(QUOTAS, 'batch', { role: 'batch', guarantees: { cpus: '5' }, force: true });
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    await clock.advance(20_000);
    expect(loop.outstanding(F)).toEqual([]);
  });

  test('of a silent framework go when it leaves, without a word to it', async () => {
    const f = join('f');
    const g = join('g');
    await clock.advance(10);
    const owner = f.offers.length === 1 ? f : g;
    const { name, other } = owner === f ? { name: 'f', other: g } : { name: 'g', other: f };
    loop.unregister(frameworkId(name));
    await clock.advance(10);
    expect(owner.rescinded).toEqual([]);
    expect(other.offers).toHaveLength(1);
  });
});

describe('planned absence', () => {
  const MAY = { startMs: 5_000_000, durationMs: 60_000 };
  test('is in the offers, and asked of whoever holds something there', async () => {
    all.pod(taskPod({ job: 'old', cpus: '1' }));
    const f = join('f');
    await clock.advance(10);
    away.set('node-1', MAY);
    loop.trigger();
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(f.offers[1]).toMatchObject({ id: '3-2', unavailability: MAY });
    expect(f.asked).toMatchObject([{ id: '3-I1', agent: 'node-1', unavailability: MAY }]);
    expect(loop.inverseAnswers()).toMatchObject([
      { framework: 'f', agent: 'node-1', answer: 'unknown' },
    ]);
    loop.answerInverseOffers(F, [offerId('3-I1')], 'accepted', 30_000);
    expect(loop.inverseAnswers()).toMatchObject([{ answer: 'accepted' }]);
    await clock.advance(29_000);
    expect(f.asked).toHaveLength(1);
    await clock.advance(1_100);
    expect(f.asked).toHaveLength(2);
  });
  test('that is called off takes the question back', async () => {
    const f = join('f');
    away.set('node-1', MAY);
    await clock.advance(10);
    expect(f.asked).toHaveLength(1);
    away.clear();
    loop.trigger();
    await clock.advance(10);
    expect(f.unasked).toEqual(['3-I1']);
    expect(f.offers.map((one) => one.unavailability)).toEqual([MAY, undefined]);
  });
  test('is nothing to a framework that left', async () => {
    join('f');
    away.set('node-1', MAY);
    await clock.advance(10);
    loop.unregister(F);
    expect(loop.inverseAnswers()).toEqual([]);
  });
});

describe('decline', () => {
  test('keeps the same from coming again until the filter runs out', async () => {
    const f = join('f');
    await clock.advance(10);
    // Not a multiple of the safety net: the cycle comes for the filter's sake.
    loop.decline(F, ['3-1' as OfferId], 12_345);
    await clock.advance(12_300);
    expect(f.offers).toHaveLength(1);
    await clock.advance(100);
    expect(idsOf(f)).toEqual(['3-1', '3-2']);
  });
  test('offers it to others at once', async () => {
    const f = join('f');
    await clock.advance(10);
    const g = join('g', [BATCH]);
    loop.decline(F, idsOf(f), 60_000);
    await clock.advance(10);
    expect(g.offers).toHaveLength(1);
  });
  test('without time sets no filter', async () => {
    const f = join('f');
    await clock.advance(10);
    loop.decline(F, idsOf(f), 0);
    await clock.advance(10);
    expect(f.offers).toHaveLength(2);
  });
  test('does not hide more than was declined', async () => {
    const f = join('f');
    await clock.advance(10);
    loop.decline(F, idsOf(f), 600_000);
    await clock.advance(10);
    const node = all.api.get(NODES, { name: 'node-1' }) as Node;
    const allocatable = { cpu: '8', memory: '4Gi', pods: '10' };
    all.api.update(NODES, { ...node, status: { ...node.status, allocatable } } as Node, {
      subresource: 'status',
    });
    loop.trigger();
    await clock.advance(10);
    expect(f.offers.at(-1)?.resources['cpus']).toBe(8000);
  });
  test('of an offer that does not exist is ignored', () => {
    join('f');
    expect(() => loop.decline(F, [offerId('1-9')], 5_000)).not.toThrow();
  });
});

describe('suppress and revive', () => {
  test('suppressed roles get nothing until they are revived, which also clears filters', async () => {
    const f = join('f', [WEB], [WEB]);
    await clock.advance(6_000);
    expect(f.offers).toEqual([]);
    loop.revive(F, []);
    await clock.advance(10);
    expect(f.offers).toHaveLength(1);
    loop.decline(F, idsOf(f), 600_000);
    loop.suppress(F, [WEB]);
    await clock.advance(6_000);
    loop.revive(F, [WEB]);
    await clock.advance(10);
    expect(f.offers).toHaveLength(2);
  });
  test('a call that names a role the framework does not have is dropped whole', async () => {
    const f = join('f', [WEB], [WEB]);
    loop.revive(F, [WEB, BATCH]);
    await clock.advance(6_000);
    expect(f.offers).toEqual([]);
  });
  test('a role that an update no longer suppresses loses its filters', async () => {
    const f = join('f');
    await clock.advance(10);
    loop.decline(F, idsOf(f), 600_000);
    const update = (suppressedRoles: readonly RolePath[]): void =>
      loop.update({ id: F, roles: [WEB], suppressedRoles, capabilities: NONE });
    update([WEB]);
    await clock.advance(6_000);
    expect(f.offers).toHaveLength(1);
    update([]);
    await clock.advance(6_000);
    expect(f.offers).toHaveLength(2);
  });
  test('a role that is taken from a framework takes its offers along', async () => {
    const f = join('f');
    await clock.advance(10);
    const capabilities = { revocable: true, gpu: true };
    loop.update({ id: F, roles: [BATCH], suppressedRoles: [], capabilities });
    await clock.advance(10);
    expect(f.rescinded).toEqual(['3-1']);
    expect(f.offers.map((one) => one.role)).toEqual(['web', 'batch']);
  });
});

describe('accept', () => {
  test('launches what fits, placed on the agent, and offers the rest again', async () => {
    const f = join('f');
    await clock.advance(10);
    const outcome = loop.accept(F, idsOf(f), [request('a', { cpus: 1000, mem: GIB })], 0);
    expect(outcome).toEqual({
      kind: 'accepted',
      agent: 'node-1',
      role: 'web',
      launches: [{ kind: 'launching', task: 'a', agent: 'node-1' }],
    });
    expect(launcher.open[0]?.launch.pod.spec.nodeName).toBe('node-1');
    await clock.advance(10);
    expect(f.offers[1]?.resources).toEqual({ cpus: 3000, mem: 3 * GIB });
  });

  test('refuses what is more than is left, each task for itself', async () => {
    const f = join('f');
    await clock.advance(10);
    const tasks = [3000, 2000, 1000].map((cpus) => request(`t${cpus}`, { cpus }));
    const outcome = loop.accept(F, idsOf(f), tasks, 0);
    expect(outcome).toMatchObject({
      launches: [
        { kind: 'launching', task: 't3000' },
        {
          kind: 'refused',
          task: 't2000',
          reason: 'NotEnoughOffered',
          message: 'task t2000 asks for more than is left of the accepted offers on node-1',
        },
        { kind: 'launching', task: 't1000' },
      ],
    });
  });

  test('refuses tasks of a tier above its limit, in every role, launches under way counted', async () => {
    all.make(QUOTAS, 'web-tiers', {
      role: 'web',
      tierLimits: [{ tier: 'preemptible', limits: { cpus: '2' } }],
    });
    const f = join('f');
    await clock.advance(10);
    const [own] = idsOf(f);
    const tasks = [1000, 1500, 1000].map((cpus, at) => request(`t${at}`, { cpus }));
    expect(loop.accept(F, [own as OfferId], tasks, 0)).toMatchObject({
      launches: [
        { kind: 'launching', task: 't0' },
        {
          kind: 'refused',
          task: 't1',
          reason: 'QuotaExceeded',
          message:
            'Quota web-tiers limits tier preemptible of role web to cpus 2: its tasks hold 1 and one more needs 1500m; ' +
            'raise spec.tierLimits or stop other tasks of the tier',
        },
        { kind: 'launching', task: 't2' },
      ],
    });
    expect(loop.tierMeter?.()?.excess(taskViewOf(request('more', { cpus: 1 }).pod))).toMatchObject({
      consumed: 2000,
    });
    all.api.delete(QUOTAS, { name: 'web-tiers' });
  });

  test('filters what it did not use, for as long as it says', async () => {
    const f = join('f');
    await clock.advance(10);
    loop.accept(F, idsOf(f), [request('a', { cpus: 1000, mem: GIB })], 30_000);
    await clock.advance(29_000);
    expect(f.offers).toHaveLength(1);
    await clock.advance(2_000);
    expect(f.offers).toHaveLength(2);
  });

  test.each<[string, (own: OfferId) => OfferId[], string]>([
    ['an offer that never was', () => [offerId('3-99')], 'offer 3-99 is no longer valid'],
    ['an offer of a former leader', () => [offerId('2-1')], 'offer 2-1 is no longer valid'],
    ['an offer named twice', (own) => [own, own], 'offer 3-1 is named twice'],
    ['no offer at all', () => [], 'the call names no offer'],
  ])('of %s is void as a whole', async (_what, ids, message) => {
    const f = join('f');
    await clock.advance(10);
    const [own] = idsOf(f);
    const outcome = loop.accept(F, ids(own as OfferId), [request('a', { cpus: 1 })], 600_000);
    expect(outcome).toEqual({ kind: 'invalidOffers', message });
    expect(launcher.open).toEqual([]);
  });

  test('valid offers of a void call come back at once, unfiltered', async () => {
    const f = join('f');
    await clock.advance(10);
    loop.accept(F, [...idsOf(f), offerId('3-99')], [], 600_000);
    expect(loop.outstanding(F)).toEqual([]);
    await clock.advance(10);
    expect(idsOf(f)).toEqual(['3-1', '3-2']);
  });

  test("of somebody else's offer is void, and the offer stays his", async () => {
    const f = join('f');
    await clock.advance(10);
    join('g');
    expect(loop.accept(frameworkId('g'), idsOf(f), [], 0)).toEqual({
      kind: 'invalidOffers',
      message: 'offer 3-1 was made to another framework',
    });
    expect(loop.outstanding(F)).toHaveLength(1);
  });

  test('tells how each launch ended, and frees what failed', async () => {
    const f = join('f');
    await clock.advance(10);
    const tasks = [request('a', { cpus: 2000 }), request('b', { cpus: 2000 })];
    loop.accept(F, idsOf(f), tasks, 0);
    await clock.advance(10);
    expect(f.offers).toHaveLength(1);
    launcher.end({ kind: 'failed', failure: { reason: 'Forbidden', message: 'no' } });
    const made = all.pod(launcher.open[0]?.launch.pod as Pod);
    launcher.end({ kind: 'created', pod: made });
    await clock.advance(10);
    expect(f.failures).toEqual(['a Forbidden']);
    expect(f.launched).toEqual(['b']);
    expect(f.offers[1]?.resources['cpus']).toBe(2000);
  });
});

describe('the snapshot', () => {
  test('a hold is for its role alone, until its instance runs', async () => {
    const vip = 'ServiceJob/apps/vip';
    holds = [
      { agent: 'node-1' as never, role: WEB, jobKey: vip, instance: 0, resources: { cpus: 3000 } },
    ];
    const g = join('g', [BATCH]);
    await clock.advance(10);
    expect(g.offers[0]?.resources['cpus']).toBe(1000);
    all.pod(taskPod({ job: 'vip', cpus: '3' }));
    expect(loop.snapshot().snapshot.allocations.filter((one) => one.kind === 'hold')).toEqual([]);
  });
  test('counts Pods, Pods on their way, and offers', async () => {
    all.pod(taskPod({ job: 'old', cpus: '1' }));
    const f = join('f');
    await clock.advance(10);
    loop.accept(F, idsOf(f), [request('a', { cpus: 500, mem: GIB })], 0);
    await clock.advance(10);
    const { allocations } = loop.snapshot().snapshot;
    expect(allocations.map((one) => [one.kind, one.resources['cpus']])).toEqual([
      ['task', 1000],
      ['task', 500],
      ['offer', 2500],
    ]);
    expect([...all.api.all(PODS)]).toHaveLength(1);
  });
});

test('an agent whose change was not heard of is found by the audit, and read again', async () => {
  const f = join('f');
  await clock.advance(10);
  expect(await loop.audit()).toEqual([]);
  const { nodes } = all.world;
  const shrunk = nodeOf('node-1', { cpu: '1', memory: '1Gi', pods: '10' });
  const get = nodes.get.bind(nodes);
  nodes.get = (key) => (key.name === 'node-1' ? shrunk : get(key));
  expect(await loop.audit()).toEqual(['agent node-1: a change of it was not heard of']);
  await clock.advance(10);
  expect(f.rescinded).toEqual(['3-1']);
  expect(f.offers[1]?.resources).toEqual({ cpus: 1000, mem: GIB });
  expect(await loop.audit()).toEqual([]);
});

test('after stop nothing is offered any more', async () => {
  const f = join('f');
  loop.stop();
  loop.trigger();
  await clock.advance(60_000);
  expect(f.offers).toEqual([]);
});
