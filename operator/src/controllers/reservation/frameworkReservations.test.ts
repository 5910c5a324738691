import { beforeEach, describe, expect, test } from '@jest/globals';
import { ControllersByHand } from '../../../../test/support/controllers.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { frameworkId, type OfferId, rolePath, taskId } from '../../model/ids.ts';
import { type KubeApi, KubeApiError } from '../../ports/kubeApi.ts';
import { RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import type { FrameworkCallbacks, Offer, OfferOperation } from '../scheduling/types.ts';
import type { OperationResult } from './frameworkReservations.ts';

const F = frameworkId('f');
const STACK = [{ role: 'ops', principal: 'p' }];
const reserve = (cpus: number, operation = 'op-1'): OfferOperation => ({
  kind: 'reserve',
  operation,
  resources: { cpus },
  stack: STACK,
});

class Member implements FrameworkCallbacks {
  readonly offers: Offer[] = [];
  readonly rescinded: OfferId[] = [];
  readonly results: [string, OperationResult['kind']][] = [];
  onOffers(offers: readonly Offer[]): void {
    this.offers.push(...offers);
  }
  onRescind(offer: OfferId): void {
    this.rescinded.push(offer);
  }
  onLaunchFailed(): void {}
  onOperation(operation: string, { kind }: OperationResult): void {
    this.results.push([operation, kind]);
  }
  get last(): Offer {
    return this.offers.at(-1) as Offer;
  }
}

let clock: FakeClock;
let all: OperatorWorld;
let hands: ControllersByHand;
let f: Member;
let faults: KubeApiError[];

/** The API server, but the next writes of reservations fail; a lost reply means that it was written all the same. */
function faulty(kube: KubeApi): KubeApi {
  const failing = async <T>(write: () => Promise<T>): Promise<T> => {
    const fault = faults.shift();
    if (fault === undefined) return await write();
    if (fault.code === 'unknownOutcome') await write();
    throw fault;
  };
  return {
    get: (...call) => kube.get(...call),
    list: (...call) => kube.list(...call),
    watch: (...call) => kube.watch(...call),
    create: (...call) => failing(() => kube.create(...call)),
    update: (...call) => failing(() => kube.update(...call)),
    patch: (...call) => kube.patch(...call),
    delete: (...call) => failing(() => kube.delete(...call)),
    evict: (...call) => failing(() => kube.evict(...call)),
    bind: (...call) => failing(() => kube.bind(...call)),
  };
}

const register = (name: string, roles: string[]): Member => {
  const member = new Member();
  const capabilities = { revocable: false, gpu: false };
  hands.set.scheduling.register(
    { id: frameworkId(name), roles: roles.map(rolePath), suppressedRoles: [], capabilities },
    member,
  );
  return member;
};
const objects = (): ReservationObject[] =>
  [...all.api.all(RESERVATIONS)] as unknown as ReservationObject[];
const bindAll = async (): Promise<void> => {
  for (const { metadata } of objects()) await hands.look('reservation', metadata.name);
};
const perform = (operations: readonly OfferOperation[]) =>
  hands.set.scheduling.perform(F, [f.last.id], operations, 0);

const offered = () => {
  const offers = hands.set.scheduling.outstanding(F);
  return {
    cpus: offers.reduce((sum, one) => sum + (one.resources['cpus'] ?? 0), 0),
    reserved: offers.reduce((sum, one) => sum + (one.reserved['cpus'] ?? 0), 0),
  };
};

beforeEach(async () => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  faults = [];
  hands = new ControllersByHand(all, clock, { kube: faulty(all.kube) });
  all.node('node-1', { cpu: '4', memory: '4Gi', pods: '10' });
  f = register('f', ['ops']);
  await clock.advance(20);
});

describe('a reservation a framework makes', () => {
  test('is an object, and keeps its resources for the role from that moment on', async () => {
    const other = register('g', ['dev']);
    expect(perform([reserve(3000)])).toMatchObject({
      verdicts: [{ kind: 'reserving', operation: 'op-1' }],
    });
    hands.set.scheduling.suppress(F, []);
    await clock.advance(20);
    expect(other.last.resources['cpus']).toBe(1000);
    expect(f.results).toEqual([['op-1', 'finished']]);
    await bindAll();
    expect(objects()).toMatchObject([
      { spec: { role: 'ops', agent: 'node-1', principal: 'p' }, status: { agents: ['node-1'] } },
    ]);
    hands.set.scheduling.revive(F, []);
    await clock.advance(20);
    expect(f.last).toMatchObject({ resources: { cpus: 3000 }, reserved: { cpus: 3000 } });
    expect(other.rescinded).toEqual([]);
  });

  test('pays for the task that is launched on it in the same call', async () => {
    const launch = {
      task: taskId('t'),
      resources: { cpus: 2500 },
      revocable: {},
      pod: taskPod({ cpus: '2500m', role: 'ops' }),
    };
    expect(perform([reserve(2000), { kind: 'launch', launch }])).toMatchObject({
      verdicts: [{ kind: 'reserving' }, { kind: 'launching' }],
    });
    await clock.advance(50);
    await bindAll();
    expect(objects()[0]?.status).toMatchObject({ agents: ['node-1'], boundCount: 1 });
    expect(hands.set.scheduling.snapshot().ledger.tasks).toMatchObject([
      { reserved: { cpus: 2000 } },
    ]);
  });

  test('beyond what was offered is refused, and what comes after it goes on', () => {
    expect(perform([reserve(9000), reserve(1000, 'op-2')])).toMatchObject({
      verdicts: [
        {
          kind: 'operationRefused',
          operation: 'op-1',
          message: 'the offers hold too little of unreserved resources: 5 cpus missing',
        },
        { kind: 'reserving', operation: 'op-2' },
      ],
    });
  });

  test('is made once though its first reply was lost', async () => {
    faults = [new KubeApiError('unknownOutcome', 'lost'), new KubeApiError('unavailable', 'down')];
    perform([reserve(3000)]);
    await clock.advance(5_000);
    expect(f.results).toEqual([['op-1', 'finished']]);
    expect(objects()).toHaveLength(1);
  });

  test('that the server refuses is told, and its resources are free again', async () => {
    faults = [new KubeApiError('forbidden', 'no')];
    perform([reserve(3000)]);
    await clock.advance(50);
    expect(f.results).toEqual([['op-1', 'failed']]);
    expect(objects()).toEqual([]);
    expect(offered()).toEqual({ cpus: 4000, reserved: 0 });
  });

  test('that somebody deletes before it was bound is forgotten', async () => {
    perform([reserve(3000)]);
    await clock.advance(50);
    all.api.delete(RESERVATIONS, { name: objects()[0]?.metadata.name ?? '' });
    hands.set.scheduling.trigger();
    await clock.advance(50);
    expect(offered()).toEqual({ cpus: 4000, reserved: 0 });
  });
});

describe('a reservation a framework gives back', () => {
  const back = (cpus: number): OfferOperation => ({
    kind: 'unreserve',
    operation: 'op-9',
    resources: { cpus },
    stack: STACK,
  });
  beforeEach(async () => {
    perform([reserve(3000)]);
    await clock.advance(50);
    await bindAll();
    hands.set.scheduling.trigger();
    await clock.advance(50);
    expect(f.last.reserved).toEqual({ cpus: 3000 });
  });
  test('whole is deleted', async () => {
    perform([back(3000)]);
    await clock.advance(50);
    expect(objects()).toEqual([]);
    expect(f.results.at(-1)).toEqual(['op-9', 'finished']);
    expect(offered()).toEqual({ cpus: 4000, reserved: 0 });
  });
  test('is offered as given back from that moment on, and as it was when that fails', async () => {
    faults = [new KubeApiError('unavailable', 'down'), new KubeApiError('forbidden', 'no')];
    perform([back(3000)]);
    await clock.advance(20);
    expect(objects()).toHaveLength(1);
    expect(offered()).toEqual({ cpus: 4000, reserved: 0 });
    await clock.advance(5_000);
    expect(f.results.at(-1)).toEqual(['op-9', 'failed']);
    expect(offered()).toEqual({ cpus: 4000, reserved: 3000 });
  });
  test('in part counts from that moment on', async () => {
    faults = [new KubeApiError('unavailable', 'down')];
    perform([back(1000)]);
    await clock.advance(20);
    expect(offered()).toEqual({ cpus: 4000, reserved: 2000 });
    await clock.advance(5_000);
    expect(offered()).toEqual({ cpus: 4000, reserved: 2000 });
  });
  test('in part is made smaller, once, though a reply was lost and a status came between', async () => {
    faults = [new KubeApiError('unknownOutcome', 'lost')];
    perform([back(1000)]);
    await clock.advance(5_000);
    expect(objects()[0]?.spec.resources).toEqual({ cpus: '2' });
    expect(f.results.at(-1)).toEqual(['op-9', 'finished']);
  });
  test('but changed by somebody else in the meantime stays', async () => {
    perform([back(1000)]);
    const [object] = objects() as [ReservationObject];
    all.api.update(RESERVATIONS, {
      ...object,
      spec: { ...object.spec, resources: { cpus: '1' } },
    } as ReservationObject);
    await clock.advance(5_000);
    expect(f.results.at(-1)).toEqual(['op-9', 'failed']);
    expect(objects()[0]?.spec.resources).toEqual({ cpus: '1' });
  });
});
