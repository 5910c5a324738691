import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import {
  ALICE,
  FrameworkHarness,
  launchOf,
  type Subscription,
  taskInfo,
} from '../../../../test/support/frameworkHarness.ts';
import { frameworkId } from '../../model/ids.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import { FRAMEWORKS } from '../../schema/mezzoKinds.ts';

const RESOURCES = { cpus: 4000, mem: 2 ** 30 };

let clock: FakeClock;
let world: FrameworkHarness;
beforeEach(() => {
  clock = new FakeClock();
  world = new FrameworkHarness(clock);
});
afterEach(() => world.stop());

async function launch(who: Subscription, ...tasks: string[]): Promise<void> {
  const offer = world.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
  world.call(
    who,
    'ACCEPT',
    launchOf(
      [offer.id],
      tasks.map((id) => taskInfo(id)),
    ),
  );
  await clock.settle();
}

/** Acknowledges whatever is sent until nothing more comes. */
async function acknowledgeAll(who: Subscription): Promise<void> {
  for (let seen = 0; ; ) {
    const fresh = who.sink.updates().slice(seen);
    if (fresh.length === 0) return;
    seen += fresh.length;
    for (const status of fresh) if (status.uuid !== undefined) world.acknowledge(who, status);
    await clock.settle();
  }
}

const states = (who: Subscription, task?: string): string[] =>
  who.sink.updates(task).map((status) => status.state);

describe('subscription', () => {
  test('a new framework gets an id, a stream, a heartbeat and an object', async () => {
    const who = await world.subscribe();
    expect(who.id).toBe('mezzo-1-0000');
    expect(who.sink.types()).toEqual(['SUBSCRIBED', 'HEARTBEAT']);
    expect(who.sink.events[0]).toMatchObject({
      subscribed: {
        heartbeat_interval_seconds: 5,
        master_info: { ip: 9 * 2 ** 24 + 10, port: 5050, address: { ip: '10.0.0.9' } },
      },
    });
    await clock.settle();
    const [object] = world.frameworkObjects();
    expect(object?.metadata).toMatchObject({ name: who.id, namespace: 'tenants' });
    expect(object?.spec).toMatchObject({ frameworkId: who.id, principal: 'alice', roles: ['*'] });
    expect(object?.status).toMatchObject({ id: who.id, connected: true, completed: false });
    expect(object?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True' }]);
  });

  test('heartbeats come every five seconds, and stop with the stream', async () => {
    const who = await world.subscribe();
    await clock.advance(20_000);
    expect(who.sink.types().filter((type) => type === 'HEARTBEAT')).toHaveLength(5);
    who.close();
    await clock.advance(20_000);
    expect(who.sink.types().filter((type) => type === 'HEARTBEAT')).toHaveLength(5);
  });

  test('a second scheduler with the same id takes over, and the first is told', async () => {
    const first = await world.subscribe();
    const second = await world.subscribe({ id: { value: first.id } });
    expect(second.id).toBe(first.id);
    expect(first.sink.errors()).toEqual(['Framework failed over']);
    expect(first.sink.state).toBe('ended');
    first.close();
    expect(world.call(second, 'REVIVE')).toEqual({ kind: 'accepted' });
    expect(world.call(first, 'REVIVE').kind).toBe('badRequest');
  });

  test('an id nobody has seen is accepted and echoed', async () => {
    const who = await world.subscribe({ id: { value: 'My_Own.Id' } });
    expect(who.id).toBe('My_Own.Id');
    expect(world.frameworkObjects()[0]?.spec.frameworkId).toBe('My_Own.Id');
  });

  test('a torn-down id is refused', async () => {
    const who = await world.subscribe();
    world.call(who, 'TEARDOWN');
    expect(who.sink.state).toBe('ended');
    await clock.settle();
    expect(await world.trySubscribe({ id: { value: who.id } })).toMatchObject({
      kind: 'refused',
      message: 'Framework has been removed',
    });
    expect(world.call(who, 'REVIVE')).toMatchObject({
      kind: 'badRequest',
      message: 'Framework cannot be found',
    });
  });

  test('the last 50 that completed are remembered, however long ago they subscribed', async () => {
    const eldest = await world.subscribe();
    const others: Subscription[] = [];
    for (let count = 0; count < 55; count += 1) {
      await clock.advance(1_000);
      others.push(await world.subscribe());
    }
    for (const who of [...others, eldest]) {
      world.call(who, 'TEARDOWN');
      await clock.settle();
    }
    const again = async (who: Subscription | undefined): Promise<string> =>
      (await world.trySubscribe({ id: { value: who?.id ?? '' } })).kind;
    expect(await again(eldest)).toBe('refused');
    expect(await again(others.at(-1))).toBe('refused');
    expect(await again(others[0])).toBe('accepted');
  });

  test.each([
    ['a role without a Role object', { role: 'nope' }, /Role 'nope' does not exist/],
    ['a role that is closed to the namespace', { role: 'closed' }, /not for namespace 'tenants'/],
    ['suppressed roles outside the roles', { suppressed: ['x'] }, /Suppressed role 'x'/],
    [
      'a principal that is not the caller',
      { principal: 'mallory' },
      /does not match authenticated/,
    ],
    ['a malformed id', { id: { value: 'a/b' } }, /'FrameworkInfo.id'/],
  ])('refuses %s', async (_name, info, message) => {
    world.addRole('closed', ['elsewhere']);
    const outcome = await world.trySubscribe(info);
    expect(outcome.kind === 'refused' ? outcome.message : outcome.kind).toMatch(message);
    expect(world.frameworkObjects()).toEqual([]);
  });

  test('names the permission that is missing', async () => {
    world.authorizer.denied.add('alice pods tenants');
    const outcome = await world.trySubscribe();
    expect(outcome).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('alice pods tenants'),
    });
  });

  test('nobody else may use a framework of mine', async () => {
    const who = await world.subscribe();
    const outcome = await world.trySubscribe(
      { id: { value: who.id } },
      { name: 'mallory', groups: [] },
    );
    expect(outcome.kind).toBe('refused');
    expect(who.sink.state).toBe('open');
    expect(world.call(who, 'TEARDOWN', undefined, 'mallory').kind).toBe('badRequest');
  });

  test('a service account runs at home, but never in the operator’s namespace', async () => {
    await world.subscribe({}, { name: 'system:serviceaccount:team-a:runner', groups: [] });
    expect(world.frameworkObjects()[0]?.metadata.namespace).toBe('team-a');
    for (const namespace of ['mezzo-system', 'kube-system']) {
      const principal = { name: `system:serviceaccount:${namespace}:x`, groups: [] };
      expect((await world.trySubscribe({}, principal)).kind).toBe('refused');
    }
  });

  test('an object made beforehand lends its template', async () => {
    await world.kube.create(FRAMEWORKS, {
      metadata: { name: 'example', namespace: 'tenants' },
      spec: { podTemplate: { image: 'registry.test/own:2' } },
    } as never);
    const who = await world.subscribe();
    expect(world.frameworkObjects()).toHaveLength(1);
    await launch(who, 't1');
    expect(world.podOf('t1').spec.containers[0]?.image).toBe('registry.test/own:2');
  });
});

describe('calls', () => {
  test.each([
    ['an unknown framework', { id: 'nobody', streamId: 's' }, 'badRequest'],
    ['a wrong stream id', { streamId: 'forged' }, 'badRequest'],
    ['no stream id', { streamId: undefined }, 'badRequest'],
  ])('%s is a bad request', async (_name, change, kind) => {
    const who = await world.subscribe();
    expect(world.call({ ...who, ...change } as Subscription, 'REVIVE').kind).toBe(kind);
  });

  test('a framework that is not connected is forbidden', async () => {
    const who = await world.subscribe({ failover_timeout: 60 });
    who.close();
    expect(world.call(who, 'REVIVE')).toMatchObject({ kind: 'forbidden' });
  });

  test('UNKNOWN is not implemented; MESSAGE is accepted', async () => {
    const who = await world.subscribe();
    expect(world.call(who, 'UNKNOWN').kind).toBe('notImplemented');
    const message = { agent_id: { value: 'a' }, executor_id: { value: 'e' }, data: '' };
    expect(world.call(who, 'MESSAGE', message).kind).toBe('accepted');
  });

  test('REVIVE and SUPPRESS of a role that is not mine are dropped whole', async () => {
    const who = await world.subscribe();
    world.call(who, 'SUPPRESS', { roles: ['*', 'other'] });
    world.call(who, 'REVIVE', { roles: ['other'] });
    world.call(who, 'SUPPRESS', { roles: ['*'] });
    world.call(who, 'REVIVE');
    expect(world.scheduling.log.slice(1)).toEqual([
      `suppress ${who.id} [*]`,
      `revive ${who.id} []`,
    ]);
  });
});

describe('offers', () => {
  test('an offer has an address, and its role only for MULTI_ROLE', async () => {
    const old = await world.subscribe();
    world.scheduling.offer(frameworkId(old.id), { resources: RESOURCES });
    expect(old.sink.events.at(-1)).toMatchObject({
      type: 'OFFERS',
      offers: {
        offers: [
          {
            agent_id: { value: 'node-1' },
            hostname: 'node-1.test',
            url: { address: { ip: '10.0.0.1', hostname: 'node-1.test' } },
            resources: [
              { name: 'cpus', scalar: { value: 4 }, role: '*' },
              { name: 'mem', scalar: { value: 1024 }, role: '*' },
            ],
          },
        ],
      },
    });
    expect(JSON.stringify(old.sink.events.at(-1))).not.toContain('allocation_info');
    const multi = await world.subscribe({ roles: ['*'], capabilities: [{ type: 'MULTI_ROLE' }] });
    world.scheduling.offer(frameworkId(multi.id), { resources: RESOURCES });
    expect(multi.sink.events.at(-1)).toMatchObject({
      offers: { offers: [{ allocation_info: { role: '*' } }] },
    });
  });

  test('RESCIND and FAILURE are told', async () => {
    const who = await world.subscribe();
    const offer = world.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
    world.scheduling.rescind(offer.id);
    expect(who.sink.events.at(-1)).toEqual({
      type: 'RESCIND',
      rescind: { offer_id: { value: offer.id } },
    });
    world.api.delete(
      { ...PODS, plural: 'nodes', kind: 'Node', namespaced: false },
      { name: 'node-1' },
    );
    expect(who.sink.events.at(-1)).toEqual({
      type: 'FAILURE',
      failure: { agent_id: { value: 'node-1' } },
    });
  });

  test('DECLINE passes its filter on, and defaults to five seconds', async () => {
    const who = await world.subscribe();
    world.call(who, 'DECLINE', { offer_ids: [{ value: 'o' }] });
    world.call(who, 'DECLINE', { offer_ids: { value: 'o' }, filters: { refuse_seconds: 0 } });
    expect(world.scheduling.log.slice(1)).toEqual(['decline o 5000', 'decline o 0']);
  });
});

describe('tasks', () => {
  test('STARTING, RUNNING, FINISHED: each after the acknowledgement of the one before', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    world.run('t1');
    world.exit('t1', 0);
    expect(states(who)).toEqual(['TASK_STARTING']);
    await acknowledgeAll(who);
    expect(states(who)).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
    for (const status of who.sink.updates()) {
      expect(status).toMatchObject({ agent_id: { value: 'node-1' }, source: 'SOURCE_EXECUTOR' });
      expect(Buffer.from(status.uuid ?? '', 'base64')).toHaveLength(16);
    }
    await clock.settle();
    expect(world.pods()).toEqual([]);
  });

  test('an unacknowledged update is sent again after 10 s, 20 s, 40 s … 10 min', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    const at: number[] = [];
    for (let second = 0; second <= 2_000; second += 1) {
      const before = who.sink.updates().length;
      await clock.advance(1_000);
      if (who.sink.updates().length > before) at.push(second + 1);
    }
    expect(at).toEqual([10, 30, 70, 150, 310, 630, 1230, 1830]);
    expect(new Set(who.sink.updates().map((one) => one.uuid)).size).toBe(1);
  });

  test('a wrong uuid, agent or task acknowledges nothing', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    world.run('t1');
    const [status] = who.sink.updates();
    const uuid = Buffer.alloc(16, 7).toString('base64');
    const good = { agent_id: status?.agent_id, task_id: status?.task_id, uuid: status?.uuid };
    for (const bad of [{ uuid }, { agent_id: { value: 'x' } }, { task_id: { value: 'x' } }])
      expect(world.call(who, 'ACKNOWLEDGE', { ...good, ...bad }).kind).toBe('accepted');
    expect(states(who)).toEqual(['TASK_STARTING']);
    world.call(who, 'ACKNOWLEDGE', good);
    expect(states(who)).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
  });

  test('a restart repeats exactly what is owed, under the same uuid', async () => {
    const who = await world.subscribe({ failover_timeout: 600 });
    await launch(who, 't1');
    world.run('t1');
    world.acknowledge(who, who.sink.updates()[0] as never);
    await clock.advance(250);
    const owed = who.sink.updates()[1];
    expect(owed?.state).toBe('TASK_RUNNING');
    world.restart(2);
    world.exit('t1', 3);
    const back = await world.subscribe({ id: { value: who.id }, failover_timeout: 600 });
    expect(back.sink.updates()).toMatchObject([{ state: 'TASK_RUNNING', uuid: owed?.uuid }]);
    await acknowledgeAll(back);
    expect(back.sink.updates().at(-1)).toMatchObject({
      state: 'TASK_FAILED',
      message: 'Command exited with status 3',
    });
    await clock.settle();
    expect(world.pods()).toEqual([]);
  });

  test('an acknowledgement that arrives at the next master still counts', async () => {
    const who = await world.subscribe({ failover_timeout: 600 });
    await launch(who, 't1');
    world.run('t1');
    world.restart(2);
    const back = await world.subscribe({ id: { value: who.id }, failover_timeout: 600 });
    world.acknowledge(back, who.sink.updates()[0] as never);
    expect(states(back)).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
  });

  test('KILL ends the Pod with the task’s grace, and the end is KILLED whatever the exit code', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    world.run('t1');
    await acknowledgeAll(who);
    world.call(who, 'KILL', { task_id: { value: 't1' }, agent_id: { value: 'wrong' } });
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeUndefined();
    world.call(who, 'KILL', { task_id: { value: 't1' } });
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionGracePeriodSeconds).toBe(3);
    const sooner = { grace_period: { nanoseconds: 1_000_000_000 } };
    world.call(who, 'KILL', { task_id: { value: 't1' }, kill_policy: sooner });
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionGracePeriodSeconds).toBe(1);
    world.exit('t1', 0);
    await acknowledgeAll(who);
    expect(states(who).at(-1)).toBe('TASK_KILLED');
  });

  test('KILL of a task that is not there yet waits for its Pod', async () => {
    const who = await world.subscribe();
    const offer = world.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
    world.call(who, 'ACCEPT', launchOf([offer.id], [taskInfo('t1')]));
    world.call(who, 'KILL', { task_id: { value: 't1' } });
    expect(world.pods()).toEqual([]);
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeDefined();
  });

  test('KILL of an unknown task is answered like a question about it', async () => {
    const who = await world.subscribe();
    world.call(who, 'KILL', { task_id: { value: 'ghost' } });
    expect(who.sink.updates()).toMatchObject([
      { state: 'TASK_LOST', reason: 'REASON_RECONCILIATION' },
    ]);
    expect(who.sink.updates()[0]).not.toHaveProperty('uuid');
  });

  test('a Pod that vanishes is KILLED if it was being ended, else lost', async () => {
    const who = await world.subscribe({ capabilities: [{ type: 'PARTITION_AWARE' }] });
    await launch(who, 'killed', 'vanished');
    world.run('killed');
    world.run('vanished');
    await acknowledgeAll(who);
    world.call(who, 'KILL', { task_id: { value: 'killed' } });
    await clock.settle();
    for (const task of ['killed', 'vanished']) {
      const pod = world.podOf(task);
      world.api.update(PODS, { ...pod, metadata: { ...pod.metadata, finalizers: [] } });
      world.remove(task);
    }
    await acknowledgeAll(who);
    expect(states(who, 'killed').at(-1)).toBe('TASK_KILLED');
    expect(states(who, 'vanished').at(-1)).toBe('TASK_GONE');
  });

  test('an image that cannot be pulled fails the task', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    world.report('t1', 'Pending', {
      waiting: { reason: 'ImagePullBackOff', message: 'no such image' },
    });
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeDefined();
    world.report('t1', 'Failed', { waiting: { reason: 'ImagePullBackOff' } });
    await acknowledgeAll(who);
    expect(who.sink.updates().at(-1)).toMatchObject({
      state: 'TASK_FAILED',
      reason: 'REASON_CONTAINER_LAUNCH_FAILED',
      message: 'launch failed: ImagePullBackOff: no such image',
    });
  });

  test.each([
    ['Forbidden', 'TASK_ERROR', 'REASON_TASK_UNAUTHORIZED'],
    ['Invalid', 'TASK_ERROR', 'REASON_TASK_INVALID'],
    ['Unavailable', 'TASK_LOST', 'REASON_MASTER_DISCONNECTED'],
  ] as const)('a launch that fails as %s is told as %s', async (reason, state, told) => {
    const who = await world.subscribe();
    world.scheduling.failNext = { reason, message: 'because' };
    await launch(who, 't1');
    expect(who.sink.updates()).toMatchObject([{ state, reason: told, message: 'because' }]);
    expect(who.sink.updates()[0]).not.toHaveProperty('uuid');
  });

  test('void offers lose every task of the call', async () => {
    const who = await world.subscribe();
    world.call(who, 'ACCEPT', launchOf(['gone'], [taskInfo('t1'), taskInfo('t2')]));
    expect(who.sink.updates()).toMatchObject([
      { task_id: { value: 't1' }, state: 'TASK_LOST', reason: 'REASON_INVALID_OFFERS' },
      { task_id: { value: 't2' }, state: 'TASK_LOST', reason: 'REASON_INVALID_OFFERS' },
    ]);
  });

  test('one bad task does not hold up the others', async () => {
    const who = await world.subscribe();
    const offer = world.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
    const tasks = [
      taskInfo('other-agent', {}, 'node-9'),
      taskInfo('good'),
      taskInfo('good'),
      taskInfo('privileged', {
        container: { type: 'DOCKER', docker: { image: 'x', privileged: true } },
      }),
      taskInfo('huge', { resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 900 } }] }),
    ];
    world.call(who, 'ACCEPT', launchOf([offer.id], tasks));
    await clock.settle();
    const told = who.sink.updates().map((one) => [one.task_id.value, one.state, one.reason]);
    expect(told).toEqual([
      ['other-agent', 'TASK_ERROR', 'REASON_TASK_INVALID'],
      ['good', 'TASK_ERROR', 'REASON_TASK_INVALID'],
      ['privileged', 'TASK_ERROR', 'REASON_TASK_INVALID'],
      ['huge', 'TASK_ERROR', 'REASON_TASK_INVALID'],
      ['good', 'TASK_STARTING', undefined],
    ]);
    expect(world.pods()).toHaveLength(1);
  });

  test('operations that are not served fail with OPERATION_ERROR when they have an id', async () => {
    const who = await world.subscribe();
    const offer = world.scheduling.offer(frameworkId(who.id), { resources: RESOURCES });
    world.call(who, 'ACCEPT', {
      offer_ids: [{ value: offer.id }],
      operations: [{ type: 'RESERVE', id: { value: 'op' } }, { type: 'UNRESERVE' }],
    });
    expect(who.sink.events.slice(3)).toMatchObject([
      {
        type: 'UPDATE_OPERATION_STATUS',
        update_operation_status: {
          status: { operation_id: { value: 'op' }, state: 'OPERATION_ERROR' },
        },
      },
    ]);
  });
});

describe('reconciliation', () => {
  test('implicit: every live task; explicit: the named ones; no uuid', async () => {
    const who = await world.subscribe();
    await launch(who, 't1', 't2');
    world.run('t1');
    await acknowledgeAll(who);
    who.sink.events.length = 0;
    world.call(who, 'RECONCILE', { tasks: [] });
    const question = (value: string, agent?: string): unknown => ({
      task_id: { value },
      ...(agent === undefined ? {} : { agent_id: { value: agent } }),
    });
    world.call(who, 'RECONCILE', {
      tasks: [question('t2'), question('no'), question('no', 'node-1')],
    });
    expect(states(who)).toEqual([
      'TASK_RUNNING',
      'TASK_STARTING',
      'TASK_STARTING',
      'TASK_LOST',
      'TASK_LOST',
    ]);
    for (const status of who.sink.updates()) {
      expect(status).toMatchObject({ source: 'SOURCE_MASTER', reason: 'REASON_RECONCILIATION' });
      expect(status.uuid).toBeUndefined();
    }
  });

  test('soon after a restart unknown tasks are not declared lost', async () => {
    world.stop();
    world = new FrameworkHarness(clock, { reconcileQuietMs: 10_000 });
    const who = await world.subscribe();
    const ask = (): void =>
      void world.call(who, 'RECONCILE', { tasks: { task_id: { value: 'x' } } });
    ask();
    expect(states(who)).toEqual([]);
    await clock.advance(10_000);
    ask();
    expect(states(who)).toEqual(['TASK_LOST']);
  });
});

describe('failover time-out', () => {
  test('a framework that comes back in time keeps its tasks; one that does not loses them', async () => {
    const who = await world.subscribe({ failover_timeout: 100 });
    await launch(who, 't1');
    who.close();
    await clock.advance(99_000);
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeUndefined();
    const back = await world.subscribe({ id: { value: who.id }, failover_timeout: 100 });
    await clock.advance(500_000);
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeUndefined();
    back.close();
    await clock.advance(101_000);
    expect(world.podOf('t1').metadata).toMatchObject({ deletionTimestamp: expect.any(String) });
    expect(world.podOf('t1').metadata.finalizers).toBeUndefined();
    expect(world.frameworkObjects()[0]?.status?.completed).toBe(true);
    expect((await world.trySubscribe({ id: { value: who.id } })).kind).toBe('refused');
  });

  test('the time-out runs on through a restart, but gives at least the grace', async () => {
    const who = await world.subscribe({ failover_timeout: 100 });
    await launch(who, 't1');
    who.close();
    await clock.advance(90_000);
    world.restart(2);
    await clock.advance(59_000);
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeUndefined();
    await clock.advance(2_000);
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeDefined();
  });

  test('a framework without time-out that was connected at the crash has the grace to return', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    await clock.advance(10_000);
    world.restart(2);
    await clock.advance(30_000);
    const back = await world.subscribe({ id: { value: who.id } });
    await clock.advance(300_000);
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeUndefined();
    expect(back.sink.state).toBe('open');
  });

  test('TEARDOWN is durable before the first Pod is touched', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    const order: string[] = [];
    world.api.onCommit(({ ref, change }) => {
      const { status, metadata } = change.object as never as {
        status?: { completed?: boolean };
        metadata: { deletionTimestamp?: string };
      };
      if (ref.plural === 'frameworks' && status?.completed === true) order.push('completed');
      if (ref.plural === 'pods' && metadata.deletionTimestamp !== undefined) order.push('deleted');
    });
    world.call(who, 'TEARDOWN');
    await clock.settle();
    expect(order).toEqual(['completed', 'deleted']);
  });

  test('deleting the Framework object tears the framework down', async () => {
    const who = await world.subscribe({ failover_timeout: 100 });
    await launch(who, 't1');
    await world.kube.delete(FRAMEWORKS, { name: who.id, namespace: 'tenants' });
    expect(who.sink.errors()).toEqual([expect.stringContaining('was deleted')]);
    await clock.settle();
    expect(world.podOf('t1').metadata.deletionTimestamp).toBeDefined();
    expect(world.podOf('t1').metadata.finalizers).toBeUndefined();
  });
});

describe('faults of the API server', () => {
  test('a Pod in another namespace that claims to be my task is nothing to me', async () => {
    const who = await world.subscribe();
    await launch(who, 't1');
    const pod = world.podOf('t1');
    const { name, labels, annotations } = pod.metadata;
    world.api.create(PODS, {
      ...pod,
      metadata: {
        name,
        namespace: 'evil',
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined
          ? {}
          : { annotations: { ...annotations, 'mezzo.dev/task-id': 'fake' } }),
      },
    });
    expect(states(who, 'fake')).toEqual([]);
  });

  test('stop cuts every stream', async () => {
    const who = await world.subscribe({}, ALICE);
    world.hub.stop();
    expect(who.sink.state).toBe('cut');
  });
});
