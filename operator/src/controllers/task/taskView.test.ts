import { describe, expect, test } from '@jest/globals';
import { ended, RUNNING, taskPod } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION, LABEL } from '../../model/labels.ts';
import type { Container, Pod } from '../../schema/kubeObjects.ts';
import { podRequests, REVOCABLE_CPU, REVOCABLE_MEMORY, taskViewOf } from './taskView.ts';

const container = (cpu: string, more: Partial<Container> = {}): Container => ({
  name: 'c',
  image: 'x',
  resources: { requests: { cpu } },
  ...more,
});
const podOf = (spec: Partial<Pod['spec']>): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [], ...spec },
});
const SIDECAR = { restartPolicy: 'Always' };

describe('what a Pod takes on its node', () => {
  test.each<[string, Partial<Pod['spec']>, number]>([
    ['the sum of its containers', { containers: [container('200m'), container('300m')] }, 500],
    [
      'its largest init container, when that is more',
      { containers: [container('100m')], initContainers: [container('300m'), container('700m')] },
      700,
    ],
    [
      'its containers, when those are more',
      { containers: [container('1')], initContainers: [container('700m')] },
      1000,
    ],
    [
      'sidecars run beside the containers',
      { containers: [container('1')], initContainers: [container('250m', SIDECAR)] },
      1250,
    ],
    [
      'an init container runs beside the sidecars before it',
      {
        containers: [container('100m')],
        initContainers: [container('250m', SIDECAR), container('800m')],
      },
      1050,
    ],
    [
      'an init container before the sidecar runs alone',
      {
        containers: [container('100m')],
        initContainers: [container('800m'), container('250m', SIDECAR)],
      },
      800,
    ],
    [
      'the overhead of its runtime comes on top',
      { containers: [container('1')], overhead: { cpu: '50m' } },
      1050,
    ],
    [
      'a limit without a request counts as the request',
      { containers: [container('0', { resources: { limits: { cpu: '400m' } } })] },
      400,
    ],
    [
      'a request of one resource does not hide the limit of another',
      {
        containers: [
          container('0', { resources: { requests: { memory: '1Gi' }, limits: { cpu: '400m' } } }),
        ],
      },
      400,
    ],
  ])('%s', (_sentence, spec, cpus) => {
    expect(podRequests(podOf(spec))['cpus']).toBe(cpus);
  });
});

const view = (pod: Pod) => taskViewOf(pod);
const annotated = (annotations: Record<string, string>) => view(taskPod({ annotations }));

describe('a task', () => {
  test('is read from labels, annotations and requests', () => {
    expect(
      view(
        taskPod({
          instance: 3,
          generation: 2,
          role: 'eng/web',
          tier: 'production',
          status: RUNNING,
        }),
      ),
    ).toMatchObject({
      key: 'apps/shop-3-2',
      agent: 'node-1',
      framework: 'mezzo-jobs',
      role: 'eng/web',
      tier: 'production',
      jobKey: 'ServiceJob/apps/shop',
      instance: 3,
      generation: 2,
      resources: { cpus: 1000, mem: 2 ** 26 },
      revocable: {},
      held: true,
      terminal: false,
      startedAtMs: Date.UTC(2026, 0, 1, 0, 0, 1),
      readySinceMs: Date.UTC(2026, 0, 1, 0, 0, 2),
    });
  });
  test('revocable: borrowed CPU by extended resource, its memory by annotation', () => {
    const requests = { [REVOCABLE_CPU]: '500', [REVOCABLE_MEMORY]: '1048576' };
    const pod = taskPod({
      tier: 'revocable',
      annotations: { [ANNOTATION.resources]: '{"mem":"1Gi"}' },
    });
    const lent = {
      ...pod,
      spec: { ...pod.spec, containers: [container('0', { resources: { requests } })] },
    };
    expect(view(lent)).toMatchObject({
      tier: 'revocable',
      resources: { mem: 2 ** 30 },
      revocable: { cpus: 500, mem: 2 ** 20 },
    });
  });
  test.each<[string, string]>([
    ['no JSON', 'a lot'],
    ['JSON of another kind', '"1Gi"'],
    ['null', 'null'],
    ['a list', '[1]'],
    ['amounts nobody can read', '{"mem":"-5","cpus":"many"}'],
  ])('an annotation somebody edited into nonsense (%s) counts as nothing', (_what, text) => {
    expect(annotated({ [ANNOTATION.resources]: text }).resources).toEqual({
      cpus: 1000,
      mem: 2 ** 26,
    });
    expect(annotated({ [ANNOTATION.reserved]: text }).reserved).toEqual({});
  });
  test('numbers that are none are zero', () => {
    const task = annotated({
      [ANNOTATION.flaps]: 'x',
      [ANNOTATION.failures]: '',
      [ANNOTATION.priority]: 'high',
    });
    expect(task).toMatchObject({ flaps: 0, failures: 0, priority: 0 });
  });
  test('without role annotation belongs to the role of its label, and to the default role without both', () => {
    const pod = taskPod();
    const bare = (labels: Record<string, string>): Pod => ({
      ...pod,
      metadata: { ...pod.metadata, annotations: {}, labels },
    });
    expect(view(bare({ [LABEL.framework]: 'f', [LABEL.role]: 'web' })).role).toBe('web');
    expect(view(bare({ [LABEL.framework]: 'f' })).role).toBe('*');
  });
  test('an unknown tier is preemptible', () => {
    expect(view(taskPod({ tier: 'gold' })).tier).toBe('preemptible');
  });
});

describe('a run', () => {
  test('begins with its first container', () => {
    expect(view(taskPod({ status: ended(0) })).startedAtMs).toBe(Date.UTC(2026, 0, 1, 0, 0, 1));
  });
  test('never began where the kubelet refused the Pod, though it wrote a start time', () => {
    const status = {
      phase: 'Failed' as const,
      reason: 'OutOfcpu',
      startTime: '2026-01-01T00:00:05Z',
    };
    expect(view(taskPod({ status }))).toMatchObject({
      state: { state: 'LOST', reason: 'OutOfcpu' },
      startedAtMs: undefined,
      terminal: true,
    });
  });
  test('never began while its image is missing', () => {
    const waiting = { reason: 'ErrImagePull', message: 'not found' };
    const status = {
      phase: 'Pending' as const,
      startTime: '2026-01-01T00:00:05Z',
      containerStatuses: [{ name: 'task', state: { waiting } }],
    };
    expect(view(taskPod({ status })).startedAtMs).toBeUndefined();
  });
});
