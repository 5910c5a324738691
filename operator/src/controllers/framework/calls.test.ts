import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import {
  ALICE,
  FrameworkHarness,
  launchOf,
  type Subscription,
  taskInfo,
} from '../../../../test/support/frameworkHarness.ts';
import { type FrameworkId, frameworkId } from '../../model/ids.ts';
import type { AccessVerdict } from './types.ts';

let clock: FakeClock;
let world: FrameworkHarness;
beforeEach(() => {
  clock = new FakeClock();
  world = new FrameworkHarness(clock);
  for (const role of ['eng', 'eng/web', 'ops']) world.addRole(role);
});
afterEach(() => world.stop());

const idOf = (who: Subscription): FrameworkId => frameworkId(who.id);
const MULTI = { capabilities: [{ type: 'MULTI_ROLE' }], roles: ['eng', 'ops'] };
const rackIs = (role: string, value: string): object => ({
  role_constraints: {
    [role]: {
      groups: [
        {
          attribute_constraints: [
            { selector: { attribute_name: 'rack' }, predicate: { text_matches: { regex: value } } },
          ],
        },
      ],
    },
  },
});

describe('UPDATE_FRAMEWORK', () => {
  test('changes roles, suppressed roles, filters and constraints as a whole', async () => {
    const who = await world.subscribe({ ...MULTI, failover_timeout: 60 });
    const outcome = await world.updateFramework(
      who,
      {
        ...MULTI,
        roles: ['eng/web', 'ops'],
        capabilities: [{ type: 'MULTI_ROLE' }, { type: 'REVOCABLE_RESOURCES' }],
        failover_timeout: 120,
        offer_filters: {
          ops: {
            min_allocatable_resources: { quantities: [{ quantities: { cpus: { value: 2 } } }] },
          },
          'eng/web': { min_allocatable_resources: {} },
        },
      },
      { suppressed_roles: ['ops'], offer_constraints: rackIs('ops', 'r[12]') },
    );
    expect(outcome).toEqual({ kind: 'updated' });
    expect(world.scheduling.registrationOf(idOf(who))).toEqual({
      id: who.id,
      roles: ['eng/web', 'ops'],
      suppressedRoles: ['ops'],
      capabilities: { revocable: true, gpu: false },
      minAllocatableByRole: { ops: [{ cpus: 2000 }], 'eng/web': [] },
      constraints: {
        ops: {
          groups: [
            [
              {
                selector: { attribute: 'rack' },
                predicate: { kind: 'textMatches', pattern: 'r[12]' },
              },
            ],
          ],
        },
      },
    });
    await clock.settle();
    expect(world.frameworkObjects()[0]?.spec).toMatchObject({
      roles: ['eng/web', 'ops'],
      failoverTimeoutSeconds: 120,
    });
    expect(world.hub.frameworks()[0]?.roles).toEqual(['eng/web', 'ops']);
    expect(who.sink.types()).toEqual(['SUBSCRIBED', 'HEARTBEAT']);
  });

  test.each<[string, object, object, string]>([
    ['another user', { user: 'nobody' }, {}, "'user' cannot change from 'root' to 'nobody'"],
    ['another checkpoint', { checkpoint: true }, {}, "'checkpoint' cannot change"],
    ['another principal', { principal: 'eve' }, {}, "'eve' does not match"],
    ['a role that is none', { roles: ['a//b'] }, {}, "'a//b' has an empty component"],
    ['a role that does not exist', { roles: ['nope'] }, {}, "Role 'nope' does not exist"],
    [
      'a role to suppress that is not its own',
      {},
      { suppressed_roles: ['eng/web'] },
      "Suppressed role 'eng/web'",
    ],
    [
      'constraints of a role that is not its own',
      {},
      { offer_constraints: rackIs('eng/web', 'r') },
      "role 'eng/web' are not valid: the framework does not subscribe to it",
    ],
    [
      'a pattern that backtracks',
      {},
      { offer_constraints: rackIs('ops', '(a)\\1') },
      "groups[0].attribute_constraints[0]: not a pattern that is matched in linear time: '\\1'",
    ],
    [
      'no groups',
      {},
      { offer_constraints: { role_constraints: { ops: {} } } },
      "role 'ops' are not valid: it has no groups",
    ],
    [
      'no predicate',
      {},
      {
        offer_constraints: {
          role_constraints: {
            ops: {
              groups: [
                { attribute_constraints: [{ selector: { attribute_name: 'a' }, predicate: {} }] },
              ],
            },
          },
        },
      },
      'groups[0].attribute_constraints[0].predicate: exactly one',
    ],
    [
      'two selectors',
      {},
      {
        offer_constraints: {
          role_constraints: {
            ops: {
              groups: [
                {
                  attribute_constraints: [
                    {
                      selector: { attribute_name: 'a', pseudoattribute_type: 'ZONE' },
                      predicate: { exists: {} },
                    },
                  ],
                },
              ],
            },
          },
        },
      },
      'groups[0].attribute_constraints[0].selector: exactly one',
    ],
    [
      'a smallest offer of nothing',
      { offer_filters: { ops: { min_allocatable_resources: { quantities: [{}] } } } },
      {},
      "role 'ops': a set must contain at least one quantity",
    ],
    [
      'a negative smallest offer',
      {
        offer_filters: {
          ops: {
            min_allocatable_resources: { quantities: [{ quantities: { cpus: { value: -1 } } }] },
          },
        },
      },
      {},
      "'cpus' must be a number of at least 0",
    ],
  ])('%s: 400, and nothing changes', async (_name, info, more, message) => {
    const who = await world.subscribe({ ...MULTI });
    const before = world.scheduling.registrationOf(idOf(who));
    const outcome = await world.updateFramework(who, { ...MULTI, ...info }, more);
    expect(outcome).toEqual({ kind: 'badRequest', message: expect.stringContaining(message) });
    expect(world.scheduling.registrationOf(idOf(who))).toBe(before);
  });

  test('a role the principal may not use: 403 with the permission; unknown while nobody can be asked', async () => {
    const who = await world.subscribe(MULTI);
    world.authorizer.denied.add('alice offer eng/web');
    const wanted = { ...MULTI, roles: ['eng/web'] };
    expect(await world.updateFramework(who, wanted)).toMatchObject({
      kind: 'forbidden',
      message: expect.stringContaining('alice offer eng/web'),
    });
    world.authorizer.unavailable = true;
    expect((await world.updateFramework(who, wanted)).kind).toBe('unavailable');
  });

  test('the checks of every other call come first', async () => {
    const who = await world.subscribe(MULTI);
    const forged = { id: who.id, streamId: 'x' };
    expect(await world.updateFramework(forged, MULTI)).toMatchObject({ kind: 'badRequest' });
    expect(await world.updateFramework(who, MULTI, {}, { ...ALICE, name: 'eve' })).toMatchObject({
      kind: 'badRequest',
      message: expect.stringContaining("'eve'"),
    });
    const away = await world.subscribe({ ...MULTI, failover_timeout: 60 });
    away.close();
    expect((await world.updateFramework(away, MULTI)).kind).toBe('forbidden');
  });

  test('a framework that failed over while it was being judged: 409, and the newer one stays', async () => {
    const who = await world.subscribe({ ...MULTI, failover_timeout: 60 });
    const answer = Promise.withResolvers<AccessVerdict>();
    world.authorizer.mayOffer = () => answer.promise;
    const pending = world.updateFramework(who, { ...MULTI, roles: ['eng/web'] });
    world.authorizer.mayOffer = () => Promise.resolve({ kind: 'allowed' });
    await world.subscribe({ ...MULTI, id: { value: who.id }, failover_timeout: 60 });
    answer.resolve({ kind: 'allowed' });
    expect((await pending).kind).toBe('conflict');
    expect(world.scheduling.registrationOf(idOf(who))?.roles).toEqual(['eng', 'ops']);
  });
});

describe('the status of the Framework object', () => {
  test('counts offers that were its own, tasks by state, and what they hold, every 5 s', async () => {
    const who = await world.subscribe();
    const offers = [1, 2, 3].map(() =>
      world.scheduling.offer(idOf(who), { resources: { cpus: 1000, mem: 2 ** 30 } }),
    );
    const [first, second] = offers.map((one) => one.id);
    const ids = (...values: (string | undefined)[]) => values.map((value) => ({ value }));
    world.call(who, 'DECLINE', { offer_ids: ids(second, 'nobody-s', second) });
    world.call(who, 'ACCEPT', launchOf([first ?? ''], [taskInfo('one'), taskInfo('two')]));
    world.call(who, 'ACCEPT', launchOf(['nobody-s'], []));
    await clock.settle();
    world.run('one');
    const status = () => world.frameworkObjects()[0]?.status;
    await clock.advance(5_000);
    expect(status()).toMatchObject({
      connected: true,
      offers: { sent: 3, accepted: 1, declined: 1, rescinded: 0, outstanding: 1 },
      tasks: { TASK_STARTING: 2 },
      allocated: { cpus: '200m', mem: '64Mi' },
    });
    world.exit('two', 0);
    await clock.advance(4_000);
    expect(status()?.allocated).toEqual({ cpus: '200m', mem: '64Mi' });
    await clock.advance(1_000);
    expect(status()?.allocated).toEqual({ cpus: '100m', mem: '32Mi' });
  });
});

describe('offers tell', () => {
  test('attributes, domain and when the agent will be away', async () => {
    world.addNode('node-2', {
      rack: 'r1',
      'kubernetes.io/arch': 'amd64',
      'topology.kubernetes.io/region': 'eu',
      'topology.kubernetes.io/zone': 'eu-1',
    });
    const who = await world.subscribe();
    world.scheduling.offer(idOf(who), {
      agent: 'node-2',
      resources: { cpus: 1000 },
      unavailability: { startMs: 1_700_000_000_000, durationMs: 60_000 },
    });
    const offers = who.sink.events.find((one) => one.type === 'OFFERS');
    expect(offers).toMatchObject({
      offers: {
        offers: [
          {
            attributes: [{ name: 'rack', type: 'TEXT', text: { value: 'r1' } }],
            domain: { fault_domain: { region: { name: 'eu' }, zone: { name: 'eu-1' } } },
            unavailability: {
              start: { nanoseconds: 1_700_000_000_000_000_000 },
              duration: { nanoseconds: 60_000_000_000 },
            },
          },
        ],
      },
    });
  });

  test('inverse offers, their answers and their end', async () => {
    const who = await world.subscribe();
    const id = world.scheduling.inverseOffer(idOf(who), {
      startMs: 5_000,
      durationMs: Number.POSITIVE_INFINITY,
    });
    expect(who.sink.events.at(-1)).toEqual({
      type: 'INVERSE_OFFERS',
      inverse_offers: {
        inverse_offers: [
          {
            id: { value: id },
            framework_id: { value: who.id },
            agent_id: { value: 'node-1' },
            url: {
              scheme: 'http',
              address: { hostname: 'node-1.test', ip: '10.0.0.1', port: 5055 },
              path: '/slave(1)',
            },
            unavailability: { start: { nanoseconds: 5_000_000_000 } },
          },
        ],
      },
    });
    const body = { inverse_offer_ids: [{ value: id }], filters: { refuse_seconds: 9 } };
    expect(world.call(who, 'ACCEPT_INVERSE_OFFERS', body)).toEqual({ kind: 'accepted' });
    world.call(who, 'DECLINE_INVERSE_OFFERS', { inverse_offer_ids: [{ value: id }] });
    expect(world.scheduling.log.slice(-2)).toEqual([
      `inverse ${who.id} accepted ${id} 9000`,
      `inverse ${who.id} declined ${id} 5000`,
    ]);
    world.scheduling.rescindInverseOffer(idOf(who), id);
    expect(who.sink.events.at(-1)).toEqual({
      type: 'RESCIND_INVERSE_OFFER',
      rescind_inverse_offer: { inverse_offer_id: { value: id } },
    });
  });
});

describe('executors', () => {
  test('SHUTDOWN ends the task whose executor it names, on that agent only', async () => {
    const who = await world.subscribe();
    const offer = world.scheduling.offer(idOf(who), { resources: { cpus: 4000, mem: 2 ** 30 } });
    world.call(who, 'ACCEPT', launchOf([offer.id], [taskInfo('one'), taskInfo('two')]));
    await clock.settle();
    const shutdown = (executor: string, agent: string): void => {
      world.call(who, 'SHUTDOWN', { executor_id: { value: executor }, agent_id: { value: agent } });
    };
    shutdown('one', 'node-9');
    shutdown('three', 'node-1');
    await clock.settle();
    expect(world.pods().filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toEqual([]);
    shutdown('one', 'node-1');
    await clock.settle();
    expect(world.podOf('one').metadata.deletionGracePeriodSeconds).toBe(5);
    expect(world.podOf('two').metadata.deletionTimestamp).toBeUndefined();
  });

  test('messages to executors nobody has are no error', async () => {
    const who = await world.subscribe();
    const body = { agent_id: { value: 'node-1' }, executor_id: { value: 'e' }, data: 'aGk=' };
    expect(world.call(who, 'MESSAGE', body)).toEqual({ kind: 'accepted' });
    expect(world.call(who, 'REQUEST', { requests: [{}] })).toEqual({ kind: 'accepted' });
  });
});

describe('RECONCILE_OPERATIONS', () => {
  test('an operation nobody knows, with and without its agent', async () => {
    const who = await world.subscribe();
    world.call(who, 'RECONCILE_OPERATIONS', {
      operations: [
        { operation_id: { value: 'o1' } },
        { operation_id: { value: 'o2' }, agent_id: { value: 'node-1' } },
      ],
    });
    const status = (id: string, more: object = {}): object => ({
      type: 'UPDATE_OPERATION_STATUS',
      update_operation_status: {
        status: {
          operation_id: { value: id },
          state: 'OPERATION_UNKNOWN',
          message: 'Reconciliation: Latest operation state',
          ...more,
        },
      },
    });
    expect(who.sink.events.slice(-2)).toEqual([
      status('o1'),
      status('o2', { agent_id: { value: 'node-1' } }),
    ]);
  });

  test('soon after a restart: RECOVERING', async () => {
    world.stop();
    world = new FrameworkHarness(clock, { reconcileQuietMs: 10_000 });
    const who = await world.subscribe();
    const operations = [{ operation_id: { value: 'o1' } }];
    world.call(who, 'RECONCILE_OPERATIONS', { operations });
    expect(JSON.stringify(who.sink.events.at(-1))).toContain('OPERATION_RECOVERING');
    await clock.advance(10_001);
    world.call(who, 'RECONCILE_OPERATIONS', { operations });
    expect(JSON.stringify(who.sink.events.at(-1))).toContain('OPERATION_UNKNOWN');
  });
});
