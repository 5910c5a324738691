import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { silentLog } from '../../../../test/support/frameworkHarness.ts';
import { OperatorWorld, type TaskShape, taskPod } from '../../../../test/support/operatorWorld.ts';
import { taskId } from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { type KubeApi, KubeApiError, type KubeErrorCode } from '../../ports/kubeApi.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { createLauncher, type LaunchQueue, type LaunchResult } from './launcher.ts';

let clock: FakeClock;
let all: OperatorWorld;
let stopping: AbortController;
let launcher: LaunchQueue;
let observed: Pod[];
let creates: number;
/** Comes before the answer to each create. */
let held: () => Promise<void>;
/** What the next creates end with; `lost` makes the Pod and loses the reply. */
let faults: (KubeErrorCode | 'lost' | 'notLeader')[];

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  stopping = new AbortController();
  observed = [];
  creates = 0;
  faults = [];
  held = () => Promise.resolve();
  const create: KubeApi['create'] = async (ref, object, options) => {
    creates += 1;
    const fault = faults.shift();
    await held();
    if (fault === 'notLeader') throw new OperatorError('notLeader', 'not the leader');
    if (fault !== undefined && fault !== 'lost')
      throw new KubeApiError(fault, `the server says ${fault}`);
    const made = await all.kube.create(ref, object, options);
    if (fault === 'lost') throw new KubeApiError('unknownOutcome', 'connection reset');
    return made;
  };
  const kube = new Proxy(all.kube, {
    get: (target, name: keyof KubeApi) => (name === 'create' ? create : target[name].bind(target)),
  });
  launcher = createLauncher({
    kube,
    clock,
    log: silentLog,
    epoch: () => 7,
    signal: stopping.signal,
    observe: (pod) => observed.push(pod),
    cached: () => undefined,
  });
});

interface Launched {
  result: LaunchResult | undefined;
}

function launch(shape: TaskShape = {}): Launched {
  const launched: Launched = { result: undefined };
  launcher.launch({ task: taskId('t'), pod: taskPod(shape) }, (result) => {
    launched.result = result;
  });
  return launched;
}

const pods = (): readonly Pod[] => [...all.api.all(PODS)] as Pod[];
const assumed = (): string[] => launcher.assumed().map((pod) => pod.metadata.name);

describe('a launch', () => {
  test('makes the Pod, stamped with the epoch, and counts it as taken until then', async () => {
    const one = launch();
    expect(assumed()).toEqual(['shop-0-0']);
    await clock.settle();
    expect(one.result?.kind).toBe('created');
    expect(assumed()).toEqual([]);
    expect(pods()[0]?.metadata.annotations?.[ANNOTATION.epoch]).toBe('7');
  });

  test('whose reply was lost finds its Pod, makes no second one, and shows it to the cache', async () => {
    faults = ['lost'];
    const one = launch();
    await clock.advance(1_000);
    expect(one.result).toMatchObject({ kind: 'created', pod: { metadata: { name: 'shop-0-0' } } });
    expect(creates).toBe(2);
    expect(pods()).toHaveLength(1);
    expect(observed).toHaveLength(1);
    expect(assumed()).toEqual([]);
  });

  test('whose reply was lost and whose retry is refused is looked up, not given up', async () => {
    faults = ['lost', 'forbidden'];
    const one = launch();
    await clock.advance(1_000);
    expect(one.result).toMatchObject({ kind: 'created', pod: { metadata: { name: 'shop-0-0' } } });
  });

  test('that never arrived and is then refused has failed', async () => {
    faults = ['unknownOutcome', 'forbidden'];
    const one = launch();
    await clock.advance(1_000);
    expect(one.result).toMatchObject({ kind: 'failed', failure: { reason: 'Forbidden' } });
  });

  test('in doubt is asked about as long as it takes, and counts meanwhile', async () => {
    faults = Array.from({ length: 20 }, () => 'unknownOutcome' as const);
    const one = launch();
    await clock.advance(60_000);
    expect(one.result).toBeUndefined();
    expect(assumed()).toEqual(['shop-0-0']);
    await clock.advance(60_000);
    expect(one.result?.kind).toBe('created');
  });

  test('of a slot that a former leader filled takes its Pod as its own', async () => {
    all.pod(taskPod({ agent: 'node-9' }));
    const one = launch({ agent: 'node-1' });
    await clock.settle();
    expect(one.result).toMatchObject({ kind: 'created', pod: { spec: { nodeName: 'node-9' } } });
    expect(observed.map((pod) => pod.spec.nodeName)).toEqual(['node-9']);
  });

  test.each<[string, TaskShape]>([
    ['another job', { jobUid: 'uid-other' }],
    ['another generation', { metadata: { name: 'shop-0-0', namespace: 'apps', labels: {} } }],
  ])('whose name a Pod of %s has fails and says what to do', async (_whose, shape) => {
    all.pod(taskPod(shape));
    const one = launch();
    await clock.settle();
    expect(one.result).toEqual({
      kind: 'failed',
      failure: {
        reason: 'AlreadyExists',
        message:
          "a Pod named shop-0-0 exists in namespace apps and is not this task's; delete or rename it",
      },
    });
    expect(observed).toEqual([]);
  });

  test('an API server that refuses for half a minute costs it; the capacity is free again', async () => {
    faults = Array.from({ length: 100 }, () => 'unavailable' as const);
    const one = launch();
    await clock.advance(29_000);
    expect(one.result).toBeUndefined();
    await clock.advance(10_000);
    expect(one.result).toMatchObject({
      kind: 'failed',
      failure: { reason: 'Unavailable', message: 'the server says unavailable' },
    });
    expect(assumed()).toEqual([]);
  });

  test('a short refusal is waited out', async () => {
    faults = ['tooManyRequests', 'unavailable'];
    const one = launch();
    await clock.advance(5_000);
    expect(one.result?.kind).toBe('created');
  });

  test.each<[KubeErrorCode, string]>([
    ['forbidden', 'Forbidden'],
    ['unauthorized', 'Forbidden'],
    ['invalid', 'Invalid'],
    ['badRequest', 'Invalid'],
    ['notFound', 'Invalid'],
  ])('%s is final: %s, with the words of the server', async (code, reason) => {
    faults = [code];
    const one = launch();
    await clock.settle();
    expect(one.result).toEqual({
      kind: 'failed',
      failure: { reason, message: `the server says ${code}` },
    });
    expect(creates).toBe(1);
  });

  test('by a process that lost the lead stops, and its Pod stays counted', async () => {
    faults = ['notLeader'];
    const one = launch();
    await clock.settle();
    expect(one.result).toEqual({ kind: 'stopped' });
    expect(assumed()).toEqual(['shop-0-0']);
  });

  test('of many: twenty-four at once, and no deadline runs for those that wait', async () => {
    const answers: (() => void)[] = [];
    held = (): Promise<void> => new Promise((resolve) => answers.push(resolve));
    const many = Array.from({ length: 40 }, (_, index) =>
      launch({ metadata: { name: `shop-${index}-0`, namespace: 'apps' } }),
    );
    await clock.settle();
    expect([creates, launcher.waiting(), assumed().length]).toEqual([24, 16, 40]);
    await clock.advance(60_000);
    for (let round = 0; round < 40; round += 1) {
      answers.shift()?.();
      await clock.settle();
    }
    expect(many.filter((one) => one.result?.kind === 'created')).toHaveLength(40);
    expect([creates, launcher.waiting(), assumed().length]).toEqual([40, 0, 0]);
  });

  test('that is refused for now lets others go before it is tried again', async () => {
    faults = Array.from({ length: 24 }, () => 'unavailable' as const);
    const many = Array.from({ length: 30 }, (_, index) =>
      launch({ metadata: { name: `shop-${index}-0`, namespace: 'apps' } }),
    );
    await clock.settle();
    const ends = many.map((one) => one.result?.kind ?? 'open');
    expect(ends.slice(23, 26)).toEqual(['open', 'created', 'created']);
  });

  test('stops when the process does, in the middle of waiting', async () => {
    faults = ['unavailable', 'unavailable'];
    const one = launch();
    await clock.settle();
    stopping.abort(new Error('stopped'));
    await clock.advance(60_000);
    expect(one.result).toEqual({ kind: 'stopped' });
    expect(pods()).toEqual([]);
  });
});
